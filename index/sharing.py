"""Work that several cores share: copies of this process (fork) each do a part, while this one does its own.

    parts ─> a copy for each ─> what came out, or None where it did not end well: whoever asked does that part again

A copy has everything that this process had, so that nothing need be told to it; it does nothing but what it was made
for, hears no signal, and dies with whoever made it. A lock that another thread held just then stays locked in it for
ever: should it come upon one, in a module of others, it stands still and is killed in time. On Linux alone, as on a Mac
the system's own libraries do not survive a fork.
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
_PATIENCE = 60.0  # seconds that a copy may stand still, and neither compute, nor read, nor write
_LOOK = 1000  # milliseconds from one look at that to the next
_PIECE = 1 << 20  # bytes
_LENGTH = 8  # bytes in which an answer says how long it is
_DIE_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG

Names = Sequence[str]
Answer = tuple[Any, ...]  # of what marshal takes
Work = Callable[[Names], Answer]


class _Copy(NamedTuple):
    pid: int
    said: int  # the end of a pipe


class Copies:
    """Copies at work; `stop` leaves none."""

    def __init__(self) -> None:
        self._count = 0
        self._copies: list[_Copy] = []

    @property
    def pids(self) -> list[int]:
        """Of those that have not been heard to their end."""
        return [copy.pid for copy in self._copies]

    def start(self, work: Work, parts: Sequence[Names], keep: Sequence[int] = ()) -> None:
        """A copy for each part, with these open files of ours; fewer where there are no more processes or memory."""
        self._count = len(parts)
        with suppress(OSError):
            for part in parts if sys.platform == "linux" else ():
                self._start(work, part, keep)

    def answers(self) -> Iterator[Answer | None]:
        """What came out of each part, in order; None: nothing did. Waits for whoever is at work."""
        for _ in range(self._count):
            if not self._copies:
                yield None
                continue
            said = _heard(self._copies[0])
            _end(self._copies.pop(0), kill=said is None)
            yield None if said is None else tuple(marshal.loads(said))  # noqa: S302 (our own)

    def stop(self) -> None:
        """Nobody wants it any more."""
        while self._copies:
            _end(self._copies.pop(), kill=True)

    def _start(self, work: Work, part: Names, keep: Sequence[int]) -> None:
        said, say = os.pipe()
        maker = os.getpid()
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # that there are other threads: see above
                pid = os.fork()
            if pid == 0:
                _work(work, part, maker, say, keep)
            self._copies.append(_Copy(pid, said))
        except OSError:
            os.close(said)
            raise
        finally:
            os.close(say)
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)


@contextmanager
def copies(work: Work, parts: Sequence[Names], keep: Sequence[int] = ()) -> Iterator[Copies]:
    """Work goes on in the block, and ends with it."""
    at_work = Copies()
    try:
        at_work.start(work, parts, keep)
        yield at_work
    finally:
        at_work.stop()


def in_parts(weights: Mapping[str, float]) -> list[Names]:
    """Names that stand together, in as many parts as are worth it, largest first; `weights` are seconds, or so."""
    whole = sum(weights.values())
    count = min(_MOST, cores(), 1 + int(whole / WORTH))
    parts: dict[int, list[str]] = {}
    at, heavy = 0.0, [0.0] * count
    for name, weight in weights.items():
        place = min(int((at + weight / 2) / whole * count), count - 1) if whole else 0
        parts.setdefault(place, []).append(name)
        heavy[place] += weight
        at += weight
    return [parts[place] for place in sorted(parts, key=lambda place: -heavy[place])] or [[]]


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work(work: Work, part: Names, maker: int, say: int, keep: Sequence[int]) -> NoReturn:
    """All of a copy's life."""
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, ctypes.c_ulong(signal.SIGKILL))
        if os.getppid() == maker:
            _close_all_but(say, *keep)
            answer = marshal.dumps(work(part))
            said = memoryview(len(answer).to_bytes(_LENGTH, "big") + answer)
            while said:
                said = said[os.write(say, said) :]
            os._exit(0)
    finally:
        os._exit(1)


def _close_all_but(*keep: int) -> None:
    """Of other threads' pipes and sockets, whose other ends would wait for this process too."""
    with suppress(OSError):
        with os.scandir("/proc/self/fd") as entries:
            others = [int(entry.name) for entry in entries]
        for fd in others:
            if fd > 2 and fd not in keep:
                with suppress(OSError):
                    os.close(fd)


def _heard(copy: _Copy) -> bytes | None:
    """What it answers; None: it ended, or stood still, before it had said all of that."""
    pieces: list[bytes] = []
    moved, seen = time.monotonic(), ""
    waiting = select.poll()
    waiting.register(copy.said, select.POLLIN)
    while time.monotonic() - moved < _PATIENCE:
        if waiting.poll(_LOOK):
            piece = os.read(copy.said, _PIECE)
            if not piece:
                whole = b"".join(pieces)
                length, answer = whole[:_LENGTH], whole[_LENGTH:]
                return answer if len(length) == _LENGTH and int.from_bytes(length, "big") == len(answer) else None
            pieces.append(piece)
            moved = time.monotonic()
        elif (now := _at_work(copy.pid)) != seen:
            moved, seen = time.monotonic(), now
    return None


def _at_work(pid: int) -> str:
    """Something that changes as long as a process computes, or waits for a disk. proc(5): state, utime, stime."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return str(time.monotonic()) if fields[0] == "D" else f"{fields[11]} {fields[12]}"


def _end(copy: _Copy, *, kill: bool) -> None:
    """Where this process has its children waited for by nobody, it may have gone already."""
    os.close(copy.said)
    with suppress(ProcessLookupError, ChildProcessError):
        if kill:
            os.kill(copy.pid, signal.SIGKILL)
        os.waitpid(copy.pid, 0)
