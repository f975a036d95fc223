"""Sdists of the tiny projects under tests/projects/: the same call gives the same bytes, whatever the clock says.

A project is one folder, or several laid over each other, the last on top: `change-base` brings a build backend of one
page, and `change-slow` over it replaces what that backend does.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.archive_makers import wheel_bytes

PROJECTS = Path(__file__).parent / "projects"


def make_sdist(
    destination: Path,
    name: str,
    version: str = "1.0",
    *,
    parts: Sequence[str] = ("change-base",),
    requires: Sequence[str] = (),
    build_requires: Sequence[str] | None = None,
    note: str = "",
) -> Path:
    """Write `<name>-<version>.tar.gz` into a folder. `note` changes its bytes and nothing else."""
    files = _files(parts)
    files["pyproject.toml"] = _declared(files["pyproject.toml"], name, version, requires, build_requires)
    files["PKG-INFO"] = _metadata(name, version, requires, note)
    stem = f"{name.replace('-', '_')}-{version}"
    destination.mkdir(parents=True, exist_ok=True)
    path = destination / f"{stem}.tar.gz"
    path.write_bytes(gzip.compress(_tar(stem, files), mtime=0))
    return path


def make_wheel(
    destination: Path, name: str, version: str = "1.0", *, requires: Sequence[str] = (), weight: int = 0
) -> Path:
    """Write `<name>-<version>-py3-none-any.whl`, with one module of that name and so many bytes of ballast."""
    stem = f"{name.replace('-', '_')}-{version}"
    module = {f"{name.replace('-', '_')}.py": f"WORD = {version!r}\n".encode()}
    if weight:
        module[f"{name.replace('-', '_')}.bin"] = Random(name).randbytes(weight)  # noqa: S311 - it must not compress
    metadata = _metadata(name, version, requires, "")
    destination.mkdir(parents=True, exist_ok=True)
    path = destination / f"{stem}-py3-none-any.whl"
    path.write_bytes(wheel_bytes(module, info=f"{stem}.dist-info", metadata=metadata))
    return path


def _files(parts: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in parts:
        folder = PROJECTS / part
        paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        found |= {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return found


def _declared(
    pyproject: bytes, name: str, version: str, requires: Sequence[str], build_requires: Sequence[str] | None
) -> bytes:
    text = pyproject.decode()
    said = {"name": f'"{name}"', "version": f'"{version}"', "dependencies": _toml(requires)}
    if build_requires is not None:
        said["requires"] = _toml(build_requires)
    lines = (line.partition(" = ") for line in text.splitlines())
    text = "".join(f"{key}{equals}{said.get(key, value)}\n" for key, equals, value in lines)
    return text.encode()


def _toml(texts: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def _metadata(name: str, version: str, requires: Sequence[str], note: str) -> bytes:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {text}" for text in requires]
    lines += [f"Summary: {note}"] if note else []
    return "".join(f"{line}\n" for line in lines).encode()


def _tar(stem: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size, member.mtime, member.mode = len(content), 1_700_000_000, 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
