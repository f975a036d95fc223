"""`doit rollback` to the generation before, 1,000 wheels in each: the whole command, by a clock on the wall.

Each turn has a copy of the workspace to itself, made before the first of them: nobody rolls back and forth, and a file
system that has just given up thousands of files is slow to take in as many for minutes (ext4 spares their inodes).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Figures, seconds_of
from benchmarks.workspaces import VERSION_ONLY, Workspace, made_up, this_machine, write_wheel

LIMIT = 1.0  # s
WHEELS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Rolled:
    """Back to a tree that lacks half of the newest one's wheels, and forth."""

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
    """Two generations that the program itself published; forth first, as going back takes files away.

    Each time in a folder of its own: a workspace that went back and forth is another one.
    """
    (folder / "rollback").mkdir(parents=True, exist_ok=True)
    first, second = _two_generations(Path(tempfile.mkdtemp(dir=folder / "rollback")))
    forth = [first.copied(first.root.with_name(f"forth-{turn}")) for turn in range(times + 1)]
    back = [second.copied(second.root.with_name(f"back-{turn}")) for turn in range(times + 1)]
    time.sleep(1)  # a page that is not older than the manifest, by the file system's clock, is read again
    for workspace in (*forth, *back):
        (workspace.root / "public" / "manifest.json").touch()
    figures = [
        _figures(f"doit rollback --to {number}", [_rolling(one, number) for one in those])
        for number, those in ((2, forth), (1, back))
    ]
    idle = _figures("doit --version", [lambda: seconds_of(VERSION_ONLY)] * (times + 1))
    return Rolled(back=figures[1], forth=figures[0], idle=idle)


def _rolling(workspace: Workspace, number: int) -> Callable[[], float]:
    return lambda: seconds_of(workspace.command("rollback", "--to", str(number)))


def _figures(name: str, turns: list[Callable[[], float]]) -> Figures:
    """The first turn does not count: it warms the page cache."""
    return Figures(name=name, values=tuple([turn() for turn in turns][1:]))


def _two_generations(folder: Path) -> tuple[Workspace, Workspace]:
    """A workspace as its first generation left it, knowing of the second, and as the second left it.

    Half of the first generation's projects are not asked for in the second, and prune has taken them off it.
    """
    workspace = made_up(folder, WHEELS)
    workspace.write("platforms.yaml", this_machine("find-links: vendor/", "all"))
    seconds_of(workspace.command())
    first = workspace.copied(workspace.root.with_name("first"))
    names = [f"made-up-{number:05d}" for number in range(WHEELS // 2, WHEELS + WHEELS // 2)]
    for name in names[WHEELS // 2 :]:
        write_wheel(workspace.root / "vendor", name)
    workspace.write("requirements/all.txt", "".join(f"{name}\n" for name in names))
    seconds_of(workspace.command())
    seconds_of(workspace.command("prune", "--keep", "2"))
    for kept in ("blobs", "records", "generations"):
        source = workspace.root / ".wheelyard" / kept
        shutil.copytree(source, first.root / ".wheelyard" / kept, dirs_exist_ok=True)
    return first, workspace
