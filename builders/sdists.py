"""The strict reading of one sdist, between fetch and build. Nothing is extracted, no code runs.

file name ─> members (tar or zip) ─> names, links, one folder ─> PKG-INFO, pyproject.toml ─> Sdist
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeGuard

from builders.archives import (
    MAX_PATH,
    Member,
    broken,
    check_members,
    check_short,
    clamped,
    control_in,
    opened,
    path_problem,
)
from builders.coremetadata import parse_metadata
from builders.filenames import SdistName, parse_sdist_name, same_release
from builders.requirements import parse_requirement
from builders.tars import read_members
from builders.zips import read_entries, read_stream, read_text

LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
LEGACY_REQUIRES = ("setuptools>=40.8.0",)
_MOST_FOLDERS = 100
"""Of backend-path, which names one or two; the backend, however long its name, is looked for in each."""
_MOST_PARTS = 32
_LONG_KEY = re.compile(
    rb"""(?:\.[ \t]*(?:[\w-]+|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*){%d}""" % _MOST_PARTS, re.ASCII,
)  # fmt: skip
"""More parts of a key, a.b.c, than anyone writes. tomllib keeps the way to each part, the square of their number; with
this limit and that of the size it takes two seconds and 250 MB at most."""
_TEXTS = frozenset(("PKG-INFO", "pyproject.toml"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sdist:
    """What a strict reading of one sdist yields.

    `top` is its one folder; `newest` the newest member's time in seconds, within what a zip can say.
    """

    top: str
    build_requires: tuple[str, ...]
    build_backend: str
    backend_path: tuple[str, ...]
    newest: int


def read_sdist(path: Path, *, filename: str | None = None) -> Sdist:
    """Read the sdist at `path`, called `filename` where the path is not. ArchiveError names file, entry and rule."""
    filename = path.name if filename is None else filename
    claim = parse_sdist_name(filename)
    with opened(path, filename) as file:
        read = _from_zip if claim.suffix == ".zip" else _from_tar
        members, texts = read(file, filename, claim.suffix)
    members = [member for member in members if member.name != "." or member.kind != "directory"]
    check_members(filename, members)
    top = _one_top(filename, members)
    _check_links(filename, members, top)
    _check_metadata(filename, claim, texts, f"{top}/PKG-INFO")
    requires, backend, backend_path = _read_build_system(filename, members, texts, f"{top}/pyproject.toml")
    return Sdist(
        top=top, build_requires=requires, build_backend=backend, backend_path=backend_path,
        newest=clamped(max(member.mtime for member in members)),
    )  # fmt: skip


def _wanted(name: str) -> bool:
    top, _, leaf = name.partition("/")
    return bool(top) and leaf in _TEXTS


def _from_tar(file: BinaryIO, filename: str, suffix: str) -> tuple[list[Member], dict[str, bytes]]:
    return read_members(file, filename, suffix, _wanted)


def _from_zip(file: BinaryIO, filename: str, _suffix: str) -> tuple[list[Member], dict[str, bytes]]:
    """A zip has a CRC for each entry, so all of them are unpacked, to nowhere."""
    entries = read_entries(file, filename)
    texts = {entry.name: read_text(file, filename, entry) for entry in entries if _wanted(entry.name)}
    for entry in entries:
        for _piece in read_stream(file, filename, entry):
            pass
    return [entry.member() for entry in entries], texts


def _one_top(filename: str, members: list[Member]) -> str:
    """The one folder that everything lies in."""
    tops = {member.name.partition("/")[0] for member in members}
    if len(tops) != 1:
        raise broken(filename, f"an sdist is one folder; this one has {len(tops)} things at its top")
    top = tops.pop()
    for member in members:
        if member.name == top and member.kind != "directory":
            raise broken(filename, "an sdist is one folder; this is a file", entry=top)
    return top


def _check_links(filename: str, members: list[Member], top: str) -> None:
    """Links stay in the top folder, and nothing goes through one: so a path means what it says."""
    links = {member.name for member in members if member.kind == "symlink"}
    files: set[str] = set()
    for member in members:
        match member.kind:
            case "file":
                files.add(member.name)
            case "hardlink" if member.target.removeprefix("./") not in files:
                raise broken(
                    filename, "it is a hard link to something that is no earlier file of the sdist", entry=member.name
                )
            case "hardlink":
                files.add(member.name)
            case "symlink" if problem := _link_problem(member, links, top):
                raise broken(filename, problem, entry=member.name)


def _link_problem(link: Member, links: set[str], top: str) -> str:
    """Which rule a symbolic link breaks; '..' is resolved by words alone, which is right as no link lies on the way."""
    if not link.target or link.target.startswith("/") or "\\" in link.target or control_in(link.target):
        return "it is a link to an absolute path, or to none"
    if len(link.target) > MAX_PATH:
        return f"it is a link to a path of more than {MAX_PATH} characters"
    at = link.name.rpartition("/")[0]
    parts = [part for part in link.target.split("/") if part not in {"", "."}]
    for i, part in enumerate(parts):
        at = at.rpartition("/")[0] if part == ".." else f"{at}/{part}"
        if at.partition("/")[0] != top:
            return "it is a link that leads out of the sdist"
        if i + 1 < len(parts) and at in links:
            return "it is a link that goes through another link"
    return ""


def _check_metadata(filename: str, claim: SdistName, texts: dict[str, bytes], entry: str) -> None:
    """PKG-INFO, which decides between the readings of the file name."""
    if entry not in texts:
        raise broken(filename, "every sdist has this file; it is missing", entry=entry)
    core = parse_metadata(texts[entry], archive=filename, entry=entry)
    if not any(same_release(reading, (core.project, core.version)) for reading in claim.readings):
        raise broken(filename, f"it says {core.project} {core.version}, unlike the file name", entry=entry)


def _read_build_system(
    filename: str, members: list[Member], texts: dict[str, bytes], entry: str
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """[build-system], by PEP 517 and 518: without the table, setuptools as it was before there was one."""
    import tomllib

    data = texts.get(entry, b"")
    check_short(filename, data, entry)
    if _LONG_KEY.search(data):
        raise broken(filename, f"a key in it has more than {_MOST_PARTS} parts", entry=entry)
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number that Python does not read
        raise broken(filename, f"it is not TOML ({error})", entry=entry) from error
    table = document.get("build-system")
    if table is None:
        return LEGACY_REQUIRES, LEGACY_BACKEND, ()
    if not isinstance(table, dict):
        raise broken(filename, "build-system is not a table", entry=entry)
    requires, backend, paths = table.get("requires"), table.get("build-backend"), table.get("backend-path")
    if not _is_texts(requires):
        raise broken(filename, "build-system.requires is not a list of requirements", entry=entry)
    for text in requires:
        if problem := _requirement_problem(text):
            raise broken(filename, f"build-system.requires {problem}", entry=entry)
    if backend is not None and not _is_backend(backend):
        raise broken(filename, "build-system.build-backend is not module, or module:object", entry=entry)
    if paths is not None:
        _check_backend_path(filename, members, paths, backend, entry)
    return tuple(requires), backend or LEGACY_BACKEND, tuple(paths or ())


def _check_backend_path(filename: str, members: list[Member], paths: object, backend: str | None, entry: str) -> None:
    """PEP 517: a backend in the tree is looked for in these folders of it, and must be found there."""
    top = entry.partition("/")[0]
    if not _is_texts(paths) or not paths or backend is None:
        raise broken(filename, "build-system.backend-path is not a list of folders beside a build-backend", entry=entry)
    if len(paths) > _MOST_FOLDERS:
        raise broken(filename, f"build-system.backend-path is longer than {_MOST_FOLDERS} folders", entry=entry)
    names = {member.name for member in members}
    module = backend.partition(":")[0].replace(".", "/")
    places: list[str] = []
    for path in paths:
        relative = "/".join(part for part in path.split("/") if part not in {"", "."})
        if path.startswith("/") or (relative and path_problem(relative)):
            raise broken(filename, f"build-system.backend-path leads out of the sdist: {path!r}", entry=entry)
        places.append("/".join(part for part in (top, relative, module) if part))
    if not any(name in names or name + ".py" in names or f"{name}/__init__.py" in names for name in places):
        raise broken(filename, f"its backend {backend!r} is in none of the folders of backend-path", entry=entry)


def _is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _requirement_problem(text: str) -> str:
    """What is wrong with one entry of build-system.requires; a direct reference would pass by index and lock."""
    try:
        direct = parse_requirement(text).url
    except ValueError:
        return f"is not a list of requirements: {text[:80]!r}"
    return f"asks for {text[:80]!r}, one file; what it is built with is asked for by name and version" if direct else ""


def _is_backend(value: object) -> bool:
    """`module.path` or `module.path:object.path`, identifiers all."""
    if not isinstance(value, str) or value.count(":") > 1:
        return False
    return all(part.isidentifier() for half in value.split(":") for part in half.split("."))
