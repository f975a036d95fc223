"""What the whole tree must know of a few projects, to write the pages that name all without looking at them again.

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
    """What one platform has of them; `linked` are places in the part's files, `html` lines of its flat page."""

    platform: str
    projects: tuple[str, ...]
    wheels: int
    size: int
    linked: str  # with blanks between: most who read a memo never ask
    html: str

    def columns(self) -> tuple[str, str, str, str, str]:
        """Its part of a record."""
        return self.platform, " ".join(self.projects), f"{self.wheels} {self.size}", self.linked, self.html


class Part(NamedTuple):
    """Their share in the pages for all; the same key means the same part, pages, links and files.

    `wheels` and `size` count each file once, `rows` are lines of the front page's table, `notes` what is kept as JSON,
    `files` sha256 and file name by turns, with slashes between.
    """

    key: str
    names: tuple[str, ...]
    offered: tuple[str, ...]  # those in the merged index
    wheels: int
    size: int
    rows: str
    notes: str
    files: str
    held: tuple[Held, ...]

    def paths(self) -> Iterator[str]:
        """Every path that is in the tree for these projects."""
        for folder in self._own_folders():
            yield from (f"{folder}/index.html", f"{folder}/index.v1_json")
        yield from map(page_of, self.names)
        for sha256, name in self._files():
            path = f"{pool_folder(sha256)}/{name}"
            yield from (path, f"{path}.metadata")
        for held in self.held:
            yield from (path for path, _ in self.links(held))

    def folders(self) -> list[str]:
        """Those that hold nothing but their pages, and nothing but their files."""
        return [*self._own_folders(), *(pool_folder(sha256) for sha256, _ in self._files())]

    def _own_folders(self) -> list[str]:
        indexes = [("simple", self.offered), *((f"{held.platform}/simple", held.projects) for held in self.held)]
        return [f"{folder}/{name}" for folder, names in indexes for name in names]

    def _files(self) -> list[tuple[str, str]]:
        texts = self.files.split("/")
        return list(zip(texts[::2], texts[1::2], strict=True))

    def links(self, held: Held) -> Iterator[tuple[str, str]]:
        """(path, target) of each link in a platform's folder."""
        files = self._files()
        for place in map(int, held.linked.split()):
            sha256, name = files[place]
            yield f"{held.platform}/{name}", f"../{pool_folder(sha256)}/{name}"

    def needs(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """Of each project that requires others: which, and how it says so."""
        return json.loads(self.notes)["needs"] if self.notes else {}

    def decisions(self) -> Iterator[tuple[str, Decision]]:
        """(platform, decision); the platform is "" for those about the merged index."""
        for platform, project, filename, text, kept in json.loads(self.notes)["decisions"] if self.notes else ():
            files = tuple((sha256, name) for sha256, name in kept)
            yield platform, Decision(project=project, filename=filename, text=text, kept=files)

    def record(self) -> str:
        """For a memo."""
        names, offered = " ".join(self.names), " ".join(self.offered)
        held = chain(*(one.columns() for one in self.held))
        counts = f"{self.wheels} {self.size}"
        return UNIT.join((self.key, names, offered, counts, self.rows, self.notes, self.files, *held))

    @classmethod
    def parsed(cls, record: str) -> Part:
        """What `record` was given."""
        key, names, offered, counts, rows, notes, files, *held = record.split(UNIT)
        wheels, size = map(int, counts.split())
        held_by = tuple([_held(*held[at : at + 5]) for at in range(0, len(held), 5)])
        return cls(
            key=key,
            names=tuple(names.split()),
            offered=tuple(offered.split()),
            wheels=wheels,
            size=size,
            rows=rows,
            notes=notes,
            files=files,
            held=held_by,
        )


def notes(needs: Mapping[str, Mapping[str, Sequence[str]]], decisions: Sequence[tuple[str, Decision]]) -> str:
    """What `needs` and `decisions` give back; "" for nothing, as most projects need and decide little."""
    if not needs and not decisions:
        return ""
    told = [(platform, one.project, one.filename, one.text, one.kept) for platform, one in decisions]
    return json.dumps({"needs": needs, "decisions": told}, separators=(",", ":"))


def _held(platform: str, projects: str, counts: str, linked: str, html: str) -> Held:
    wheels, size = map(int, counts.split())
    return Held(platform, tuple(projects.split()), wheels, size, linked, html)
