"""Stored files on their way into a tree: hashed once more, then hard links where nobody may write to them, or copies.

    (source, sha256, path) … ─> a process for each spare core ─> how large each is

Many are placed by processes of their own, while this one makes the pages. What such a process does not answer for,
because a file is damaged, or because it was killed itself, is placed again by whoever asked, who then sees why.

It runs as a program too, and so imports nothing of this package. Whoever it works for holds the lock of the tree by the
open folder that it gets: as long as either of them lives, no other publication begins.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from itertools import islice
from typing import NamedTuple

WORTH = 0.1  # seconds of work that starting a Python is worth
_A_FILE, _A_BYTE = 3e-5, 2e-9  # seconds
_MOST = 4  # processes; a disk has not much more to give
_MANY = 50_000  # files, which take longer than all else: then no core is spared for whoever asks
_SMALL = 1 << 20  # bytes: a METADATA file, a small wheel; one read
_BLOB = 0o444  # the mode of a stored file: nobody writes to it
_LINES = 4096  # that are written at once
_DONE = "done"


class Wanted(NamedTuple):
    """A file, what its bytes should come to, and its place; `size` is None where nobody knows it: then it is small."""

    source: str
    sha256: str
    path: str
    size: int | None


class DamagedError(Exception):
    """A file's bytes are not what they should be; `actual` is their sha256."""

    def __init__(self, actual: str) -> None:
        super().__init__(actual)
        self.actual = actual


def place(root: int, source: str, expected: str, path: str) -> tuple[int, bool]:
    """Put a file at a path below an open folder, whatever is there; its size, and whether it is a link.

    An edit of a link would be one of the store: what anybody may write to is copied. Raises DamagedError, OSError.
    """
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        state = os.fstat(fd)
        if state.st_size < _SMALL:
            actual = sha256(os.read(fd, _SMALL)).hexdigest()
        else:
            with open(fd, "rb", closefd=False) as file:
                actual = file_digest(file, "sha256").hexdigest()
        if actual != expected:
            raise DamagedError(actual)
        linked = stat.S_IMODE(state.st_mode) == _BLOB and _linked(root, source, path)
        if not linked:
            os.lseek(fd, 0, os.SEEK_SET)
            _copy(root, fd, path)
        return state.st_size, linked
    finally:
        os.close(fd)


def _linked(root: int, source: str, path: str) -> bool:
    """False: another file system, one without hard links, or 65,000 links already."""
    try:
        try:
            os.link(source, path, dst_dir_fd=root)
        except FileExistsError:  # from somebody who was killed before he could say so
            os.unlink(path, dir_fd=root)
            os.link(source, path, dst_dir_fd=root)
    except OSError:
        return False
    return True


def _copy(root: int, source: int, path: str) -> None:
    with suppress(FileNotFoundError):  # perhaps a link to the store: never write to what is there
        os.unlink(path, dir_fd=root)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=root)
    with open(source, "rb", closefd=False) as from_file, os.fdopen(fd, "wb") as to_file:
        os.fchmod(fd, 0o644)
        shutil.copyfileobj(from_file, to_file, 1 << 20)


class Placing:
    """Files that others place; `processes` is empty where that would not be quicker."""

    def __init__(self, root: int, files: Sequence[Wanted]) -> None:
        self._files = files
        self.processes: list[subprocess.Popen[bytes]] = []
        if _worthwhile(files):
            self._start(root, min(_MOST, cores() - (len(files) < _MANY)))

    def sizes(self) -> list[int | None]:
        """Of each file that is in its place; None: nobody answers for it. Waits for whoever is at work."""
        sizes: list[int | None] = [None] * len(self._files)
        for start, process in enumerate(self.processes):
            said = process.stdout.read().decode().split() if process.stdout else []
            if process.wait() == 0 and said[-1:] == [_DONE]:
                sizes[start :: len(self.processes)] = [int(word) if word.isdigit() else None for word in said[:-1]]
        return sizes

    def stop(self) -> None:
        """Nobody wants it any more."""
        while self.processes:
            with self.processes.pop() as process:
                process.kill()

    def _start(self, root: int, count: int) -> None:
        try:
            for start in range(count):
                self.processes.append(_process(root))
                _tell(self.processes[-1], islice(self._files, start, None, count))
        except OSError:  # no more processes, no more memory: then without
            self.stop()


@contextmanager
def placing(root: int, files: Sequence[Wanted]) -> Iterator[Placing]:
    """Work goes on in the block, and ends with it."""
    at_work = Placing(root, files)
    try:
        yield at_work
    finally:
        at_work.stop()


def _worthwhile(files: Sequence[Wanted]) -> bool:
    return len(files) * _A_FILE + sum(one.size or 0 for one in files) * _A_BYTE > WORTH


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _process(root: int) -> subprocess.Popen[bytes]:
    """It sees no signal of the terminal's: whoever started it ends it."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(root,),
        umask=0o022,
    )


def _tell(process: subprocess.Popen[bytes], files: Iterator[Wanted]) -> None:
    assert process.stdin is not None  # a pipe, as asked for
    with process.stdin as stream:
        while lines := "".join([f"{one.sha256} {one.source}\0{one.path}\0" for one in islice(files, _LINES)]):
            stream.write(lines.encode(errors="surrogateescape"))


def _placed(root: int, source: str, expected: str, path: str, made: set[str]) -> str:
    """What is said of one file: its size, or "-". A copy is on the disk by then, a link is as soon as its folder is."""
    try:
        _make_folders(root, path.rpartition("/")[0], made)
        size, linked = place(root, source, expected, path)
        if not linked:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=root)
            os.fsync(fd)
            os.close(fd)
    except (OSError, DamagedError):
        with suppress(OSError):
            os.unlink(path, dir_fd=root)
        return "-"
    return str(size)


def _make_folders(root: int, folder: str, made: set[str]) -> None:
    if folder and folder not in made:
        _make_folders(root, folder.rpartition("/")[0], made)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o755, dir_fd=root)
        made.add(folder)


def _work(parent: int, root: int) -> None:
    """All is heard before anything is said: neither side ever waits for the other to read."""
    words = sys.stdin.buffer.read().decode(errors="surrogateescape").split("\0")
    made: set[str] = set()
    answers = []
    for head, path in zip(words[0:-1:2], words[1::2], strict=True):
        if os.getppid() != parent:
            sys.exit("whoever wanted this is gone")
        expected, _, source = head.partition(" ")
        answers.append(_placed(root, source, expected, path, made))
    sys.stdout.write(" ".join([*answers, _DONE]))


if __name__ == "__main__":
    _work(int(sys.argv[1]), int(sys.argv[2]))
