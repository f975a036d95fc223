"""A made-up shop of wheels, the clients that install from it, and the servers that docs/serving.md shows."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.tags import platform_tags
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from builders.machine_index import machine_index
from index.model import Entry, PublishedPlatform
from tests.conftest import CHECKOUT, PREPARE, absent, dockers_sockets
from tests.index_makers import Shelves, module_wheel, platform
from tests.loopback import running

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
BEFORE_3_12 = ("20.3.4", "22.3.1", "23.0.1", "23.1.2")
Environ = Mapping[str, str]
SETTINGS = ("PIP_", "UV_", "POETRY_", "PDM_", "PYTHON", "VIRTUAL_ENV", "XDG_", "no_proxy", "NO_PROXY")
MIRROR = "http://mirror.lan/pypi/"
WANTED = "foo[more]"
NEEDED = {"foo 1.0", "bar 1.0+abc", "fast 1.0", "dotted-name-project 1.0"}  # of WANTED, and of the set `base`


def stock(store: Shelves, *, name: str = "box", python: str = PYTHON) -> tuple[PublishedPlatform, PublishedPlatform]:
    """A platform with what foo[more] needs, and what no client may choose: yanked, or too new a Python.

    Beside it the platform `other`, whose newer wheel runs on no client here: in the merged index it is on offer.
    """
    tag = _compiled()
    needed = (
        store.wheel(
            "foo",
            requires=["bar>=0.5", "Dotted.Name_Project ; extra == 'more'", "absent ; extra == 'other'"],
            python=">=3.6",
            extra="Provides-Extra: more\nProvides-Extra: other",
            upload_time="2024-01-01T00:00:00Z",
        ),
        store.wheel("bar", "1.0+abc", requires=["fast"], upload_time="2024-01-01T00:00:00.5Z"),
        store.wheel("fast", tag=f"cp36-abi3-{tag}", upload_time="2024-01-01T00:00:00Z"),
        _dotted(store),
    )
    others = (
        store.wheel("foo", "2.0", python=">=9"),
        store.wheel("foo", "3.0", yanked="broken & <b>"),
        store.wheel("bar", "0.9", upload_time="2023-01-01T00:00:00Z"),
    )
    elsewhere = store.wheel("fast", "2.0", tag=f"cp36-abi3-musllinux_9_0_{_machine()}")
    box = platform(name, (*needed, *others), sets={"base": needed}, python=python)
    return box, platform("other", (elsewhere,), libc=None)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may read: servers started by root do not stay root."""
    with tempfile.TemporaryDirectory(prefix="wheelyard-serving-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def installed(folder: Path) -> set[str]:
    """Name and version of all that was installed into a folder."""
    return {f"{canonicalize_name(one.name)} {one.version}" for one in distributions(path=[str(folder)])}


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """A pip or a uv, with no settings but those given."""

    name: str
    command: tuple[str, ...]

    def install(self, *words: str, into: Path, cwd: Path | None = None, environ: Environ | None = None) -> str:
        """Install into a folder; gives what it said."""
        return self.run("install", "--target", str(into), *words, cwd=cwd, environ=environ)

    def run(self, verb: str, *words: str, cwd: Path | None = None, environ: Environ | None = None) -> str:
        """One command that has to succeed."""
        return run([*self.command, verb, *self.options(verb), *words], cwd=cwd, environ=environ)

    def options(self, verb: str) -> list[str]:
        """What makes it quick, and keeps it off what earlier tests left."""
        if verb not in {"install", "sync"}:
            return []
        if self.name == "uv":
            return ["--no-cache", "--python", sys.executable]
        return ["--no-cache-dir", "--disable-pip-version-check", "--no-compile"]


def run(command: Sequence[str], *, cwd: Path | None = None, environ: Environ | None = None) -> str:
    """What it said, both streams; it must succeed. No setting of this machine is in its environment or home."""
    home = cwd or scratch() / "home"
    home.mkdir(exist_ok=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(SETTINGS)}
    clean = {key: value for key, value in clean.items() if not key.lower().endswith("_proxy")}
    defaults = {"HOME": str(home), "PIP_CONFIG_FILE": os.devnull, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command,
        cwd=home,
        env={**clean, **defaults, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def uv() -> Client:
    """The uv that belongs to this Python."""
    return Client(name="uv", command=(find_uv_bin(), "pip"))


def pip(version: str) -> Client:
    """A pip of that version, or the newest there is. Older ones than 23.2 use what Python 3.12 has no more."""
    if sys.version_info >= (3, 12) and version in BEFORE_3_12:
        pytest.skip(f"pip {version} does not run on Python {PYTHON}")
    requirement = f"pip=={version}" if version else "pip"
    return Client(name=f"pip {version}".rstrip(), command=(str(environment(requirement) / "python"), "-m", "pip"))


@cache
def environment(*requirements: str) -> Path:
    """The bin folder of a virtual environment with these in it, from the package index; one for the whole session."""
    folder = scratch() / re.sub(r"\W", "-", requirements[0])
    made = [find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(folder)]
    filled = [find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder)]
    environ = {**os.environ, "UV_DEFAULT_INDEX": machine_index(os.environ).secret_text}
    for command in (made, [*filled, *requirements]):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
    return folder / "bin"


@cache
def scratch() -> Path:
    """A folder that is gone when the tests are."""
    folder = Path(tempfile.mkdtemp(prefix="wheelyard-clients-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def prepared(image: str) -> str:
    """The tag of a platform's image with its own Python and pip, kept between sessions as any platform's is."""
    from builders.engine import Engine
    from builders.images import base_image, prepared_image

    with dockers_sockets():
        engine = Engine(scratch())
        made = prepared_image(engine, base_image(engine, image, ""), PREPARE, (), log=scratch() / "prepare.log")
        tags: list[str] = engine.client.images.get(made).tags
        engine.client.close()
        del engine
    return tags[0]


def in_container(image: str, script: str, *, public: Path | None = None) -> str:
    """What a shell script says in a container without a network, with a tree mounted read-only at /srv/pypi."""
    import docker

    volumes = {str(public): {"bind": "/srv/pypi", "mode": "ro"}} if public else {}
    client = docker.from_env()
    try:
        said: bytes = client.containers.run(
            image, ["sh", "-euc", script], network_mode="none", volumes=volumes, remove=True, stderr=True
        )
    finally:
        client.close()
    return said.decode()


def documented(heading: str, page: str = "serving.md") -> str:
    """The first code block below a heading of docs/."""
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/{page} has no heading {heading!r}"
    block = re.search(r"^```\w+\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    assert block, f"docs/{page} shows nothing under {heading!r}"
    return block[1]


def swapped(text: str, swaps: Mapping[str, str]) -> str:
    """A documented text with this test's places and port in it; each has to be there."""
    for old, new in swaps.items():
        assert old in text, f"{old!r} is not in:\n{text}"
        text = text.replace(old, new)
    return text


def needs(program: str) -> str:
    """Where a program is. Without it the test is skipped, or under CI fails."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        absent(f"{program} is not installed")
    return path


@contextmanager
def serving(name: str, public: Path, folder: Path) -> Iterator[str]:
    """The URL of one of docs/serving.md's servers with a tree as its root; it runs in `folder`."""
    port = _free_port()
    command = _COMMANDS[name](public, folder, port)
    log = folder / "said.txt"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        )  # fmt: skip
    try:
        _wait_for(process, port, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _nginx(public: Path, folder: Path, port: int) -> list[str]:
    program = needs("nginx")
    site = swapped(documented("nginx"), {"listen 80;": f"listen 127.0.0.1:{port};", "/srv/pypi;": f"{public};"})
    (folder / "site.conf").write_text(site)
    paths = "".join(
        f"{one}_temp_path {folder}/{one};\n" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"worker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nevents {{ }}\n"
        "http {\ninclude /etc/nginx/mime.types;\ndefault_type application/octet-stream;\n"
        f"access_log off;\n{paths}include {folder}/site.conf;\n}}\n"
    )
    return [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _apache(public: Path, folder: Path, port: int) -> list[str]:
    program = needs("apache2")
    site = swapped(documented("Apache"), {"*:80": f"127.0.0.1:{port}", "/srv/pypi": str(public)})
    (folder / "site.conf").write_text(site)
    (folder / "apache2.conf").write_text(
        f"ServerRoot {folder}\nPidFile {folder}/apache2.pid\nDefaultRuntimeDir {folder}\nListen 127.0.0.1:{port}\n"
        "User www-data\nGroup www-data\nErrorLog /dev/stderr\nServerName mirror.lan\n"
        "IncludeOptional /etc/apache2/mods-enabled/*.load\nIncludeOptional /etc/apache2/mods-enabled/*.conf\n"
        "<IfModule !headers_module>\nInclude /etc/apache2/mods-available/headers.load\n</IfModule>\n"
        f"<Directory />\nAllowOverride None\nRequire all denied\n</Directory>\nInclude {folder}/site.conf\n"
    )
    return [program, "-f", str(folder / "apache2.conf"), "-DFOREGROUND"]


def _caddy(public: Path, folder: Path, port: int) -> list[str]:
    program = needs("caddy")
    swaps = {"http://mirror.lan": f"http://127.0.0.1:{port}", "/srv/pypi": str(public)}
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + swapped(documented("Caddy"), swaps))
    return [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _python(public: Path, _: Path, port: int) -> list[str]:
    swaps = {"python3": sys.executable, "/srv/pypi": str(public), "8000": f"{port} --bind 127.0.0.1"}
    return swapped(documented("Python's own server"), swaps).split()


_COMMANDS = {"nginx": _nginx, "apache": _apache, "caddy": _caddy, "python": _python}
SERVERS = tuple(_COMMANDS)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(400):
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.025)
        else:
            return
    raise AssertionError(f"it does not listen:\n{log.read_text()}")


def _compiled() -> str:
    """A tag for compiled code that runs here, and that an old pip knows too."""
    if sys.platform == "linux":
        return f"manylinux_2_17_{_machine()}"
    return next(iter(platform_tags()))


def _machine() -> str:
    return sysconfig.get_platform().rpartition("-")[2]


def _dotted(store: Shelves) -> Entry:
    """A project whose name, file name and normalised name are three."""
    metadata = b"Metadata-Version: 2.1\nName: Dotted.Name_Project\nVersion: 1.0\n"
    data = module_wheel("Dotted.Name_Project", "1.0", "py3-none-any", metadata, "")
    return Entry(
        filename="Dotted.Name_Project-1.0-py3-none-any.whl",
        project="dotted-name-project",
        version="1.0",
        sha256=store.keep(data),
        size=len(data),
        metadata_sha256=store.keep(metadata),
        tags=("py3-none-any",),
        upload_time="2024-01-01T00:00:00Z",
    )


class _Mirror(SimpleHTTPRequestHandler):
    """As a proxy does: a request says the whole URL, and only those of one mirror exist."""

    def translate_path(self, path: str) -> str:
        """What is behind a URL of the mirror."""
        return super().translate_path(f"/{path.removeprefix(MIRROR)}" if path.startswith(MIRROR) else "/none")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def mirrored(public: Path) -> Iterator[dict[str, str]]:
    """The variables with which clients reach a tree as MIRROR: a host that is not this machine, over plain http."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Mirror, directory=str(public)))) as server:
        yield {"http_proxy": f"http://127.0.0.1:{server.server_port}"}
