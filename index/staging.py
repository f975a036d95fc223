"""Make what is new, in `.publishing/` beside the tree: pool files, links, pages. Several processes share it.

keys ─> parts of the work ─> one here, the others in copies of this process ─> the state of each path
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from index.disk import Root
from index.errors import PublishError
from index.known import STAGE, Known
from index.manifest import State
from index.names import checked_path, is_for_people
from index.parts import Part
from index.projects import PoolFile
from index.sharing import Names, copies, in_parts
from index.tree import Tree

NEW_FILES = f"{STAGE}/pool"
NEW_PAGES = f"{STAGE}/pages"
NEW_FOR_PEOPLE = f"{STAGE}/people"  # these pages lead to all others, and so come in after them
STAGES = (NEW_FILES, NEW_PAGES, NEW_FOR_PEOPLE)
_A_WHEEL, _A_BYTE = 2e-4, 1e-9  # seconds to stage it

Blob = Callable[[str], str | Path]  # sha256 → where the store keeps these bytes


@dataclass(slots=True)
class Staged:
    """What lies in `.publishing/` so far, and the state of each path that the tree will have."""

    states: dict[str, State] = field(default_factory=dict)
    pages: int = 0
    links: int = 0
    files: int = 0


def stage(root: Root, tree: Tree, blob: Blob, known: Known, keys: Names) -> Staged:
    """Make all that is new, of these parts of the tree and of the pages for all; PublishError, OSError."""
    for folder in STAGES:
        root.remove_all(folder)
        root.make_folders(folder)
    staging = _Staging(root, tree, blob, known)
    mine, *others = in_parts({key: _weight(tree.parts[key]) for key in keys})
    with root.writing(), copies(staging.in_a_copy, others, keep=[root.fd]) as elsewhere:
        staging.parts(mine)
        staging.pages(tree.pages_for_all())
        staging.in_order()
        for part, answer in zip(others, elsewhere.answers(), strict=True):
            if answer:
                staging.take_over(*answer)
            else:  # whatever is wrong is seen here
                staging.parts(part)
    return staging.staged


def _weight(part: Part) -> float:
    return part.wheels * _A_WHEEL + part.size * _A_BYTE


@dataclass(slots=True)
class _Staging:
    root: Root
    tree: Tree
    blob: Blob
    known: Known
    staged: Staged = field(default_factory=Staged)

    def parts(self, keys: Names) -> None:
        self.links(self.tree.links(keys))
        self.files(self.tree.pool(keys))
        self.pages(self.tree.pages_of(keys))

    def in_order(self) -> None:
        """Paths that stand in order, in a few rows behind each other, are sorted in no time for the manifest."""
        self.staged.states = dict(sorted(self.staged.states.items()))

    def in_a_copy(self, keys: Names) -> tuple[object, ...]:
        """The same in another process: the other way round, as two that fill one folder wait for each other."""
        self.root.unsynced()  # so far the business of whoever asks
        self.pages(self.tree.pages_of(keys))
        self.files(self.tree.pool(keys))
        self.links(self.tree.links(keys))
        self.in_order()
        one = self.staged
        return one.states, one.pages, one.links, one.files, self.root.unsynced()

    def take_over(self, states: dict[str, State], pages: int, links: int, files: int, unsynced: list[str]) -> None:
        """What was staged in a copy."""
        self.staged.states.update(states)
        self.staged.pages += pages
        self.staged.links += links
        self.staged.files += files
        self.root.care_for(unsynced)
        self.known.was_asked(states)

    def files(self, pool: Iterable[tuple[str, PoolFile]]) -> None:
        for path, (digest, size) in pool:
            checked_path(path)
            state = None if self.known.empty else self.known.pool_state(self.root, path, digest)
            if state is None:
                state = self.root.place(str(self.blob(digest)), digest, f"{NEW_FILES}/{path}"), digest
                self.staged.files += 1
            if size is not None and size != state[0]:
                raise PublishError(f"{path} has {state[0]} bytes, and its record says {size}")
            self.staged.states[path] = state

    def links(self, links: Iterable[tuple[str, str]]) -> None:
        for path, target in links:
            self.staged.states[path] = target
            if not self.known.holds_link(self.root, checked_path(path), target):
                self.root.place_link(target, f"{NEW_PAGES}/{path}")
                self.staged.links += 1

    def pages(self, pages: Iterable[tuple[str, bytes]]) -> None:
        for path, data in pages:
            self.staged.states[checked_path(path)] = state = len(data), sha256(data).hexdigest()
            if not self.known.holds_page(self.root, path, state):
                self.root.write(f"{NEW_FOR_PEOPLE if is_for_people(path) else NEW_PAGES}/{path}", (data,))
                self.staged.pages += 1
