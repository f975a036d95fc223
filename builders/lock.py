"""Locks: PEP 751 files as uv writes them, with a table of our own that says what they were made from.

[tool.wheelyard]
inputs = "<sha256>"             everything the answer depends on; as long as it stays, the lock stays
extra-requires = [...]          build locks: what the backend asked for beyond [build-system] requires
[tool.wheelyard.asked-by]       who wants each package; the set itself is ""
[tool.wheelyard.yanked]         files that the index calls yanked, with its reason
[tool.wheelyard.status]         projects that the index does not call active: status and reason (PEP 792)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.errors import StoreError

if TYPE_CHECKING:
    from datetime import datetime

    from packaging.pylock import PackageSdist, PackageWheel
    from packaging.utils import NormalizedName

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedFile:
    """One file that a lock names. `url` is as the index gave it, or the absolute path of a file in a find-links folder.

    `yanked` is None, or the reason that the index gives, which may be empty.
    """

    filename: str
    url: str
    sha256: str
    size: int | None
    upload_time: str | None
    yanked: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackage:
    """One package of a lock with every file that it offers to this platform."""

    name: NormalizedName
    version: str
    sdist: LockedFile | None
    wheels: tuple[LockedFile, ...]
    asked_by: tuple[str, ...]
    status: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A lock file's content; packages in the file's order, which is by name."""

    packages: tuple[LockedPackage, ...]
    inputs: str
    extra_requires: tuple[str, ...] = ()


def read_lock(path: Path) -> Lock | None:
    """The lock in a file, or None where there is none; StoreError when it is not a lock."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise _broken(path, str(error)) from error
    return parse_lock(text, path)


def parse_lock(text: str, path: Path) -> Lock:
    """A lock from its text; `path` is for the error's place."""
    import tomllib

    from packaging.pylock import Pylock, PylockValidationError
    from packaging.utils import canonicalize_name

    try:
        table = tomllib.loads(text)
        pylock = Pylock.from_dict(table)
    except (tomllib.TOMLDecodeError, PylockValidationError, ValueError) as error:
        raise _broken(path, str(error)) from error
    except RecursionError as error:
        raise _broken(path, "it is nested too deeply") from error
    ours = _ours(table, path)
    asked_by, yanked, statuses = (ours.get(name, {}) for name in ("asked-by", "yanked", "status"))
    packages = []
    for package in pylock.packages:
        if package.version is None or not (package.sdist or package.wheels):
            raise _broken(path, f"{package.name} is not a package from an index")
        packages.append(
            LockedPackage(
                name=canonicalize_name(package.name),
                version=str(package.version),
                sdist=_file(package.sdist, path, yanked) if package.sdist else None,
                wheels=tuple(_file(wheel, path, yanked) for wheel in package.wheels or ()),
                asked_by=tuple(asked_by.get(package.name, ())),
                status=tuple(statuses[package.name]) if package.name in statuses else None,
            )
        )
    return Lock(
        packages=tuple(packages),
        inputs=ours.get("inputs", ""),
        extra_requires=tuple(ours.get("extra-requires", ())),
    )


def _file(entry: PackageSdist | PackageWheel, path: Path, yanked: Mapping[str, str]) -> LockedFile:
    """The same fields for a wheel and an sdist of packaging.pylock."""
    from packaging.pylock import PylockValidationError

    try:
        where, filename = _where(entry, path), entry.filename
    except (PylockValidationError, ValueError, OSError, RuntimeError) as error:  # a NUL, a loop of links
        raise _broken(path, str(error)) from error
    if "sha256" not in entry.hashes:
        raise _broken(path, f"{where} has no sha256")
    sha256 = entry.hashes["sha256"].lower()
    if not _SHA256.fullmatch(sha256):  # it becomes a name in the store
        raise _broken(path, f"{where} has a sha256 that is no sha256 (64 hexadecimal digits): {sha256[:80]!r}")
    return LockedFile(
        filename=filename,
        url=where,
        sha256=sha256,
        size=entry.size,
        upload_time=_time(entry.upload_time) if entry.upload_time else None,
        yanked=yanked.get(filename),
    )


def _where(entry: PackageSdist | PackageWheel, path: Path) -> str:
    """Its URL, or the absolute path that it has seen from the lock."""
    if entry.url and "://" not in entry.url:
        raise ValueError(f"{entry.url[:80]!r} is no URL with a scheme")
    return entry.url or str(path.parent.joinpath(entry.path or "").resolve())


def _time(said: datetime) -> str:
    """Not by strftime, whose %Y has less than four digits for years before 1000."""
    return said.replace(tzinfo=None).isoformat() + "Z"


def _ours(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Our own table; each key in it has the shape that render_lock gives it."""
    ours = table.get("tool", {}).get("wheelyard", {})
    if not isinstance(ours, dict):
        raise _broken(path, "tool.wheelyard is not a table")
    for name, (fits, shape) in _VALUES.items():
        if name in ours and not fits(ours[name]):
            raise _broken(path, f"tool.wheelyard.{name} is not {shape}")
    for name, (fits, shape) in _TABLES.items():
        values = ours.get(name, {})
        if not isinstance(values, dict):
            raise _broken(path, f"tool.wheelyard.{name} is not a table")
        for key in (key for key, value in values.items() if not fits(value)):
            raise _broken(path, f"{key!r} of tool.wheelyard.{name} is not {shape}")
    return ours


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_status(value: object) -> bool:
    return isinstance(value, list) and _is_texts(value) and len(value) == 2


_VALUES = {"inputs": (_is_text, "a text"), "extra-requires": (_is_texts, "a list of texts")}
_TABLES = {
    "asked-by": (_is_texts, "a list of texts"),
    "yanked": (_is_text, "a text"),
    "status": (_is_status, "a status and its reason"),
}


def _broken(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path}: not a lock file: {why}", hint="bring it back from version control, or delete it to lock again"
    )


def _toml(value: str | list[str]) -> str:
    r"""A text, or a list of them; a lone surrogate, which TOML cannot say, was written out where it came in (pages).

    What JSON leaves as it is above ASCII is TOML too, but for DEL; as JSON's \u, a snake would be two half ones.
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def render_lock(
    pylock: str,
    *,
    inputs: str,
    asked_by: Mapping[str, tuple[str, ...]],
    yanked: Mapping[str, str],
    statuses: Mapping[str, tuple[str, str]],
    extra_requires: tuple[str, ...] = (),
) -> str:
    """A lock file's text: what uv wrote, and our table."""
    lines = [pylock.rstrip(), "", "[tool.wheelyard]", f"inputs = {_toml(inputs)}"]
    if extra_requires:
        lines.append(f"extra-requires = {_toml(list(extra_requires))}")
    lines += ["", "[tool.wheelyard.asked-by]"]
    lines += [f"{_toml(name)} = {_toml(sorted(names))}" for name, names in sorted(asked_by.items())]
    if yanked:
        lines += ["", "[tool.wheelyard.yanked]"]
        lines += [f"{_toml(name)} = {_toml(reason)}" for name, reason in sorted(yanked.items())]
    if statuses:
        lines += ["", "[tool.wheelyard.status]"]
        lines += [f"{_toml(name)} = {_toml(list(said))}" for name, said in sorted(statuses.items())]
    return "\n".join(lines) + "\n"
