"""What earlier publications left in `public/`, and how much of it can be taken as read."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from hashlib import sha256

from index import manifest
from index.disk import Root
from index.manifest import FileState, State

STAGE = ".publishing"


@dataclass(slots=True)
class Known:
    """The last manifest, and those of publications that began since and did not end.

    A page is taken as read when the manifest names its state, its size is right, and nothing happened to it since the
    manifest was touched, which is the last thing a publication does (ctime: an edit cannot hide from it). Anything else
    is read and hashed. So an edit, a deletion, a copy from a backup are all mended, and an untouched tree costs a stat.
    """

    digest: str  # sha256 of the last manifest
    left: dict[str, State | None]  # what may lie about, less what was asked for; None: says an unfinished publication
    since: int
    interrupted: bool
    _folder: tuple[str, tuple[bool, bool]] = field(default=("", (False, False)))

    @classmethod
    def read(cls, root: Root) -> Known:
        """From the disk; a manifest that is missing or damaged is as good as none: everything is looked at."""
        text, state = root.read(manifest.NAME), root.state(manifest.NAME)
        left: dict[str, State | None] = {**manifest.parsed(text)}
        interrupted = root.is_folder(STAGE)
        for entry in root.names(STAGE) if interrupted else ():
            if entry.name.endswith(".json"):
                for path in manifest.parsed(root.read(f"{STAGE}/{entry.name}")):
                    left.setdefault(path)
        since = state.st_ctime_ns if state else 0
        return cls(digest=sha256(text).hexdigest(), left=left, since=since, interrupted=interrupted)

    def holds_page(self, root: Root, path: str, wanted: FileState) -> bool:
        """Whether this file is there, whole, and readable by everybody. Each path is asked for once, here and below."""
        state, before = root.state(path), self.left.pop(path, None)
        if state is None or not stat.S_ISREG(state.st_mode) or state.st_size != wanted[0]:
            return False
        if state.st_mode & 0o444 != 0o444:
            return False
        if state.st_ctime_ns < self.since and before == wanted:
            return True
        return root.digest(path) == wanted[1]

    def holds_link(self, root: Root, path: str, target: str) -> bool:
        """Whether this link is there; a folder that nobody touched has the links that it had."""
        exists, untouched = self._folder_of(root, path)
        before = self.left.pop(path, None)
        if not exists or (untouched and before == target):
            return exists
        state = root.state(path)
        return state is not None and stat.S_ISLNK(state.st_mode) and root.target(path) == target

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
        if state is None or not stat.S_ISREG(state.st_mode) or root.digest(path) != expected:
            return None
        return state.st_size, expected

    def _folder_of(self, root: Root, path: str) -> tuple[bool, bool]:
        """Whether a path's folder exists, and has the entries that the manifest says; asked once a folder."""
        folder = path.rpartition("/")[0]
        if folder != self._folder[0]:
            state = root.state(folder)
            exists = state is not None and stat.S_ISDIR(state.st_mode)
            self._folder = folder, (exists, state is not None and exists and state.st_ctime_ns < self.since)
        return self._folder[1]
