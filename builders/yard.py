"""What the verbs of one run share: the workspace, the store, and connections that are opened when first needed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from builders.build_places import Places, places_here
from builders.errors import SandboxError, WheelyardError
from builders.jobs import Executor
from builders.platforms import BuildSettings, Platform, Workspace
from builders.scratch import remove_tree
from builders.store import Store

if TYPE_CHECKING:
    from builders.engine import Engine
    from builders.facts import Facts
    from builders.fetch import Fetcher
    from builders.fetching_ahead import Ahead
    from builders.gateway import Gateway
    from builders.hosts import HostExecutor
    from builders.pages import IndexFile
    from builders.progress import Progress
    from builders.upstreams import Upstreams
    from builders.wheels import WheelFile


class Yard:
    """One run on one workspace. Making one opens nothing and writes nothing."""

    def __init__(self, workspace: Workspace, progress: Progress) -> None:
        self.workspace = workspace
        self.progress = progress
        self.folder = workspace.root / ".wheelyard"
        self.store = Store(self.folder)
        self.build_places = Places(places_here())
        self._mutexes: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._changing = threading.RLock()
        self._gateways: dict[tuple[str, str], Gateway] = {}  # by address and Python
        self._running = contextlib.ExitStack()  # what `stop` ends
        self.readings: dict[tuple[str, str], WheelFile] = {}  # of fetched wheels, by name and sha256
        self.environments: dict[str, dict[frozenset[str], Path]] = {}  # packed: by ground, then by their wheels
        self.failures: dict[str, WheelyardError] = {}  # of builds that were tried while locking, by label
        self.goes_on = False  # whether this run goes on to make what it locks

    def alone(self, key: str) -> threading.Lock:
        """The lock of whoever does this: two threads never do it at the same time."""
        with self._changing:
            return self._mutexes[key]

    @property
    def engine(self) -> Engine:
        """The container engine; connects when first used."""
        with self._changing:
            return self._engine

    @cached_property
    def _engine(self) -> Engine:
        from builders.engine import Engine

        engine = Engine(self.workspace.root)
        self._running.callback(engine.stop)
        return engine

    @property
    def fetcher(self) -> Fetcher:
        """The network, for files and pages."""
        with self._changing:
            return self._fetcher

    @cached_property
    def _fetcher(self) -> Fetcher:
        from builders.fetch import Fetcher

        return Fetcher(environ=os.environ)

    @property
    def upstreams(self) -> Upstreams:
        """Who is asked for which name."""
        with self._changing:
            return self._upstreams

    @cached_property
    def _upstreams(self) -> Upstreams:
        from builders.upstreams import Upstreams

        return Upstreams(self.workspace.upstreams, root=self.workspace.root, environ=os.environ, fetcher=self._fetcher)

    def gateway(self, address: str, python: str) -> Gateway:
        """The gateway at one address of this machine for platforms of one Python, started when first asked for."""
        from builders.gateway import Gateway

        with self._changing:
            if (address, python) not in self._gateways:
                gateway = Gateway(
                    self._upstreams,
                    self._fetcher,
                    address=address,
                    python=python,
                    wanted=self._ahead.wanted if self.goes_on else None,
                    from_sdist=frozenset(one.project for one in self.workspace.builds if one.source == "sdist"),
                )
                self._gateways[address, python] = self._running.enter_context(gateway)
            return self._gateways[address, python]

    @cached_property
    def _ahead(self) -> Ahead:
        from builders.fetching_ahead import Ahead

        return Ahead(self)

    def stop(self) -> None:
        """End what still runs; for the end of a run, however it came."""
        with self._changing:
            running = self._running.pop_all()
            self._gateways.clear()
        running.close()

    def sweep(self) -> None:
        """Take away what dead runs left half done; only for who holds the workspace. Part of a file is gone on with."""
        for name in ("incoming", "work"):
            with contextlib.suppress(OSError):
                for path in sorted((self.folder / name).iterdir()):
                    if path.is_dir() and not path.is_symlink():
                        remove_tree(path)
                    elif path.suffix != ".part":
                        path.unlink()

    # Logs

    def log(self, platform: str, name: str) -> Path:
        """Where a step's output stands, or would."""
        return self.folder / "logs" / platform / f"{name}.log"

    def fresh_log(self, platform: str, name: str) -> Path:
        """The same, made and empty."""
        path = self.log(platform, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        return path

    # Where jobs run

    def executor(self, platform: Platform, facts: Facts, settings: BuildSettings | None = None) -> Executor:
        """Where a platform's jobs run; with a package's own pre-command on top where `settings` has one."""
        if platform.host:
            return self.host_executor(facts.executable, settings)
        from builders.containers import ContainerExecutor
        from builders.images import prepared_image, tooled_image

        image = facts.image
        if settings and settings.pre_command:
            with self.alone(f"image {image} {settings.pre_command}"):
                log = self.log(platform.name, f"{settings.project}.pre-command")
                image = prepared_image(self.engine, image, settings.pre_command, platform.env, log=log)
        with self.alone(f"tooled {image}"):
            image = tooled_image(self.engine, image, self._uv(facts.machine))
        return ContainerExecutor(self.engine, image, facts.executable)

    def bare_executor(self, platform: Platform, facts: Facts) -> Executor:
        """A clean copy of the platform: its own image, without any tool of ours."""
        if platform.host:
            return self.host_executor(facts.executable)
        from builders.containers import ContainerExecutor

        return ContainerExecutor(self.engine, facts.image, facts.executable)

    def host_executor(self, python: str, settings: BuildSettings | None = None) -> HostExecutor:
        """This machine; a package's pre-command never runs here."""
        from builders.hosts import HostExecutor
        from builders.uv_program import uv_for_host

        if settings and settings.pre_command:
            self.progress.note(settings.project, f"pre-command of {settings.project} does not run on a host platform")
        host = HostExecutor(python, uv_for_host(), self.folder / "work")
        self._running.callback(host.stop)
        return host

    def _uv(self, machine: str) -> Path:
        from builders.uv_program import uv_for_image

        with self.alone("uv"):
            return uv_for_image(
                machine,
                folder=self.folder / "tools",
                files=self.upstreams.files,
                fetch=self._fetch_tool,
            )

    def _fetch_tool(self, file: IndexFile, path: Path) -> None:
        self.fetcher.fetch(file.url, path, sha256=file.sha256, size=file.size)


SDISTS_PASSED_OVER = (
    "sdists were passed over, because a build on this machine cannot be confined: "
    "`sandbox: none` in platforms.yaml allows them"
)


def may_run_foreign_code(platform: Platform) -> bool:
    """In a box always; on a host only where platforms.yaml says so in words."""
    return not platform.host or platform.sandbox == "none"


def refuse_unconfined(platform: Platform) -> None:
    """SandboxError where a build could not be confined and nobody said that it need not be."""
    if not may_run_foreign_code(platform):
        raise SandboxError(
            f"platform {platform.name}: a build on this machine cannot be confined, so it does not run",
            hint=f"say `sandbox: none` for {platform.name} in platforms.yaml to allow it, or use an image",
        )
