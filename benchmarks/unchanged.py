"""Nothing changed: the whole of doit on a workspace, against `doit --version` in the same environment."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Side, Verdict, by_turns, seconds_of
from benchmarks.workspaces import VERSION_ONLY, Workspace, ansible, made_up

MADE_UP = 10_000


def three_platforms(folder: Path, times: int) -> Verdict:
    """Three images, ansible for each."""
    return _unchanged("nothing changed, ansible for 3 platforms", ansible(folder), limit=4, times=times)


def large_store(folder: Path, times: int) -> Verdict:
    """One platform with made-up wheels, which the program itself locked, fetched and published."""
    return _unchanged(
        f"nothing changed, {MADE_UP:,} wheels in the store (made up)", made_up(folder, MADE_UP), limit=15, times=times
    )


def _unchanged(title: str, workspace: Workspace, *, limit: float, times: int) -> Verdict:
    seconds_of(workspace.command())
    return by_turns(
        title,
        Side(name="doit", turn=lambda: seconds_of(workspace.command())),
        Side(name="doit --version", turn=lambda: seconds_of(VERSION_ONLY)),
        limit=limit,
        times=times,
    )
