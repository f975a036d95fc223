"""One project at a time: all that is in the tree because of its wheels, and because of nobody else's.

given ─> key                            (the same key: a memo knows all the rest)
  └────> made: shelves, merged ─> part  (what the whole tree must know of it)
                          └─────> pool, links, pages
"""

from __future__ import annotations

import marshal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from hashlib import sha256
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import packaging

from index import html_pages, json_pages
from index.catalog import Decision, Metadata, Shelf, merged, shelf
from index.errors import TreeError
from index.model import Entry, PublishedPlatform, Status, Wheel
from index.names import pool_path
from index.parts import Held, Part, notes
from index.people_projects import Holdings, about_page, needs, row

_FIELDS = attrgetter(*(field.name for field in fields(Entry)))
_MARSHAL = 2  # the last version in which equal values always make equal bytes; nobody reads them back


class PoolFile(NamedTuple):
    """A file that exists once, under its hash; `size` is None where the records do not say (METADATA)."""

    sha256: str
    size: int | None


class Given(NamedTuple):
    """A project's wheels on each platform that has any, in the order in which they came, those of its sets last.

    For each of these platforms `statuses` has its word on the project, `pinned` the yanked files (sha256) that a set
    asks for all the same.
    """

    name: str
    platforms: tuple[PublishedPlatform, ...]
    wheels: tuple[Sequence[Wheel], ...]
    statuses: tuple[Status | None, ...]
    pinned: tuple[frozenset[str], ...]

    def key(self, base: bytes) -> str:
        """Hash of everything that its part, pages, links and files are made of, its neighbours' names excepted."""
        each = {id(wheel): wheel for wheel in chain(*self.wheels)}  # one may be on several platforms, in several sets
        held = [(platform.name, len(wheels)) for platform, wheels in zip(self.platforms, self.wheels, strict=True)]
        places: list[int] = []
        if len(each) < sum([count for _, count in held]):
            numbers = {place: number for number, place in enumerate(each)}
            places = [numbers[id(wheel)] for wheel in chain(*self.wheels)]
        said = (self.statuses, [sorted(pinned) for pinned in self.pinned])
        whole = (held, said, places, list(map(_FIELDS, each.values())))
        return sha256(base + marshal.dumps(whole, _MARSHAL)).hexdigest()


def given(platforms: Sequence[PublishedPlatform]) -> dict[str, Given]:
    """Everything by project, in the order of their names."""
    found: defaultdict[str, list[tuple[PublishedPlatform, list[Wheel], Status | None, frozenset[str]]]]
    found = defaultdict(list)
    none: frozenset[str] = frozenset()
    for platform in platforms:
        mine: defaultdict[str, list[Wheel]] = defaultdict(list)
        for wheel in chain(platform.wheels, *(one.wheels for one in platform.sets)):
            mine[wheel.project].append(wheel)
        statuses, pinned = _statuses(platform), _pinned(platform)
        for name, wheels in mine.items():
            found[name].append((platform, wheels, statuses.get(name), pinned.get(name, none)))
    return {name: Given(name, *zip(*found[name], strict=True)) for name in sorted(found)}


def _statuses(platform: PublishedPlatform) -> dict[str, Status]:
    return {project: (status, reason) for project, status, reason in platform.statuses}


def _pinned(platform: PublishedPlatform) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for wheel in chain(*(one.wheels for one in platform.sets)):
        if wheel.yanked is not None:
            found[wheel.project] = found.get(wheel.project, frozenset()) | {wheel.sha256}
    return found


def base(platforms: Sequence[PublishedPlatform], url: str | None) -> bytes:
    """What the pages of all projects depend on."""
    return repr((code(), url, [(platform.name, platform.libc) for platform in platforms])).encode()


@cache
def code() -> str:
    """Hash of the program that makes the pages: another version makes all of them anew."""
    here = Path(__file__).parent
    digest = sha256(f"{sys.version} {packaging.__version__}".encode())
    for path in sorted((*here.glob("*.py"), *here.glob("assets/*"))):
        digest.update(b"%s %d\n" % (path.name.encode(), path.stat().st_size) + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """One project, made from its wheels: who offers what of it, and so every page, link and file."""

    name: str
    platforms: tuple[PublishedPlatform, ...]
    shelves: tuple[Shelf, ...]
    everybody: Shelf
    statuses: tuple[Status | None, ...]
    pinned: tuple[frozenset[str], ...]

    def pool(self) -> dict[str, PoolFile]:
        """Path → file, of everything of it that is kept."""
        pool: dict[str, PoolFile] = {}
        for wheel in self._files():
            path = pool_path(wheel)
            file, metadata = PoolFile(wheel.sha256, wheel.size), PoolFile(wheel.metadata_sha256, None)
            if pool.setdefault(path, file) != file or pool.setdefault(f"{path}.metadata", metadata) != metadata:
                raise TreeError(f"{wheel.filename}: two records of the same bytes differ in size or METADATA")
        return pool

    def _files(self) -> Iterator[Wheel]:
        return chain(*(wheels for one in self.shelves for wheels in (one.wheels, one.kept)))

    def pages(self, url: str | None, needed_by: Mapping[str, Sequence[str]], here: frozenset[str]
              ) -> Iterator[tuple[str, str]]:  # fmt: skip
        """(path, text) of each page, in the order of its part's `pages`; the last one is for people."""
        link, file = _once_each(html_pages.link), _once_each(json_pages.file)
        for folder, wheels, status in self._indexes():
            up, versions = "../" * (folder.count("/") + 2), [wheel.version for wheel in wheels]
            links, files = list(map(link, wheels)), list(map(file, wheels))
            yield (
                f"{folder}/{self.name}/index.html",
                html_pages.project_page(self.name, links, up=up, status=status),
            )
            yield (
                f"{folder}/{self.name}/index.v1_json",
                json_pages.project_page(self.name, versions, files, up=up, status=status),
            )
        decided = (*self.everybody.decisions, *(decision for one in self.shelves for decision in one.decisions))
        yield about_page(
            self.holdings(),
            offered=bool(self.everybody.wheels),
            status=self._status(),
            decided=decided,
            needed_by=needed_by,
            here=here,
            url=url,
        )

    def _indexes(self) -> Iterator[tuple[str, Sequence[Wheel], Status | None]]:
        """Folder, wheels and status of each index that has it."""
        if self.everybody.wheels:
            yield "simple", self.everybody.wheels, self._status()
        for (platform, one), status in zip(self._held(), self.statuses, strict=True):
            yield f"{platform.name}/simple", one.wheels, status

    def _status(self) -> Status | None:
        """For everybody: where platforms have heard different things, the gravest (its word comes last by alphabet)."""
        return max((status for status in self.statuses if status), default=None)

    def holdings(self) -> Holdings:
        """As the pages for people see it."""
        return Holdings(name=self.name, wheels={platform.name: one.wheels for platform, one in self._held()})

    def part(self, key: str, platforms: Sequence[PublishedPlatform]) -> Part:
        """What the whole tree must know of it; `platforms` are all that there are."""
        files: dict[tuple[str, str], int] = {}
        for wheel in self._files():
            files.setdefault((wheel.sha256, wheel.filename), len(files))
        sizes = {wheel.sha256: wheel.size for one in self.shelves for wheel in one.wheels}
        decided: list[tuple[str, Decision]] = [("", one) for one in self.everybody.decisions]
        decided += [(platform.name, one) for platform, shelf in self._held() for one in shelf.decisions]
        holdings = self.holdings()
        return Part(
            name=self.name,
            key=key,
            offered=bool(self.everybody.wheels),
            wheels=len(sizes),
            size=sum(sizes.values()),
            row=row(holdings, platforms),
            notes=notes(needs(holdings), decided),
            files=tuple(chain(*files)),
            held=tuple(
                _held(platform.name, one.wheels, pinned, files)
                for (platform, one), pinned in zip(self._held(), self.pinned, strict=True)
            ),
        )

    def _held(self) -> Iterator[tuple[PublishedPlatform, Shelf]]:
        return zip(self.platforms, self.shelves, strict=True)


def _once_each(line: Callable[[Wheel], str]) -> Callable[[Wheel], str]:
    """A wheel's line, made once however many indexes offer it."""
    made: dict[int, str] = {}

    def known(wheel: Wheel) -> str:
        text = made.get(id(wheel))
        if text is None:
            text = made[id(wheel)] = line(wheel)
        return text

    return known


def made(one: Given, metadata: Metadata) -> Project:
    """Decide who is offered what."""
    shelves = tuple(shelf(platform.name, wheels) for platform, wheels in zip(one.platforms, one.wheels, strict=True))
    everybody = merged(one.platforms, shelves, metadata)
    return Project(
        name=one.name,
        platforms=one.platforms,
        shelves=shelves,
        everybody=everybody,
        statuses=one.statuses,
        pinned=one.pinned,
    )


def _held(platform: str, wheels: Sequence[Wheel], pinned: frozenset[str], files: Mapping[tuple[str, str], int]) -> Held:
    """A folder says nothing about its files: a yanked one would be taken like any other, so it is there for sets alone.

    PEP 592: a yanked file is for those who pin it, and that is what such a set did.
    """
    flat = [wheel for wheel in wheels if wheel.yanked is None or wheel.sha256 in pinned]
    return Held(
        platform=platform,
        wheels=len(wheels),
        size=sum(wheel.size for wheel in wheels),
        linked=tuple(files[wheel.sha256, wheel.filename] for wheel in flat),
        html=html_pages.flat_links(flat),
    )
