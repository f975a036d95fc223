"""How many builds run at once. Of those that wait, the largest goes first: a long build that begins last runs alone."""

from __future__ import annotations

import heapq
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

_MEMORY_OF_A_BUILD = 2 * 1024**3  # bytes that a compiler may well take


class Places:
    """So many places; each is one build's for as long as it runs."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: list[tuple[int, int]] = []
        self._turns = count()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Hold a place; `size` is that of the sdist in bytes, the only word on the length of a build."""
        turn = -size, next(self._turns)
        with self._changed:
            heapq.heappush(self._waiting, turn)
            self._changed.wait_for(lambda: self._free > 0 and self._waiting[0] == turn)
            heapq.heappop(self._waiting)
            self._free -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def places_here() -> int:
    """One for each core, as far as the memory goes."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return cores()
    return max(1, min(cores(), memory // _MEMORY_OF_A_BUILD))
