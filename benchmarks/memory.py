"""The memory of the doit process while it fetches, checks and publishes one wheel of 1 GB from a loopback server."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Figures, high_water
from benchmarks.workspaces import Workspace, metadata_of, this_machine, write_wheel
from tests.index_makers import served

LIMIT = 150.0  # MB
SIZE = 1024  # MiB
NAME = "made-up-giant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """The highest resident size that doit had, and that any of it and the processes that it starts had."""

    figures: Figures
    any_process: Figures
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every process stayed under the limit, every time."""
        return max(*self.figures.values, *self.any_process.values) < LIMIT

    def __str__(self) -> str:
        title = f"memory of the doit process while fetching {SIZE} MiB ({self.seconds:.1f} s in all)"
        return (
            f"{title}\n{self.figures}\n{self.any_process}\n  under {LIMIT:g} MB: {'holds' if self.holds else 'MISSED'}"
        )


def large_wheel(folder: Path, times: int) -> Peak:
    """A host platform: no engine has a part in it. Its wheel stands on an index of our own, with PEP 658 metadata."""
    site = folder / "site"
    _write_index(site)
    workspace = Workspace(root=folder / "giant")
    workspace.write("requirements/giant.txt", f"{NAME}\n")
    peaks = []
    with served(site) as url:
        workspace.write("platforms.yaml", this_machine(f"url: '{url}simple/'", "giant"))
        start = time.perf_counter()
        for _ in range(times):
            workspace.forget()
            peaks.append(_peaks_of(workspace.command()))
    seconds = (time.perf_counter() - start) / times
    doit, largest = zip(*peaks, strict=True)
    return Peak(
        figures=Figures(name="doit, peak resident size", values=doit, unit="MB"),
        any_process=Figures(name="the largest of it and what it starts", values=largest, unit="MB"),
        seconds=seconds,
    )


def _write_index(site: Path) -> None:
    page = site / "simple" / NAME
    page.mkdir(parents=True, exist_ok=True)
    wheel = write_wheel(page, NAME, ballast=SIZE)
    metadata = metadata_of(NAME)
    wheel.with_name(f"{wheel.name}.metadata").write_bytes(metadata)
    with wheel.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    said = f'data-core-metadata="sha256={hashlib.sha256(metadata).hexdigest()}"'
    link = f'<a href="{wheel.name}#sha256={digest}" {said}>{wheel.name}</a>'
    (page / "index.html").write_text(f"<!DOCTYPE html>\n{link}\n", encoding="utf-8")


def _peaks_of(command: Sequence[str]) -> tuple[float, float]:
    """The kernel's own high-water marks in MB: of the process, and of the largest among it and all that it started."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        peak = 0
        while True:
            peak = max(peak, high_water(process.pid))
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen waits for nobody
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"doit ended with {process.returncode}\n{said.read().decode(errors='replace')}")
    return peak * 1024 / 1e6, usage.ru_maxrss * 1024 / 1e6
