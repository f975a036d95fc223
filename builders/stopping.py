"""Ending a run early: what a signal does, and what has to be killed before the process may go.

doit runs actions in daemon threads: on a signal the process would end under them, no `finally` of theirs would run,
and containers and children in sessions of their own would live on. Whoever starts one registers here how to end it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from builders.errors import BuildError
from builders.terminal import Sink, visible

GRACE = 5.0  # seconds for actions to notice that a run is stopping

stopping = threading.Event()
_callbacks: list[Callable[[], object]] = []


def at_stop(callback: Callable[[], object]) -> None:
    """Call this when a run is stopped by a signal: kill the run's containers, end its process groups."""
    _callbacks.append(callback)


def refuse_when_stopping() -> None:
    """Come before whatever would outlive the run: what waited for its turn would start once everything is stopped."""
    if stopping.is_set():
        raise BuildError("the run is being stopped")


def stop_everything() -> None:
    """Call what was registered, last first, then give the actions a moment for their own `finally`."""
    stopping.set()
    for callback in reversed(_callbacks):
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - whatever fails here, the others still have to be stopped
            Sink(sys.stderr).write(f"while stopping: {visible(repr(error))}\n")
    active.wait(GRACE)


class Active:
    """How many actions are running."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Count one more while it lasts."""
        with self._changed:
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until none is left; False when time was up first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)


active = Active()


def end_without_a_word() -> None:
    """Let SIGPIPE and SIGINT end this process, as they end any program that only prints, until a run begins."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # who ignores it goes on to
            signal.signal(signal.SIGINT, signal.SIG_DFL)


class Signals:
    """Between `install` and `restore`, INT, TERM and HUP raise SystemExit(128 + n); a second one ends the process.

    From `install` on a reader that goes away, of our output or of a socket, is an error like others, and ends nothing.
    """

    CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self.received: int | None = None

    def install(self) -> None:
        """Only the main thread may; in another one (a program around doit) signals stay as they are."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            for number in self.CAUGHT:
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                    self._before[number] = signal.signal(number, self._caught)

    def restore(self) -> None:
        """Put back what was there."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        raise SystemExit(128 + number)
