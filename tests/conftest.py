"""What the tests share: workspaces in folders of their own, a real doit, and the engine where a test needs one.

Without an engine, tests marked `engine` are skipped with the reason; under CI=true they fail instead. The same for an
index and tests marked `network`, a C compiler and tests marked `compiler`.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NoReturn, Self

import pytest

pytest_plugins = ("tests.fixtures",)
CHECKOUT = Path(__file__).parent.parent
PREPARE = "apt-get update && apt-get -y install python3-pip python3-dev gcc"
IMAGES = ("debian:bullseye", "debian:bookworm", "debian:trixie")
HERE = {"name": "here", "host": True, "sandbox": "none", "prove": False}  # proof has tests of its own
VENDOR = {"find-links": "vendor/"}
Said = Mapping[str, object]
"""A part of platforms.yaml."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A finished doit: exit code, and everything it printed."""

    code: int
    out: str
    errors: str

    @property
    def text(self) -> str:
        """Both streams, for messages of failing tests."""
        return f"exit {self.code}\n{self.out}\n{self.errors}"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A workspace on disk and the doit of this checkout on it."""

    root: Path

    def write(self, path: str, text: str) -> Path:
        """A file of the workspace."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def declare(self, *packages: str, platform: Said = HERE, upstream: Said = VENDOR, **more: object) -> None:
        """A platforms.yaml with one platform, which asks for these; `more` stands beside it."""
        self.declare_all({**platform, "packages": packages}, upstream=upstream, **more)

    def declare_hosts(self, asked: Mapping[str, Sequence[str]], *, upstream: Said = VENDOR, **more: object) -> None:
        """A platforms.yaml with platforms like HERE: their names, and what each asks for."""
        platforms = ({**HERE, "name": name, "packages": packages} for name, packages in asked.items())
        self.declare_all(*platforms, upstream=upstream, **more)

    def declare_all(self, *platforms: Said, upstream: Said = VENDOR, **more: object) -> None:
        """A platforms.yaml with platforms as they are said."""
        self.write("platforms.yaml", json.dumps({"upstream": [upstream], "platforms": platforms, **more}))

    def copied(self, to: Path) -> Self:
        """A copy to change: a workspace may be moved as it is. Hard links between tree and store are copies there."""
        shutil.copytree(self.root, to, symlinks=True)
        return replace(self, root=to)

    def command(self, *words: str) -> list[str]:
        """What a user would type."""
        return [sys.executable, "-m", "doit", "-f", str(CHECKOUT / "dodo.py"), "-d", str(self.root), *words]

    def doit(self, *words: str, timeout: float = 840, **environ: str) -> Ran:
        """Run doit to its end."""
        done = subprocess.run(
            self.command(*words),
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, errors=done.stderr)

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start doit and leave it running, in a process group of its own."""
        return subprocess.Popen(
            self.command(*words),
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def flat(self, platform: str) -> list[str]:
        """The names of the wheels in a platform's flat folder."""
        return sorted(path.name for path in (self.root / "public" / platform).glob("*.whl"))

    def records(self) -> dict[str, str]:
        """Each finished step's file by fingerprint."""
        found = (self.root / ".wheelyard" / "records").glob("*.json")
        return {path.stem: json.loads(path.read_text())["filename"] for path in found}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A fresh, empty workspace."""
    root = tmp_path / "workspace"
    root.mkdir()
    return Bench(root=root)


@pytest.fixture(scope="session")
def make_bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bench]:
    """Workspaces that several tests share, because filling them takes its time."""
    return lambda name: Bench(root=tmp_path_factory.mktemp(name))


@cache
def why_no_engine() -> str:
    """The reason why tests with containers cannot run here; empty where they can."""
    with dockers_sockets():
        return _ask_engine()


@contextmanager
def dockers_sockets() -> Iterator[None]:
    """Docker leaves sockets to the collector; it comes now, and not with a warning in whichever test runs then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            gc.collect()


def _ask_engine() -> str:
    import docker

    try:
        client = docker.from_env()
        client.ping()
        missing = [name for name in IMAGES if not client.images.list(name=name)]
    except Exception as error:  # noqa: BLE001 - whatever it is, there is none
        return f"no container engine: {error}"
    return f"the engine lacks {', '.join(missing)}" if missing else ""


@cache
def _why_no_network() -> str:
    command = [sys.executable, "-m", "pip", "index", "versions", "six"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else "no package index answers"


@cache
def _why_no_compiler() -> str:
    compiler = str(sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler: {compiler}"
    headers = Path(sysconfig.get_path("include"))
    return "" if (headers / "Python.h").exists() else f"no headers of Python in {headers}"


def pytest_configure() -> None:
    """What a shell starts in the background ignores SIGINT, and so would every doit that a test stops by it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or under CI fail, what this machine cannot show."""
    for marker, why in (
        ("engine", why_no_engine),
        ("network", _why_no_network),
        ("compiler", _why_no_compiler),
    ):
        if item.get_closest_marker(marker) and (reason := why()):
            absent(reason)


def absent(reason: str) -> NoReturn:
    """This machine lacks what the test needs."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
