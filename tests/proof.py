"""The workspace of the main job, and the rooms in which its result is proved: clean containers without a network."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import CHECKOUT, PREPARE, Bench, Ran

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

PROJECTS = CHECKOUT / "tests" / "projects"
PLATFORMS = ("debian-bullseye", "debian-trixie")
HARD = ("pyyaml==5.4.1", "docopt", "psycopg2", "markupsafe", "cffi")
GROUND = f"""
defaults:
  pre-command: {PREPARE}
"""
MAIN_JOB = f"""
{GROUND}
  requirements: [hard, ansible]
platforms:
  - image: debian:bullseye
  - image: debian:trixie
  - image: debian:bookworm
builds:
  psycopg2: {{pre-command: apt-get -y install libpq-dev}}
  pyyaml: {{build-constraints: ["Cython<3"]}}
  markupsafe: {{from: sdist}}
  cffi: {{from: sdist, pre-command: apt-get -y install libffi-dev}}
"""


@dataclass(frozen=True, kw_only=True)
class MainJob:
    """The workspace after two runs: one of bullseye alone, whose paths and words were noted, and one of trixie."""

    bench: Bench
    alone: Ran
    alone_left: frozenset[str]
    both: Ran


@cache
def main_job(make_bench: Callable[[str], Bench]) -> MainJob:
    """The workspace of the main job, made once in a test run, however many files ask for it."""
    bench = make_bench("main-job")
    bench.write("platforms.yaml", MAIN_JOB)
    bench.write("requirements/hard.txt", "\n".join(HARD))
    bench.write("requirements/ansible.txt", "ansible")
    alone = bench.doit("platforms:debian-bullseye")
    left = frozenset(path.relative_to(bench.root).as_posix() for path in bench.root.rglob("*"))
    return MainJob(bench=bench, alone=alone, alone_left=left, both=bench.doit("platforms:debian-trixie"))


def engine() -> docker.DockerClient:
    """The engine of this machine."""
    import docker

    return docker.from_env()


def prepared_image(bench: Bench, platform: str) -> str:
    """The image that a platform is: its base and its pre-command, and nothing of any build."""
    facts = json.loads((bench.root / ".wheelyard" / "facts" / f"{platform}.json").read_text())
    return str(facts["image"])


def in_clean_container(bench: Bench, platform: str, script: str) -> Ran:
    """Run a script as a plain user in a fresh container of the platform, with public/ as /srv/pypi and no network.

    The container sees uv's program as well, as /tools/uv*, and nothing else of this machine.
    """
    client = engine()
    container = client.containers.create(
        prepared_image(bench, platform),
        ["/bin/sh", "-euc", script],
        network_mode="none",
        user="65534:65534",
        environment={"HOME": "/tmp/home", "PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        tmpfs={"/tmp": "rw,exec,mode=1777"},
        volumes={
            str(bench.root / "public"): {"bind": "/srv/pypi", "mode": "ro"},
            str(bench.root / ".wheelyard" / "tools"): {"bind": "/tools", "mode": "ro"},
        },
    )
    try:
        container.start()
        code = int(container.wait(timeout=300)["StatusCode"])
        out, errors = (container.logs(stdout=one, stderr=not one).decode(errors="replace") for one in (True, False))
        return Ran(code=code, out=out, errors=errors)
    finally:
        container.remove(force=True, v=True)
        client.close()


def containers_of(bench: Bench) -> list[Container]:
    """The containers, running or not, that runs on this workspace left on the engine."""
    return list(engine().containers.list(all=True, filters={"label": f"wheelyard.workspace={bench.root.resolve()}"}))


@contextmanager
def bystander() -> Iterator[Container]:
    """A running container of a workspace elsewhere."""
    client = engine()
    labels = {"wheelyard.workspace": "/another/workspace", "wheelyard.run": "another"}
    container = client.containers.run("debian:bullseye", ["sleep", "600"], labels=labels, init=True, detach=True)
    try:
        yield container
    finally:
        container.remove(force=True)


# --- sdists of our own ------------------------------------------------------------------------------------------------


def pack_sdist(project: str, into: Path, *, name: str = "", requires: tuple[str, ...] = ()) -> Path:
    """Pack tests/projects/<project> as version 1.0 of `name`, with static metadata."""
    name = name or project
    top = f"{name.replace('-', '_')}-1.0"
    metadata = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {one}" for one in requires)]
    into.mkdir(parents=True, exist_ok=True)
    with tarfile.open(into / f"{top}.tar.gz", "w:gz") as archive:
        archive.add(PROJECTS / project, top, filter=_without_caches)
        content = "\n".join(["Metadata-Version: 2.2", *metadata, ""]).encode()
        entry = tarfile.TarInfo(f"{top}/PKG-INFO")
        entry.size, entry.mtime = len(content), 1_700_000_000
        archive.addfile(entry, io.BytesIO(content))
    return into / f"{top}.tar.gz"


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.mtime = 1_700_000_000
    return None if "__pycache__" in entry.name else entry


def wheel_of(bench: Bench, project: str, *, platform: str = "debian-bullseye") -> Path:
    """A platform's one wheel of a project, where its bytes lie in the tree."""
    (found,) = (bench.root / "public" / platform).glob(f"{project.replace('-', '_')}-*.whl")
    return found.resolve()


def member(wheel: Path, name: str) -> bytes:
    """One file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def record_of(bench: Bench, project: str) -> dict[str, Any]:
    """The one record of a project."""
    found = [json.loads(path.read_text()) for path in (bench.root / ".wheelyard" / "records").glob("*.json")]
    (record,) = (record for record in found if record["project"] == project)
    return dict(record)


# --- a server that builds may or may not reach ------------------------------------------------------------------------


@dataclass
class Gate:
    """A server that notes each caller, and answers once `open` is set."""

    address: str
    called: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    callers: int = 0

    def serve(self, listener: socket.socket) -> None:
        """Until the listener is closed."""
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            self.callers += 1
            self.called.set()
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link: socket.socket) -> None:
        with link:
            self.open.wait(600)
            with suppress(OSError):  # the caller was killed meanwhile
                link.sendall(b"welcome")


@contextmanager
def gate() -> Iterator[Gate]:
    """A gate on this machine's address in the engine's ordinary network."""
    client = engine()
    bridge = client.networks.get("bridge").attrs["IPAM"]["Config"][0]
    client.close()
    host = bridge.get("Gateway") or bridge["Subnet"].rpartition(".")[0] + ".1"
    with socket.create_server((host, 0)) as listener:
        made = Gate(address=f"{host}:{listener.getsockname()[1]}")
        threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
        yield made
        made.open.set()
        listener.shutdown(socket.SHUT_RDWR)
