"""What the last publication knew of all projects, so that the next one makes only what changed.

A cache and no truth: where it is missing, damaged, or of another version of this program, everything is made anew.
What lies in the tree is taken from it only beside the very manifest that it was written for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from index.batches import code
from index.parts import RECORD, UNIT, Part


@dataclass(frozen=True, kw_only=True, slots=True)
class Memo:
    """A record of each part, by its key; the paths that are no project's own; the hash of the manifest beside all that.

    `since` is when that manifest was last touched (ctime, ns): that of a copy of the tree is another.
    """

    manifest: str
    since: int
    paths: tuple[str, ...]
    records: Mapping[str, str]

    def part(self, key: str) -> Part:
        """As it was, and as it is again where the key is the same."""
        return Part.parsed(self.records[key])

    def folders(self) -> Iterator[str]:
        """Those that projects share, and in which something comes and goes with them."""
        return (folder for folder in {path.rpartition("/")[0] for path in self.paths} if folder)

    def all_paths(self) -> Iterator[str]:
        """Everything that was in the tree, but for the manifest."""
        yield from self.paths
        for key in self.records:
            yield from self.part(key).paths()


EMPTY = Memo(manifest="", since=0, paths=(), records={})


def read_memo(path: Path) -> Memo:
    """The memo in this file; an empty one where there is none that can be used."""
    try:
        with path.open("rb") as file:
            said, body = json.loads(file.readline()), file.read()
        if said["code"] != code() or said["crc32"] != crc32(body):
            return EMPTY
        records = {record[: record.index(UNIT)]: record for record in body.decode().split(RECORD)[:-1]}
        return Memo(manifest=said["manifest"], since=said["since"], paths=tuple(said["paths"]), records=records)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return EMPTY


def write_memo(path: Path, *, manifest: str, since: int, paths: Iterable[str], records: Iterable[str]) -> None:
    """Keep it, durably. One that cannot be written is one that is missing, and fails nothing."""
    body = "".join(f"{record}{RECORD}" for record in records).encode()
    said = {
        "code": code(),
        "manifest": manifest,
        "since": since,
        "crc32": crc32(body),
        "paths": list(paths),
    }
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.writelines((json.dumps(said).encode(), b"\n", body))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
