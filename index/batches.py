"""Projects whose names follow each other, a few together: what a memo keeps one record of.

platforms ─> batches ─> key                        (the same key: a memo knows all the rest)
                └─────> given ─> projects ─> part  (what the whole tree must know of them)
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from hashlib import sha256
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import packaging

from index import html_pages
from index.catalog import Metadata
from index.model import Entry, PublishedPlatform, Status, Wheel
from index.parts import Held, Part, notes
from index.people_projects import needs, row
from index.projects import Given, Project, made

_TOGETHER = 32  # projects, on average: more cost less to know again, and more to make again
_FIELDS = attrgetter(*(field.name for field in fields(Entry)))
_MARSHAL = 2  # the last version in which equal values always make equal bytes; nobody reads them back


class _Source(NamedTuple):
    """What one platform has, by project."""

    platform: PublishedPlatform
    wheels: Mapping[str, Sequence[Wheel]]  # in the order in which they came, those of its sets last
    statuses: Mapping[str, Status]
    pinned: Mapping[str, frozenset[str]]

    def said(self, names: Sequence[str]) -> tuple[object, ...]:
        """Its word on these projects, and on no others."""
        statuses = [(name, self.statuses[name]) for name in names if name in self.statuses]
        pinned = [(name, sorted(self.pinned[name])) for name in names if name in self.pinned]
        return self.platform.name, statuses, pinned


class Batch(NamedTuple):
    """Names of projects, in order, and where to find what is given of them."""

    names: Sequence[str]
    sources: Sequence[_Source]

    def key(self, base: bytes) -> str:
        """Hash of all that their part, pages, links and files are made of, names of other projects excepted."""
        held = [[source.wheels.get(name, ()) for name in self.names] for source in self.sources]
        wheels = list(chain(*chain(*held)))
        each = {id(wheel): wheel for wheel in wheels}  # one may be on several platforms, in several sets
        places: list[int] = []
        if len(each) < len(wheels):
            numbers = {place: number for number, place in enumerate(each)}
            places = [numbers[id(wheel)] for wheel in wheels]
        counts = [list(map(len, one)) for one in held]
        said = [source.said(self.names) for source in self.sources]
        whole = (said, counts, places, list(map(_FIELDS, each.values())))
        return sha256(base + marshal.dumps(whole, _MARSHAL)).hexdigest()

    def made(self, metadata: Metadata) -> list[Project]:
        """Decide for each who is offered what."""
        return [made(self._given(name), metadata) for name in self.names]

    def all_wheels(self) -> Iterator[Wheel]:
        """Of all of these projects, on every platform."""
        return chain(*(source.wheels.get(name, ()) for source in self.sources for name in self.names))

    def _given(self, name: str) -> Given:
        having = [source for source in self.sources if name in source.wheels]
        return Given(
            name=name,
            platforms=tuple(source.platform for source in having),
            wheels=tuple(source.wheels[name] for source in having),
            statuses=tuple(source.statuses.get(name) for source in having),
            pinned=tuple(source.pinned.get(name, frozenset()) for source in having),
        )


def batches(platforms: Sequence[PublishedPlatform]) -> list[Batch]:
    """Every project, in the order of their names.

    A name says by itself whether a batch begins with it: who comes or goes changes one batch, and none that follow.
    """
    sources = [_source(platform) for platform in platforms]
    found: list[list[str]] = []
    for name in sorted({name for source in sources for name in source.wheels}):
        if not found or crc32(name.encode(errors="surrogatepass")) % _TOGETHER == 0:
            found.append([])
        found[-1].append(name)
    return [Batch(names, sources) for names in found]


def _source(platform: PublishedPlatform) -> _Source:
    wheels: dict[str, list[Wheel]] = {}
    for wheel in chain(platform.wheels, *(one.wheels for one in platform.sets)):
        wheels.setdefault(wheel.project, []).append(wheel)
    statuses = {project: (status, reason) for project, status, reason in platform.statuses}
    return _Source(platform, wheels, statuses, _pinned(platform))


def _pinned(platform: PublishedPlatform) -> dict[str, frozenset[str]]:
    """Yanked files (sha256) that a set asks for all the same."""
    found: dict[str, frozenset[str]] = {}
    for wheel in chain(*(one.wheels for one in platform.sets)):
        if wheel.yanked is not None:
            found[wheel.project] = found.get(wheel.project, frozenset()) | {wheel.sha256}
    return found


def base(platforms: Sequence[PublishedPlatform], url: str | None) -> bytes:
    """What the pages of all projects depend on."""
    return repr((code(), url, [(platform.name, platform.libc, platform.tags) for platform in platforms])).encode()


@cache
def code() -> str:
    """Hash of the program that makes the pages: another version makes all of them anew."""
    here = Path(__file__).parent
    digest = sha256(f"{sys.version} {packaging.__version__}".encode())
    for path in sorted((*here.glob("*.py"), *here.glob("assets/*"))):
        digest.update(b"%s %d\n" % (path.name.encode(), path.stat().st_size) + path.read_bytes())
    return digest.hexdigest()


def part_of(key: str, projects: Sequence[Project], platforms: Sequence[PublishedPlatform]) -> Part:
    """What the whole tree must know of these projects; `platforms` are all that there are."""
    files: dict[tuple[str, str], int] = {}
    for wheel in chain(*(project.files() for project in projects)):
        files.setdefault((wheel.sha256, wheel.filename), len(files))
    sizes = {(one.name, wheel.sha256): wheel.size for one in projects for wheel in one.wheels()}
    holdings = [project.holdings() for project in projects]
    return Part(
        key=key,
        names=tuple(project.name for project in projects),
        offered=tuple(project.name for project in projects if project.everybody.wheels),
        wheels=len(sizes),
        size=sum(sizes.values()),
        rows=",\n".join(row(one, platforms) for one in holdings),
        notes=notes(
            {one.name: found for one in holdings if (found := needs(one))},
            list(chain(*(project.decisions() for project in projects))),
        ),
        files="/".join(chain(*files)),
        held=tuple(_all_held(projects, files)),
    )


def _all_held(projects: Iterable[Project], files: Mapping[tuple[str, str], int]) -> Iterator[Held]:
    """One for each platform that has any of these projects."""
    having: dict[str, list[tuple[str, Sequence[Wheel], frozenset[str]]]] = {}
    for project in projects:
        for platform, shelf, pinned in project.held():
            having.setdefault(platform.name, []).append((project.name, shelf.wheels, pinned))
    for name, mine in sorted(having.items()):
        flat = [wheel for _, wheels, pinned in mine for wheel in _flat(wheels, pinned)]
        yield Held(
            platform=name,
            projects=tuple(project for project, _, _ in mine),
            wheels=sum(len(wheels) for _, wheels, _ in mine),
            size=sum(wheel.size for _, wheels, _ in mine for wheel in wheels),
            linked=" ".join(str(files[wheel.sha256, wheel.filename]) for wheel in flat),
            html=html_pages.flat_links(flat),
        )


def _flat(wheels: Sequence[Wheel], pinned: frozenset[str]) -> list[Wheel]:
    """A folder says nothing about its files: a yanked one would be taken like any other, so it is there for sets alone.

    PEP 592: a yanked file is for those who pin it, and that is what such a set did.
    """
    return [wheel for wheel in wheels if wheel.yanked is None or wheel.sha256 in pinned]
