"""The strict reading of a zip: one archive, one meaning.

Readers disagree: some trust the directory at the end, some the local headers from the front, some search for either.
So the file must be nothing but entries, directory, end record, back to back, and every entry must be said twice in the
same words. The rules are those by which PyPI refuses uploads; numbers in comments are sections of APPNOTE.TXT.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from zlib_ng import zlib_ng as zlib

from builders.archives import CHUNK, EARLIEST, MAX_TEXT, Kind, Member, broken, check_members, check_volume
from builders.zip_ends import find_directory

_CENTRAL, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
_CENTRAL_FIELDS = struct.Struct("<4s6H3L5H2L")
_LOCAL_FIELDS = struct.Struct("<4s5H3L2H")

_ALL32 = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIPTOR, _PATCHED, _STRONG, _UTF8, _MASKED = 1, 1 << 3, 1 << 5, 1 << 6, 1 << 11, 1 << 13
_FLAGS_THAT_MATTER = _ENCRYPTED | _DESCRIPTOR | _PATCHED | _STRONG | _UTF8 | _MASKED
_ZIP64_EXTRA, _UNICODE_PATH = 0x0001, 0x7075
_CONTRADICTION = "its local header and the directory contradict each other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry, as directory and local header agree on it. `start` is where its packed bytes begin."""

    name: str
    directory: bool
    deflated: bool
    crc: int
    packed: int
    size: int
    mtime: int
    start: int

    def member(self) -> Member:
        """The entry in the words that all archives share."""
        kind: Kind = "directory" if self.directory else "file"
        return Member(name=self.name, kind=kind, size=self.size, mtime=self.mtime)


class _Central(NamedTuple):
    """One record of the directory: what the local header has to repeat."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int
    date: int
    time: int


def read_entries(file: BinaryIO, archive: str) -> tuple[Entry, ...]:
    """All entries in the order of the file, after every check that needs no unpacking."""
    length = file.seek(0, os.SEEK_END)
    end = find_directory(file, archive, length)
    file.seek(end.offset)
    records = _read_directory(file.read(end.size), archive, end.count)
    entries = tuple(_read_locals(file, archive, records, end.offset))
    check_volume(archive, unpacked=sum(entry.size for entry in entries), packed=length)
    check_members(archive, [entry.member() for entry in entries])
    _check_written_once(archive, entries)
    return entries


def read_text(file: BinaryIO, archive: str, entry: Entry) -> bytes:
    """The content of one small entry."""
    if entry.size > MAX_TEXT:
        raise broken(archive, f"it is larger than {MAX_TEXT >> 20} MiB", entry=entry.name)
    return b"".join(read_stream(file, archive, entry))


def read_stream(file: BinaryIO, archive: str, entry: Entry) -> Iterator[bytes]:
    """The content of one entry in pieces of at most 1 MiB, never more than it says; the end checks CRC and size."""
    descriptor, crc, left, at, until = file.fileno(), 0, entry.size, entry.start, entry.start + entry.packed
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    while at < until:
        packed = os.pread(descriptor, min(CHUNK, until - at), at)
        if not packed:
            raise broken(archive, "the file ends in the middle of it", entry=entry.name)
        at += len(packed)
        full = True
        while packed or full:
            piece, packed = _inflated(archive, entry, inflate, packed, left) if entry.deflated else (packed, b"")
            crc, left = zlib.crc32(piece, crc), left - len(piece)
            if left < 0:
                raise broken(archive, f"it unpacks to more than the {entry.size} bytes that it says", entry=entry.name)
            # A full piece may leave more inside zlib, with all packed bytes taken.
            full = len(piece) == CHUNK
            if piece:
                yield piece
    if entry.deflated and not inflate.eof:
        raise broken(archive, "its packed data stops before its end", entry=entry.name)
    if left or crc != entry.crc:
        raise broken(archive, "its size or CRC is not what the zip says", entry=entry.name)


def _inflated(archive: str, entry: Entry, inflate: zlib._Decompress, packed: bytes, left: int) -> tuple[bytes, bytes]:
    """One piece of content and the packed bytes still to be read; one byte too many is let through to be seen."""
    if inflate.eof and not packed:
        return b"", b""
    after = inflate.eof
    try:
        piece = inflate.decompress(packed, min(CHUNK, left + 1))
    except zlib.error as error:  # type: ignore[misc]  # the library types it as an instance
        raise broken(archive, f"its packed data is damaged ({error})", entry=entry.name) from error
    if after or inflate.unused_data:
        raise broken(archive, "data follows the end of its packed data", entry=entry.name)
    return piece, inflate.unconsumed_tail


def _read_directory(data: bytes, archive: str, count: int) -> list[_Central]:
    """4.3.12: exactly `count` records that fill the directory to its last byte."""
    records: list[_Central] = []
    at = 0
    while at < len(data):
        if len(data) - at < _CENTRAL_FIELDS.size or not data.startswith(_CENTRAL, at):
            raise broken(archive, "its directory holds something that is no entry")
        fields = _CENTRAL_FIELDS.unpack_from(data, at)
        at += _CENTRAL_FIELDS.size
        stop = at + sum(fields[10:13])
        if stop > len(data):
            raise broken(archive, "its directory is cut off")
        records.append(_central(archive, fields, data[at : at + fields[10]], data[at + fields[10] : stop]))
        at = stop
    if len(records) != count:
        raise broken(archive, f"its directory holds {len(records)} entries where its end record says {count}")
    return records


def _central(archive: str, fields: tuple[int, ...], raw_name: bytes, rest: bytes) -> _Central:
    _, made, _, flags, method, time, date, crc, packed, size, _, extra, comment, disk, _, attributes, offset = fields
    shown = raw_name.decode("utf-8", "backslashreplace")
    if comment:
        raise broken(archive, "it has a comment of its own in the directory", entry=shown)
    if flags & (_ENCRYPTED | _STRONG | _MASKED):
        raise broken(archive, "it is encrypted", entry=shown)
    if flags & _PATCHED or method not in {_STORED, _DEFLATED}:
        raise broken(archive, f"it is packed with method {method}; stored and deflated are allowed", entry=shown)
    if disk:
        raise broken(archive, "it lies on another disk", entry=shown)
    wide = _check_extra(archive, shown, raw_name, rest[:extra])
    size, packed, offset = _widened(archive, shown, wide, (size, packed, offset))
    # The upper half of the attributes is a Unix mode where the upper byte of "made by" says Unix (3) or macOS (19).
    mode = attributes >> 16 if made >> 8 in {3, 19} else 0
    return _Central(
        raw_name=raw_name, flags=flags & _FLAGS_THAT_MATTER, method=method, crc=crc, packed=packed, size=size,
        offset=offset, mode=mode, date=date, time=time,
    )  # fmt: skip


def _check_extra(archive: str, shown: str, raw_name: bytes, extra: bytes) -> bytes | None:
    """4.5: extra fields that parse to the last byte; gives the ZIP64 one. A second name for an entry is refused."""
    if not extra:
        return None
    found: dict[int, bytes] = {}
    at = 0
    while at < len(extra):
        if len(extra) - at < 4:
            raise broken(archive, "its extra field is malformed", entry=shown)
        key, length = struct.unpack_from("<HH", extra, at)
        value = extra[at + 4 : at + 4 + length]
        at += 4 + length
        if len(value) != length or (key in found and key in {_ZIP64_EXTRA, _UNICODE_PATH}):
            raise broken(archive, "its extra field is malformed, or said twice", entry=shown)
        found[key] = value
    # 4.6.9: version, CRC of the name in the header, the name in UTF-8.
    if (other := found.get(_UNICODE_PATH)) is not None and other[5:] != raw_name:
        raise broken(archive, "an extra field gives it a second name", entry=shown)
    return found.get(_ZIP64_EXTRA)


def _widened(archive: str, shown: str, wide: bytes | None, plain: tuple[int, ...]) -> tuple[int, ...]:
    """4.5.3: sizes (and offset) with ZIP64 values in the place of 0xFFFFFFFF; `plain` is in the order of that section.

    Some writers give every value, needed or not: those must then repeat the plain ones.
    """
    if not wide and _ALL32 not in plain:
        return plain
    needed = [i for i, value in enumerate(plain) if value == _ALL32]
    if not wide:
        raise broken(archive, "its ZIP64 sizes are missing", entry=shown)
    if len(wide) == 8 * len(needed):
        values = dict(zip(needed, struct.unpack(f"<{len(needed)}Q", wide), strict=True))
    elif len(wide) in {16, 24, 28} and len(wide) // 8 <= len(plain):
        values = dict(enumerate(struct.unpack_from(f"<{len(wide) // 8}Q", wide)))
        if any(plain[i] not in {value, _ALL32} for i, value in values.items()) or not set(needed) <= set(values):
            raise broken(archive, "its ZIP64 sizes contradict its plain ones", entry=shown)
    else:
        raise broken(archive, "its ZIP64 field has the wrong length", entry=shown)
    return tuple(values.get(i, value) for i, value in enumerate(plain))


def _read_locals(file: BinaryIO, archive: str, records: list[_Central], stop: int) -> Iterator[Entry]:
    """4.3.7: local headers and data, back to back from the first byte to the directory: no room for anything hidden."""
    at = 0
    for record in sorted(records, key=lambda record: record.offset):
        shown = record.raw_name.decode("utf-8", "backslashreplace")
        if record.offset != at:
            raise broken(archive, "bytes before it belong to no entry, or it overlaps another", entry=shown)
        start = _check_local(file, archive, record, shown)
        at = start + record.packed
        yield _entry(archive, record, start, shown)
    if at != stop:
        raise broken(archive, "bytes before its directory belong to no entry: a hidden entry, or data of none")


def _check_local(file: BinaryIO, archive: str, record: _Central, shown: str) -> int:
    """Where the data begins, once the local header was found to say what the directory says."""
    head = os.pread(file.fileno(), _LOCAL_FIELDS.size + len(record.raw_name), record.offset)
    if len(head) < _LOCAL_FIELDS.size or not head.startswith(_LOCAL):
        raise broken(archive, "it has no local header where the directory says", entry=shown)
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL_FIELDS.unpack_from(head)
    name = head[_LOCAL_FIELDS.size :]
    extra = os.pread(file.fileno(), extra_length, record.offset + len(head)) if extra_length else b""
    if (flags | record.flags) & _DESCRIPTOR:
        # 4.3.9. Readers from the front have to guess where such data ends; PyPI refuses it, and so do we.
        raise broken(archive, "its sizes come after its data (a data descriptor)", entry=shown)
    if name != record.raw_name or name_length != len(name) or extra_length != len(extra):
        raise broken(archive, _CONTRADICTION, entry=shown)
    wide = _check_extra(archive, shown, name, extra)
    size, packed = _widened(archive, shown, wide, (size, packed))
    said = (flags & _FLAGS_THAT_MATTER, method, crc, packed, size)
    if said != (record.flags, record.method, record.crc, record.packed, record.size):
        raise broken(archive, _CONTRADICTION, entry=shown)
    if method == _STORED and packed != size:
        raise broken(archive, "it is stored, yet has two sizes", entry=shown)
    return record.offset + len(head) + len(extra)


def _entry(archive: str, record: _Central, start: int, shown: str) -> Entry:
    if not record.raw_name.isascii() and not record.flags & _UTF8:
        raise broken(archive, "its name is neither ASCII nor marked as UTF-8", entry=shown)
    try:
        name = record.raw_name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise broken(archive, "its name is not UTF-8", entry=shown) from error
    directory, format_ = name.endswith("/"), stat.S_IFMT(record.mode)
    if format_ not in {0, stat.S_IFREG, stat.S_IFDIR} or (format_ == stat.S_IFDIR and not directory):
        raise broken(archive, "it is a link, a device or another thing that is neither file nor folder", entry=name)
    if directory and record.size:
        raise broken(archive, "it is a folder with content", entry=name)
    if not directory and record.mode & (stat.S_ISUID | stat.S_ISGID):
        raise broken(archive, "it is setuid or setgid", entry=name)
    return Entry(
        name=name.removesuffix("/"), directory=directory, deflated=record.method == _DEFLATED, crc=record.crc,
        packed=record.packed, size=record.size, mtime=_seconds(record.date, record.time), start=start,
    )  # fmt: skip


def _check_written_once(archive: str, entries: tuple[Entry, ...]) -> None:
    """Folders too: in a zip even those are said once."""
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise broken(archive, "two entries have this name", entry=entry.name)
        seen.add(entry.name)


@lru_cache(maxsize=1024)  # most entries of an archive have the same
def _seconds(date: int, time: int) -> int:
    """MS-DOS date and time as seconds, read as UTC; a date that is none counts as the first one."""
    try:
        moment = datetime(
            (date >> 9) + 1980, date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2, tzinfo=UTC
        )
    except ValueError:
        return EARLIEST
    return int(moment.timestamp())
