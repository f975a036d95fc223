"""The strict reading of a compressed tar: walked once from front to back, never extracted.

tarfile reads the headers, so that what is read here is what pip reads later; it gets them through a window that only
moves forward, hands out little at a time, and counts. (`filter="data"` alone has been escaped: CVE-2025-4517.)
"""

from __future__ import annotations

import bz2
import lzma
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from builders.archives import CHUNK, MAX_ENTRIES, MAX_TEXT, RATIO_FREE, Kind, Member, broken, check_volume

if TYPE_CHECKING:
    import tarfile

_MAX_HEADER = 16 << 10
"""Bytes of one extended header (a long name, pax records); tarfile holds it in memory and searches it."""
_MAX_HEADERS = 64 << 20
"""Bytes of all extended headers together."""
_MAX_GLOBALS = 100
_LONG_NUMBER = re.compile(rb"[0-9]{64}")
"""On such a run in a pax header tarfile before 3.11.10 and 3.12.6 searches for minutes (CVE-2024-6232)."""
_SPARSE = b"GNU.sparse."
"""What is said of such a file in a pax header; tarfile reads the list of its pieces, of any length, before its name."""
_PAX_TYPES = (b"x", b"g", b"X")
_MAX_DENSITY = 200
"""How much denser than its packed bytes so far an archive may be on the way, beyond 64 MiB."""
_XZ_MEMORY = 256 << 20
_BLOCK, _READ = 512, 64 << 10


def read_members(
    file: BinaryIO, archive: str, suffix: str, wanted: Callable[[str], bool]
) -> tuple[list[Member], dict[str, bytes]]:
    """All members in the order of the file, and the content of those files whose name is `wanted`."""
    import tarfile

    length = file.seek(0, 2)
    file.seek(0)
    window = _Window(_inflated(file, archive, suffix, length), archive)
    members: list[Member] = []
    texts: dict[str, bytes] = {}
    try:
        with tarfile.TarFile(fileobj=cast("BinaryIO", window), encoding="utf-8", errors="surrogateescape") as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps all of them
                member = _member(info, archive)
                members.append(member)
                if len(members) > MAX_ENTRIES:
                    raise broken(archive, f"it has more than {MAX_ENTRIES} members")
                if len(tar.pax_headers) > _MAX_GLOBALS:
                    raise broken(archive, f"it has more than {_MAX_GLOBALS} global headers")
                if member.kind == "file" and wanted(member.name):
                    texts[member.name] = window.read_content(member.size, member.name)
    except (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError, EOFError) as error:
        raise broken(archive, f"it is no tar, or a damaged one ({error})") from error
    window.finish()
    return members, texts


class _Window:
    """The unpacked bytes as tarfile wants to see them: a file, but one that only goes forward and gives little."""

    def __init__(self, pieces: Iterator[bytes], archive: str) -> None:
        self._pieces = pieces
        self._archive = archive
        self._piece = memoryview(b"")
        self._position = 0
        self._last = b""
        self._headers = 0

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise broken(self._archive, "a header of it leads backwards")
        while self._position < position and self._take(position - self._position):
            pass
        return self._position

    def read(self, size: int) -> bytes:
        """What tarfile reads itself: blocks of headers."""
        if not 0 <= size <= _MAX_HEADER:
            raise broken(self._archive, f"an extended header of it is larger than {_MAX_HEADER >> 10} KiB")
        extended = self._last[156:157] in _PAX_TYPES
        self._last = self._read(size)
        self._headers += size if extended else 0
        if extended and _SPARSE in self._last:
            raise broken(self._archive, "a member of it is a sparse file")
        if self._headers > _MAX_HEADERS or (extended and _LONG_NUMBER.search(self._last)):
            raise broken(self._archive, "its extended headers are too many, or hold a number of 64 digits")
        return self._last

    def read_content(self, size: int, name: str) -> bytes:
        """The content of the member whose header was read last."""
        if size > MAX_TEXT:
            raise broken(self._archive, f"it is larger than {MAX_TEXT >> 20} MiB", entry=name)
        return self._read(size)

    def finish(self) -> None:
        """The last header was an empty block, and only zeros follow it; anything else was meant to be overlooked."""
        if len(self._last) != _BLOCK or self._last.strip(b"\0"):
            raise broken(self._archive, "it has a damaged header, or no end: it is cut off")
        while piece := self._take(CHUNK):
            if bytes(piece).strip(b"\0"):
                raise broken(self._archive, "data follows the end of the tar")

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (piece := self._take(size)):
            parts.append(bytes(piece))
            size -= len(piece)
        return b"".join(parts)

    def _take(self, size: int) -> memoryview:
        """Up to `size` bytes, and at least one where there are any."""
        while not self._piece and (piece := next(self._pieces, None)) is not None:
            self._piece = memoryview(piece)
        taken, self._piece = self._piece[:size], self._piece[size:]
        self._position += len(taken)
        return taken


def _inflated(file: BinaryIO, archive: str, suffix: str, length: int) -> Iterator[bytes]:
    """The unpacked bytes in pieces of at most 1 MiB; refuses compression that is damaged, or unpacks to too much."""
    inflater = _Gzip() if suffix in {".tar.gz", ".tgz"} else _Other(suffix)
    packed = unpacked = 0
    try:
        while data := file.read(_READ):
            packed += len(data)
            if inflater.ended:
                raise broken(archive, "data follows the end of its compressed data")
            for piece in inflater.feed(data):
                unpacked += len(piece)
                check_volume(archive, unpacked=unpacked, packed=length)
                if unpacked > RATIO_FREE and unpacked > packed * _MAX_DENSITY:
                    raise broken(archive, "it unpacks to far more than its size: a compression bomb")
                yield piece
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise broken(archive, f"its compressed data is damaged, or is no {suffix} ({error})") from error
    if not inflater.ended:
        raise broken(archive, "its compressed data is cut off")
    if inflater.rest:
        raise broken(archive, "data follows the end of its compressed data")


class _Gzip:
    """One gzip member; zlib checks its CRC and its length."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def ended(self) -> bool:
        return self._inflate.eof

    @property
    def rest(self) -> bytes:
        return self._inflate.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            yield self._inflate.decompress(data, CHUNK)
            data = self._inflate.unconsumed_tail


class _Other:
    """One bz2 or xz stream; an xz names the memory it wants, so that has a limit."""

    def __init__(self, suffix: str) -> None:
        self._inflate = (
            bz2.BZ2Decompressor()
            if suffix == ".tar.bz2"
            else lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        )

    @property
    def ended(self) -> bool:
        return self._inflate.eof

    @property
    def rest(self) -> bytes:
        return self._inflate.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._inflate.decompress(data, CHUNK)
        while not self._inflate.needs_input and not self._inflate.eof:
            yield self._inflate.decompress(b"", CHUNK)


def _member(info: tarfile.TarInfo, archive: str) -> Member:
    """One member in the words that all archives share; './' before a name is a habit of tar and means nothing."""
    import tarfile

    kinds: dict[bytes, Kind] = {
        tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "directory",
        tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink",
    }  # fmt: skip
    kind = kinds.get(info.type)
    if kind is None or info.sparse is not None:
        raise broken(
            archive, "it is a device, a FIFO or another thing that is neither file, folder nor link", entry=info.name
        )
    if kind == "file" and info.mode & (stat.S_ISUID | stat.S_ISGID):
        raise broken(archive, "it is setuid or setgid", entry=info.name)
    if info.size < 0:
        raise broken(archive, "its size is negative", entry=info.name)
    target = info.linkname if kind in {"symlink", "hardlink"} else ""
    name = info.name.removeprefix("./") or "."
    return Member(name=name, kind=kind, size=info.size, mtime=int(info.mtime), target=target)
