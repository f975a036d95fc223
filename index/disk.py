"""The file-system calls behind `publish`, all relative to one open folder, so that no path can lead out of it.

Calls take a `dir_fd`: half the cost of pathlib's, and the folder stays the one that was locked.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import file_digest
from itertools import groupby
from pathlib import Path
from threading import Event, Thread

from index.errors import PublishError
from index.placing import new_file, place, place_link

_FLUSH_EVERY = 0.15  # seconds
_AT_ONCE = 4  # threads that remove
_FEW = 32  # so many fsyncs cost less than one syncfs, which also waits for what others wrote


@dataclass(slots=True)
class Root:
    """The open `public/`; paths are relative to it and have no links in them that this program did not make."""

    path: Path
    fd: int
    _umask_hides: bool | None = None  # whether it keeps others from reading what we make; seen at the first folder
    _folders: set[str] = field(default_factory=set)  # made or seen to be real folders
    _unsynced: list[str] = field(default_factory=list)
    _failed: list[OSError] = field(default_factory=list)  # flushes, so far told to nobody

    def state(self, path: str) -> os.stat_result | None:
        """Of the thing itself, never of what a link leads to; None where there is nothing."""
        try:
            return os.stat(path, dir_fd=self.fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str) -> bytes:
        """A small file's bytes; empty where there is none. A link is none, nor a pipe, on which one would wait."""
        state = self.state(path)
        if state is None or not stat.S_ISREG(state.st_mode):
            return b""
        with open(path, "rb", opener=self._opener) as file:
            return file.read()

    def digest(self, path: str) -> str:
        """Sha256 of a file in the tree."""
        with open(path, "rb", opener=self._opener) as file:
            return file_digest(file, "sha256").hexdigest()

    def target(self, path: str) -> str | None:
        """Where a link leads; None where there is none."""
        try:
            return os.readlink(path, dir_fd=self.fd)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EINVAL}:  # the last: something else than a link
                return None
            raise

    def names(self, folder: str) -> list[os.DirEntry[str]]:
        """What is in a folder: folders first, then links, then files, so that nothing is shown before what it needs."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.fd)
        try:
            with os.scandir(fd) as entries:
                return sorted(
                    entries, key=lambda one: (not one.is_dir(follow_symlinks=False), not one.is_symlink(), one.name)
                )
        finally:
            os.close(fd)

    def make_folders(self, folder: str) -> None:
        """A folder and those above it, readable by everybody whatever the umask says."""
        if folder in self._folders or not folder:
            return
        self.make_folders(folder.rpartition("/")[0])
        try:
            os.mkdir(folder, 0o755, dir_fd=self.fd)
            if self._umask_hides is None:
                self._umask_hides = os.stat(folder, dir_fd=self.fd).st_mode & 0o755 != 0o755
            if self._umask_hides:
                os.chmod(folder, 0o755, dir_fd=self.fd)  # noqa: S103 (to be read by everybody is what it is for)
            self._unsynced.append(folder)
        except FileExistsError:
            if not self.is_folder(folder):
                raise in_the_way(self.path / folder) from None
        self._folders.add(folder)

    def show(self, folder: str) -> bool:
        """Let everybody read a folder of ours that is hidden from some; whether it was. Not one behind a link."""
        state = self.state(folder) if self.is_real(folder) else None
        if state is None or state.st_mode & 0o755 == 0o755 or state.st_uid != os.geteuid():
            return False
        os.chmod(folder, stat.S_IMODE(state.st_mode) | 0o755, dir_fd=self.fd)  # noqa: S103 (as in make_folders)
        return True

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder and not a link to one."""
        state = self.state(path)
        return state is not None and stat.S_ISDIR(state.st_mode)

    def write(self, path: str, pieces: Iterable[bytes | memoryview]) -> None:
        """A new file, whatever is there. Not durable before `sync`."""
        self.make_folders(path.rpartition("/")[0])
        fd = new_file(self.fd, path)
        try:
            if self._umask_hides:
                os.fchmod(fd, 0o644)
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
        self._unsynced.append(path)

    def place_link(self, target: str, path: str) -> None:
        """A symbolic link, whatever is there."""
        self.make_folders(path.rpartition("/")[0])
        place_link(self.fd, target, path)

    def twin(self, path: str, other: str) -> None:
        """A second name for a file of ours, in place of what has that name now."""
        spare = f"{other}.new"
        self.remove(spare)
        try:
            os.link(path, spare, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except OSError:
            self.write(spare, (self.read(path),))
        self.replace(spare, other)

    def place(self, source: str, expected: str, path: str) -> int:
        """A stored file, as placing.py places it; its size."""
        self.make_folders(path.rpartition("/")[0])
        size, linked = place(self.fd, source, expected, path)
        self._unsynced += [] if linked else [path]
        return size

    def unsynced(self) -> list[str]:
        """What was written and is not on the disk yet, for somebody else to care for."""
        paths, self._unsynced = self._unsynced, []
        return paths

    def care_for(self, paths: Iterable[str]) -> None:
        """Somebody else wrote these, and they have to be on the disk with all the rest."""
        self._unsynced += paths

    def replace(self, path: str, place: str) -> None:
        """Atomically, whatever it is and whatever was there, but for a folder."""
        try:
            os.replace(path, place, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except IsADirectoryError:
            raise in_the_way(self.path / place, "a folder") from None
        self._unsynced.append(place.rpartition("/")[0] or ".")

    def remove(self, path: str) -> None:
        """One file or link, if it is there, and each folder that it leaves empty."""
        self.remove_each([path])

    def remove_each(self, paths: Sequence[str]) -> int:
        """Files and links, and each folder that they leave empty; how many there were. None is reached through a link.

        What lies in one folder should stand together: it is looked at once. A disk takes its time for each, and takes
        several at a time.
        """
        if len(paths) <= _FEW:
            return self._removed(paths)
        from concurrent.futures import ThreadPoolExecutor  # which takes its time, and is seldom needed

        length = -(-len(paths) // _AT_ONCE)
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as threads:
            return sum(threads.map(self._removed, [paths[at : at + length] for at in range(0, len(paths), length)]))

    def _removed(self, paths: Sequence[str]) -> int:
        removed = 0
        for folder, together in groupby(paths, key=lambda path: path.rpartition("/")[0]):
            if self.is_real(folder):
                removed += sum(map(self._unlinked, together))
            self._remove_empty(folder)
        return removed

    def is_real(self, folder: str) -> bool:
        """Whether no link leads to it: it and all above it are folders."""
        if not folder or folder in self._folders:
            return True
        if not self.is_folder(folder) or not self.is_real(folder.rpartition("/")[0]):
            return False
        self._folders.add(folder)
        return True

    def _unlinked(self, path: str) -> bool:
        try:
            os.unlink(path, dir_fd=self.fd)
        except (FileNotFoundError, IsADirectoryError):
            return False
        except PermissionError:
            if self.is_folder(path):  # what a Mac says of a folder
                return False
            raise
        return True

    def remove_all(self, folder: str) -> None:
        """A folder of our own with all that is in it."""
        shutil.rmtree(folder, ignore_errors=True, dir_fd=self.fd)
        self._folders = {one for one in self._folders if one != folder and not one.startswith(f"{folder}/")}

    def touch(self, path: str) -> None:
        """Make this the last thing that was changed here."""
        os.utime(path, dir_fd=self.fd)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let the disk begin with what is written in this block while more comes: `sync` then waits for little.

        Whatever ends before the first look is left to `sync` alone. An error that the kernel tells here it tells once;
        `sync` raises it.
        """
        ended = Event()

        def flush() -> None:
            while not ended.wait(_FLUSH_EVERY):
                try:
                    if not _sync_file_system(self.fd):
                        return
                except OSError as error:
                    self._failed.append(error)

        thread = Thread(target=flush, name="wheelyard-flush", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def sync(self) -> None:
        """Everything written so far is on the disk after this; an error is one for all of it."""
        if self._failed:
            raise self._failed.pop()
        paths = self.unsynced()
        if len(paths) > _FEW and _sync_file_system(self.fd):
            return
        for path in sorted(set(paths)):
            with suppress(FileNotFoundError):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.fd)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)

    def _remove_empty(self, folder: str) -> None:
        """And those above it; the folder itself may have gone, and whoever took it away may not have got further."""
        above = folder.rpartition("/")[0]
        if not folder or not self.is_real(above):
            return
        try:
            os.rmdir(folder, dir_fd=self.fd)
        except FileNotFoundError:
            pass
        except OSError:  # not empty: somebody still needs it
            if self.is_folder(folder):
                self._unsynced.append(folder)
            return
        self._folders.discard(folder)
        self._remove_empty(above)

    def _opener(self, path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW, 0o644, dir_fd=self.fd)


@contextmanager
def opened(public: Path) -> Iterator[Root]:
    """The root, made if need be, and locked until the end: a second publication waits for the first."""
    if not public.exists():
        if public.is_symlink():
            raise in_the_way(public, f"a link to {public.readlink()}, which is not there")
        public.mkdir(parents=True, mode=0o755)
        public.chmod(0o755)
    if not public.is_dir():
        raise in_the_way(public)
    with seen(public) as root:
        with suppress(OSError):  # some network file systems have no locks; the workspace has its own
            fcntl.flock(root.fd, fcntl.LOCK_EX)
        yield root


@contextmanager
def seen(public: Path) -> Iterator[Root]:
    """The root for who only looks, whoever writes there."""
    fd = os.open(public, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Root(path=public, fd=fd)
    finally:
        os.close(fd)


def in_the_way(path: Path, what: str = "not a folder") -> PublishError:
    """Something stands where the tree needs a folder, or a folder where it needs a file."""
    return PublishError(f"{path} is {what}", hint="move it away: the published tree needs this name")


def _sync_file_system(fd: int) -> bool:
    """One call for a whole publication, where there is one: Linux. False: not here, fsync each file."""
    if sys.platform != "linux":
        return False
    try:
        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return False
    if call(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return True
