"""The live view on a terminal: a snapshot of the run comes in, a renderable that fits the terminal goes out.

Only a run that does something imports this module, and with it rich.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from builders.progress import Running, Snapshot
from builders.terminal import Sink, clock, size_of

WIDEST = 100  # columns: on a wider terminal the eye would lose its line
NARROW = 64  # columns: below, a step's platform and the bytes are left out
MOST_PLATFORMS = 6
MOST_STEPS = 8


class LiveView:
    """A few lines at the bottom of the terminal, drawn four times a second; other text scrolls by above them."""

    def __init__(self, sink: Sink, snapshot: Callable[[], Snapshot], *, colour: bool) -> None:
        self._console = Console(
            file=cast("TextIO", sink), force_terminal=True, no_color=not colour, highlight=False, markup=False
        )
        self._live = Live(
            console=self._console,
            get_renderable=lambda: layout(snapshot(), self._console.width, self._console.height),
            refresh_per_second=4,
            transient=True,
            redirect_stdout=sys.stdout is sys.__stdout__,  # where doit captures an action's output, it stays captured
            redirect_stderr=sys.stderr is sys.__stderr__,
            vertical_overflow="crop",
        )

    def start(self) -> None:
        """Take the bottom of the terminal, and catch what others print to stdout and stderr."""
        self._live.start(refresh=True)

    def say(self, text: str, style: str) -> None:
        """Print above the live area; the text stays."""
        self._console.print(Text(text), style=style, soft_wrap=True)

    def stop(self) -> None:
        """Give the terminal back, without a trace of the live area."""
        self._live.stop()


def layout(shot: Snapshot, columns: int, rows: int) -> RenderableType:
    """Platforms with their bars, the running steps, one line of totals; never taller than the terminal."""
    width = min(columns, WIDEST)
    room = max(2, rows - 4)  # the gap above, the totals, a row for the cursor, one to spare
    platforms = min(MOST_PLATFORMS, room // 2)
    steps = min(MOST_STEPS, room - min(platforms, len(shot.platforms)))
    parts: list[RenderableType] = [Text(), *([_platforms(shot, width, platforms)] if shot.platforms else [])]
    if shot.running:
        parts.append(_steps(shot, width, steps))
    return Group(*parts, Text(_totals(shot, steps), style="dim", no_wrap=True, overflow="ellipsis"))


def _platforms(shot: Snapshot, width: int, most: int) -> RenderableType:
    """Unfinished platforms come first, where there is no room for all."""
    rows = sorted(shot.platforms, key=lambda row: (row.done >= row.total, row.name))[:most]
    figure = max((len(str(row.total)) for row in rows), default=1)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(8, width // 2 - 2))
    table.add_column(width=max(6, min(40, width // 3)))
    table.add_column(no_wrap=True, justify="right")
    for row in sorted(rows, key=lambda row: row.name):
        bar = ProgressBar(total=max(1, row.total), completed=row.done, finished_style="green")
        table.add_row(Text(row.name, style="bold"), bar, f"{row.done:>{figure}}/{row.total}")
    return table


def _steps(shot: Snapshot, width: int, most: int) -> RenderableType:
    """The steps that have been running longest: they are what one waits for."""
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    table.width = width
    table.add_column(width=8, no_wrap=True, style="cyan")
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    if width >= NARROW:
        table.add_column(width=17, no_wrap=True, justify="right", style="dim")
    table.add_column(width=7, no_wrap=True, justify="right")
    for step in shot.running[:most]:
        table.add_row(*_cells(step, shot.now, wide=width >= NARROW))
    return table


def _cells(step: Running, now: float, *, wide: bool) -> tuple[str | Text, ...]:
    elapsed = clock(now - step.since)
    if not wide:
        return step.verb, Text(step.name.rpartition("/")[2]), elapsed
    amount = size_of(step.bytes, step.total) if step.bytes or step.total else ""
    return step.verb, Text(step.name), amount, elapsed


def _totals(shot: Snapshot, shown: int) -> str:
    hidden = len(shot.running) - shown
    parts = [f"and {hidden} more running"] if hidden > 0 else []
    if shot.fetched:
        parts.append(f"{size_of(shot.fetched)} fetched")
    return " · ".join([*parts, clock(shot.now - shot.since)])
