"""The client settings in the tree, each taken as it is: with publish.url, without it, and in an image build."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.index_makers import Shelves, put
from tests.serving import (
    MIRROR,
    NEEDED,
    PYTHON,
    WANTED,
    Client,
    documented,
    in_container,
    installed,
    mirrored,
    needs,
    open_folder,
    pip,
    prepared,
    run,
    stock,
    swapped,
    uv,
)

FLAT = "foo[more]==1.0"  # file names do not say that foo 2.0 is for another Python


@dataclass(frozen=True, kw_only=True, slots=True)
class Far:
    """A platform's folder on the far side, and the variables with which clients reach the mirror, if there is one."""

    box: Path
    proxy: dict[str, str]


@pytest.fixture(scope="module")
def mirror() -> Iterator[Far]:
    """Published with publish.url, and served there."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        store = Shelves(folder / "store")
        put(folder / "public", store, *stock(store), url=MIRROR)
        yield Far(box=folder / "public" / "box", proxy=stack.enter_context(mirrored(folder / "public")))


@pytest.fixture(scope="module")
def mounted() -> Iterator[Far]:
    """Published without a URL, and moved to where nobody could have known: a disk, a mount."""
    with open_folder() as folder:
        store = Shelves(folder / "store")
        put(folder / "public", store, *stock(store))
        (folder / "public").rename(folder / "mounted here")
        yield Far(box=folder / "mounted here" / "box", proxy={})


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Where a client installs to."""
    return tmp_path / "into"


@pytest.fixture(params=["20.3.4", "23.0.1", ""], ids=["pip-20.3.4", "pip-23.0.1", "pip-newest"])
def some_pip(request: pytest.FixtureRequest) -> Client:
    """Bullseye's, bookworm's and the newest."""
    return pip(request.param)


@pytest.mark.network
def test_pip_conf_with_a_url(mirror: Far, some_pip: Client, into: Path) -> None:
    """PIP_CONFIG_FILE names it, and nothing else is needed."""
    some_pip.install(WANTED, into=into, environ={**mirror.proxy, "PIP_CONFIG_FILE": str(mirror.box / "pip.conf")})
    assert installed(into) == NEEDED


@pytest.mark.network
def test_plain_http_needs_its_trusted_host(mirror: Far, some_pip: Client, into: Path, tmp_path: Path) -> None:
    """Without that line, the same file has pip look at nothing: so the line has to be there."""
    text = (mirror.box / "pip.conf").read_text()
    (tmp_path / "pip.conf").write_text(text.replace("trusted-host = mirror.lan\n", ""))
    assert (tmp_path / "pip.conf").read_text() != text
    with pytest.raises(AssertionError, match=r"not a trusted or secure host"):
        some_pip.install(WANTED, into=into, environ={**mirror.proxy, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})
    assert installed(into) == set()


@pytest.mark.network
def test_pip_conf_without_a_url(mounted: Far, some_pip: Client, into: Path) -> None:
    """In the folder itself, wherever that is by now."""
    some_pip.install(FLAT, into=into, cwd=mounted.box, environ={"PIP_CONFIG_FILE": "pip.conf"})
    assert installed(into) == NEEDED


def test_uv_toml_with_a_url(mirror: Far, into: Path) -> None:
    """By option, and by variable."""
    uv().install("--config-file", str(mirror.box / "uv.toml"), WANTED, into=into, environ=mirror.proxy)
    assert installed(into) == NEEDED
    uv().install(WANTED, into=into / "again", environ={**mirror.proxy, "UV_CONFIG_FILE": str(mirror.box / "uv.toml")})
    assert installed(into / "again") == NEEDED


def test_uv_toml_without_a_url(mounted: Far, into: Path) -> None:
    """From anywhere: uv reads the path in it as relative to the file."""
    uv().install("--offline", "--config-file", str(mounted.box / "uv.toml"), WANTED, into=into)
    assert installed(into) == NEEDED


@pytest.mark.network
@pytest.mark.parametrize("where", ["mirror", "mounted"])
def test_the_hashed_requirements_with_pip(
    request: pytest.FixtureRequest, some_pip: Client, where: str, into: Path
) -> None:
    """<set>.txt with <platform>/pip.conf: everything the set consists of, every file by its hash."""
    far: Far = request.getfixturevalue(where)
    cwd, config = (None, str(far.box / "pip.conf")) if where == "mirror" else (far.box, "pip.conf")
    words = ["--require-hashes", "-r", str(far.box / "base.txt")]
    some_pip.install(*words, into=into, cwd=cwd, environ={**far.proxy, "PIP_CONFIG_FILE": config})
    assert installed(into) == NEEDED


@pytest.mark.parametrize("where", ["mirror", "mounted"])
def test_the_hashed_requirements_with_uv(request: pytest.FixtureRequest, where: str, into: Path) -> None:
    """<set>.txt with <platform>/uv.toml."""
    far: Far = request.getfixturevalue(where)
    words = ["--config-file", str(far.box / "uv.toml"), "--require-hashes", "-r", str(far.box / "base.txt")]
    uv().install(*words, into=into, environ=far.proxy)
    assert installed(into) == NEEDED


@pytest.mark.parametrize("where", ["mirror", "mounted"])
def test_uv_syncs_the_lock(request: pytest.FixtureRequest, where: str, into: Path) -> None:
    """`uv pip sync pylock.<set>.toml`: from the files beside it, with no index and no network."""
    far: Far = request.getfixturevalue(where)
    uv().run("sync", "--offline", "--target", str(into), str(far.box / "pylock.base.toml"))
    assert installed(into) == NEEDED


@pytest.mark.network
def test_the_newest_pip_installs_the_lock(mounted: Far, into: Path) -> None:
    """`pip install -r pylock.<set>.toml`, likewise."""
    said = pip("").install("--no-index", "-r", str(mounted.box / "pylock.base.toml"), into=into)
    assert installed(into) == NEEDED, said


def test_there_is_one_index_and_no_second_one(mirror: Far) -> None:
    """What is in the settings, whole: whoever owns a name elsewhere does not own it here."""
    conf = configparser.ConfigParser()
    conf.read(mirror.box / "pip.conf")
    assert {name: dict(conf[name]) for name in conf.sections()} == {
        "global": {"index-url": f"{MIRROR}box/simple/", "trusted-host": "mirror.lan"}
    }
    assert tomllib.loads((mirror.box / "uv.toml").read_text()) == {
        "index": [{"url": f"{MIRROR}box/simple/", "default": True}]
    }


def test_the_lock_says_for_which_python(mounted: Far) -> None:
    """So that no other takes it."""
    lock = tomllib.loads((mounted.box / "base.pylock.toml").read_text())
    assert lock["requires-python"] == f"=={PYTHON.rpartition('.')[0]}.*"
    assert {package["name"] for package in lock["packages"]} == {one.partition(" ")[0] for one in NEEDED}


@pytest.mark.engine
def test_an_image_build_takes_the_tree_by_a_mount(tmp_path: Path) -> None:
    """The Dockerfile of docs/serving.md, without a network: what was mounted is not in the image, what it installed is.

    Its apt-get is left out: the base has Debian's own pip already.
    """
    store = Shelves(tmp_path / "store")
    needed = stock(store, name="debian-bookworm", python="3.11.2")
    put(tmp_path / "workspace" / "public", store, *needed)
    apt = "RUN apt-get update && apt-get install -y --no-install-recommends python3-pip\n"
    text = swapped(documented("An image build"), {"debian:bookworm": prepared("debian:bookworm"), apt: ""})
    (tmp_path / "workspace" / "Dockerfile").write_text(text)
    docker = _client_with_buildkit()
    built = _build(docker, tmp_path / "workspace")
    try:
        said = in_container(
            built, 'python3 -c "import foo, fast; print(foo.__file__, fast.version)"; find /srv -type f'
        )
    finally:
        run([docker, "rmi", "--force", built])
    assert said.split() == ["/opt/app/foo.py", "1.0"]


def _build(docker: str, context: Path) -> str:
    """The id of the image that a Dockerfile makes."""
    run([docker, "build", "--network", "none", "--iidfile", "made", "."], cwd=context, environ={"DOCKER_BUILDKIT": "1"})
    return (context / "made").read_text()


def _client_with_buildkit() -> str:
    """The first docker client here that has it: it is built into those up to 22, and a plug-in of later ones."""
    for path in (shutil.which("docker"), "/usr/bin/docker"):
        if path and Path(path).exists():
            said = run([path, "--version"])
            old = int(said.removeprefix("Docker version ").partition(".")[0]) < 23
            if old or subprocess.run([path, "buildx", "version"], check=False, capture_output=True).returncode == 0:
                return path
    return needs("docker client that knows BuildKit")
