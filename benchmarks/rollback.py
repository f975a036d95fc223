"""`doit rollback` to the generation before, 1,000 wheels in each: the whole command, by a clock on the wall."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Figures, seconds_of
from benchmarks.workspaces import VERSION_ONLY, Workspace, made_up, this_machine, write_wheel

LIMIT = 1.0  # s
WHEELS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Rolled:
    """Back to a tree that lacks half of the newest one's wheels, and forth, in turns."""

    back: Figures
    forth: Figures
    idle: Figures

    @property
    def holds(self) -> bool:
        """Whether both directions stay under the limit."""
        return max(self.back.median, self.forth.median) < LIMIT

    def __str__(self) -> str:
        title = f"rollback between two generations of {WHEELS:,} wheels, half of them other ones (made up)"
        last = f"  under {LIMIT:g} s: {'holds' if self.holds else 'MISSED'}"
        return "\n".join([title, str(self.back), str(self.forth), str(self.idle), last])


def thousand_wheels(folder: Path, times: int) -> Rolled:
    """Two generations that the program itself published; then from one to the other and back."""
    workspace = _two_generations(folder)
    seconds: dict[str, list[float]] = {"1": [], "2": [], "idle": []}
    for turn in range(times + 1):
        for number in ("1", "2"):
            taken = seconds_of(workspace.doit("rollback", "--to", number))
            if turn:  # the first warms the page cache
                seconds[number].append(taken)
        seconds["idle"].append(seconds_of(VERSION_ONLY))
    names = {"1": "doit rollback --to 1", "2": "doit rollback --to 2", "idle": "doit --version"}
    back, forth, idle = (Figures(name=names[key], values=tuple(values)) for key, values in seconds.items())
    return Rolled(back=back, forth=forth, idle=idle)


def _two_generations(folder: Path) -> Workspace:
    """Half of the first generation's projects are not asked for in the second, and prune has taken them off it."""
    workspace = made_up(folder / "rollback", WHEELS)
    workspace.write("platforms.yaml", this_machine("find-links: vendor/", "all"))
    seconds_of(workspace.doit())
    names = [f"made-up-{number:05d}" for number in range(WHEELS // 2, WHEELS + WHEELS // 2)]
    for name in names[WHEELS // 2 :]:
        write_wheel(workspace.root / "vendor", name)
    workspace.write("requirements/all.txt", "".join(f"{name}\n" for name in names))
    seconds_of(workspace.doit())
    seconds_of(workspace.doit("prune", "--keep", "2"))
    return workspace
