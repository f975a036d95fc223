"""One project at a time: all that is in the tree because of its wheels, and because of nobody else's.

given ─> made: shelves, merged ─> pool, pages
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from index import html_pages, json_pages
from index.catalog import Decision, Metadata, Shelf, merged, shelf
from index.errors import TreeError
from index.model import PublishedPlatform, Status, Wheel
from index.names import pool_path
from index.people_projects import Holdings, about_page


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
        for wheel in self.files():
            path = pool_path(wheel)
            file, metadata = PoolFile(wheel.sha256, wheel.size), PoolFile(wheel.metadata_sha256, None)
            if pool.setdefault(path, file) != file or pool.setdefault(f"{path}.metadata", metadata) != metadata:
                raise TreeError(f"{wheel.filename}: two records of the same bytes differ in size or METADATA")
        return pool

    def files(self) -> Iterator[Wheel]:
        """All that is kept, offered or not."""
        return chain(*(wheels for one in self.shelves for wheels in (one.wheels, one.kept)))

    def pages(self, url: str | None, needed_by: Mapping[str, Sequence[str]], here: frozenset[str]
              ) -> Iterator[tuple[str, str]]:  # fmt: skip
        """(path, text) of each page; the last one is for people."""
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
        yield about_page(
            self.holdings(),
            offered=bool(self.everybody.wheels),
            decided=[decision for _, decision in self.decisions()],
            needed_by=needed_by,
            here=here,
            url=url,
        )

    def _indexes(self) -> Iterator[tuple[str, Sequence[Wheel], Status | None]]:
        """Folder, wheels and status of each index that has it."""
        if self.everybody.wheels:
            yield "simple", self.everybody.wheels, self._status()
        for platform, one, status in zip(self.platforms, self.shelves, self.statuses, strict=True):
            yield f"{platform.name}/simple", one.wheels, status

    def _status(self) -> Status | None:
        """For everybody: where platforms have heard different things, the gravest (its word comes last by alphabet)."""
        return max((status for status in self.statuses if status), default=None)

    def wheels(self) -> Iterator[Wheel]:
        """All that is offered by any platform."""
        return chain(*(one.wheels for one in self.shelves))

    def holdings(self) -> Holdings:
        """As the pages for people see it."""
        wheels = {platform.name: one.wheels for platform, one, _ in self.held()}
        return Holdings(name=self.name, wheels=wheels, status=self._status())

    def held(self) -> Iterator[tuple[PublishedPlatform, Shelf, frozenset[str]]]:
        """What each platform that has it offers, and what a set asks for of that though it is yanked."""
        return zip(self.platforms, self.shelves, self.pinned, strict=True)

    def decisions(self) -> Iterator[tuple[str, Decision]]:
        """(platform, decision); the platform is "" for those about the merged index."""
        yield from (("", one) for one in self.everybody.decisions)
        yield from ((platform.name, one) for platform, shelf, _ in self.held() for one in shelf.decisions)


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
