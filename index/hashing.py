"""Hashing what is to be published in processes of their own, while this one makes the pages.

    (sha256, path) … ─> a process for each spare core ─> which of them are not what they should be

A process that fails, or is killed, has said nothing: its files count as suspect, and are looked at again here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import file_digest, sha256
from typing import NamedTuple

_SMALL = 1 << 20  # bytes: a METADATA file, a small wheel; one read
_MOST = 4  # processes; a disk has not much more to give
_A_FILE, _A_BYTE = 1e-5, 2e-9  # seconds, for opening and for reading
WORTH = 0.1  # seconds of work that starting a Python is worth
_DONE = b"done"


class Expected(NamedTuple):
    """A file, and what its bytes should come to; `size` is None where nobody knows it, and then it is small."""

    path: str
    sha256: str
    size: int | None


def digest(path: str | bytes) -> str:
    """Sha256 of a file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_size < _SMALL:
            return sha256(os.read(fd, _SMALL)).hexdigest()
        with open(fd, "rb", closefd=False) as file:
            return file_digest(file, "sha256").hexdigest()
    finally:
        os.close(fd)


class Suspects:
    """Which of some files have to be hashed here. Every one, where others would not be quicker."""

    def __init__(self, files: Sequence[Expected]) -> None:
        self._files = files
        self.processes = self._started(min(_MOST, cores() - 1)) if _worthwhile(files) else []

    def indexes(self) -> frozenset[int]:
        """Places in `files`; waits for whoever is at work."""
        count = len(self.processes)
        if not count:
            return frozenset(range(len(self._files)))
        found: set[int] = set()
        for start, helper in enumerate(self.processes):
            said = helper.stdout.read().split() if helper.stdout else []
            good = helper.wait() == 0 and said[-1:] == [_DONE]
            mine = range(start, len(self._files), count)
            found |= {mine[int(number)] for number in said[:-1]} if good else set(mine)
        return frozenset(found)

    def stop(self) -> None:
        """Nobody wants to know any more."""
        while self.processes:
            with self.processes.pop() as helper:
                helper.kill()

    def _started(self, count: int) -> list[subprocess.Popen[bytes]]:
        helpers: list[subprocess.Popen[bytes]] = []
        try:
            for start in range(count):
                helpers.append(_process())
                lines = (f"{one.sha256} {one.path}\0" for one in self._files[start::count])
                _told(helpers[-1], "".join(lines).encode(errors="surrogateescape"))
        except OSError:  # no more processes, no more memory: then without
            self.processes = helpers
            self.stop()
        return helpers


@contextmanager
def suspects(files: Sequence[Expected]) -> Iterator[Suspects]:
    """Work goes on in the block; who leaves it early ends that."""
    found = Suspects(files)
    try:
        yield found
    finally:
        found.stop()


def _worthwhile(files: Sequence[Expected]) -> bool:
    return len(files) * _A_FILE + sum(one.size or 0 for one in files) * _A_BYTE > WORTH


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _process() -> subprocess.Popen[bytes]:
    """It sees no signal of the terminal's: whoever started it ends it."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _told(helper: subprocess.Popen[bytes], text: bytes) -> None:
    assert helper.stdin is not None  # a pipe, as asked for
    helper.stdin.write(text)
    helper.stdin.close()


def _is_right(line: bytes) -> bool:
    expected, _, path = line.partition(b" ")
    try:
        return digest(path).encode() == expected
    except OSError:
        return False


def _work(parent: int) -> None:
    """All is heard before anything is said: neither side ever waits for the other to read."""
    lines = sys.stdin.buffer.read().split(b"\0")[:-1]
    wrong = [number for number, line in enumerate(lines) if os.getppid() != parent or not _is_right(line)]
    sys.stdout.write(" ".join([*map(str, wrong), _DONE.decode()]))


if __name__ == "__main__":
    _work(int(sys.argv[1]))
