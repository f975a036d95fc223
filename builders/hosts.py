"""This machine as a platform: the same jobs, in a process group of their own, without a box.

A job sees a scratch folder and about ten variables. Nothing else confines it, which is why a platform has to say
`sandbox: none` before anything is built here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from builders.errors import EngineError
from builders.jobs import LOG_BYTES, Ending, Input, Job, Outcome
from builders.outputs import receive_folder
from builders.scratch import scratch_folder
from builders.stopping import refuse_when_stopping

# A job has a session of its own, so that it can be ended as a whole; this one ends it when doit itself is killed. The
# pipe is its standard input, doit holds the other end, and the kernel closes that whatever becomes of doit.
_LIFELINE = 'exec 3<&0; (read -r _ <&3; kill -KILL 0) & exec /bin/sh -eu "$0" 3<&- < /dev/null'
_PASSED_ON = ("PATH", "SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET", "ARCHFLAGS")


def find_python(wanted: str | None) -> str:
    """The interpreter that `python:` names: a path, a version ("3.11"), or nothing for the one that runs doit.

    A relative path is seen from the workspace, where doit is; the answer is absolute, as jobs run elsewhere.
    """
    if wanted is None:
        # The base interpreter: one virtual environment more or less must not change what is built.
        return str(getattr(sys, "_base_executable", sys.executable))
    candidate = wanted if "/" in wanted else f"python{wanted}" if wanted[0].isdigit() else wanted
    found = shutil.which(candidate)
    if found is None:
        raise EngineError(
            f"this machine has no {candidate}", hint="install it, or name another Python: `python: /path/to/python3`"
        )
    return str(Path(found).absolute())  # links stay: the Python of a virtual environment is one


class HostExecutor:
    """Runs jobs on this machine; `scratch` is the folder under which each gets one of its own."""

    def __init__(self, python: str, uv: Path, scratch: Path) -> None:
        self._python = python
        self._uv = uv
        self._scratch = scratch
        self._running: set[int] = set()
        self._changing = threading.Lock()

    def gateway_address(self) -> str:
        """Loopback: the job runs on this machine."""
        return "127.0.0.1"

    def run(self, job: Job, *, out: Path, log: Path) -> Outcome:
        """Fill a scratch folder, run the script in it, take what it left."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        with scratch_folder(self._scratch, prefix="job-") as root:
            for name in ("in", "out", "work", "home"):
                (root / name).mkdir()
            for item in (*job.inputs, Input(name="job.sh", content=job.script.encode())):
                _place(root / "in" / item.name, item)
            outcome = self._watch(job, root, log)
            if outcome.ok:
                receive_folder(root / "out", out)
            return outcome

    def copy_libraries(self, sonames: tuple[str, ...], destination: Path) -> tuple[str, ...]:
        """Copy this machine's own shared libraries."""
        from builders.libraries import HostLibraries

        return HostLibraries().copy_libraries(sonames, destination)

    def stop(self) -> None:
        """End every job that still runs."""
        with self._changing:
            for group in self._running:
                _kill(group)

    def _watch(self, job: Job, root: Path, log: Path) -> Outcome:
        started = time.monotonic()
        variables = {"PYTHON": self._python, "UV": str(self._uv), **dict(job.env)}
        with log.open("ab") as sink:
            with self._changing:  # which `stop` waits for: it finds the process, or the process is not started
                refuse_when_stopping()
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _LIFELINE, str(root / "in" / "job.sh")],
                    stdin=subprocess.PIPE,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    cwd=root / "work",
                    env={**_environment(root, os.environ), **variables},
                    start_new_session=True,
                )
                self._running.add(process.pid)
            try:
                ending = _wait(process, job, log, started)
            finally:
                _kill(process.pid)  # whatever the script left running
                process.wait()
                if process.stdin:
                    process.stdin.close()
                with self._changing:
                    self._running.discard(process.pid)
        return Outcome(ending=ending, code=process.returncode, seconds=time.monotonic() - started)


def _environment(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    return {
        **{name: environ[name] for name in _PASSED_ON if name in environ},
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "work"),
        "LANG": "C.UTF-8",
        "IN": str(root / "in"),
        "OUT": str(root / "out"),
        "WORK": str(root / "work"),
    }


def _place(path: Path, item: Input) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(item.content, bytes):
        path.write_bytes(item.content)
    else:
        shutil.copyfile(item.content, path)
    path.chmod(0o444)


def _wait(process: subprocess.Popen[bytes], job: Job, log: Path, started: float) -> Ending:
    """Wait for the script's own end or for the limit that it runs into; the log's growth is its voice."""
    size, first = log.stat().st_size, log.stat().st_size
    heard = time.monotonic()
    while True:
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            pass
        else:
            return Ending.EXITED
        now, grown = time.monotonic(), log.stat().st_size
        if grown != size:
            size, heard = grown, now
        if now - started > job.limits.seconds:
            return Ending.TIME_LIMIT
        if now - heard > job.limits.silence:
            return Ending.SILENCE_LIMIT
        if size - first > LOG_BYTES:
            return Ending.LOG_LIMIT


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
