"""The memory of the doit process while it fetches, checks and publishes one wheel of 1 GB from a loopback server."""

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.measure import Figures
from benchmarks.workspaces import Workspace, metadata_of, this_machine, write_wheel

LIMIT = 150.0  # MB
SIZE = 1024  # MiB
NAME = "made-up-giant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """The highest resident size that the process had."""

    figures: Figures
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether it stayed under the limit."""
        return self.figures.median < LIMIT

    def __str__(self) -> str:
        title = f"memory of the doit process while fetching {SIZE} MiB ({self.seconds:.1f} s in all)"
        return f"{title}\n{self.figures}\n  under {LIMIT:g} MB: {'holds' if self.holds else 'MISSED'}"


def large_wheel(folder: Path, times: int) -> Peak:
    """A host platform: no engine has a part in it. Its wheel stands on an index of our own, with PEP 658 metadata."""
    site = folder / "site"
    _write_index(site)
    workspace = Workspace(root=folder / "giant")
    workspace.write("requirements/giant.txt", f"{NAME}\n")
    peaks = []
    with _served(site) as url:
        workspace.write("platforms.yaml", this_machine(f"url: '{url}/simple/'", "giant"))
        start = time.perf_counter()
        for _ in range(times):
            workspace.forget()
            peaks.append(_peak_of(workspace.doit()))
    seconds = (time.perf_counter() - start) / times
    return Peak(figures=Figures(name="doit, peak resident size", values=tuple(peaks), unit="MB"), seconds=seconds)


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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _served(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _peak_of(command: tuple[str, ...]) -> float:
    """The kernel's own high-water mark, read until the process has gone, in MB."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _high_water(process.pid))
        time.sleep(0.02)
    said = process.communicate()[0].decode(errors="replace")
    if process.returncode:
        raise SystemExit(f"doit ended with {process.returncode}\n{said}")
    return peak * 1024 / 1e6


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
