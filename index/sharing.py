"""Work that several cores share: copies of this process (fork) each do a part, while this one does its own.

    parts ─> a copy for each ─> what came out, or None where it did not end well: whoever asked does that part again

A copy has everything that this process had, so that nothing need be told to it; it does nothing but what it was made
for, hears no signal, and dies with whoever made it. Locks that another thread held just then stay locked in it for
ever: its work takes none, and should it hang all the same, it is killed in time. On Linux alone, as on a Mac the
system's own libraries do not survive a fork.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn

WORTH = 0.1  # seconds of work that a copy is worth
_MOST = 4  # parts; a disk has not much more to give
_PATIENCE = 60.0  # seconds that a copy may take longer than its maker, or this many times as long
_TIMES = 10
_PIECE = 1 << 20  # bytes
_DIE_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG

Names = Sequence[str]
Answer = tuple[Any, ...]  # of what marshal takes
Work = Callable[[Names], Answer]


class _Copy(NamedTuple):
    pid: int
    said: int  # the end of a pipe


class Copies:
    """Copies at work; `stop` leaves none."""

    def __init__(self, work: Work, parts: Sequence[Names]) -> None:
        self._count = len(parts)
        self._started = time.monotonic()
        self._copies: list[_Copy] = []
        with suppress(OSError):  # no more processes, no more memory: then without
            for part in parts if sys.platform == "linux" else ():
                self._copies.append(_copy(work, part))

    @property
    def pids(self) -> list[int]:
        """Of those that have not been heard to their end."""
        return [copy.pid for copy in self._copies]

    def answers(self) -> Iterator[Answer | None]:
        """What came out of each part, in order; None: nothing did. Waits for whoever is at work."""
        patience = time.monotonic() + max(_PATIENCE, _TIMES * (time.monotonic() - self._started))
        for _ in range(self._count):
            said = _heard(self._copies[0], patience) if self._copies else None
            if self._copies and not _end(self._copies.pop(0), kill=said is None):
                said = None
            yield None if said is None else tuple(marshal.loads(said))  # noqa: S302 (our own)

    def stop(self) -> None:
        """Nobody wants it any more."""
        while self._copies:
            _end(self._copies.pop(), kill=True)


@contextmanager
def copies(work: Work, parts: Sequence[Names]) -> Iterator[Copies]:
    """Work goes on in the block, and ends with it."""
    at_work = Copies(work, parts)
    try:
        yield at_work
    finally:
        at_work.stop()


def in_parts(weights: Mapping[str, float]) -> list[Names]:
    """Names that stand together, in as many parts as are worth it; `weights` are seconds, more or less."""
    whole = sum(weights.values())
    count = min(_MOST, cores(), 1 + int(whole / WORTH))
    parts: list[list[str]] = [[] for _ in range(count)]
    at = 0.0
    for name, weight in weights.items():
        parts[min(int((at + weight / 2) / whole * count), count - 1) if whole else 0].append(name)
        at += weight
    return list(parts)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _copy(work: Work, part: Names) -> _Copy:
    said, say = os.pipe()
    maker = os.getpid()
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that there are other threads: see above
            pid = os.fork()
        if pid == 0:
            _work(work, part, maker, say)
    except OSError:
        os.close(said)
        raise
    finally:
        os.close(say)
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
    return _Copy(pid, said)


def _work(work: Work, part: Names, maker: int, say: int) -> NoReturn:
    """All of a copy's life."""
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, ctypes.c_ulong(signal.SIGKILL))
        if os.getppid() == maker:
            said = memoryview(marshal.dumps(work(part)))
            while said:
                said = said[os.write(say, said) :]
            os._exit(0)
    finally:
        os._exit(1)


def _heard(copy: _Copy, patience: float) -> bytes | None:
    """All that it says; None: it is not done in time."""
    pieces: list[bytes] = []
    waiting = select.poll()
    waiting.register(copy.said, select.POLLIN)
    while waiting.poll(max(0.0, patience - time.monotonic()) * 1000):
        piece = os.read(copy.said, _PIECE)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
    return None


def _end(copy: _Copy, *, kill: bool = False) -> bool:
    """Whether it ended well; where this process has its children waited for by nobody, that is not known."""
    os.close(copy.said)
    with suppress(ProcessLookupError, ChildProcessError):
        if kill:
            os.kill(copy.pid, signal.SIGKILL)
        return os.waitpid(copy.pid, 0)[1] == 0
    return False
