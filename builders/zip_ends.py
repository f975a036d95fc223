"""The end of a zip: where its directory is, said once and without a second opinion."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from builders.archives import MAX_ENTRIES, broken

_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_FIELDS = struct.Struct("<4s4H2LH")
_END64_FIELDS = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_FIELDS = struct.Struct("<4sLQL")
_ALL16, _ALL32 = 0xFFFF, 0xFFFFFFFF
_MAX_DIRECTORY = 64 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """Where the directory lies, and how many entries it holds; right behind it stands the (first) end record."""

    count: int
    offset: int
    size: int


def find_directory(file: BinaryIO, archive: str, length: int) -> Directory:
    """4.3.16: the end record, which must end where the file ends, and what it says of the directory before it."""
    file.seek(max(0, length - _END_FIELDS.size - _ALL16))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_FIELDS.size:
        raise broken(archive, "it is not a zip file, or it is cut off: it has no end record")
    _, disk, first_disk, here, count, size, offset, comment = _END_FIELDS.unpack_from(tail, at)
    if at + _END_FIELDS.size + comment != len(tail):
        raise broken(archive, "data follows the end of the zip, or its comment hides a second one")
    position = length - len(tail) + at
    end, stop = _read_end64(file, archive, position, (disk, first_disk, here, count, size, offset))
    if end.count > MAX_ENTRIES:
        raise broken(archive, f"it has more than {MAX_ENTRIES} entries")
    if end.offset + end.size != stop or end.size > _MAX_DIRECTORY:
        raise broken(archive, "its directory is not where its end record says")
    return end


def _read_end64(file: BinaryIO, archive: str, position: int, old: tuple[int, ...]) -> tuple[Directory, int]:
    """4.3.14, 4.3.15: the ZIP64 end record, where there is one, and where the directory has to stop."""
    disk, first_disk, here, count, size, offset = old
    file.seek(max(0, position - _LOCATOR_FIELDS.size))
    locator = file.read(min(position, _LOCATOR_FIELDS.size))
    if len(locator) < _LOCATOR_FIELDS.size or not locator.startswith(_LOCATOR):
        if disk or first_disk or here != count:
            raise broken(archive, "it is one part of several (multi-disk)")
        return Directory(count=count, offset=offset, size=size), position
    _, locator_disk, where, disks = _LOCATOR_FIELDS.unpack(locator)
    stop = position - _LOCATOR_FIELDS.size - _END64_FIELDS.size
    file.seek(max(0, stop))
    record = file.read(_END64_FIELDS.size)
    if where != stop or stop < 0 or not record.startswith(_END64):
        raise broken(archive, "its ZIP64 locator does not point at the ZIP64 record right before it")
    _, rest, _, _, disk64, first64, here64, count64, size64, offset64 = _END64_FIELDS.unpack(record)
    if rest != _END64_FIELDS.size - 12:
        raise broken(archive, "its ZIP64 end record has another length, or extensible data")
    if locator_disk or disks > 1 or disk64 or first64 or here64 != count64 or disk not in {0, _ALL16}:
        raise broken(archive, "it is one part of several (multi-disk)")
    pairs = ((here, here64, _ALL16), (count, count64, _ALL16), (size, size64, _ALL32), (offset, offset64, _ALL32))
    if any(a not in {b, sentinel} for a, b, sentinel in pairs):
        raise broken(archive, "its two end records contradict each other")
    return Directory(count=count64, offset=offset64, size=size64), stop
