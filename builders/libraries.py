"""Which shared libraries the binaries in a wheel need from outside. Reads ELF files, runs nothing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from builders.errors import RepairError


def needed_libraries(wheel: Path, promised: frozenset[str]) -> dict[str, str]:
    """By soname, an entry that needs it: what the wheel does not bring and no policy promises."""
    needed: dict[str, str] = {}
    brought: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            brought.add(name.rpartition("/")[2])
            with archive.open(name) as stream:
                if stream.read(4) != b"\x7fELF":
                    continue
            for soname in _needed_by(io.BytesIO(archive.read(name)), name):
                needed.setdefault(soname, name)
    return {soname: entry for soname, entry in sorted(needed.items()) if soname not in brought | promised}


def needed_by(libraries: Iterable[Path], promised: frozenset[str]) -> dict[str, str]:
    """The same for libraries on this machine's disk."""
    needed: dict[str, str] = {}
    for path in libraries:
        with path.open("rb") as stream:
            for soname in _needed_by(stream, path.name):
                needed.setdefault(soname, path.name)
    return {soname: who for soname, who in sorted(needed.items()) if soname not in promised}


def _needed_by(stream: IO[bytes], name: str) -> list[str]:
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile

    try:
        segments = (one for one in ELFFile(stream).iter_segments() if isinstance(one, DynamicSegment))
        return [tag.needed for segment in segments for tag in segment.iter_tags("DT_NEEDED")]  # type: ignore[attr-defined]
    except (ELFError, ValueError, UnicodeDecodeError, AttributeError) as error:
        raise RepairError(f"{name}: not an ELF file that can be read: {error}") from error
