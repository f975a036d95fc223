"""The box: one job, one fresh container, nothing shared with any other.

A plain user, no capabilities, no new privileges, a read-only root, memory, process, output and time limits, no mount
of this machine. Inputs go in and outputs come out as archives through an anonymous volume that dies with the container:
the engine need not see this disk. For resolving, its internal network has to be on this machine; Podman is untested.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, assert_never

from builders.engine import GATEWAY_NETWORK, Engine
from builders.errors import EngineError
from builders.images import UV_IN_IMAGE
from builders.jobs import LOG_BYTES, Ending, Input, Job, Network, Outcome, last_line, run_job
from builders.outputs import MOST_BYTES, receive_tar
from builders.platforms import Limits

if TYPE_CHECKING:
    from docker.models.containers import Container

ROOT = "/wheelyard"
USER = 65534  # nobody: the one plain user that every image has
_WEIGHED_EVERY = 5.0  # seconds
_WEIGHED_IN_VAIN = 12  # times in a row
_NOT_THERE = frozenset({126, 127})  # what a shell, and the engine, say of a program that an image does not have
_LIBRARY_FOLDERS = "/usr/local/lib /lib /usr/lib /lib64 /usr/lib64"


class ContainerExecutor:
    """Runs jobs in containers of one image (an engine's id) with that image's Python."""

    def __init__(self, engine: Engine, image: str, python: str) -> None:
        self._engine = engine
        self._image = image
        self._python = python

    def gateway_address(self) -> str:
        """This machine's address on the internal network."""
        return self._engine.gateway_address()

    def run(self, job: Job, *, out: Path, log: Path) -> Outcome:
        """Create, fill, run, empty and remove one container."""
        options = self._options(job)
        with self._engine.container(self._image, label=job.label, **options) as container, log.open("ab") as sink:
            with _pack(job, out.parent) as inputs:
                container.put_archive(ROOT, inputs)
            outcome = _watch(container, job, sink)
            if outcome.ok:
                chunks, _ = container.get_archive(f"{ROOT}/out", chunk_size=1024 * 1024)
                # What is refused is broken off: the engine removes no container from which it still reads.
                with closing(chunks):  # type: ignore[type-var]  # it is a generator
                    receive_tar(chunks, out)
            return outcome

    def copy_libraries(self, sonames: tuple[str, ...], destination: Path) -> tuple[str, ...]:
        """Copy shared libraries out of the image, as the image's own loader would find them."""
        names = " ".join(name for name in sonames if _plain_name(name))
        script = f"""
            for name in {names}; do
                path=$( (/sbin/ldconfig -p || true) 2>/dev/null | sed -n "s|^[[:space:]]*$name (.*=> ||p" | head -n 1)
                if [ -z "$path" ]; then
                    for folder in {_LIBRARY_FOLDERS}; do
                        if [ -e "$folder/$name" ]; then path=$folder/$name; break; fi
                    done
                fi
                if [ -n "$path" ]; then cp -L "$path" "$OUT/$name"; fi
            done
        """
        job = Job(label="libraries", script=script, limits=Limits())
        before = {path.name for path in destination.iterdir()}
        with run_job(self, job, scratch=destination.parent) as ran:
            if not ran.outcome.ok:
                raise EngineError(f"the image's libraries could not be copied: {last_line(ran.log)}")
            found = sorted(path.name for path in ran.out.iterdir())
            for name in found:
                if name not in before:
                    (ran.out / name).rename(destination / name)
        return tuple(found)

    def _options(self, job: Job) -> dict[str, Any]:
        limits = job.limits
        return {
            "command": ["timeout", "-k", "5", str(limits.seconds), "/bin/sh", "-eu", f"{ROOT}/in/job.sh"],
            "user": f"{USER}:{USER}",
            "environment": self._environment(job),
            "working_dir": "/tmp",
            "network_mode": self._network(job.network),
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "read_only": True,
            "tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={limits.memory}"},
            "volumes": [ROOT],
            "mem_limit": limits.memory,
            "memswap_limit": limits.memory,
            "pids_limit": limits.processes,
            "init": True,
            "hostname": "wheelyard",
            "log_config": {"Type": "none"},
        }

    def _network(self, network: Network) -> str:
        match network:
            case Network.NONE:
                return "none"
            case Network.GATEWAY:
                return GATEWAY_NETWORK
            case Network.OPEN:
                return "bridge"
            case _:
                assert_never(network)

    def _environment(self, job: Job) -> dict[str, str]:
        """What a job sees beside the image's own variables, PATH among them."""
        return {
            "HOME": "/tmp/home",
            "TMPDIR": "/tmp",
            "LANG": "C.UTF-8",
            "IN": f"{ROOT}/in",
            "OUT": f"{ROOT}/out",
            "WORK": "/tmp",
            "PYTHON": self._python,
            "UV": UV_IN_IMAGE,
            **dict(job.env),
        }


def _plain_name(name: str) -> bool:
    return posixpath.basename(name) == name and all(c.isalnum() or c in "._+-" for c in name)


def _pack(job: Job, scratch: Path) -> IO[bytes]:
    """The volume's first content: in/ belongs to root, out/ to the job's user."""
    spool = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed when the engine has read it
    with tarfile.open(fileobj=spool, mode="w") as tar:
        _add_folder(tar, "in", 0)
        _add_folder(tar, "out", USER)
        for item in (*job.inputs, Input(name="job.sh", content=job.script.encode())):
            _add_file(tar, item)
    spool.seek(0)
    return spool


def _add_folder(tar: tarfile.TarFile, name: str, owner: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, owner, owner
    tar.addfile(entry)


def _add_file(tar: tarfile.TarFile, item: Input) -> None:
    entry = tarfile.TarInfo(f"in/{item.name}")
    entry.mode = 0o444
    if isinstance(item.content, bytes):
        entry.size = len(item.content)
        tar.addfile(entry, io.BytesIO(item.content))
    else:
        entry.size = item.content.stat().st_size
        with item.content.open("rb") as stream:
            tar.addfile(entry, stream)


class _Listener(threading.Thread):
    """Copies a container's output to the log, up to a limit, and knows when it last spoke."""

    def __init__(self, chunks: Iterator[bytes], sink: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._chunks = chunks
        self._sink = sink
        self.last = time.monotonic()
        self.size = 0

    def run(self) -> None:
        """Until the container's output ends, which is when its last process has."""
        import requests

        try:
            for chunk in self._chunks:
                self.last = time.monotonic()
                self.size += len(chunk)
                if self.size <= LOG_BYTES:
                    self._sink.write(chunk)
        except (requests.exceptions.RequestException, OSError, ValueError):
            pass  # the connection ended with the container


class _Scale:
    """Weighs out/ every few seconds, as the engine sets no bound to a volume.

    It is root who weighs, whom no job can stop. Without capabilities it sees no closed folder of the job's: what hides
    its weight for a minute is taken to have too much of it.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._last = time.monotonic()
        self._in_vain = 0

    def shows_too_much(self) -> bool:
        """Whether out/ holds more than is taken from it, as far as it was weighed by now."""
        if time.monotonic() - self._last < _WEIGHED_EVERY:
            return False
        weight = self._weight()
        self._last = time.monotonic()
        self._in_vain = self._in_vain + 1 if weight is None else 0
        return self._in_vain >= _WEIGHED_IN_VAIN or (weight or 0) > MOST_BYTES

    def _weight(self) -> int | None:
        import docker
        import requests

        vain = (docker.errors.APIError, requests.exceptions.RequestException, ValueError, IndexError)
        with suppress(*vain):  # the container may have ended just now, or the engine is busy
            ended = self._container.exec_run(["timeout", "30", "du", "-sk", f"{ROOT}/out"], user="0", stderr=False)
            if ended.exit_code in _NOT_THERE:
                return 0
            if ended.exit_code == 0:
                assert isinstance(ended.output, bytes)  # it was not asked for as a stream
                return int(ended.output.split()[0]) * 1024
        return None


def _watch(container: Container, job: Job, sink: IO[bytes]) -> Outcome:
    """Start a filled container and wait for its end, whichever of the limits brings it."""
    import docker

    started = time.monotonic()
    listener = _Listener(container.attach(stream=True, stdout=True, stderr=True), sink)
    container.start()
    listener.start()
    scale = _Scale(container)
    ending = Ending.EXITED
    while listener.is_alive():
        listener.join(0.5)
        now = time.monotonic()
        if now - started > job.limits.seconds + 10:
            ending = Ending.TIME_LIMIT
        elif now - listener.last > job.limits.silence:
            ending = Ending.SILENCE_LIMIT
        elif listener.size > LOG_BYTES:
            ending = Ending.LOG_LIMIT
        elif scale.shows_too_much():
            ending = Ending.OUTPUT_LIMIT
        if ending is not Ending.EXITED:
            with suppress(docker.errors.APIError):  # it may have ended just now
                container.kill()
            listener.join(10)
            break
    code = int(container.wait(timeout=60)["StatusCode"])
    seconds = time.monotonic() - started
    container.reload()
    memory_ran_out = bool(container.attrs["State"]["OOMKilled"])
    if ending is Ending.EXITED and memory_ran_out and code:
        ending = Ending.OUT_OF_MEMORY
    elif ending is Ending.EXITED and code in {124, 137} and seconds >= job.limits.seconds:
        ending = Ending.TIME_LIMIT
    return Outcome(ending=ending, code=code, seconds=seconds, memory_ran_out=memory_ran_out)
