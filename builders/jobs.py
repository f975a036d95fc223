"""What is run on a platform, as data: a job goes in, an outcome and a folder of plain files come out.

A job is a shell script that sees these variables, PATH and its own `env`; in an image, nothing of this machine:

    $IN     its inputs, read-only          $OUT    empty; regular files left here come back
    $WORK   scratch space, thrown away     $PYTHON the platform's Python
    $TMPDIR the same                       $UV     uv's program; a bare image has none
    $HOME   empty, or yet to be made       $LANG   C.UTF-8
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from builders.platforms import Limits
from builders.scratch import scratch_folder

LOG_BYTES = 64 * 1024**2  # the most that a job may print
_TAIL = 65536


class Network(Enum):
    """What a job may reach."""

    NONE = "none"
    GATEWAY = "gateway"  # our own index gateway and nothing else: resolving
    OPEN = "open"  # whatever the machine reaches; only where platforms.yaml says `network: true`


class Ending(Enum):
    """How a job ended."""

    EXITED = "exited"
    OUT_OF_MEMORY = "out of memory"
    TIME_LIMIT = "time limit"
    SILENCE_LIMIT = "silence limit"
    LOG_LIMIT = "log limit"
    OUTPUT_LIMIT = "output limit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """One file under $IN; `content` is the bytes themselves or where they stand on this machine."""

    name: str
    content: bytes | Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One run of foreign code. `label` names it in logs and on containers."""

    label: str
    script: str
    inputs: tuple[Input, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    network: Network = Network.NONE
    limits: Limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a job; `code` is the script's exit code, seconds are wall time.

    `memory_ran_out`: one of its processes was killed for that, whatever the script made of it.
    """

    ending: Ending
    code: int
    seconds: float
    memory_ran_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether the script ran to its end and said so."""
        return self.ending is Ending.EXITED and self.code == 0


class LibrarySource(Protocol):
    """Who can hand out the shared libraries of a platform."""

    def copy_libraries(self, sonames: tuple[str, ...], destination: Path) -> tuple[str, ...]:
        """Copy those that exist into `destination`, links followed, named by soname; returns the names found."""


class Executor(LibrarySource, Protocol):
    """A place where jobs run: a container image, or this machine."""

    def run(self, job: Job, *, out: Path, log: Path) -> Outcome:
        """Run `job`; its regular files land in the empty folder `out`, all it printed in `log`.

        The folder that `out` is in is scratch space.
        """

    def gateway_address(self) -> str:
        """The address of this machine at which a job with Network.GATEWAY finds a server."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """A job that ended: where it ran, how it ended, what it left and what it said."""

    executor: Executor
    outcome: Outcome
    out: Path
    log: Path


@contextmanager
def run_job(executor: Executor, job: Job, *, scratch: Path, log: Path | None = None) -> Iterator[Ran]:
    """Run it with an `out` of its own below `scratch`, which goes in the end, and the log too where none is named."""
    with scratch_folder(scratch) as folder:
        out, log = folder / "out", log or folder / "log"
        out.mkdir()
        yield Ran(executor=executor, outcome=executor.run(job, out=out, log=log), out=out, log=log)


def first_line(log: Path) -> str:
    """The first line with anything in it: what a program says before its advice."""
    with log.open(encoding="utf-8", errors="replace") as stream:
        said = (line.strip() for line in stream.read(_TAIL).splitlines())
        return next(filter(None, said), "it printed nothing")


def last_line(log: Path, start: int = 0) -> str:
    """The last line with anything in it that was written to a log from byte `start` on; a sentence where none was."""
    with log.open("rb") as stream:
        stream.seek(max(start, log.stat().st_size - _TAIL))
        lines = stream.read().decode(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    return said[-1] if said else "it printed nothing"
