"""Makers of archives, good and bad. Each bad one is a case with a stable id, so that a failing run names it.

The zip composer writes what it is told, lies included: every field of every header can be replaced. The families follow
what PyPI refuses (headers that two readers understand differently); all bytes are made here.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

STORED, DEFLATED = 0, 8
_ALL32 = 0xFFFFFFFF
Fields = Mapping[str, Any]
TarMember = tuple[tarfile.TarInfo, bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """A bad archive: `make` gives its bytes, `says` is part of the reason with which it has to be refused."""

    id: str
    says: str
    make: Callable[[], bytes]
    filename: str = ""


# --- zip -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One entry to be written. `local` and `central` replace fields of one header, `both` of both."""

    name: bytes
    data: bytes = b""
    method: int = DEFLATED
    both: Fields = field(default_factory=dict)
    local: Fields = field(default_factory=dict)
    central: Fields = field(default_factory=dict)
    after: bytes = b""
    """Written behind the packed data: a data descriptor, or nothing."""
    hidden: bool = False
    """Without a record in the directory."""
    absent: bool = False
    """Without local header and data."""

    def packed(self) -> bytes:
        """The data as it is written."""
        return deflated(self.data) if self.method == DEFLATED else self.data


def deflated(data: bytes) -> bytes:
    """Raw deflate, as a zip holds it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def _fields(part: Part, replaced: Fields) -> dict[str, Any]:
    packed = part.packed()
    plain = {
        "flags": 0 if part.name.isascii() else 1 << 11, "method": part.method, "crc": zlib.crc32(part.data),
        "packed": len(packed), "size": len(part.data), "name": part.name, "extra": b"", "comment": b"", "disk": 0,
        "attributes": 0o100644 << 16,
    }  # fmt: skip
    return {**plain, **part.both, **replaced}


def _local(part: Part) -> bytes:
    f = _fields(part, part.local)
    head = struct.pack(
        "<4s5H3L2H", b"PK\x03\x04", 20, f["flags"], f["method"], 0, 0x5A21, f["crc"], f["packed"], f["size"],
        len(f["name"]), len(f["extra"]),
    )  # fmt: skip
    return b"".join((head, f["name"], f["extra"], part.packed(), part.after))


def _central(part: Part, offset: int) -> bytes:
    f = _fields(part, part.central)
    head = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 0x0314, 20, f["flags"], f["method"], 0, 0x5A21, f["crc"], f["packed"], f["size"],
        len(f["name"]), len(f["extra"]), len(f["comment"]), f["disk"], 0, f["attributes"], f.get("offset", offset),
    )  # fmt: skip
    return b"".join((head, f["name"], f["extra"], f["comment"]))


def end_record(count: int, size: int, offset: int, comment: bytes = b"", /, **replaced: int) -> bytes:
    """The end record of a zip."""
    f = {"disk": 0, "first": 0, "here": count, "count": count, "size": size, "offset": offset, **replaced}
    numbers = (f["disk"], f["first"], f["here"], f["count"], f["size"], f["offset"], f.get("comment", len(comment)))
    return struct.pack("<4s4H2LH", b"PK\x05\x06", *numbers) + comment


def end64_record(count: int, size: int, offset: int, more: bytes = b"") -> bytes:
    """The ZIP64 end record."""
    return struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44 + len(more), 45, 45, 0, 0, count, count, size, offset) + more


def locator(offset: int, disks: int = 1) -> bytes:
    """The ZIP64 locator."""
    return struct.pack("<4sLQL", b"PK\x06\x07", 0, offset, disks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """Local part and directory of a zip, still without an end."""

    front: bytes
    directory: bytes
    count: int

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Count, size and offset, as the end records want them."""
        return self.count, len(self.directory), len(self.front)

    @property
    def written(self) -> bytes:
        """Both, one after the other."""
        return self.front + self.directory

    def ended(self, comment: bytes = b"", **replaced: int) -> bytes:
        """The whole zip, with an end record of the plain kind."""
        return self.written + end_record(*self.numbers, comment, **replaced)

    def ended64(self, *, more: bytes = b"", point: int = 0, with_locator: bool = True, with_end: bool = True) -> bytes:
        """The whole zip, with ZIP64 records that can be left out or point elsewhere."""
        count, size, offset = self.numbers
        at = len(self.written)
        data = self.written + end64_record(count, size, offset, more)
        data += locator(at + point) if with_locator else b""
        return data + (end_record(count, 0xFFFFFFFF, 0xFFFFFFFF) if with_end else b"")


def body(parts: list[Part], *, prefix: bytes = b"") -> Body:
    """Entries and directory."""
    front, records = prefix, []
    for part in parts:
        offset = len(front)
        front += b"" if part.absent else _local(part)
        if not part.hidden:
            records.append(_central(part, offset))
    return Body(front=front, directory=b"".join(records), count=len(records))


# --- wheels ----------------------------------------------------------------------------------------------------------

WHEEL_NAME = "demo-1.0-py3-none-any.whl"
INFO = "demo-1.0.dist-info"
METADATA = b"""Metadata-Version: 2.1
Name: demo
Version: 1.0
Summary: a demonstration
License: MIT
Requires-Python: >=3.8
Requires-Dist: six>=1.10

At length.
"""
WHEEL = b"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def elf(machine: int = 62, *, kind: int = 3, bits: int = 2, order: int = 1) -> bytes:
    """The header of an ELF file, with some bytes behind it."""
    numbers = struct.pack("<HHL" if order == 1 else ">HHL", kind, machine, 1)
    return b"\x7fELF" + bytes((bits, order, 1)) + b"\0" * 9 + numbers + b"\0" * 64


def elf_with_dynamics(segments: int, tags: int) -> bytes:
    """An ELF file that names its dynamic section again and again; that asks for one library, again and again."""
    at = 64 + 56 * (segments + 1)
    strings = at + 16 * (tags + 2)
    head = b"\x7fELF\2\1\1".ljust(16, b"\0")
    head += struct.pack("<HHLQQQLHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, segments + 1, 64, 0, 0)
    load = struct.pack("<LLQQQQQQ", 1, 5, 0, 0, 0, 1 << 30, 1 << 30, 4096)
    dynamic = struct.pack("<LLQQQQQQ", 2, 4, at, at, at, 16, 16, 8)
    needed = struct.pack("<QQ", 5, strings) + struct.pack("<QQ", 1, 0) * tags + bytes(16)
    return head + load + dynamic * segments + needed + b"libx.so\0"


def mach_o(processor: int = 0x0100000C) -> bytes:
    """The header of a thin 64-bit Mach-O file."""
    return struct.pack("<4sLLL", b"\xcf\xfa\xed\xfe", processor, 0, 6) + b"\0" * 48


def fat(*processors: int) -> bytes:
    """The header of a fat Mach-O file, with one part for each processor."""
    parts = b"".join(struct.pack(">5L", processor, 0, 4096, 64, 12) for processor in processors)
    return struct.pack(">4sL", b"\xca\xfe\xba\xbe", len(processors)) + parts


def pe(machine: int = 0x8664) -> bytes:
    """The headers of a PE file."""
    return b"MZ" + b"\0" * 58 + struct.pack("<L", 64) + b"PE\0\0" + struct.pack("<H", machine) + b"\0" * 32


def recorded(data: bytes, algorithm: str = "sha256") -> str:
    """Hash and size as RECORD writes them."""
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
    return f"{algorithm}={digest},{len(data)}"


def wheel_files(
    files: Mapping[str, bytes] | None = None, *, info: str = INFO, wheel: bytes = WHEEL, metadata: bytes = METADATA
) -> dict[str, bytes]:
    """The content of a wheel by path, RECORD last and right."""
    content = {"demo/__init__.py": b"x = 1\n"} if files is None else dict(files)
    content |= {f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel}
    rows = [f'"{name}",{recorded(data)}' for name, data in content.items()]
    return {**content, f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()}


def parts_of(files: Mapping[str, bytes], method: int = DEFLATED) -> list[Part]:
    """One part for each file."""
    return [Part(name=name.encode(), data=data, method=method) for name, data in files.items()]


def wheel_bytes(files: Mapping[str, bytes] | None = None, *, method: int = DEFLATED, **more: Any) -> bytes:
    """A wheel with a right RECORD, in a zip with nothing wrong."""
    return body(parts_of(wheel_files(files, **more), method)).ended()


def wheel_with(**replaced: bytes | None) -> bytes:
    """A good wheel in which WHEEL, METADATA or RECORD say something else, or are missing (None)."""
    files = {name: replaced.get(name.rpartition("/")[2], data) for name, data in wheel_files().items()}
    return body(parts_of({name: data for name, data in files.items() if data is not None})).ended()


def twisted(**changes: Any) -> bytes:
    """A good wheel whose first entry (demo/__init__.py) is written with changes."""
    first, *rest = parts_of(wheel_files())
    return body([replace(first, **changes), *rest]).ended()


def good_body() -> Body:
    return body(parts_of(wheel_files()))


def _descriptor(crc: int, packed: int, size: int, *, wide: bool = False, signed: bool = True) -> bytes:
    return (b"PK\x07\x08" if signed else b"") + struct.pack("<LQQ" if wide else "<LLL", crc, packed, size)


def described(
    *, crc: int | None = None, packed: int = 0, size: int = 0, wide: bool = False, signed: bool = True
) -> bytes:
    """A wheel whose first entry has its sizes behind its data, off by the given numbers."""
    data = wheel_files()["demo/__init__.py"]
    sizes = len(deflated(data)) + packed, len(data) + size
    after = _descriptor(zlib.crc32(data) if crc is None else crc, *sizes, wide=wide, signed=signed)
    local = {"crc": 0, "packed": 0, "size": 0, "extra": struct.pack("<HH", 1, 0) if wide else b""}
    return twisted(both={"flags": 8}, local=local, after=after)


def unicode_path(name: bytes, other: bytes, crc: int | None = None) -> bytes:
    """The extra field that gives an entry its name in UTF-8."""
    return struct.pack("<HHBL", 0x7075, len(other) + 5, 1, zlib.crc32(name) if crc is None else crc) + other


def zip64_extra(*values: int, length: int | None = None) -> bytes:
    """The extra field with 64-bit sizes."""
    return struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values) if length is None else length, *values)


def widened(extra: Callable[[int, int], bytes], **replaced: int) -> bytes:
    """A wheel whose first entry has ZIP64 sizes, made of its packed and its plain size."""
    data = wheel_files()["demo/__init__.py"]
    return twisted(both={"extra": extra(len(deflated(data)), len(data)), **replaced})


def zip_in_comment(*, confused: bool = False) -> bytes:
    """A zip whose comment is a second zip, which readers from the end find."""
    good, evil = good_body(), body(parts_of(wheel_files({"evil/__init__.py": b"boom\n"})))
    if not confused:
        return good.ended(evil.ended())
    ends = end64_record(*good.numbers) + locator(len(good.written))
    inner = evil.written + ends + end_record(0xFFFF, _ALL32, _ALL32)
    return good.written + ends + end_record(0xFFFF, _ALL32, _ALL32, inner)


def contradicted(count: int, said: int) -> bytes:
    """A wheel with two end records, which may say two numbers of entries."""
    good = good_body()
    ends = end64_record(count, *good.numbers[1:]) + locator(len(good.written))
    return good.written + ends + end_record(said, _ALL32, _ALL32)


def first_part() -> Part:
    return parts_of(wheel_files())[0]


def zeros_wheel(megabytes: int = 65) -> bytes:
    """W7: a wheel of some kilobytes that unpacks to many megabytes of zeros."""
    return wheel_bytes({"demo/__init__.py": b"", "demo/zeros": b"\0" * (megabytes << 20)})


def liar_wheel() -> bytes:
    """A wheel whose first entry says 6 bytes and unpacks to 64 MiB."""
    return twisted(data=b"\0" * (64 << 20), both={"size": 6})


# --- sdists ----------------------------------------------------------------------------------------------------------

SDIST_NAME = "demo-1.0.tar.gz"
TOP = "demo-1.0"
PKG_INFO = METADATA
PYPROJECT = b'[build-system]\nrequires = ["flit_core>=3.2,<4"]\nbuild-backend = "flit_core.buildapi"\n'


def member(name: str, data: bytes = b"", *, type: bytes = tarfile.REGTYPE, **more: Any) -> TarMember:  # noqa: A002
    """One member of a tar; `more` sets attributes of the TarInfo."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = type, len(data), 1_500_000_000
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def sdist_members(pyproject: bytes | None = PYPROJECT, pkg_info: bytes | None = PKG_INFO) -> list[TarMember]:
    """The members of a good sdist."""
    members = [member(TOP, type=tarfile.DIRTYPE, mode=0o755), member(f"{TOP}/demo.py", b"x = 1\n", mtime=1_600_000_000)]
    members += [] if pyproject is None else [member(f"{TOP}/pyproject.toml", pyproject)]
    return members + ([] if pkg_info is None else [member(f"{TOP}/PKG-INFO", pkg_info)])


def tar_bytes(members: list[TarMember], *, format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """The members as an uncompressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def sdist_bytes(*more: TarMember, **texts: Any) -> bytes:
    """A good sdist as .tar.gz, with more members behind the good ones."""
    return gzip.compress(tar_bytes([*sdist_members(**texts), *more]), mtime=0)


def raw_header(name: bytes, *, size: int = 0, type: bytes = b"0", link: bytes = b"") -> bytes:  # noqa: A002
    """A ustar header with a right checksum, whatever its fields say; a negative size is written in base 256."""
    number = b"%011o\0" % size if size >= 0 else b"\xff" + size.to_bytes(11, "big", signed=True)
    head = bytearray(name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + number + b"%011o\0" % 1_500_000_000)
    head += b" " * 8 + type + link.ljust(100, b"\0") + b"ustar\x0000"
    head = head.ljust(512, b"\0")
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def raw_sdist(*blocks: bytes, end: bytes = b"\0" * 1024) -> bytes:
    """A good sdist with raw blocks behind its members."""
    good = tar_bytes(sdist_members()).rstrip(b"\0")
    good += b"\0" * (-len(good) % 512)
    return gzip.compress(good + b"".join(blocks) + end, mtime=0)


def pax(text: bytes, kind: bytes = b"x") -> bytes:
    """An extended header with one record in it; without '=' it is none, only its bytes."""
    length = len(text) + 3
    while len(b"%d %s\n" % (length, text)) != length:
        length += 1
    record = b"%d %s\n" % (length, text) if b"=" in text else text
    return raw_header(b"pax", size=len(record), type=kind) + record.ljust(-(-len(record) // 512) * 512, b"\0")


def sparse_with_map() -> bytes:
    """An sdist of 20 kB with a sparse file whose list of pieces, before its data, has millions of them."""
    kind = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    header = raw_header(b"pax", size=len(kind), type=b"x") + kind.ljust(512, b"\0")
    pieces = b"99999999\n" + b"0\n" * (10 << 20)
    return raw_sdist(header, raw_header(b"demo-1.0/x", size=len(pieces)), pieces)


def built_with(text: str) -> bytes:
    return sdist_bytes(pyproject=text.encode())


def endless_gzip(megabytes: int) -> bytes:
    """S8: a gzip of so many megabytes that would unpack to a thousand times as much (its end is not even there)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    start = packer.compress(raw_header(b"demo-1.0/zeros", size=8**11 - 1)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"\0" * (64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * ((megabytes << 20) // len(block))


def endless_members() -> bytes:
    """S8: a gzip of one megabyte that holds 120,000 empty files, as the beginning of more."""
    return gzip.compress(b"".join(raw_header(b"demo-1.0/%07d" % i) for i in range(120_000)), 6, mtime=0)
