"""What the whole tree must know of one project, to write the pages that name all projects without looking at it again.

A part is text through and through, so that a memo can hold it as one record: see `Part.record`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from index.catalog import Decision
from index.names import page_of, pool_folder

UNIT, RECORD = "\x1f", "\x1e"  # ASCII's own separators: names, markup and JSON have no control character but "\n"


class Held(NamedTuple):
    """What one platform has of a project; `linked` are places in the part's files, `html` lines of its flat page."""

    platform: str
    wheels: int
    size: int
    linked: tuple[int, ...]
    html: str

    def columns(self) -> tuple[str, str, str, str]:
        """Its part of a record."""
        return (
            self.platform,
            f"{self.wheels} {self.size}",
            " ".join(map(str, self.linked)),
            self.html,
        )


class Part(NamedTuple):
    """One project's share in the pages for all; the same key means the same part, pages, links and files.

    `wheels` and `size` count each file once, `row` is its line of the front page's table, `notes` what is kept as JSON,
    `files` sha256 and file name by turns.
    """

    name: str
    key: str
    offered: bool  # whether it is in the merged index
    wheels: int
    size: int
    row: str
    notes: str
    files: tuple[str, ...]
    held: tuple[Held, ...]

    def indexes(self) -> list[str]:
        """Folders of the indexes that have it."""
        return [*(["simple"] if self.offered else []), *(f"{one.platform}/simple" for one in self.held)]

    def pages(self) -> list[str]:
        """Paths of its pages."""
        pages: list[str] = []
        for folder in self.indexes():
            pages += (f"{folder}/{self.name}/index.html", f"{folder}/{self.name}/index.v1_json")
        return [*pages, page_of(self.name)]

    def folders(self) -> list[str]:
        """Those that hold nothing but its pages, and nothing but its files."""
        return [*(f"{folder}/{self.name}" for folder in self.indexes()), *map(pool_folder, self.files[::2])]

    def links(self, held: Held) -> Iterator[tuple[str, str]]:
        """(path, target) of each link in a platform's folder."""
        for place in held.linked:
            sha256, name = self.files[2 * place : 2 * place + 2]
            yield f"{held.platform}/{name}", f"../{pool_folder(sha256)}/{name}"

    def paths(self) -> Iterator[str]:
        """Every path that is in the tree for this project."""
        yield from self.pages()
        for sha256, name in zip(self.files[::2], self.files[1::2], strict=True):
            path = f"{pool_folder(sha256)}/{name}"
            yield from (path, f"{path}.metadata")
        for held in self.held:
            yield from (path for path, _ in self.links(held))

    def needs(self) -> Mapping[str, Sequence[str]]:
        """Other projects that it requires, and how it says so."""
        return json.loads(self.notes)["needs"] if self.notes else {}

    def decisions(self) -> Iterator[tuple[str, Decision]]:
        """(platform, decision); the platform is "" for those about the merged index."""
        for platform, filename, text, kept in json.loads(self.notes)["decisions"] if self.notes else ():
            files = tuple((sha256, name) for sha256, name in kept)
            yield platform, Decision(project=self.name, filename=filename, text=text, kept=files)

    def record(self) -> str:
        """For a memo."""
        counts, files, offered = f"{self.wheels} {self.size}", "/".join(self.files), "offered" if self.offered else ""
        held = chain(*(one.columns() for one in self.held))
        return UNIT.join((self.name, self.key, offered, counts, self.row, self.notes, files, *held))

    @classmethod
    def parsed(cls, record: str) -> Part:
        """What `record` was given."""
        name, key, offered, counts, row, notes, files, *held = record.split(UNIT)
        wheels, size = map(int, counts.split())
        held_by = tuple([_held(*held[at : at + 4]) for at in range(0, len(held), 4)])
        return cls(name, key, bool(offered), wheels, size, row, notes, tuple(files.split("/")), held_by)


def notes(needs: Mapping[str, Sequence[str]], decisions: Sequence[tuple[str, Decision]]) -> str:
    """What `needs` and `decisions` give back; "" for nothing, as most projects need and decide little."""
    if not needs and not decisions:
        return ""
    told = [(platform, one.filename, one.text, one.kept) for platform, one in decisions]
    return json.dumps({"needs": needs, "decisions": told}, separators=(",", ":"))


def _held(platform: str, counts: str, linked: str, html: str) -> Held:
    wheels, size = map(int, counts.split())
    return Held(platform, wheels, size, tuple(map(int, linked.split())), html)
