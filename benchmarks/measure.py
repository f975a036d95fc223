"""Two ways to do something, by turns, and the verdict.

By turns, because a machine that is shared is slow for a minute and then fast again: both sides see the same minutes.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One way: what it is called, and one turn of it, which gives the seconds that count."""

    name: str
    turn: Callable[[], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What was measured, in the order of the turns."""

    name: str
    values: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        """The figure that is compared."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        spread = f"({min(self.values):.3f} to {max(self.values):.3f}, {len(self.values)} turns)"
        return f"  {self.name:<44} {self.median:9.3f} {self.unit}   {spread}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Ours against theirs; `limit` is the most that ours may be, as a part of theirs."""

    title: str
    ours: Figures
    theirs: Figures
    limit: float
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Median over median."""
        return self.ours.median / self.theirs.median

    @property
    def holds(self) -> bool:
        """Whether the limit is kept."""
        return self.ratio <= self.limit

    def __str__(self) -> str:
        word = "holds" if self.holds else "MISSED"
        last = f"  ratio {self.ratio:.2f}, at most {self.limit:g}: {word}"
        return "\n".join([self.title, str(self.ours), str(self.theirs), last, *(f"  {note}" for note in self.notes)])


def by_turns(title: str, ours: Side, theirs: Side, *, limit: float, times: int, notes: Sequence[str] = ()) -> Verdict:
    """One turn of each that does not count (it warms the page cache), then `times` of both, in changing order."""
    ours.turn()
    theirs.turn()
    taken: dict[str, list[float]] = {ours.name: [], theirs.name: []}
    for number in range(times):
        for side in (ours, theirs) if number % 2 else (theirs, ours):
            taken[side.name].append(side.turn())
    figures = [Figures(name=side.name, values=tuple(taken[side.name])) for side in (ours, theirs)]
    return Verdict(title=title, ours=figures[0], theirs=figures[1], limit=limit, notes=tuple(notes))


def seconds_of(command: Sequence[str]) -> float:
    """The time a program takes, from its start to its end; what it says is shown if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
    return seconds


def high_water(pid: int) -> int:
    """The kernel's own mark of a running process, in KiB: 0 where it has ended, or where the kernel keeps none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def machine() -> str:
    """What was measured on, as far as it matters."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEBIBYTE
    lines = [
        f"{platform.machine()}, {_processor()}, {cores} cores, {memory} MB",
        f"{platform.system()} {platform.release()}, Python {sys.version.split()[0]}",
        ", ".join(
            f"{name} {_version(name)}" for name in ("doit", "docker", "uv", "packaging", "urllib3", "auditwheel")
        ),
        f"load before: {os.getloadavg()[0]:.1f}",
    ]
    return "\n".join(lines)


def _processor() -> str:
    try:
        said = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "processor unknown"
    return next((line.partition(":")[2].strip() for line in said if line.startswith("model name")), "processor unknown")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(absent)"
