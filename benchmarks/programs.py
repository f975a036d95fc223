"""One program to its end: on the clock, on the processor, and its peak."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import high_water
from tests.conftest import CHECKOUT

_LOOK_EVERY = 0.02  # s


class ProgramError(Exception):
    """A program ended otherwise than well; the text is the last that it said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """Seconds on the clock, seconds of processor time with all that it started, its own peak in MB, its words."""

    seconds: float
    processor: float
    peak: float
    said: str


def run(command: Sequence[str]) -> Ran:
    """From the checkout, so that its modules are found. Raises ProgramError.

    The peak is the kernel's mark as it stood at most a moment before the end: what wait4 tells would have this process
    in it, as whatever starts another counts as its first size.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, cwd=CHECKOUT
        )
        peaks, ended = [0], threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        ended.set()
        watch.join()
        process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen waits for nobody
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    if process.returncode:
        last = text.splitlines()[-1] if text else "(it said nothing)"
        raise ProgramError(f"{Path(command[0]).name} ended with {process.returncode}: {last}")
    return Ran(seconds=seconds, processor=usage.ru_utime + usage.ru_stime, peak=max(peaks) * 1024 / 1e6, said=text)


def _watch(pid: int, peaks: list[int], ended: threading.Event) -> None:
    while not ended.wait(_LOOK_EVERY):
        peaks.append(high_water(pid))
