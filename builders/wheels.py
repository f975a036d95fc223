"""The strict reading of one wheel, after fetch, after build and after repair.

    file name ─> zip structure ─> WHEEL, RECORD, METADATA ─> every entry hashed once ─> WheelFile

Whatever the file name, WHEEL, METADATA and RECORD say must agree with each other and with the bytes.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Collection, Container
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from packaging.utils import NormalizedName

from builders.archives import MAX_ENTRIES, broken, check_short, control_in, opened, path_problem
from builders.coremetadata import CoreMetadata, parse_metadata
from builders.filenames import (
    MAX_TAGS,
    WheelName,
    expand_tag,
    normalised_version,
    parse_wheel_name,
    same_release,
    split_name,
)
from builders.machines import COPROCESSORS, canonical_machine, machine_of
from builders.terminal import visible
from builders.zips import Entry, read_entries, read_stream, read_text

_SCHEMES = frozenset(("purelib", "platlib", "headers", "scripts", "data"))
_LIBRARIES = frozenset(("purelib", "platlib"))
_INFOS = (".dist-info", ".egg-info")
_MOST_LINES = 2 * MAX_ENTRIES
"""Of RECORD, which lists each entry once, and in some wheels twice."""
_HASHES = frozenset(("sha256", "sha384", "sha512"))
_UNRECORDED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_SCRIPTS = frozenset(("console_scripts", "gui_scripts"))
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# What in a namespace is not for import: it may run a program, or need what no user has.
_ASIDE = frozenset(("__main__", "benchmarks", "docs", "examples", "scripts", "test", "tests"))
_DEEPEST = 3  # parts of a name, as google.cloud.storage has; deeper in namespaces ansible has plugins and tools
_MOST_BELOW = 100  # names in namespaces
_EXTENSION = re.compile(r"(?P<name>[^./]+)(?:\.[^./]+)?\.(?:so|pyd)", re.ASCII)
_LIBRARY = re.compile(r"lib[^.]*\.so")


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFile:
    """What a strict reading of one wheel yields.

    `version` is normalised; `tags` are expanded and sorted; `metadata` is METADATA byte for byte; `modules` are the
    names one can import; `binaries` are (entry, machine).
    """

    filename: str
    project: NormalizedName
    version: str
    tags: tuple[str, ...]
    metadata: bytes
    requires_python: str | None
    requires_dist: tuple[str, ...]
    summary: str
    license: str
    modules: tuple[str, ...]
    binaries: tuple[tuple[str, str], ...]


class _Row(NamedTuple):
    """One line of RECORD: algorithm and unpadded digest, and the size where it is said."""

    algorithm: str
    digest: str
    size: str


def read_wheel(path: Path, *, filename: str | None = None) -> WheelFile:
    """Read the wheel at `path`, called `filename` where the path is not (blobs are called by their hash).

    Raises ArchiveError with file, entry and rule. Reads every byte once, extracts nothing, holds one MiB at a time.
    """
    filename = path.name if filename is None else filename
    claim = parse_wheel_name(filename)
    with opened(path, filename) as file:
        entries = {entry.name: entry for entry in read_entries(file, filename)}
        info = _find_info(filename, claim, entries)
        _check_wheel_info(_said(file, filename, entries, f"{info}/WHEEL"), filename, claim, f"{info}/WHEEL")
        metadata = _said(file, filename, entries, f"{info}/METADATA")
        core = _check_metadata(metadata, filename, claim, f"{info}/METADATA")
        _check_scripts(file, filename, entries.get(f"{info}/entry_points.txt"))
        record = _said(file, filename, entries, f"{info}/RECORD")
        rows = _read_record(record, filename, f"{info}/RECORD", entries)
        binaries = _check_content(file, filename, entries, rows, info)
    _check_mislabelled(filename, claim, binaries)
    return WheelFile(
        filename=filename, project=claim.project, version=claim.version, tags=claim.tags,
        metadata=metadata, requires_python=core.requires_python, requires_dist=core.requires_dist,
        summary=core.summary, license=core.license, modules=_modules(entries), binaries=binaries,
    )  # fmt: skip


def check_identity(wheel: WheelFile, *, project: NormalizedName, version: str) -> None:
    """ArchiveError where the wheel is another project's, or of another version, than what was asked for."""
    wanted = normalised_version(version)
    if not wanted or not same_release((wheel.project, wheel.version), (project, wanted)):
        raise broken(wheel.filename, f"it is {wheel.project} {wheel.version}, where {project} {version} was asked for")


def check_machine(wheel: WheelFile, *, machine: str) -> None:
    """ArchiveError where a program in the wheel is for another machine than the platform's (x86_64, aarch64, arm64...).

    A wheel for any platform brings its own choice of programs; read_wheel has seen to it that it is one.
    """
    if all(tag.endswith("-any") for tag in wheel.tags):
        return
    ours = canonical_machine(machine)
    for entry, theirs in wheel.binaries:
        parts = theirs.removeprefix("macho-").split("+") if theirs.startswith("macho-") else [theirs]
        fits = {canonical_machine(part) for part in parts}
        if theirs.startswith("pe-") or fits & {ours, "universal2", *COPROCESSORS}:
            continue
        raise broken(wheel.filename, f"it is compiled for {theirs}, and the platform is {machine}", entry=entry)


def _find_info(filename: str, claim: WheelName, entries: dict[str, Entry]) -> str:
    """The one .dist-info folder; and .data, where there is one, must be this wheel's and hold known schemes only."""
    tops = {name.partition("/")[0] for name in entries}
    infos = sorted(top for top in tops if top.lower().endswith(".dist-info"))
    if len(infos) != 1:
        raise broken(filename, f"it has {len(infos)} .dist-info folders; a wheel has one")
    for top in [*infos, *sorted(top for top in tops if top.lower().endswith(".data"))]:
        names = split_name(top.rpartition(".")[0])
        if not any(same_release(name, (claim.project, claim.version)) for name in names):
            raise broken(filename, "this folder is named after another project or version", entry=top)
    for name, entry in entries.items():
        top, *rest = name.split("/")
        if top.lower().endswith(".data") and not entry.directory and (len(rest) < 2 or rest[0] not in _SCHEMES):
            raise broken(filename, f"a .data folder holds {', '.join(sorted(_SCHEMES))} and nothing else", entry=name)
        if top.lower().endswith(".data") and rest[1:] and rest[0] in _LIBRARIES and rest[1].lower().endswith(_INFOS):
            raise broken(filename, "it would be installed as a second project, beside the wheel's own", entry=name)
    return infos[0]


def _said(file: BinaryIO, filename: str, entries: dict[str, Entry], name: str) -> bytes:
    entry = entries.get(name)
    if entry is None or entry.directory:
        raise broken(filename, "every wheel has this file; it is missing", entry=name)
    return read_text(file, filename, entry)


def _check_wheel_info(data: bytes, filename: str, claim: WheelName, entry: str) -> None:
    """Version, build and tags are those of the file name."""
    check_short(filename, data, entry)
    lines = [line.partition(":") for line in data.decode("utf-8", "replace").splitlines()]
    fields = [(key.strip().lower(), value.strip()) for key, _, value in lines]
    said = {key: value for key, value in fields if key != "tag"}
    if said.get("wheel-version", "").partition(".")[0] != "1":
        raise broken(filename, "its Wheel-Version is missing, or is not 1.x", entry=entry)
    each = (tag for key, value in fields if key == "tag" for tag in expand_tag(value))
    tags = list(islice(each, MAX_TAGS + 1))  # a short line may stand for a thousand
    if len(tags) > MAX_TAGS:
        raise broken(filename, f"it says more than {MAX_TAGS} tags", entry=entry)
    theirs, ours = set(tags), set(claim.tags)
    if theirs != ours:
        rule = f"its tags ({_first_of(theirs - ours or theirs)}) are not those of the file name ({_first_of(ours)})"
        raise broken(filename, rule, entry=entry)
    if said.get("build") and claim.build and said["build"] != claim.build:
        raise broken(filename, "its build tag is not that of the file name", entry=entry)


def _first_of(tags: Collection[str]) -> str:
    """The first of them, and how many more there are."""
    if not tags:
        return "none"
    first = visible(min(tags))[:80]
    return first if len(tags) == 1 else f"{first} and {len(tags) - 1} more"


def _check_metadata(data: bytes, filename: str, claim: WheelName, entry: str) -> CoreMetadata:
    core = parse_metadata(data, archive=filename, entry=entry)
    if not same_release((core.project, core.version), (claim.project, claim.version)):
        raise broken(filename, f"it says {core.project} {core.version}, unlike the file name", entry=entry)
    return core


def _check_scripts(file: BinaryIO, filename: str, entry: Entry | None) -> None:
    """Entry points that become files are called by a plain name: uv refuses another one, pip strips its path.

    Those of other groups are called as they like. Read without configparser, whose dialects differ between installers.
    """
    if entry is None or entry.directory:
        return
    data = read_text(file, filename, entry)
    check_short(filename, data, entry.name)
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    if _CONTROLS.search(text):  # some of them end a line for some installers
        raise broken(filename, "it has control characters in it", entry=entry.name)
    group = ""
    for line in text.split("\n"):
        name = line.partition("=")[0].strip()
        header = name[1:].partition("]")[0].strip().lower() if name.startswith("[") else ""
        if header in _SCRIPTS or line.startswith("["):  # an indented one is a header for some, a value for others
            group = header
        elif group in _SCRIPTS and not name.startswith(("#", ";")) and _is_no_script(name):
            rule = f"a script in it is called {name[:80]!r}; allowed: a name without '/', '\\' and control characters"
            raise broken(filename, rule, entry=entry.name)


def _is_no_script(name: str) -> bool:
    return "/" in name or "\\" in name or name in {".", ".."} or control_in(name)


def _read_record(data: bytes, filename: str, entry: str, entries: Container[str]) -> dict[str, _Row]:
    """RECORD by path. A path may be said twice in the same words, as some builders do. `entries` are known as safe."""
    rows: dict[str, _Row] = {}
    try:
        table = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        lines = list(islice(table, _MOST_LINES + 1))
    except (csv.Error, UnicodeDecodeError) as error:
        raise broken(filename, f"it is not a table in UTF-8 ({error})", entry=entry) from error
    if len(lines) > _MOST_LINES:
        raise broken(filename, f"it has more than {_MOST_LINES} lines", entry=entry)
    for line in filter(None, lines):
        if len(line) != 3:
            raise broken(filename, f"a line of it has {len(line)} columns instead of path, hash, size", entry=entry)
        if line[0] not in entries and (problem := path_problem(line[0])):
            raise broken(filename, f"a path in it is refused: {problem}", entry=f"{entry}: {line[0]}")
        algorithm, _, digest = line[1].partition("=")
        row = _Row(algorithm=algorithm, digest=digest.rstrip("="), size=line[2])
        if rows.setdefault(line[0], row) != row:
            raise broken(filename, "a path stands in it twice, with two hashes", entry=f"{entry}: {line[0]}")
    return rows


def _check_content(
    file: BinaryIO, filename: str, entries: dict[str, Entry], rows: dict[str, _Row], info: str
) -> tuple[tuple[str, str], ...]:
    """RECORD against the bytes: each entry in it, each line of it true. Gives the compiled files and their machines."""
    files = [entry for entry in entries.values() if not entry.directory]
    binaries: list[tuple[str, str]] = []
    unrecorded = {f"{info}/{name}" for name in _UNRECORDED}
    for name in sorted(rows.keys() - {entry.name for entry in files} - unrecorded):
        raise broken(filename, "RECORD lists it, and it is not there", entry=name)
    for entry in files:
        recorded = entry.name not in unrecorded
        row = rows.get(entry.name)
        if recorded and (row is None or row.algorithm not in _HASHES):
            rule = (
                "RECORD does not list it"
                if row is None
                else f"RECORD has no sha256 (384, 512) of it: {row.algorithm!r}"
            )
            raise broken(filename, rule, entry=entry.name)
        machine = _check_entry(file, filename, entry, row if recorded else None)
        if machine:
            binaries.append((entry.name, machine))
    return tuple(sorted(binaries))


def _check_entry(file: BinaryIO, filename: str, entry: Entry, row: _Row | None) -> str:
    """Unpack one entry to nowhere, compare hash and size with its line, and give its machine, if it is a program."""
    digest = hashlib.new(row.algorithm if row else "sha256")
    head: bytes | None = None
    for piece in read_stream(file, filename, entry):
        head = piece if head is None else head
        digest.update(piece)
    if row:
        actual = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
        if actual != row.digest:
            raise broken(
                filename, f"its hash is not RECORD's\n  expected {row.digest}\n  actual   {actual}", entry=entry.name
            )
        if row.size and row.size != str(entry.size):
            raise broken(filename, f"RECORD says {row.size!r} bytes, it has {entry.size}", entry=entry.name)
    return machine_of(head) if head else ""


def _check_mislabelled(filename: str, claim: WheelName, binaries: tuple[tuple[str, str], ...]) -> None:
    """A wheel for any platform may bring programs for several (selenium does), but not for one only."""
    if any(not tag.endswith("-none-any") for tag in claim.tags):
        return
    loadable = [(entry, machine) for entry, machine in binaries if _is_loaded(entry, machine)]
    machines = {machine for _, machine in binaries} - COPROCESSORS
    if loadable and len(machines) == 1:
        entry, machine = loadable[0]
        raise broken(filename, f"it is compiled for {machine}, and the wheel is tagged for any platform", entry=entry)


def _is_loaded(entry: str, machine: str) -> bool:
    """Whether a compiled file makes a wheel impure: launchers for Windows (*.exe) lie in pip and setuptools as data."""
    return not machine.startswith("pe-") or entry.lower().endswith((".pyd", ".dll"))


def _modules(entries: dict[str, Entry]) -> tuple[str, ...]:
    """Names that an import finds after installation; private ones only where there are no others.

    A namespace can always be imported, so the first names below it that have code stand for it: `google.protobuf`.
    """
    modules = {_module(name) for name, entry in entries.items() if not entry.directory} - {()}
    code = modules | {module[:-1] for module in modules if module[-1] == "__init__"}
    first = {_first(module, code) for module in {module[:_DEEPEST] for module in modules}}
    names = {".".join(name) for name in first if all(map(str.isidentifier, name))}
    public = {name for name in names if "._" not in f".{name}"} or names
    below = sorted(name for name in public if "." in name)
    return tuple(sorted(public.difference(below[_MOST_BELOW:])))


def _module(entry: str) -> tuple[str, ...]:
    """The parts of the dotted name that a file has once it is installed; none for what is no module."""
    top, _, rest = entry.partition("/")
    if top.endswith(".data"):
        scheme, _, entry = rest.partition("/")
        if scheme not in _LIBRARIES:
            return ()
    *folders, leaf = entry.split("/")
    extension = _EXTENSION.fullmatch(leaf)
    if not (leaf.endswith(".py") or extension) or (folders and _LIBRARY.fullmatch(leaf)):
        return ()
    return *folders, extension["name"] if extension else leaf.removesuffix(".py")


def _first(module: tuple[str, ...], code: Container[tuple[str, ...]]) -> tuple[str, ...]:
    """The first name on the way to a module that runs code on import, or the namespace of what is not for import."""
    names = (module[:depth] for depth in range(1, len(module) + 1))
    name = next(name for name in names if name in code or name[-1] in _ASIDE or len(name) == _DEEPEST)
    return name[:-1] or name if name[-1] in _ASIDE else name
