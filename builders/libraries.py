"""Which shared libraries the programs in a wheel need, read from their ELF headers; nothing is loaded or run.

wheel ─> read_programs ─> missing_from ─> (a LibrarySource hands them out) ─> read_program ─> missing_from …
                               │
platform ─> promise_for ───────┘   what every system with that tag has, from auditwheel's own policies
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from builders.errors import RepairError
from builders.machines import machine_of

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_TAG = re.compile(r"(?:many|musl)linux_(?P<major>\d+)_(?P<minor>\d+)(?=_)", re.ASCII)
_LOADER = re.compile(r".*ld-linux|ld64\.so\.[12]$", re.DOTALL)
_HEAD = 4096
_MOST = 1000  # of a list in an ELF file that may bite its own tail, or be there a thousand times


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """One ELF file that a loader runs. `name` is its entry in the wheel; `machine` as machine_of says it."""

    name: str
    machine: str
    soname: str
    needed: tuple[str, ...]
    versions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """What a platform tag promises: libraries by soname, and of each family of symbol versions those that exist."""

    tag: str
    libraries: frozenset[str]
    versions: frozenset[str]

    def covers(self, soname: str) -> bool:
        """Whether no wheel with this tag brings that library: it is everywhere, or the loader, or Python itself."""
        from auditwheel.lddtree import LIBPYTHON_RE

        return soname in self.libraries or bool(_LOADER.match(soname) or LIBPYTHON_RE.match(soname))

    def lacks(self, versions: Iterable[str]) -> tuple[str, ...]:
        """Those of the symbol versions (GLIBC_2.38) that are too new; families that no policy speaks of are free."""
        families = {version.partition("_")[0] for version in self.versions}
        return tuple(sorted({v for v in versions if v.partition("_")[0] in families and v not in self.versions}))


def promise_for(machine: str, libc: str, version: tuple[int, int]) -> Promise | None:
    """The widest promise that a platform with this C library keeps, or None where PEP 600 and 656 know none so old.

    A version between two policies (glibc 2.33) takes the one below; one newer than every policy takes the newest.
    """
    from auditwheel.architecture import Architecture
    from auditwheel.libc import Libc
    from auditwheel.policy import WheelPolicies

    if machine not in {known.value for known in Architecture} or libc not in {"glibc", "musl"}:
        return None
    musl = {"musl_policy": "musllinux_1_1" if version < (1, 2) else "musllinux_1_2"} if libc == "musl" else {}
    policies = WheelPolicies(libc=Libc(libc), arch=Architecture(machine), **musl)
    kept = [(numbers, policy) for policy in policies if (numbers := _numbers(policy.name)) and numbers <= version]
    if not kept:
        return None
    policy = max(kept, key=lambda pair: pair[0])[1]
    versions = {f"{family}_{one}" for family, known in policy.symbol_versions.items() for one in known}
    return Promise(tag=policy.name, libraries=policy.whitelist, versions=frozenset(versions))


def _numbers(tag: str) -> tuple[int, int] | None:
    match = _TAG.match(tag)
    return (int(match["major"]), int(match["minor"])) if match else None


def missing_from(programs: Iterable[Program], promise: Promise) -> tuple[str, ...]:
    """The sonames that these programs need, that are none of them, and that their platform tag does not promise."""
    programs = tuple(programs)
    brought = brought_by(programs)
    needed = {soname for program in programs for soname in program.needed}
    return tuple(sorted(soname for soname in needed - brought if not promise.covers(soname)))


def brought_by(programs: Iterable[Program]) -> frozenset[str]:
    """The names under which a loader would know these programs: what they call themselves, and their file names."""
    return frozenset(name for p in programs for name in (p.soname, p.name.rpartition("/")[2]) if name)


def read_program(path: Path) -> Program | None:
    """One file as a program, or None where a Linux loader would not run it."""
    with path.open("rb") as stream:
        machine = _elf_machine(stream.read(_HEAD))
        return _parse(stream, path.name, machine) if machine else None


def read_programs(wheel: Path) -> tuple[Program, ...]:
    """Every program in a wheel, by entry. The wheel was strictly read before: its sizes are believed here."""
    found = []
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as packed:
                head = packed.read(_HEAD)
                if machine := _elf_machine(head):
                    with tempfile.TemporaryFile(dir=wheel.parent) as stream:  # ELF is read back and forth
                        stream.write(head)
                        shutil.copyfileobj(packed, stream, 2**20)
                        found.append(_parse(stream, entry.filename, machine))
    return tuple(sorted(found, key=lambda program: program.name))


def _elf_machine(head: bytes) -> str:
    return machine_of(head) if head.startswith(b"\x7fELF") else ""


def _parse(stream: IO[bytes], name: str, machine: str) -> Program:
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile

    stream.seek(0, os.SEEK_SET)
    try:
        elf = ELFFile(stream)
        parts = (part for part in elf.iter_segments() if isinstance(part, DynamicSegment))
        tags = list(islice((tag for part in parts for tag in part.iter_tags()), _MOST))
        needed = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")  # type: ignore[attr-defined]
        sonames = [tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"]  # type: ignore[attr-defined]
        versions = tuple(sorted(set(_versions(elf))))
    except Exception as error:  # a twisted ELF file makes its reader raise anything
        raise RepairError(f"{name}: it begins like a program and cannot be read as one: {error!r}") from error
    return Program(name=name, machine=machine, soname=next(iter(sonames), ""), needed=needed, versions=versions)


def _versions(elf: ELFFile) -> Iterator[str]:
    """The symbol versions that a program wants of its libraries: GLIBC_2.34, CXXABI_1.3.9 and the like."""
    from elftools.elf.gnuversions import GNUVerNeedSection

    section = elf.get_section_by_name(".gnu.version_r")
    if isinstance(section, GNUVerNeedSection):
        for library, wanted in islice(section.iter_versions(), _MOST):
            if not _LOADER.match(library.name or ""):
                yield from (version.name for version in islice(wanted, _MOST))


class HostLibraries:
    """This Linux machine's own shared libraries: those of the loader's cache, then its default folders."""

    def copy_libraries(self, sonames: tuple[str, ...], destination: Path) -> tuple[str, ...]:
        """Copy what is here for the machine that this Python is for."""
        cache = _loader_cache()
        folders = _default_folders()
        ours = _machine(Path(sys.executable))
        found = []
        for soname in sonames:
            places = [*cache.get(soname, ()), *(folder / soname for folder in folders)]
            place = next((place for place in places if place.is_file() and _machine(place) == ours), None)
            if place:
                shutil.copyfile(place, destination / soname)
                found.append(soname)
        return tuple(found)


def _machine(path: Path) -> str:
    program = read_program(path)
    return program.machine if program else ""


def _loader_cache() -> dict[str, list[Path]]:
    """What `ldconfig -p` lists; musl's loader has no cache, and nothing is listed."""
    program = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if program is None:
        return {}
    listed = subprocess.run([program, "-p"], capture_output=True, text=True, errors="replace", timeout=60, check=False)
    places: dict[str, list[Path]] = {}
    for line in listed.stdout.splitlines():
        name, arrow, place = line.partition(" => ")
        if arrow and name.startswith("\t"):
            places.setdefault(name.split()[0], []).append(Path(place.strip()))
    return places


def _default_folders() -> tuple[Path, ...]:
    triplet = sysconfig.get_config_var("MULTIARCH")
    multiarch = (f"/lib/{triplet}", f"/usr/lib/{triplet}") if triplet else ()
    return tuple(map(Path, (*multiarch, "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")))
