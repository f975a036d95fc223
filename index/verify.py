"""Read a published tree again as a stranger would, and say in words what is wrong with it: `python verify.py DIR`.

Standard library of Python 3.9 only, and nothing of wheelyard: this one file also runs on the far side of a USB stick.
All is hashed; every page parsed; HTML compared with JSON; every link followed; every .metadata compared with its wheel.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

MANIFEST = "manifest.json"
STAGE = ".publishing"  # while a publication runs, or after one was killed: the manifests of what may lie about
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNLIKE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)  # what other JSON ends in
_LINUX = re.compile(r"(^|\.)linux_")
_TIMES = 5
_FOR_PEOPLE = re.compile(r"([^/]+/)?index\.html|about/[^/]+\.html")
_EPOCH = "1970-01-01T00:00:00Z"
_LISTING = re.compile(r"(?!about/)[^/]+/([^/]+\.txt|pylock\.[^/]+\.toml|[^/]+\.pylock\.toml)")  # what a set asks for
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_PINNED = re.compile(r"([a-z0-9-]+)={2,3}(\S+) \\\n    --hash=sha256:([0-9a-f]{64})\n")
_LOCKED = re.compile(r'\bpath = "([^"]*)"[^{}]*\{sha256 = "([0-9a-f]{64})"\}')
_ELSEWHERE = re.compile(r"\b(path|url|vcs|directory|archive|sdist|index|sha256)\b *=")
_SETTING = re.compile(r"(#.*|\[global\]|\[\[index\]\]|(no-index|find-links|index-url|trusted-host|url|default) = .*)?")
_ACTIVE = frozenset({"script", "iframe", "object", "embed", "form", "frame"})
_STATUSES = frozenset({"active", "archived", "deprecated", "quarantined"})
_WORD = re.compile(r"[-_.]?(alpha|beta|preview|pre|rc|post|rev|dev|[abcr])[-_.]?([0-9]*)")
_WORDS = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc", "rev": "post", "r": "post"}
_UPLOAD_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def verify(public: Path) -> list[str]:
    """Everything that is wrong, one finding a line, in the order of the paths; empty when all is right.

    A publication that was killed is no finding: each path may then be as the old or as the new manifest says, and only
    what both say is compared across pages; `interrupted` tells. Where one runs meanwhile, all is looked at again.
    """
    if not public.is_dir():
        return [f"{public}: there is no such folder"]
    for _ in range(_TIMES):
        before, findings = _publication(public), _findings(public)
        if before == _publication(public):
            return findings
    return [f"{MANIFEST}: publications ran all the while; verify again when they have ended"]


def _publication(public: Path) -> object:
    """Something that is another after each publication, and after each of its steps."""
    paths = sorted(_walk(public)) if interrupted(public) else []
    return [(path, _stamp(public / path)) for path in (MANIFEST, *paths)]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.lstat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def _findings(public: Path) -> list[str]:
    found = _Tree.read(public)
    for check in (_against_manifest, _readable, _empty_folders, _pool, _indexes, _folders, _settings, _plain_pages):
        check(found)
    _front_page(found)
    _pointed_to(found)
    return sorted(set(found.findings))


def interrupted(public: Path) -> bool:
    """Whether a publication is running, or was stopped before its end; the next one completes it."""
    return (public / STAGE).is_dir()


@dataclass(frozen=True)
class _File:
    """What a page says of one file; `path` is where its link leads."""

    name: str
    path: str
    sha256: str | None
    python: str | None
    metadata: str | None
    yanked: str | None
    size: str | None = field(default=None, compare=False)  # this and the next only JSON can say
    uploaded: str | None = field(default=None, compare=False)


@dataclass
class _Tree:
    """What lies on the disk, what the manifests say, and what was found so far."""

    public: Path
    files: dict[str, tuple[int, str]]  # size, sha256
    links: dict[str, str]
    manifests: list[dict[str, Any]]
    folders: set[str] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)  # paths that are unlike the manifest: one finding each is enough
    pointed_to: set[str] = field(default_factory=set)
    offered: dict[str, dict[str, _File]] = field(default_factory=dict)  # index folder → file name → file

    @classmethod
    def read(cls, public: Path) -> _Tree:
        """Walk and hash, without following a link."""
        names = sorted(_walk(public))
        targets = ((name, _target(public / name)) for name in names)
        links = {name: target for name, target in targets if target is not None}
        with ThreadPoolExecutor() as pool:
            states = pool.map(lambda name: (name, _state(public / name)), (name for name in names if name not in links))
            tree = cls(public=public, files=dict(states), links=links, manifests=[])
        tree.folders = {folder for name in names for folder in _above(name)}
        tree.manifests = list(_manifests(tree))
        return tree

    def say(self, path: str, what: str) -> None:
        """One finding; what came from outside is shown without its control characters."""
        self.findings.append(_CONTROL.sub("?", f"{path}: {what}"))

    def states(self, path: str) -> list[Any]:
        """What the manifests allow for a path; None stands for "not there"."""
        return [manifest.get(path) for manifest in self.manifests]

    def moves(self, *paths: str) -> bool:
        """Whether an unfinished publication is changing one of these."""
        return any(state != self.states(path)[0] for path in paths for state in self.states(path))

    def resolve(self, page: str, url: str) -> tuple[str, str | None]:
        """(path in the tree, sha256) of a link on a page; it must be relative, and stay inside."""
        parts = _split(url)
        path = _joined(page, unquote(parts.path))
        if parts.scheme or parts.netloc or parts.path.startswith("/") or path.startswith(".."):
            self.say(page, f"links to {url!r}, which is outside the tree")
        if parts.query:
            self.say(page, f"links to {url!r}, with a question that no folder can answer")
        _, _, sha256 = parts.fragment.partition("sha256=")
        return path, sha256 or None


def _walk(public: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(public):
        place = Path(folder).relative_to(public).as_posix()
        prefix = "" if place == "." else f"{place}/"
        if not prefix:
            folders[:] = [name for name in folders if name != STAGE]
        names = (*files, *(name for name in folders if (Path(folder) / name).is_symlink()))
        yield from (prefix + name for name in names if prefix + name != MANIFEST)


def _target(path: Path) -> str | None:
    """Where a link leads; None for what is none, or has just gone."""
    try:
        return str(path.readlink())
    except OSError:
        return None


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # such as http://[
        return SplitResult("no-url", "", "", "", "")


def _joined(path: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _manifests(tree: _Tree) -> Iterator[dict[str, Any]]:
    stage = tree.public / STAGE
    pending = [path for path in _inside(stage) if path.suffix == ".json"]
    main = tree.public / MANIFEST
    there = main.is_file() and not main.is_symlink()
    if not there and (main.exists() or main.is_symlink()):
        tree.say(MANIFEST, "is no file")
    elif not there and not stage.is_dir():
        tree.say(MANIFEST, "is missing")
    for path in [main] * there + pending:
        try:
            manifest = json.loads(path.read_bytes())["paths"]
            states = {name: state for name, state in manifest.items() if isinstance(state, dict)}
            yield {name: state for name, state in states.items() if isinstance(state.get("link", ""), str)}
        except (OSError, *_UNLIKE) as error:
            if path == main:
                tree.say(MANIFEST, f"cannot be read: {error}")
    if not there:
        yield {}  # before the first publication there was nothing


def _against_manifest(tree: _Tree) -> None:
    if not any(tree.manifests):  # which was said: not once more for each path
        return
    named = {path for manifest in tree.manifests for path in manifest}
    found: dict[str, Any] = {path: {"link": target} for path, target in tree.links.items()}
    found |= {path: {"size": size, "sha256": sha256} for path, (size, sha256) in tree.files.items()}
    for path in sorted(named | found.keys()):
        actual, allowed = found.get(path), tree.states(path)
        if actual in allowed or _copied_link(tree, path, allowed):
            continue
        tree.wrong.add(path)
        if not any(allowed):
            tree.say(
                path, "nothing points to it: it is not in the manifest, and doit leaves alone what it did not make"
            )
        elif actual is None:
            tree.say(path, "is missing")
        else:
            wanted = _described(allowed[0] or allowed[-1] or {})
            tree.say(path, f"is not what was published: expected {wanted}, found {_described(actual)}")


def _described(state: dict[str, Any]) -> str:
    if "link" in state:
        return f"a link to {state['link']}"
    if (state.get("size") or 0) < 0:
        return str(state.get("sha256"))
    return f"{state.get('size')} bytes with sha256 {state.get('sha256')}"


def _copied_link(tree: _Tree, path: str, allowed: list[Any]) -> bool:
    """Whether this is the file itself where a link was: so it comes out of a copy to a disk that knows no links."""
    targets = [_joined(path, state["link"]) for state in allowed if state and "link" in state]
    return path in tree.files and any(tree.files.get(target) == tree.files[path] for target in targets)


def _readable(tree: _Tree) -> None:
    """Whoever may read the manifest or the front page may read all the rest, and nobody else may write it.

    A web server answers 403 for what is hidden from it. On a disk that knows no modes all have the same.
    """
    manifest, front = (_mode(tree.public / path) or 0 for path in (MANIFEST, "index.html"))
    readers, writers = (manifest | front) & 0o444, manifest | front | 0o200
    for paths, wanted in (((*tree.files, MANIFEST), readers), ((*tree.folders, "."), readers | readers >> 2)):
        for path in paths:
            mode = _mode(tree.public / path)
            if mode is not None and ~mode & wanted:
                tree.say(path, f"is hidden from some who may read the rest: its mode is {mode & 0o777:o}")
            if mode is not None and mode & 0o222 & ~writers:
                tree.say(path, f"may be written by some who may not write the rest: its mode is {mode & 0o777:o}")


def _empty_folders(tree: _Tree) -> None:
    for folder, folders, files in os.walk(tree.public):
        if not folders and not files and not interrupted(tree.public):
            tree.say(
                Path(folder).relative_to(tree.public).as_posix(),
                "has nothing in it, and doit leaves alone what it did not make: remove it",
            )


def _mode(path: Path) -> int | None:
    """None: a publication that is running has just taken it away."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _pool(tree: _Tree) -> None:
    """Each wheel lies under its own hash, with its METADATA beside it, byte for byte."""
    for path in tree.files:
        if not path.startswith("files/") or path in tree.wrong:
            continue
        end = path.endswith(".metadata")
        beside = path.removesuffix(".metadata") if end else f"{path}.metadata"
        if beside not in tree.files and not tree.moves(path):
            tree.say(path, f"has no {'wheel' if end else '.metadata'} beside it")
        if not end and path.split("/")[1:3] != [tree.files[path][1][:2], tree.files[path][1]]:
            tree.say(path, f"is not in the folder of its own hash, {tree.files[path][1]}")
        if (
            not end
            and beside in tree.files
            and beside not in tree.wrong
            and _inner(tree, path, tree.files[beside][0]) != _read(tree, beside)
        ):
            tree.say(beside, "is not the METADATA in the wheel")


def _inner(tree: _Tree, path: str, most: int) -> bytes | None:
    """The wheel's own METADATA, but for what is longer than it may be."""
    try:
        with zipfile.ZipFile(tree.public / path) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            if len(names) != 1:
                return None
            with archive.open(names[0]) as file:
                return file.read(most + 1)
    except Exception as error:  # noqa: BLE001 - zipfile promises no list of what a strange archive makes it raise
        tree.say(path, f"cannot be read as a wheel: {error}")
        return None


def _indexes(tree: _Tree) -> None:
    pages = {path for path in tree.files if re.fullmatch(r"([^/]+/)?simple(/[^/]+)?/index\.(html|v1_json)", path)}
    for folder in sorted({posixpath.dirname(page) for page in pages}):
        html, other = f"{folder}/index.html", f"{folder}/index.v1_json"
        if not {html, other} <= pages:
            if not tree.moves(html, other):
                tree.say(folder, "has only one of index.html and index.v1_json")
        elif not {html, other} & tree.wrong:
            (_root if _lists_projects(folder) else _project)(tree, folder, html, other)


def _lists_projects(folder: str) -> bool:
    """Whether it is an index's own folder: a project may be called simple too."""
    return folder == "simple" or (folder.endswith("/simple") and folder.count("/") == 1 and folder != "simple/simple")


def _root(tree: _Tree, folder: str, html: str, other: str) -> None:
    parsed = _parsed(tree, html)
    links = parsed.found
    _for_clients(tree, html, parsed)
    names = [_word(project, "name") for project in _load(tree, other, "projects")]
    if tree.moves(html, other):
        return
    if [text for text, _ in links] != names:
        tree.say(folder, "HTML and JSON list different projects")
    for text, attributes in links:
        path, _ = tree.resolve(html, attributes.get("href") or "")
        if path != f"{folder}/{text}" or f"{path}/index.html" not in tree.files:
            tree.say(html, f"lists {text!r}, which has no page")
    for path in sorted(tree.folders - {f"{folder}/{name}" for name in names}):
        if posixpath.dirname(path) == folder and not tree.moves(f"{path}/index.html"):
            tree.say(path, "no list names it")


def _project(tree: _Tree, folder: str, html: str, other: str) -> None:
    parsed = _parsed(tree, html)
    _for_clients(tree, html, parsed)
    said = [_from_html(tree, html, text, attributes) for text, attributes in parsed.found]
    if _name(tree, other) != posixpath.basename(folder) and not tree.moves(other):
        tree.say(other, f"is about {_name(tree, other)!r}")
    also = [_from_json(tree, other, record) for record in _load(tree, other, "files")]
    if said != also and not tree.moves(html, other):
        names = sorted({one.name for one in {*said} ^ {*also}})
        tree.say(folder, f"HTML and JSON disagree about {', '.join(names) or 'the order of their files'}")
    _versions(tree, other, also)
    status, reason = (parsed.metas.get(f"pypi:project-status{end}") for end in ("", "-reason"))
    if {"status": status, "reason": reason or ""} != _status(tree, other) and not tree.moves(html, other):
        tree.say(folder, "HTML and JSON disagree about the project's status")
    if status not in _STATUSES:
        tree.say(html, f"{status!r} is no status of a project")
    for page, files in ((html, said), (other, also)):
        for one in files:
            _file(tree, page, one)
    tree.offered.setdefault(posixpath.dirname(folder), {}).update({one.name: one for one in said})


def _for_clients(tree: _Tree, page: str, parsed: _Anchors) -> None:
    if parsed.metas.get("pypi:repository-version") != "1.4":
        tree.say(page, "is not of repository-version 1.4")
    if parsed.active:
        tree.say(page, f"has a <{parsed.active}>, which could lead a browser elsewhere")


def _versions(tree: _Tree, page: str, files: list[_File]) -> None:
    """PEP 700: `versions` are those of the files; METADATA may spell them otherwise."""
    try:
        said = json.loads(_read(tree, page) or b"").get("versions")
    except _UNLIKE:
        return
    found = {str(_metadata(tree, one).get("Version")) for one in files if f"{one.path}.metadata" in tree.files}
    if said != list(dict.fromkeys(map(str, said or ()))) or (found and {*map(_plain, said)} != {*map(_plain, found)}):
        tree.say(page, "its versions are not those of its files")


def _plain(version: str) -> str:
    """PEP 440 spells one version in many ways (1.0-RC.1, v1.0.0c1): with as little of that as needs no parser."""
    public, _, local = version.strip().lower().partition("+")
    public = re.sub(r"(?<=[0-9])-([0-9]+)(?=$|[-_.]?dev)", r"post\1", public)
    public = re.sub(r"^v?(0+!)?|(?<![0-9])0+(?=[0-9])", "", public)
    public = _WORD.sub(lambda found: _WORDS.get(found[1], found[1]) + (found[2] or "0"), public)
    return re.sub(r"(\.0)+(?=$|[a-z])", "", public) + "+" + re.sub("[-_.]", ".", local)


def _metadata(tree: _Tree, one: _File) -> Message:
    return HeaderParser().parsestr((_read(tree, f"{one.path}.metadata") or b"").decode(errors="replace"))


def _file(tree: _Tree, page: str, one: _File) -> None:
    """One link: to a file of that name in the pool, with its hash, its METADATA's hash, its Requires-Python."""
    name, beside = one.name, f"{one.path}.metadata"
    tree.pointed_to |= {one.path, beside}
    if one.path not in tree.files:
        tree.say(page, f"links to {one.path}, which is not there")
    if one.path not in tree.files or {one.path, beside} & tree.wrong:
        return
    (size, sha256), (_, metadata) = tree.files[one.path], tree.files.get(beside, (0, None))
    said = _metadata(tree, one).get("Requires-Python", "")
    python, wanted = (" ".join(_CONTROL.sub(" ", text).split()) for text in (str(said), one.python or ""))
    merged_and_for_one = page.startswith("simple/") and _LINUX.search(name.rpartition("-")[2])
    rules = {
        f"calls {posixpath.basename(one.path)!r} {name!r}": posixpath.basename(one.path) == name,
        f"{name}: sha256 is not {one.sha256}": one.sha256 == sha256,
        f"{name}: its metadata's sha256 is not {one.metadata}": one.metadata == metadata,
        f"{name}: has {size} bytes, and the page says {one.size}": one.size in {None, str(size)},
        f"{name}: upload-time {one.uploaded!r} is no time": _UPLOAD_TIME.fullmatch(one.uploaded or _EPOCH),
        f"{name} requires Python {python}, and the page says {wanted}": python == wanted,
        f"offers {name} to machines that it was not made for": not merged_and_for_one,
    }
    for text in (text for text, holds in rules.items() if not holds):
        tree.say(page, text)


def _folders(tree: _Tree) -> None:
    """Each platform's folder: a link for each file of its index, of yanked ones for those that a set asks for."""
    asked: dict[str, set[str]] = {}
    listings: dict[str, list[str]] = {}
    for path in sorted(path for path in tree.files if _LISTING.fullmatch(path)):
        index = f"{posixpath.dirname(path)}/simple"
        said = (_read(tree, path) or b"").decode(errors="replace")
        listings.setdefault(index, []).append(path)
        asked.setdefault(index, set()).update(_HASH.findall(said))
    for index in sorted(tree.offered.keys() - {"simple"}):
        folder, offered, wanted = posixpath.dirname(index), tree.offered[index], asked.get(index, set())
        for path in (f"{folder}/{name}" for name, one in offered.items() if one.yanked is None or one.sha256 in wanted):
            if path not in tree.links and path not in tree.files and not tree.moves(path):
                tree.say(path, "is missing, and the platform's index has it")
        _flat_page(tree, folder)
        if (lost := wanted - {one.sha256 for one in offered.values()}) and not interrupted(tree.public):
            tree.say(folder, f"a set asks for sha256 {min(lost)}, which its index does not have")
    for path, target in tree.links.items():
        place = _joined(path, target)
        index = f"{posixpath.dirname(path)}/simple"
        one = tree.offered.get(index, {}).get(posixpath.basename(path))
        if target.startswith("/") or place.startswith("..") or place not in tree.files:
            tree.say(path, f"is a link to {target}, where no file is")
        elif interrupted(tree.public) and (one is None or tree.moves(path, *listings.get(index, ()))):
            continue
        elif one is None or one.path != place or (one.yanked is not None and one.sha256 not in asked.get(index, ())):
            tree.say(path, "is not what the platform's index offers under this name")


def _settings(tree: _Tree) -> None:
    """Client settings say nothing but what they are for; what a set asks for is in its platform's index as it says."""
    for path in sorted(tree.files.keys() - tree.wrong):
        folder, name = posixpath.split(path)
        text = (_read(tree, path) or b"").decode(errors="replace") if folder and "/" not in folder else ""
        if name in {"pip.conf", "uv.toml"}:
            _no_others(tree, path, (line for line in text.splitlines() if not _SETTING.fullmatch(line)))
        elif _LISTING.fullmatch(path) and not interrupted(tree.public):
            (_requirements if name.endswith(".txt") else _lock)(tree, path, text)


def _no_others(tree: _Tree, path: str, lines: Iterator[str]) -> None:
    for line in lines:
        tree.say(path, f"says {line[:80]!r}, which nobody publishes")


def _requirements(tree: _Tree, path: str, text: str) -> None:
    offered = tree.offered.get(f"{posixpath.dirname(path)}/simple", {}).values()
    known = {one.sha256: one.name.split("-")[:2] for one in offered}
    for project, version, sha256 in _PINNED.findall(text):
        name, spelled = known.get(sha256, (project, version))
        if (re.sub("[-_.]+", "-", name).lower(), _plain(spelled)) != (project, _plain(version)):
            tree.say(path, f"asks for {project} {version}, and its sha256 is that of {name} {spelled}")
    _no_others(tree, path, (line for line in _PINNED.sub("", text).splitlines() if line and not line.startswith("#")))


def _lock(tree: _Tree, path: str, text: str) -> None:
    for target, sha256 in _LOCKED.findall(text):
        place = _joined(path, target)
        if tree.files.get(place, (0, ""))[1] != sha256 and place not in tree.wrong:
            tree.say(path, f"leads to {place}, where no file of its sha256 is")
    _no_others(tree, path, (line for line in _LOCKED.sub("", text).splitlines() if _ELSEWHERE.search(line)))


def _flat_page(tree: _Tree, folder: str) -> None:
    """What `pip install -f URL` reads: it has each file of the folder. What else it has is looked at below."""
    page = f"{folder}/index.html"
    if page not in tree.files or page in tree.wrong:
        return
    listed = {tree.resolve(page, attributes.get("href") or "")[0] for _, attributes in _parsed(tree, page).found}
    there = {path for path in (*tree.links, *tree.files) if posixpath.dirname(path) == folder and path.endswith(".whl")}
    for path in there - listed:
        if not tree.moves(path, page):
            tree.say(path, "is not on its folder's page")


def _plain_pages(tree: _Tree) -> None:
    """Pages for people: each relative link leads to something, with the hash that it names."""
    pages = sorted(page for page in tree.files.keys() - tree.wrong if _FOR_PEOPLE.fullmatch(page))
    for page in (page for page in pages if not page.startswith(("simple/", "files/"))):
        parsed = _parsed(tree, page)
        links = [attributes.get("href") or "" for _, attributes in parsed.found]
        for url in (*links, *parsed.sources):
            if _split(url).scheme or _split(url).netloc:
                tree.say(page, f"links to {url!r}, which is elsewhere")
        for url in (*links, *parsed.sources):
            if _split(url).scheme or not _split(url).path:
                continue
            path, sha256 = tree.resolve(page, url)
            place = _joined(path, tree.links[path]) if path in tree.links else path
            tree.pointed_to |= {place, f"{place}.metadata"}
            on_its_way = _FOR_PEOPLE.fullmatch(place) and tree.moves(place)  # these pages lead to each other
            if not (place in tree.files or place in tree.folders or place == MANIFEST or on_its_way):
                tree.say(page, f"links to {path}, which is not there")
            elif sha256 and place not in tree.wrong and tree.files.get(place, (0, ""))[1] != sha256:
                tree.say(page, f"{path}: sha256 is not {sha256}")


def _front_page(tree: _Tree) -> None:
    """Its table, which a script reads as JSON, has each project's page, and each page is in the table."""
    pages = {path for path in tree.files if path.startswith("about/") and path.endswith(".html")}
    text = (_read(tree, "index.html") or b"").decode(errors="replace")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    if "index.html" in tree.wrong or "index.html" not in tree.files:
        return
    try:
        named = {f"about/{row[0]}.html" for row in json.loads(data[1] if data else "")["projects"]}
    except _UNLIKE as error:
        tree.say("index.html", f"has no table of projects: {error!r}")
        return
    for path in (path for path in pages ^ named if not tree.moves(path, "index.html")):
        tree.say(path, "is not there, and index.html names it" if path in named else "index.html does not name it")


def _pointed_to(tree: _Tree) -> None:
    if interrupted(tree.public) or any(path.endswith("index.html") for path in tree.wrong):
        return
    for path in tree.files.keys() - tree.pointed_to - tree.wrong:
        if path.startswith("files/"):
            tree.say(path, "nothing points to it: no page names it")


class _Anchors(HTMLParser):
    """Every <a> with its text and attributes, and every <link>; of each <meta> the content by name.

    `sources` are what a browser fetches besides; `based` says whether a <base> gives all links another meaning,
    `active` and `doubled` in which element something acts by itself, or is said twice.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.metas: dict[str | None, str | None] = {}
        self.sources: list[str] = []
        self.based = False
        self.active = ""
        self.doubled = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "a"
        self.found += [("", dict(attrs))] if tag in {"a", "link"} else []
        self.sources += [source for name, source in attrs if name == "src" and source]
        self.based = self.based or tag == "base"
        said = dict(attrs)
        if tag in _ACTIVE or "http-equiv" in said or any(name.startswith("on") for name in said):
            self.active = tag
        if len(said) < len(attrs) or (tag == "meta" and said.get("name") in self.metas.keys() - {None}):
            self.doubled = tag
        if tag == "meta":
            self.metas[said.get("name")] = said.get("content")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] = (self.found[-1][0] + data, self.found[-1][1])

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "a"


def _parsed(tree: _Tree, page: str) -> _Anchors:
    text = (_read(tree, page) or b"").decode(errors="replace")
    if not text.lower().startswith("<!doctype html>"):
        tree.say(page, "has no HTML5 doctype")
    parser = _Anchors()
    try:
        parser.feed(text)
        parser.close()
    except AssertionError as error:  # of "<![": until Python 3.14
        tree.say(page, f"is no HTML: {error}")
    if parser.based:
        tree.say(page, "has a <base>, which gives its links another meaning")
    if parser.doubled:
        tree.say(page, f"a <{parser.doubled}> says something twice, and readers choose either")
    return parser


def _load(tree: _Tree, page: str, key: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(_read(tree, page) or b"", object_pairs_hook=_once_each)
        if document["meta"]["api-version"] != "1.4":
            tree.say(page, "is not of api-version 1.4")
        return [one for one in document[key] if isinstance(one, dict)]
    except _UNLIKE as error:
        tree.say(page, f"is not the JSON that it should be: {error!r}")
        return []


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) < len(pairs):
        raise ValueError("something is said twice")
    return said


def _name(tree: _Tree, page: str) -> str | None:
    try:
        return _word(json.loads(_read(tree, page) or b""), "name")
    except _UNLIKE:
        return None


def _status(tree: _Tree, page: str) -> dict[str, str | None]:
    """PEP 792's: the reason is as good as empty where it is left out. What is no JSON was said of elsewhere."""
    try:
        said = json.loads(_read(tree, page) or b"").get("project-status")
    except _UNLIKE:
        said = None
    return {"status": _word(said, "status"), "reason": _word(said, "reason") or ""}


def _from_html(tree: _Tree, page: str, text: str, attributes: dict[str, str | None]) -> _File:
    path, sha256 = tree.resolve(page, attributes.get("href") or "")
    _, _, metadata = (attributes.get("data-core-metadata") or "").partition("sha256=")
    if "data-dist-info-metadata" in attributes:  # pip 22.3 to 23.1 take its value for a hash, and fail
        tree.say(page, f"{text}: data-dist-info-metadata breaks older pip")
    yanked = (attributes["data-yanked"] or "") if "data-yanked" in attributes else None
    return _File(text, path, sha256, attributes.get("data-requires-python"), metadata or None, yanked)


def _from_json(tree: _Tree, page: str, record: dict[str, Any]) -> _File:
    path, _ = tree.resolve(page, str(record.get("url")))
    sha256, metadata = _word(record, "hashes", "sha256"), _word(record, "core-metadata", "sha256")
    if "dist-info-metadata" in record:
        tree.say(page, f"{_word(record, 'filename')}: dist-info-metadata breaks older pip")
    name, python, yanked = str(_word(record, "filename")), _word(record, "requires-python"), record.get("yanked", False)
    reason = None if yanked is False else "" if yanked is True else str(yanked)
    size, uploaded = str(record.get("size")), _word(record, "upload-time")
    if not isinstance(record.get("size"), int):
        tree.say(page, f"{name}: its size is no number")
    return _File(name, path, sha256, python, metadata, reason, size, uploaded)


def _word(record: Any, *keys: str) -> str | None:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return None if record is None else str(record)


def _state(path: Path) -> tuple[int, str]:
    try:
        if not path.is_file():
            return -1, "not a regular file"
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return file.tell(), digest.hexdigest()
    except OSError as error:
        return -1, f"cannot be read: {error.strerror}"


def _read(tree: _Tree, path: str) -> bytes | None:
    if tree.files.get(path, (-1, ""))[0] < 0:  # a pipe, say, on which one would wait for ever
        return None
    try:
        return (tree.public / path).read_bytes()
    except OSError:
        return None


def main() -> int:
    """Print the findings; 0 when there are none."""
    if len(sys.argv) != 2:
        sys.exit("usage: python verify.py FOLDER")
    public = Path(sys.argv[1])
    findings = verify(public)
    if interrupted(public):
        _tell(["note: a publication is running here, or was stopped before its end; the next one completes it"])
    _tell([*findings, f"{len(findings)} finding{'s' * (len(findings) > 1)}" if findings else "all is right"])
    return 1 if findings else 0


def _tell(lines: list[str]) -> None:
    """The exit code is an answer too, where nobody reads the lines or the disk behind them is full."""
    try:
        print("\n".join(lines), flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains once more at its end


if __name__ == "__main__":
    sys.exit(main())
