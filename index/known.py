"""What earlier publications left in `public/`, and how much of it can be taken as read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain

from index import manifest
from index.disk import Root
from index.manifest import FileState, Lines, State
from index.memo import Memo
from index.names import POOL

STAGE = ".publishing"


@dataclass(slots=True)
class Known:
    """The last manifest, and those of publications that began since and did not end.

    A page is taken as read when the manifest names its state, its size is right, and nothing happened to it since the
    manifest was touched by a publication, as its last deed (ctime: an edit cannot hide from it). Anything else is read
    and hashed. So an edit, a deletion, a copy from a backup are all mended, and an untouched tree costs a stat
    for each page.

    Two ways: `expect_all` takes every path that any manifest names; `expect` takes a few paths, where a memo accounts
    for all others, whose lines then stay in the manifest as they are. Of those others only the folders that projects
    share are asked for (`is_as_left`): what somebody did elsewhere is for `verify` to find.
    """

    digest: str  # sha256 of the last manifest
    since: int  # when that was touched, by whomever (ctime, ns)
    trusted: int  # what is older is as it was left; 0 where every byte is to be looked at
    interrupted: bool
    empty: bool  # nothing was there at all: nothing needs to be looked for
    left: dict[str, State | None]  # what may lie about, less what was asked for; None: says an unfinished publication
    _text: bytes
    _lines: Lines | None = None
    _folder: tuple[str, tuple[bool, bool]] = ("", (False, False))

    @classmethod
    def read(cls, root: Root, memo: Memo, *, thorough: bool) -> Known:
        """From the disk; a manifest that is missing or damaged is as good as none: everything is looked at.

        Where the memo knows this manifest, it also knows when that was touched last. Since then it may have been
        copied with all the tree, or linked: by a backup, or by a publication that did not get far.
        """
        text, state = root.read(manifest.NAME), root.state(manifest.NAME)
        since = trusted = state.st_ctime_ns if state and stat.S_ISREG(state.st_mode) else 0
        interrupted = root.is_folder(STAGE)
        empty = not root.names(".")
        digest = sha256(text).hexdigest()
        if memo.manifest == digest:
            trusted = memo.since if memo.since <= since else 0  # an older one is of another disk, or another clock
        return cls(
            digest=digest,
            since=since,
            trusted=0 if thorough else trusted,
            interrupted=interrupted,
            empty=empty,
            left={},
            _text=text,
        )

    def expect_all(self, root: Root, others: Iterable[str] = ()) -> None:
        """Everything that is named anywhere may lie about; `others` too, where the manifest was lost."""
        self.left.update(manifest.parsed(self._text))
        for path in () if self.empty else others:
            self.left.setdefault(path)
        self._text = b""
        for entry in root.names(STAGE) if self.interrupted else ():
            if entry.name.endswith(".json"):
                for path in manifest.parsed(root.read(f"{STAGE}/{entry.name}")):
                    self.left.setdefault(path)

    def expect(self, paths: Iterable[str]) -> None:
        """These paths may be written or taken away; of all others the manifest's lines stay."""
        self._lines = Lines(self._text)
        self._text = b""
        self.left.update((path, self._lines.state(path)) for path in paths)

    def was_asked(self, paths: Iterable[str]) -> None:
        """Somebody else has asked for these, below."""
        for path in paths if self.left else ():
            self.left.pop(path, None)

    def says(self, states: Mapping[str, State]) -> bool:
        """Whether the last manifest is known to say just this of what was expected."""
        lines = self._lines
        return lines is not None and all(lines.state(path) == state for path, state in states.items())

    def printed(self, states: Mapping[str, State]) -> Iterator[bytes | memoryview]:
        """The next manifest: of these states, and what was not expected to change."""
        if self._lines is None:
            yield from manifest.printed(states)
            return
        for path in self.left:
            self._lines.change(path, None)
        for path, state in states.items():
            self._lines.change(path, state)
        yield from self._lines.printed()

    def is_as_left(self, root: Root, shared: Iterable[str]) -> bool:
        """Whether nothing came into the folders that projects share, or went, since the last publication."""
        pool = (f"{POOL}/{entry.name}" for entry in (root.names(POOL) if root.is_folder(POOL) else ()))
        return all(self._is_untouched(root.state(folder)) for folder in chain(shared, [POOL], pool))

    def _is_untouched(self, folder: os.stat_result | None) -> bool:
        return folder is not None and stat.S_ISDIR(folder.st_mode) and folder.st_ctime_ns < self.trusted

    def holds_page(self, root: Root, path: str, wanted: FileState) -> bool:
        """Whether this file is there, whole, and readable by everybody. Each path is asked for once, here and below."""
        before, is_ours = self.left.pop(path, None), not self.empty and root.is_real(path.rpartition("/")[0])
        state = root.state(path) if is_ours else None
        if state is None or state.st_size != wanted[0] or not _is_readable(state):
            return False
        if state.st_ctime_ns < self.trusted and before == wanted:
            return True
        return root.digest(path) == wanted[1]

    def holds_link(self, root: Root, path: str, target: str) -> bool:
        """Whether this link is there; a folder that nobody touched has the links that it had."""
        exists, untouched = self._folder_of(root, path)
        before = self.left.pop(path, None)
        if not exists or (untouched and before == target):
            return exists
        return root.target(path) == target

    def pool_state(self, root: Root, path: str, expected: str) -> FileState | None:
        """Size and hash of a pool file that is there and right, None otherwise.

        A hard link's ctime moves whenever the store's count of links does, so its folder's is asked instead: what was
        removed or replaced is seen. Bytes changed in place, in a file that nobody may write, are for `verify` to find.
        """
        before = self.left.pop(path, None)
        exists, untouched = self._folder_of(root, path)
        if not exists:
            return None
        if isinstance(before, tuple) and before[1] == expected and untouched:
            return before
        state = root.state(path)
        if state is None or not _is_readable(state) or root.digest(path) != expected:
            return None
        return state.st_size, expected

    def _folder_of(self, root: Root, path: str) -> tuple[bool, bool]:
        """Whether a path's folder exists, and has the entries that the manifest says; asked once a folder."""
        folder = path.rpartition("/")[0]
        if folder != self._folder[0]:
            state = None if self.empty else root.state(folder)
            exists = state is not None and stat.S_ISDIR(state.st_mode)
            self._folder = folder, (exists, self._is_untouched(state))
        return self._folder[1]


def _is_readable(state: os.stat_result) -> bool:
    """A file that everybody may read."""
    return state.st_mode & 0o170444 == stat.S_IFREG | 0o444
