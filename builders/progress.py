"""What a run is doing, for the person who watches it: events come in, a live view or plain lines go out.

The verbs of the pipeline tell one `Progress` what begins, moves and ends; nothing else writes to the terminal while
steps run. On a terminal it keeps a small live area (`builders.live`, imported once something really runs); through a
pipe, under CI or on TERM=dumb it writes a plain line for each event. Nothing that happens to the terminal ends a run.

A step is named PLATFORM/PROJECT-VERSION and counts towards its platform's total; an image, a lock or a publication is
named by its platform alone and does not.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TextIO

from builders.summary import Tally
from builders.terminal import Sink, duration, size_of, visible, wants_colour, wants_live

if TYPE_CHECKING:
    from builders.live import LiveView

Outcome = Literal["fetched", "built", "reused", "failed", "done"]
STYLES = {"failed": "bold red", "built": "green", "note": "dim"}
SMALL = 8_000_000  # bytes: a smaller download is over before its first line was read


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A step that has begun and not ended."""

    name: str
    verb: str
    platform: str
    began: float  # the step
    since: float  # its present verb
    bytes: int = 0
    total: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformRow:
    """How far a platform has come: `done` of `total` steps."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The state of a run at one instant: longest-running steps first, platforms by name."""

    platforms: tuple[PlatformRow, ...]
    running: tuple[Running, ...]
    fetched: int
    since: float
    now: float


class Progress:
    """One for a run, shared by all its threads; costs nothing until something begins."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ = environ
        self._now = now
        self._since = now()
        self._guard = threading.Lock()  # for the figures; never held while writing: rich draws from its own thread
        self._screen = threading.Lock()  # for starting and stopping the live view
        self._running: dict[str, Running] = {}
        self._totals: dict[str, int] = {}
        self._finished: Counter[str] = Counter()
        self._ended: set[str] = set()
        self._tallies: dict[str, Tally] = {}
        self._reused: dict[str, int] = {}  # by platform: a second plan takes the first one's place
        self._view: LiveView | None = None
        self.attach(stream or sys.stdout)

    def attach(self, stream: TextIO | None) -> None:
        """Write to this stream from now on; doit names one (`doit -o FILE`)."""
        self._sink = Sink(stream)
        self._live = wants_live(stream, self._environ)
        self.colour = wants_colour(stream, self._environ)

    def plan(self, platform: str, total: int, *, reused: int = 0) -> None:
        """Say how many steps this platform has, and how many of them the store already holds."""
        with self._guard:
            self._totals[platform] = total
            self._finished[platform] = reused + sum(step.startswith(f"{platform}/") for step in self._ended)
            self._reused[platform] = reused

    def begin(self, step: str, verb: str, *, platform: str, total_bytes: int | None = None) -> None:
        """Say that a step begins, or goes from one verb to the next (FETCH, BUILD, REPAIR)."""
        now = self._now()
        with self._guard:
            before = self._running.get(step)
            self._running[step] = Running(
                name=visible(step),
                verb=visible(verb),
                platform=platform,
                began=before.began if before else now,
                since=now,
                total=total_bytes,
            )
        if self._live:
            self._open_view()
        elif total_bytes is None or total_bytes >= SMALL:
            self._line(f"{verb:<8}", step)

    def bytes(self, step: str, n: int) -> None:
        """Say that a running step has n bytes by now; less than before when a download starts over."""
        with self._guard:
            running = self._running.get(step)
            if running:
                self._running[step] = replace(running, bytes=n)

    def note(self, step: str, text: str) -> None:
        """Say one line worth keeping: it stays above the live area."""
        self.say(f"note     {visible(step)}: {visible(text)}", "note")

    @contextmanager
    def during(self, step: str, verb: str) -> Iterator[None]:
        """A step that is all of this block."""
        self.begin(step, verb, platform=step)
        try:
            yield
        except BaseException:
            self.done(step, outcome="failed")
            raise
        self.done(step, outcome="done")

    def pause(self, step: str) -> None:
        """Say that a step waits for something, and begins again or ends later."""
        with self._guard:
            self._running.pop(step, None)

    def done(self, step: str, *, outcome: Outcome, size: int | None = None) -> None:
        """Say how a step ended; size is the wheel's, where it is not what was counted by `bytes`.

        The first word on a step is the last one. Why it failed is for others to say.
        """
        with self._guard:
            running = self._running.pop(step, None)
            weight = size if size is not None else running.bytes if running else 0
            if "/" in step and step not in self._ended:
                self._ended.add(step)
                self._finished[step.partition("/")[0]] += 1
                self._add(outcome, 1, weight)
        if running and outcome != "failed" and (outcome == "built" or not self._live):
            amount = size_of(weight) if weight else ""
            word = running.verb.lower() if outcome == "done" else outcome  # IMAGE … image: begun and over
            self._line(f"{word:<8}", step, amount, duration(self._now() - running.began), style=outcome)

    def tally(self, outcome: Outcome) -> Tally:
        """Return how many steps ended so, and their bytes."""
        with self._guard:
            tally = self._tallies.get(outcome, Tally())
            planned = sum(self._reused.values()) if outcome == "reused" else 0
        return replace(tally, wheels=tally.wheels + planned)

    def seconds(self) -> float:
        """Return the time since this run began."""
        return self._now() - self._since

    def say(self, text: str, style: str = "") -> None:
        """Write whole lines, above the live area where there is one; the caller has made the text `visible`."""
        view = self._view
        if view is not None:
            view.say(text, STYLES.get(style, style))
        else:
            self._sink.write(f"{text}\n")

    def snapshot(self) -> Snapshot:
        """Return what the live view draws."""
        with self._guard:
            rows = tuple(
                PlatformRow(name=visible(name), done=min(self._finished[name], total), total=total)
                for name, total in sorted(self._totals.items())
            )
            running = tuple(sorted(self._running.values(), key=lambda step: (step.began, step.name)))
            coming = sum(step.bytes for step in running if step.verb == "FETCH")
            fetched = self._tallies.get("fetched", Tally()).bytes + coming
        return Snapshot(platforms=rows, running=running, fetched=fetched, since=self._since, now=self._now())

    def close(self) -> None:
        """Take the live area away; whatever is said afterwards comes as plain lines. May be called twice."""
        with self._screen:
            view, self._view, self._live = self._view, None, False
        if view is not None:
            view.stop()

    def _add(self, outcome: str, wheels: int, size: int) -> None:
        before = self._tallies.get(outcome, Tally())
        self._tallies[outcome] = Tally(wheels=before.wheels + wheels, bytes=before.bytes + size)

    def _line(self, verb: str, step: str, *more: str, style: str = "") -> None:
        self.say("  ".join([f"{visible(verb)} {visible(step)}", *filter(None, more)]), style)

    def _open_view(self) -> None:
        with self._screen:
            if self._live and self._view is None:
                from builders.live import LiveView

                view = LiveView(self._sink, self.snapshot, colour=self.colour)
                view.start()
                self._view = view
