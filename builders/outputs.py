"""What a job leaves behind, read as what it is: the work of a stranger.

Only regular files directly under the output folder come out, as new files, up to a count and a size.
Links, devices, FIFOs and folders are refused by name, not skipped: a build that makes them is not a build.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol

from builders.errors import OutputError
from builders.store import opened_plainly

MOST_FILES = 2_000
MOST_BYTES = 8 * 1024**3
_CHUNK = 1024 * 1024


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Stream:
    """A file over an iterator of chunks, as much of one as tarfile's streaming mode needs."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]


def receive_tar(chunks: Iterable[bytes], out: Path) -> None:
    """Copy the files of a tar stream whose one top folder is the output folder into `out`."""
    budget = _Budget()
    try:
        with tarfile.open(mode="r|", fileobj=_Stream(chunks)) as tar:  # type: ignore[call-overload]
            for member in tar:
                name = member.name.partition("/")[2]
                if not name and member.isdir():
                    continue
                if not member.isreg():
                    raise OutputError(f"the build left {name!r} in its output, which is not a regular file")
                source = tar.extractfile(member)
                assert source is not None  # a regular member always has bytes
                _keep(source, out, name, member.size, budget)
    except tarfile.TarError as error:
        raise OutputError(f"the build's output cannot be read: {error}") from error


def receive_folder(folder: Path, out: Path) -> None:
    """The same from a folder of this machine; no link is followed."""
    budget = _Budget()
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise OutputError("the build left something else where its output folder was")
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names, never resolved paths
            source = opened_plainly(folder / name) if _plain(folder / name) else None
            if source is None:
                raise OutputError(f"the build left {name!r} in its output, which is not a regular file")
            with source:
                _keep(source, out, name, os.fstat(source.fileno()).st_size, budget)
    except (FileNotFoundError, PermissionError) as error:  # a full disk is not the build's doing, these are
        raise OutputError(f"the build's output cannot be read: {error.strerror}") from error


def _plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


class _Budget:
    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0

    def spend(self, size: int) -> None:
        self.files += 1
        self.bytes += size
        if self.files > MOST_FILES:
            raise OutputError(f"the build left more than {MOST_FILES} files in its output")
        if self.bytes > MOST_BYTES:
            raise OutputError(f"the build left more than {MOST_BYTES // 1024**3} GiB in its output")


def _keep(source: _Readable | IO[bytes], out: Path, name: str, size: int, budget: _Budget) -> None:
    if not name or "/" in name or name in {".", ".."} or not name.isprintable():
        raise OutputError(f"the build left {name!r} in its output: only plain files directly in it are taken")
    budget.spend(size)
    with (out / name).open("xb") as target:
        left = size
        while left and (chunk := source.read(min(_CHUNK, left))):
            target.write(chunk)
            left -= len(chunk)
