"""Bring a tree to the disk, in place, so that a reader never meets half of anything. The only writer of `public/`.

    look ─> stage ─> sync ─> pool in ─> pages in ─> sync ─> manifest ─> take away ─> memo
            (all that is new lies in .publishing/)                      (what nobody asks for any more)

What is new is made beside the tree and renamed into it: one file at a time, or, where its folder is new too, that
whole folder at once. A full disk is noticed in staging, before anything was touched. A run that is killed leaves a
valid tree, and in `.publishing/` the manifests of all that may lie about: for the next run, and for `verify`.

What the memo of this very manifest knows is not looked at, as long as nothing came into the folders that projects
share, or went. The memo is written last: a run that is killed before has one for another manifest, which is not used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path

from index import manifest
from index.collector import collector_paused
from index.disk import Root, in_the_way, opened, seen
from index.errors import PublishError
from index.known import STAGE, Known
from index.memo import write_memo
from index.names import ABOUT, POOL, is_inside
from index.staging import NEW_FOR_PEOPLE, STAGES, Blob, Staged, stage
from index.tree import Tree

_FEW = 32  # so many parts, or such a part of all, are brought up one by one; with more, all are looked at at once
_PROJECT_PAGE = re.compile(r"([^/]+/)?simple/[^/]+/index\.[^/]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What a publication did; `manifest` is what `is_current` wants to know next time."""

    pages: int
    links: int
    files: int
    removed: int
    manifest: str

    @property
    def changed(self) -> bool:
        """Whether anything was written or taken away."""
        return bool(self.pages or self.links or self.files or self.removed)


@collector_paused()
def publish(
    public: Path,
    tree: Tree,
    *,
    blob: Blob,
    memo: Path | None = None,
    thorough: bool = False,
) -> Published:
    """Make `public` be this tree; what an earlier publication put there and this tree does not have is taken away.

    `memo` is a file, not in `public`, for what makes the next publication quick; whoever makes its tree reads it.
    `thorough`: every byte that is there already is looked at again, whatever the file system says of its age, and
    folders of the tree that somebody hid are shown again.
    Each new pool file is hashed before it is linked or copied. Raises PublishError with the tree as it was, unless it
    is the renaming that fails: then the tree is valid and partly new, and the next publication completes it.
    """
    try:
        with opened(public) as root:
            known = Known.read(root, tree.memo, thorough=thorough)
            return _publish(root, tree, blob, memo, known)
    except OSError as error:
        where = error.filename2 or error.filename or ""
        raise PublishError(
            f"cannot publish to {public}: {error.strerror or error}" + (f" ({where})" if where else ""),
            hint="what was published before still stands; run again once there is room and permission",
        ) from error


def is_current(public: Path, manifest_sha256: str) -> bool:
    """Whether `public` is what the publication left that gave this hash, going by its manifest alone."""
    try:
        with seen(public) as root:
            return root.state(STAGE) is None and sha256(root.read(manifest.NAME)).hexdigest() == manifest_sha256
    except OSError:
        return False


def _publish(root: Root, tree: Tree, blob: Blob, memo: Path | None, known: Known) -> Published:
    try:
        shown = not (known.trusted or known.empty) and _show_folders(root, tree)
        same = _same(root, tree, known)
        staged = stage(root, tree, blob, known, [key for key in tree.parts if key not in same])
        gone = {path for path in known.left if is_inside(path)}
        nothing = not (staged.pages or staged.links or staged.files or gone or known.interrupted or shown)
        digest = known.digest if nothing and known.says(staged.states) else _announce(root, known, staged)
        if nothing and digest == known.digest:
            root.remove_all(STAGE)
            _remember(root, memo, tree, digest)
            return _result(staged, digest)
        root.sync()
    except BaseException:
        _clear(root, known)
        raise
    for folder in STAGES:
        if folder == NEW_FOR_PEOPLE and root.state(manifest.NAME) is None:
            root.write(manifest.NAME, manifest.printed({}))  # these pages lead to it
        _bring(root, folder, "")
    root.sync()
    root.replace(f"{STAGE}/{manifest.NAME}", manifest.NAME)
    removed = _take_away(root, gone)
    root.sync()
    root.remove_all(STAGE)
    root.touch(manifest.NAME)
    _remember(root, memo, tree, digest)
    return _result(staged, digest, removed)


def _result(staged: Staged, digest: str, removed: int = 0) -> Published:
    return Published(
        pages=staged.pages,
        links=staged.links,
        files=staged.files,
        removed=removed,
        manifest=digest,
    )


def _show_folders(root: Root, tree: Tree) -> int:
    """The tree's folders are for everybody; gives how many were not. The outer ones first: they hide the inner ones."""
    paths = chain((f"{folder}/" for part in tree.parts.values() for folder in part.folders()), tree.files)
    folders = {path[:at] for path in paths for at, one in enumerate(path) if one == "/"}
    return sum(map(root.show, sorted(folders)))


def _same(root: Root, tree: Tree, known: Known) -> frozenset[str]:
    """Keys of parts that are in the tree as they should be; of everything else the former paths are expected."""
    memo = tree.memo
    keys = memo.records.keys() | tree.parts.keys()
    are_few = len(keys - tree.known) <= max(_FEW, len(keys) // _FEW)
    is_this_one = memo.manifest == known.digest and not known.interrupted
    if is_this_one and are_few and known.is_as_left(root, memo.folders()):
        known.expect(chain(memo.paths, *(memo.part(key).paths() for key in memo.records.keys() - tree.known)))
        return tree.known
    known.expect_all(root, () if memo.manifest == known.digest else memo.all_paths())
    return frozenset()


def _announce(root: Root, known: Known, staged: Staged) -> str:
    """Leave the manifests of both trees until the one has become the other; gives the new one's hash."""
    root.remove(f"{STAGE}/{manifest.NAME}")
    digest = sha256()
    root.write(f"{STAGE}/{manifest.NAME}", _hashed(known.printed(staged.states), digest))
    root.twin(f"{STAGE}/{manifest.NAME}", f"{STAGE}/{digest.hexdigest()}.json")
    if known.since:
        root.twin(manifest.NAME, f"{STAGE}/{known.digest}.json")
    return digest.hexdigest()


def _hashed(pieces: Iterable[bytes | memoryview], digest: hashlib._Hash) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _remember(root: Root, path: Path | None, tree: Tree, digest: str) -> None:
    """The last thing of all: what the next publication need not do again, beside this manifest."""
    state = root.state(manifest.NAME)
    since = state.st_ctime_ns if state else 0
    records = tree.memo.records
    if path is None or (
        (tree.memo.manifest, tree.memo.since) == (digest, since) and records.keys() == tree.parts.keys()
    ):
        return
    now = (records.get(key) or part.record() for key, part in tree.parts.items())
    write_memo(path, manifest=digest, since=since, paths=tree.files, records=now)


def _bring(root: Root, staged: str, place: str) -> None:
    """Rename what is staged into its place: whole folders where there is none yet, inner folders first.

    A new page of people's comes before a changed one, which may lead to it.
    """
    entries = root.names(staged)
    if place == ABOUT:
        entries.sort(key=lambda entry: root.state(f"{place}/{entry.name}") is not None)
    for entry in entries:
        path = f"{place}/{entry.name}" if place else entry.name
        if entry.is_dir(follow_symlinks=False) and root.state(path) is not None:
            if not root.is_folder(path):
                raise in_the_way(root.path / path)
            _bring(root, f"{staged}/{entry.name}", path)
        else:
            root.replace(f"{staged}/{entry.name}", path)


def _take_away(root: Root, paths: set[str]) -> int:
    """What leads to other paths goes before them, in waves, each ended before the next begins."""
    waves: list[list[str]] = [[], [], [], []]
    for path in sorted(paths):
        waves[_wave(path)].append(path)
    return sum(map(root.remove_each, waves))


def _wave(path: str) -> int:
    """0: where people and clients begin: pages for people, lists, settings; 1: projects' pages; 2: links; 3: files."""
    if path.startswith(f"{POOL}/"):
        return 3
    if path.endswith(".whl"):
        return 2
    return 1 if _PROJECT_PAGE.fullmatch(path) else 0


def _clear(root: Root, known: Known) -> None:
    """Nothing was touched yet: leave no trace, but for what tells of an earlier publication that did not end."""
    if known.interrupted:
        for stage in STAGES:
            root.remove_all(stage)
    else:
        root.remove_all(STAGE)
