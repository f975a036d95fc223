"""The index that this machine is set to: what its own uv or pip would ask, found without either where files say it."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from builders.errors import UpstreamError
from builders.urls import Url, strip_index_name

_ASK_PIP = "from pip._internal.models.index import PyPI; print(f'<{PyPI.simple_url}>')"


def machine_index(environ: Mapping[str, str]) -> Url:
    """The index that this machine's own uv or pip would ask: variables first, then their files, then their default.

    The default is asked of pip, or of uv where there is no pip, in a process of its own: no registry is named here.
    """
    for place, text in settings(environ):
        if not text.strip():
            continue
        url = Url.parse(strip_index_name(text))
        if url.scheme == "file":
            raise UpstreamError(
                f"{place} sets this machine's index to the folder {url}, which cannot be asked",
                hint="Name an upstream in platforms.yaml: `url:` for a server, `find-links:` for a folder of files.",
            )
        return url
    return _built_in(environ)


def settings(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each place that may name the index, the strongest first, and what it says, maybe nothing."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        yield variable, environ.get(variable, "")
    for path in reversed(_pip_files(environ)):
        yield str(path), _from_pip(path)
    for path in _uv_files(environ):
        yield str(path), _from_uv(path)


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """Pip's files; a later one wins. Its rule: PIP_CONFIG_FILE=os.devnull switches them all off."""
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return []
    home = Path(environ.get("HOME") or "/nonexistent")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    folders = [Path(folder) for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if folder]
    if sys.platform == "darwin":
        folders, mac = [Path("/Library/Application Support")], home / "Library/Application Support/pip"
        config = mac.parent if mac.is_dir() else config
    files = [folder / "pip/pip.conf" for folder in folders] + [Path("/etc/pip.conf")]
    files += [home / ".pip/pip.conf", config / "pip/pip.conf", Path(sys.prefix, "pip.conf")]
    return files + ([Path(chosen)] if chosen else [])


def _from_pip(path: Path) -> str:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError, configparser.Error):
        raise UpstreamError(f"{path} cannot be read as pip's configuration") from None
    found = [
        parser.get(section, "index-url", fallback=parser.get(section, "index_url", fallback=""))
        for section in ("install", "global")
    ]
    return next(filter(None, found), "")


def _uv_files(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME") or "/nonexistent")
    return [Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "uv/uv.toml"), Path("/etc/uv/uv.toml")]


def _from_uv(path: Path) -> str:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise UpstreamError(f"{path} cannot be read as uv's configuration") from None
    indexes = table.get("index", [])
    chosen = [entry.get("url") for entry in indexes if isinstance(entry, dict) and entry.get("default") is True]
    pip = table.get("pip", {})
    candidates = [*chosen, table.get("index-url"), pip.get("index-url") if isinstance(pip, dict) else None]
    return next((text for text in candidates if isinstance(text, str)), "")


def _built_in(environ: Mapping[str, str]) -> Url:
    from builders.uv_program import uv_for_host

    bare = {name: environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in environ} | {"COLUMNS": "400"}
    tries: tuple[Callable[[], list[str]], ...] = (
        lambda: [sys.executable, "-I", "-c", _ASK_PIP],
        lambda: [str(uv_for_host()), "pip", "compile", "--help", "--no-config"],
    )
    for argv in tries:
        try:
            told = subprocess.run(argv(), env=bare, capture_output=True, text=True, timeout=60, check=False).stdout
        except (OSError, ImportError, subprocess.TimeoutExpired):
            continue
        found = re.search(r"<(https://[^>\s]+)>", told)
        if found:
            return Url.parse(found[1])
    raise UpstreamError(
        "no package index is known on this machine",
        hint="Name one under `upstream:` in platforms.yaml, or set PIP_INDEX_URL.",
    )
