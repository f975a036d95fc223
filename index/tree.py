"""The published tree as a value: which page says what, which link leads where, which bytes lie in the pool.

Pure: the same records give the same bytes. Pages are made one at a time as somebody walks over them, so that an index
of 100,000 wheels never stands in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from index import html_pages, json_pages
from index.catalog import Decision, Metadata, Shelf, by_project, merged, shelf
from index.errors import TreeError
from index.model import PublishedPlatform, Wheel
from index.names import checked_platforms, checked_wheels, pool_path
from index.people import front_page
from index.people_parts import STYLE, asset
from index.people_projects import ProjectPages, held
from index.settings import checked_url, settings


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolFile:
    """A file that exists once, under its hash; `size` is None where the records do not say (METADATA)."""

    sha256: str
    size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """One simple API: the folder it is in, and its wheels in order."""

    folder: str
    wheels: tuple[Wheel, ...]

    def pages(self) -> Iterator[tuple[str, str]]:
        """Projects first, then the list that names them: no list ever leads to a page that is not there."""
        up = "../" * (self.folder.count("/") + 2)
        projects = []
        for project, wheels in by_project(self.wheels):
            projects.append(project)
            yield f"{self.folder}/{project}/index.html", html_pages.project_page(project, wheels, up=up)
            yield f"{self.folder}/{project}/index.v1_json", json_pages.project_page(project, wheels, up=up)
        yield f"{self.folder}/index.html", html_pages.root_page(projects)
        yield f"{self.folder}/index.v1_json", json_pages.root_page(projects)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Everything but manifest.json, which `publish` makes as it goes. Paths are relative to the root, with slashes."""

    indexes: tuple[Index, ...]
    projects: ProjectPages
    files: Mapping[str, str]  # the small ones: settings, locks, the front page for people
    links: Mapping[str, str]  # path → relative target
    pool: Mapping[str, PoolFile]
    decisions: tuple[Decision, ...]

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Every page and its bytes, each made when it is asked for."""
        for one in self.indexes:
            for path, text in one.pages():
                yield path, text.encode()
        for path, text in self.projects.pages():
            yield path, text.encode()
        for path, text in self.files.items():
            yield path, text.encode()


def tree(
    platforms: Sequence[PublishedPlatform], *, url: str | None, metadata: Metadata, incomplete: Sequence[str] = ()
) -> Tree:
    """What to publish for these platforms: always all of them, as what is not given is taken away.

    `url` is publish.url; `metadata` gives the bytes of a METADATA file by their hash, and is asked only where two
    platforms made different bytes under one file name. `incomplete` are the names of platforms that were never
    complete, for people to see. Raises TreeError for names that cannot be published.
    """
    ordered = tuple(sorted(platforms, key=lambda platform: platform.name))
    checked_platforms(ordered)
    for platform in ordered:
        checked_wheels((*platform.wheels, *(wheel for one in platform.sets for wheel in one.wheels)))
    url = checked_url(url)
    shelves = tuple(shelf(platform) for platform in ordered)
    everybody = merged(ordered, shelves, metadata)
    decisions = (*everybody.decisions, *(decision for one in shelves for decision in one.decisions))
    projects = held(ordered, shelves)
    return Tree(
        indexes=(
            Index(folder="simple", wheels=everybody.wheels),
            *(Index(folder=f"{p.name}/simple", wheels=one.wheels) for p, one in zip(ordered, shelves, strict=True)),
        ),
        projects=ProjectPages(projects=projects, offered=_names(everybody.wheels), decisions=decisions, url=url),
        files={
            STYLE: asset("people.css"),
            **{path: text for p, one in zip(ordered, shelves, strict=True) for path, text in _folder(p, one, url)},
            "index.html": front_page(ordered, shelves, projects, decisions, incomplete=sorted(incomplete), url=url),
        },
        links={
            f"{p.name}/{wheel.filename}": f"../{pool_path(wheel)}"
            for p, one in zip(ordered, shelves, strict=True)
            for wheel in _flat(one)
        },
        pool=_pool(shelves, decisions),
        decisions=decisions,
    )


def _names(wheels: Sequence[Wheel]) -> frozenset[str]:
    return frozenset(wheel.project for wheel in wheels)


def _folder(platform: PublishedPlatform, one: Shelf, url: str | None) -> Iterator[tuple[str, str]]:
    yield f"{platform.name}/index.html", html_pages.flat_page(platform.name, _flat(one))
    for name, text in settings(platform, url):
        yield f"{platform.name}/{name}", text


def _flat(one: Shelf) -> Iterator[Wheel]:
    """A folder says nothing about its files, so a yanked one would be taken like any other: it is not in there."""
    return (wheel for wheel in one.wheels if wheel.yanked is None)


def _pool(shelves: Sequence[Shelf], decisions: Sequence[Decision]) -> dict[str, PoolFile]:
    pool: dict[str, PoolFile] = {}
    for wheels in (*(one.wheels for one in shelves), *(decision.kept for decision in decisions)):
        for wheel in wheels:
            path = pool_path(wheel)
            file, metadata = (
                PoolFile(sha256=wheel.sha256, size=wheel.size),
                PoolFile(sha256=wheel.metadata_sha256, size=None),
            )
            if pool.setdefault(path, file) != file or pool.setdefault(f"{path}.metadata", metadata) != metadata:
                raise TreeError(f"{wheel.filename}: two records of the same bytes differ in size or METADATA")
    return pool
