"""The published tree as a value: which page says what, which link leads where, which bytes lie in the pool.

    platforms ─> batches of projects ─> key ──(a memo has it)──> part ─┐
                                        └──> checked, made ────> part ─┴─> pages that name all projects

Pure: the same records give the same bytes, with a memo or without. Pages are made one at a time as somebody walks over
them, so that an index of 100,000 wheels never stands in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from index import html_pages, json_pages
from index.batches import Batch, base, batches, part_of
from index.catalog import Decision, Metadata
from index.collector import collector_paused
from index.memo import EMPTY, Memo
from index.model import PublishedPlatform
from index.names import checked_platforms, checked_wheels, unshared_names
from index.parts import Part
from index.people import front_page
from index.people_parts import STYLE, asset
from index.projects import PoolFile, Project
from index.settings import checked_url, settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Everything but manifest.json, which `publish` makes as it goes. Paths are relative to the root, with slashes.

    `known` are the parts (by their keys) of which not a byte can be other than when the memo was made.
    """

    parts: Mapping[str, Part]  # by key, in the order of their projects' names
    files: Mapping[str, str]  # of the whole tree: lists of projects, settings, locks, the front page for people
    decisions: tuple[Decision, ...]
    memo: Memo
    known: frozenset[str]
    _given: Mapping[str, Batch]
    _made: Mapping[str, Sequence[Project]]
    _metadata: Metadata
    _url: str | None

    def projects(self, key: str) -> Sequence[Project]:
        """A part's, each with all that is its own."""
        return self._made.get(key) or self._given[key].made(self._metadata)

    def pages_of(self, keys: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Every page of these parts' projects, each made when it is asked for."""
        names = frozenset(chain(*(self.parts[key].names for key in keys)))
        needed_by = _needed_by(self.parts.values(), names)
        here = frozenset(chain(*(part.names for part in self.parts.values())))
        for key in keys:
            for project in self.projects(key):
                for path, text in project.pages(self._url, needed_by[project.name], here):
                    yield path, text.encode()

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Every page and its bytes."""
        yield from self.pages_of(self.parts)
        yield from self.pages_for_all()

    def pages_for_all(self) -> Iterator[tuple[str, bytes]]:
        """Those that are no project's own."""
        for path, text in self.files.items():
            yield path, text.encode()

    def pool(self, keys: Iterable[str]) -> Iterator[tuple[str, PoolFile]]:
        """Path and file of everything that is kept of these parts' projects."""
        for key in keys:
            for project in self.projects(key):
                yield from project.pool().items()

    def links(self, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Path and relative target of these parts' links."""
        for part in map(self.parts.__getitem__, keys):
            for held in part.held:
                yield from part.links(held)


@collector_paused()
def tree(
    platforms: Sequence[PublishedPlatform],
    *,
    url: str | None,
    metadata: Metadata,
    incomplete: Sequence[str] = (),
    memo: Memo = EMPTY,
) -> Tree:
    """What to publish for these platforms: always all of them, as what is not given is taken away.

    `url` is publish.url; `metadata` gives the bytes of a METADATA file by their hash, and is asked only where two
    platforms made different bytes under one file name. `incomplete` are the names of platforms that were never
    complete, for people to see. What the `memo` knows is neither checked nor made again. Raises TreeError for names
    that cannot be published.
    """
    ordered = tuple(sorted(platforms, key=lambda platform: platform.name))
    checked_platforms(ordered)
    url = checked_url(url)
    unshared_names(ordered)
    common = base(ordered, url)
    given = {batch.key(common): batch for batch in batches(ordered)}
    changed = {key: batch for key, batch in given.items() if key not in memo.records}
    checked_wheels(chain(*(batch.all_wheels() for batch in changed.values())))
    anew = {key: batch.made(metadata) for key, batch in changed.items()}
    parts = {key: part_of(key, anew[key], ordered) if key in anew else memo.part(key) for key in given}
    decisions = _decisions(parts.values(), ordered)
    return Tree(
        parts=parts,
        files=dict(_for_all(ordered, list(parts.values()), decisions, incomplete, url)),
        decisions=decisions,
        memo=memo,
        known=_known(memo, parts),
        _given=given,
        _made=anew,
        _metadata=metadata,
        _url=url,
    )


def _for_all(
    platforms: Sequence[PublishedPlatform],
    parts: Sequence[Part],
    decisions: Sequence[Decision],
    incomplete: Sequence[str],
    url: str | None,
) -> Iterator[tuple[str, str]]:
    yield from _lists("simple", list(chain(*(part.offered for part in parts))))
    for platform in platforms:
        having = [held for part in parts for held in part.held if held.platform == platform.name]
        yield from _lists(f"{platform.name}/simple", list(chain(*(held.projects for held in having))))
        yield f"{platform.name}/index.html", html_pages.flat_page(platform.name, (held.html for held in having))
        for name, text in settings(platform, url):
            yield f"{platform.name}/{name}", text
    yield STYLE, asset("people.css")
    yield "index.html", front_page(platforms, parts, decisions, incomplete=sorted(incomplete), url=url)


def _lists(folder: str, projects: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield f"{folder}/index.html", html_pages.root_page(projects)
    yield f"{folder}/index.v1_json", json_pages.root_page(projects)


def _decisions(parts: Iterable[Part], platforms: Sequence[PublishedPlatform]) -> tuple[Decision, ...]:
    """First those about the merged index, by project; then each platform's, by file name."""
    each: dict[str, list[Decision]] = {"": [], **{platform.name: [] for platform in platforms}}
    for part in parts:
        for where, decision in part.decisions():
            each[where].append(decision)
    own = (one for platform in platforms for one in sorted(each[platform.name], key=lambda one: one.filename))
    return (*each[""], *own)


def _needed_by(parts: Iterable[Part], names: Collection[str]) -> dict[str, dict[str, Sequence[str]]]:
    """Requirements the other way round: project → who requires it → how they say it."""
    found: dict[str, dict[str, Sequence[str]]] = {name: {} for name in names}
    for part in parts if found else ():
        for name, needs in part.needs().items():
            for other in needs.keys() & found.keys():
                found[other][name] = needs[other]
    return found


def _known(memo: Memo, parts: Mapping[str, Part]) -> frozenset[str]:
    """Parts of which the memo knows every byte: none of their pages tells of a project that changed, came or went.

    A page tells what its project needs, and whether that is here, and who needs the project.
    """
    kept = [part for key, part in parts.items() if key in memo.records]
    before = [memo.part(key) for key in memo.records.keys() - parts.keys()] if kept else []
    now = [part for key, part in parts.items() if key not in memo.records] if kept else []
    moved = set(chain(*(one.names for one in before))) ^ set(chain(*(one.names for one in now)))
    needed, needs = _all_needs(before), _all_needs(now)
    told = {other for name in needed.keys() | needs.keys() for other in _changed(needed.get(name), needs.get(name))}
    return frozenset(
        part.key
        for part in kept
        if told.isdisjoint(part.names) and (not moved or moved.isdisjoint(chain(*part.needs().values())))
    )


def _all_needs(parts: Iterable[Part]) -> dict[str, Mapping[str, Sequence[str]]]:
    return {name: needs for part in parts for name, needs in part.needs().items()}


def _changed(before: Mapping[str, Sequence[str]] | None, now: Mapping[str, Sequence[str]] | None) -> Iterator[str]:
    """Whom a project needed, or needs, in other words than it does, or did."""
    before, now = before or {}, now or {}
    return (other for other in before.keys() | now.keys() if before.get(other) != now.get(other))
