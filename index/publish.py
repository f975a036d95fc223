"""Bring a tree to the disk, in place, so that a reader never meets half of anything. The only writer of `public/`.

    look ─> stage ─> sync ─> pool in ─> pages in ─> sync ─> manifest ─> take away
            (all that is new lies in .publishing/)                      (what nobody asks for any more)

What is new is made beside the tree and renamed into it: one file at a time, or, where its folder is new too, that
whole folder at once. A full disk is noticed in staging, before anything was touched. A run that is killed leaves a
valid tree, and in `.publishing/` the manifests of all that may lie about: for the next run, and for `verify`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from index import manifest
from index.disk import Root, in_the_way, opened
from index.errors import PublishError
from index.known import STAGE, Known
from index.manifest import State
from index.names import ABOUT, POOL, checked_path, is_for_people, is_inside
from index.tree import Tree

_POOL = f"{STAGE}/pool"
_PAGES = f"{STAGE}/pages"
_PEOPLE = f"{STAGE}/people"  # pages for people lead to all others, and so come in after them

Blob = Callable[[str], Path]  # sha256 → where the store keeps these bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What a publication did; `manifest` is what `is_current` wants to know next time."""

    pages: int
    links: int
    files: int
    added_bytes: int
    removed: int
    manifest: str

    @property
    def changed(self) -> bool:
        """Whether anything was written or taken away."""
        return bool(self.pages or self.links or self.files or self.removed)


@dataclass(slots=True)
class _Staged:
    """What lies in `.publishing/` so far, and the state of each path that the tree will have."""

    states: dict[str, State]
    pages: int = 0
    links: int = 0
    files: int = 0
    added_bytes: int = 0

    def result(self, digest: str, removed: int = 0) -> Published:
        return Published(
            pages=self.pages,
            links=self.links,
            files=self.files,
            added_bytes=self.added_bytes,
            removed=removed,
            manifest=digest,
        )


def publish(public: Path, tree: Tree, *, blob: Blob) -> Published:
    """Make `public` be this tree; what an earlier publication put there and this tree does not have is taken away.

    Each new pool file is hashed before it is linked or copied. Raises PublishError with the tree as it was, unless it
    is the renaming that fails: then the tree is valid and partly new, and the next publication completes it.
    """
    try:
        with opened(public) as root:
            return _publish(root, tree, blob)
    except OSError as error:
        where = error.filename2 or error.filename or ""
        raise PublishError(
            f"cannot publish to {public}: {error.strerror or error}" + (f" ({where})" if where else ""),
            hint="what was published before still stands; run again once there is room and permission",
        ) from error


def is_current(public: Path, manifest_sha256: str) -> bool:
    """Whether `public` is what the publication left that gave this hash, going by its manifest alone."""
    try:
        text = (public / manifest.NAME).read_bytes()
    except OSError:
        return False
    return sha256(text).hexdigest() == manifest_sha256 and not (public / STAGE).exists()


def _publish(root: Root, tree: Tree, blob: Blob) -> Published:
    known = Known.read(root)
    try:
        staged = _stage(root, tree, blob, known)
        gone = {path for path in known.left if is_inside(path)}
        digest = _announce(root, known, staged)
        if not (staged.pages or staged.links or staged.files or gone or known.interrupted or digest != known.digest):
            root.remove_all(STAGE)
            return staged.result(digest)
        root.sync()
    except BaseException:
        _clear(root, known)
        raise
    _bring(root, _POOL, "")
    _bring(root, _PAGES, "")
    _bring(root, _PEOPLE, "")
    root.sync()
    root.replace(f"{STAGE}/{manifest.NAME}", manifest.NAME)
    removed = _take_away(root, gone)
    root.sync()
    root.remove_all(STAGE)
    root.touch(manifest.NAME)
    return staged.result(digest, removed)


def _stage(root: Root, tree: Tree, blob: Blob, known: Known) -> _Staged:
    """Make all that is new, beside the tree."""
    for stage in (_POOL, _PAGES, _PEOPLE):
        root.remove_all(stage)
        root.make_folders(stage)
    staged = _Staged(states={})
    _stage_pool(root, tree, blob, known, staged)
    _stage_links(root, tree, known, staged)
    _stage_pages(root, tree, known, staged)
    return staged


def _stage_pool(root: Root, tree: Tree, blob: Blob, known: Known, staged: _Staged) -> None:
    for path, one in tree.pool.items():
        state = known.pool_state(root, checked_path(path), one.sha256)
        if state is None:
            root.make_folders(f"{_POOL}/{path.rpartition('/')[0]}")
            state = root.place(blob(one.sha256), f"{_POOL}/{path}", one.sha256), one.sha256
            staged.files += 1
            staged.added_bytes += state[0]
        if one.size is not None and one.size != state[0]:
            raise PublishError(f"{path} has {state[0]} bytes, and its record says {one.size}")
        staged.states[path] = state


def _stage_links(root: Root, tree: Tree, known: Known, staged: _Staged) -> None:
    for path, target in tree.links.items():
        staged.states[path] = target
        if not known.holds_link(root, checked_path(path), target):
            root.make_folders(f"{_PAGES}/{path.rpartition('/')[0]}")
            root.write_link(f"{_PAGES}/{path}", target)
            staged.links += 1


def _stage_pages(root: Root, tree: Tree, known: Known, staged: _Staged) -> None:
    for path, data in tree.pages():
        staged.states[checked_path(path)] = state = len(data), sha256(data).hexdigest()
        if not known.holds_page(root, path, state):
            stage = _PEOPLE if is_for_people(path) else _PAGES
            root.make_folders(f"{stage}/{path}".rpartition("/")[0])
            root.write(f"{stage}/{path}", (data,))
            staged.pages += 1


def _announce(root: Root, known: Known, staged: _Staged) -> str:
    """Leave the manifests of both trees until the one has become the other; gives the new one's hash."""
    root.remove(f"{STAGE}/{manifest.NAME}")
    digest = sha256()
    root.write(f"{STAGE}/{manifest.NAME}", _hashed(manifest.printed(staged.states), digest))
    root.twin(f"{STAGE}/{manifest.NAME}", f"{STAGE}/{digest.hexdigest()}.json")
    if known.since:
        root.twin(manifest.NAME, f"{STAGE}/{known.digest}.json")
    return digest.hexdigest()


def _hashed(pieces: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


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
    """Pages and links before the files that they lead to."""
    ordered = sorted(paths, key=lambda path: (path.startswith(f"{POOL}/"), path))
    return sum(root.remove(path) for path in ordered)


def _clear(root: Root, known: Known) -> None:
    """Nothing was touched yet: leave no trace, but for what tells of an earlier publication that did not end."""
    if known.interrupted:
        for stage in (_POOL, _PAGES, _PEOPLE):
            root.remove_all(stage)
    else:
        root.remove_all(STAGE)
