"""What the last publication knew of each project, so that the next one makes only what changed.

A cache and no truth: where it is missing, damaged, or of another version of this program, everything is made anew.
What lies in the tree is taken from it only beside the very manifest that it was written for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from index.parts import RECORD, UNIT, Part
from index.projects import code


@dataclass(frozen=True, kw_only=True, slots=True)
class Memo:
    """One record for each project, the paths that are no project's own, and the manifest (its hash) beside all that.

    `since` is when that manifest was last touched (ctime, ns): that of a copy of the tree is another.
    """

    manifest: str
    since: int
    paths: tuple[str, ...]
    records: Mapping[str, str]

    @property
    def names(self) -> frozenset[str]:
        """Of the projects."""
        return frozenset(self.records)

    def part(self, name: str, key: str) -> Part | None:
        """A project's part, if its key is still the same."""
        record = self.records.get(name, "")
        return Part.parsed(record) if record.startswith(f"{name}{UNIT}{key}{UNIT}") else None

    def before(self, name: str) -> Part:
        """A project's part as it was."""
        return Part.parsed(self.records[name])

    def all_paths(self) -> Iterator[str]:
        """Everything that was in the tree, but for the manifest."""
        yield from self.paths
        for name in self.records:
            yield from self.before(name).paths()


EMPTY = Memo(manifest="", since=0, paths=(), records={})


def read_memo(path: Path) -> Memo:
    """The memo in this file; an empty one where there is none that can be used."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        said = json.loads(head)
        if said["code"] != code() or said["sha256"] != sha256(body).hexdigest():
            return EMPTY
        records = {record[: record.index(UNIT)]: record for record in body.decode().split(RECORD)[:-1]}
        return Memo(manifest=said["manifest"], since=said["since"], paths=tuple(said["paths"]), records=records)
    except (OSError, ValueError, KeyError, TypeError):
        return EMPTY


def write_memo(path: Path, *, manifest: str, since: int, paths: Iterable[str], records: Iterable[str]) -> None:
    """Keep it, durably. One that cannot be written is one that is missing, and fails nothing."""
    body = "".join(f"{record}{RECORD}" for record in records).encode()
    said = {
        "code": code(),
        "manifest": manifest,
        "since": since,
        "sha256": sha256(body).hexdigest(),
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
