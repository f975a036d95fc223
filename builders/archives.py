"""What every archive must keep to, wheel or sdist: the names of its members, its size, and how a broken rule is told.

    archives ──> zips ──> wheels            filenames: what a file's own name may say
        └──────> tars ──> sdists            coremetadata, machines: what single members say

Nothing here extracts anything: members are read as streams and forgotten.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from builders.errors import ArchiveError
from builders.terminal import visible

MAX_ENTRIES = 100_000
"""Members of one archive. The largest real wheel tried (ansible) has 21,488."""
MAX_UNPACKED = 8 << 30
MAX_TEXT = 32 << 20
"""One member that is held in memory: RECORD, METADATA, PKG-INFO."""
MAX_SHORT = 512 << 10
"""One that people or tools write down in lines: WHEEL, entry_points.txt, pyproject.toml. Read, it takes up to 500 times
its size; the longest honest ones have some ten thousand bytes."""
RATIO_FREE = 64 << 20
"""Up to here an archive may unpack as densely as it likes."""
MAX_RATIO = 50
MAX_PATH = 1000
"""Bytes of a member's path, characters of a link's target."""
CHUNK = 1 << 20

EARLIEST, LATEST = 315_532_800, 4_354_819_199
"""1980-01-01 and 2107-12-31 23:59:59, the first and the last second that a zip can name."""

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = frozenset(("Cc", "Cs", "Zl", "Zp"))

Kind = Literal["file", "directory", "symlink", "hardlink"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One member of an archive, whatever its format; `name` has no slash at the end, `target` is a link's."""

    name: str
    kind: Kind
    size: int
    mtime: int
    target: str = ""


def broken(archive: str, rule: str, *, entry: str = "") -> ArchiveError:
    """The error for a broken rule: file, entry, rule. The caller raises it."""
    places = [visible(archive)[:300], visible(entry)[:300]] if entry else [visible(archive)[:300]]
    return ArchiveError(
        ": ".join([*places, rule]),
        hint="Nothing of this file was kept. If it is a file of your own, build it again with a current tool; "
        "if it came from an index, tell its project.",
    )


@contextmanager
def opened(path: Path, archive: str) -> Iterator[BinaryIO]:
    """The file, open for reading; a FIFO, a folder or a file that cannot be read is refused like a bad archive."""
    if not path.is_file():
        raise broken(archive, "there is no regular file of this name")
    try:
        file = path.open("rb")
    except OSError as error:
        raise broken(archive, f"the file cannot be read ({error.strerror})") from error
    with file:
        yield file


def control_in(text: str) -> bool:
    """Whether a text holds control characters, line separators, lone surrogates or marks that reverse the writing."""
    if text.isascii():
        return not text.isprintable()
    return any(c in _BIDI or unicodedata.category(c) in _UNSEEN for c in text)


def path_problem(name: str) -> str:
    """Which rule the path of a member breaks, in words; empty when it breaks none."""
    segments = name.split("/")
    if not name or name.startswith("/") or (name[1:2] == ":" and name[0].isalpha()):
        return "its path is absolute or empty"
    if "\\" in name:
        return "its path has a backslash"
    if ".." in segments:
        return "its path leads upwards with '..'"
    if "" in segments or "." in segments:
        return "its path has an empty or '.' part"
    if control_in(name):
        return "its name has control characters or is not UTF-8"
    if len(name) > 80 and (len(name.encode()) > MAX_PATH or max(len(part.encode()) for part in segments) > 255):
        return f"its name is longer than 255 bytes (or its path than {MAX_PATH})"
    return ""


def check_members(archive: str, members: Iterable[Member]) -> None:
    """Names that are safe, said once, and no file where a folder is needed."""
    directories: set[str] = set()
    others: set[str] = set()
    for member in members:
        if problem := path_problem(member.name):
            raise broken(archive, problem, entry=member.name)
        if member.kind == "directory":
            directories.add(member.name)
        elif member.name in others:
            raise broken(archive, "two entries have this name", entry=member.name)
        else:
            others.add(member.name)
    for name in [*others, *directories]:
        while (slash := name.rfind("/")) > 0 and (name := name[:slash]) not in directories:
            directories.add(name)
        if len(directories) > MAX_ENTRIES:  # each path may name hundreds that no other has
            raise broken(archive, f"it has more than {MAX_ENTRIES} folders")
    for name in sorted(others & directories):
        raise broken(archive, "this name is a file (or a link) and a folder at once", entry=name)


def check_volume(archive: str, *, unpacked: int, packed: int) -> None:
    """Not a bomb: at most 50 times its own size once it is beyond 64 MiB, and at most 8 GiB."""
    if unpacked > MAX_UNPACKED:
        raise broken(archive, f"it unpacks to more than {MAX_UNPACKED >> 30} GiB")
    if unpacked > RATIO_FREE and unpacked > packed * MAX_RATIO:
        raise broken(
            archive, f"it unpacks to more than {MAX_RATIO} times its size ({packed} bytes): a compression bomb"
        )


def check_short(archive: str, data: bytes, entry: str) -> None:
    """Before such a member is split into lines or tables."""
    if len(data) > MAX_SHORT:
        raise broken(archive, f"it is larger than {MAX_SHORT >> 10} KiB", entry=entry)


def clamped(mtime: int) -> int:
    """The time stamp, moved into what a zip (and so SOURCE_DATE_EPOCH) can say."""
    return min(max(mtime, EARLIEST), LATEST)
