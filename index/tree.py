"""The published tree as a value: which page says what, which link leads where, which bytes lie in the pool.

    platforms ─> given, by project ─> key ──(a memo has it)──> part ─┐
                                      └──> checked, made ────> part ─┴─> pages that name all projects

Pure: the same records give the same bytes, with a memo or without. Pages are made one at a time as somebody walks over
them, so that an index of 100,000 wheels never stands in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from index import html_pages, json_pages
from index.catalog import Decision, Metadata
from index.collector import collector_paused
from index.memo import EMPTY, Memo
from index.model import PublishedPlatform
from index.names import checked_platforms, checked_wheels, unshared_names
from index.parts import Part
from index.people import front_page
from index.people_parts import STYLE, asset
from index.projects import Given, PoolFile, Project, base, given, made
from index.settings import checked_url, settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Everything but manifest.json, which `publish` makes as it goes. Paths are relative to the root, with slashes.

    `known` are the projects of which not a byte can be other than when the memo was made.
    """

    parts: Mapping[str, Part]  # by name of the project, in order
    files: Mapping[str, str]  # of the whole tree: lists of projects, settings, locks, the front page for people
    decisions: tuple[Decision, ...]
    memo: Memo
    known: frozenset[str]
    _given: Mapping[str, Given]
    _made: Mapping[str, Project]
    _metadata: Metadata
    _url: str | None

    def project(self, name: str) -> Project:
        """A project with all that is its own."""
        return self._made.get(name) or made(self._given[name], self._metadata)

    def pages_of(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Every page of these projects, each made when it is asked for."""
        needed_by = _needed_by(self.parts.values(), names)
        here = frozenset(self.parts)
        for name in names:
            for path, text in self.project(name).pages(self._url, needed_by[name], here):
                yield path, text.encode()

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Every page and its bytes."""
        yield from self.pages_of(self.parts)
        yield from self.pages_for_all()

    def pages_for_all(self) -> Iterator[tuple[str, bytes]]:
        """Those that are no project's own."""
        for path, text in self.files.items():
            yield path, text.encode()

    def pool(self, names: Iterable[str]) -> Iterator[tuple[str, PoolFile]]:
        """Path and file of everything that is kept of these projects."""
        for name in names:
            yield from self.project(name).pool().items()

    def links(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Path and relative target of these projects' links."""
        for part in map(self.parts.__getitem__, names):
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
    projects = given(ordered)
    unshared_names(ordered)
    common = base(ordered, url)
    keys = {name: one.key(common) for name, one in projects.items()}
    kept = {name: part for name, key in keys.items() if (part := memo.part(name, key))}
    changed = [one for name, one in projects.items() if name not in kept]
    checked_wheels(wheel for one in changed for wheels in one.wheels for wheel in wheels)
    anew = {one.name: made(one, metadata) for one in changed}
    parts = {name: kept.get(name) or anew[name].part(key, ordered) for name, key in keys.items()}
    decisions = _decisions(parts.values(), ordered)
    return Tree(
        parts=parts,
        files=dict(_for_all(ordered, list(parts.values()), decisions, incomplete, url)),
        decisions=decisions,
        memo=memo,
        known=frozenset(kept) - _neighbours(memo, parts, kept),
        _given=projects,
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
    yield from _lists("simple", [part.name for part in parts if part.offered])
    for platform in platforms:
        having = [(part.name, held) for part in parts for held in part.held if held.platform == platform.name]
        yield from _lists(f"{platform.name}/simple", [name for name, _ in having])
        yield f"{platform.name}/index.html", html_pages.flat_page(platform.name, (held.html for _, held in having))
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
        for name, texts in part.needs().items():
            if name in found:
                found[name][part.name] = texts
    return found


def _neighbours(memo: Memo, parts: Mapping[str, Part], kept: Mapping[str, Part]) -> set[str]:
    """Projects whose page tells of one that changed, came or went: whom that needs or needed, or who needs it."""
    if not kept:
        return set()
    changed = (memo.names | parts.keys()) - kept.keys()
    found: set[str] = set()
    for name in changed & memo.names & parts.keys():
        before, now = memo.before(name).needs(), parts[name].needs()
        found |= {other for other in before.keys() | now.keys() if before.get(other) != now.get(other)}
    for name in changed - parts.keys():
        found |= memo.before(name).needs().keys()
    for name in parts.keys() - memo.names:
        found |= parts[name].needs().keys()
    moved = memo.names ^ parts.keys()
    if moved:
        found |= {part.name for part in kept.values() if not moved.isdisjoint(part.needs())}
    return found
