"""Real clients, on real servers of the loopback interface, from file:// and from the flat folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from uv import find_uv_bin

from index.errors import TreeError
from index.model import PublishedPlatform
from index.settings import checked_url
from index.tree import tree
from index.verify import verify
from tests.index_makers import Shelves, platform, put, served

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
WAYS = ["http", "http-json", "file", "flat", "flat-http", "merged"]


@dataclass
class Yard:
    """A published tree, its server, and a folder to install into."""

    public: Path
    plain: str
    negotiating: str
    folder: Path

    def index(self, way: str) -> list[str]:
        """The options that pip and uv both know."""
        return {
            "http": ["--index-url", f"{self.plain}box/simple/"],
            "http-json": ["--index-url", f"{self.negotiating}box/simple/"],
            "file": ["--index-url", f"{(self.public / 'box' / 'simple').as_uri()}/"],
            "flat": ["--no-index", "--find-links", str(self.public / "box")],
            "flat-http": ["--no-index", "--find-links", f"{self.plain}box/"],
            "merged": ["--index-url", f"{self.negotiating}simple/"],
        }[way]

    def pip(self, *arguments: str, cwd: Path | None = None, config: str = os.devnull) -> str:
        """This Python's pip, with no settings but those given."""
        command = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check"]
        return self.run([*command, "--target", str(self.folder), *arguments], cwd, PIP_CONFIG_FILE=config)

    def uv(self, *arguments: str, cwd: Path | None = None) -> str:
        """The uv that belongs to this Python."""
        command = [find_uv_bin(), "pip", "install", "--no-cache", "--python", sys.executable]
        return self.run([*command, "--target", str(self.folder), *arguments], cwd)

    def run(self, command: list[str], cwd: Path | None, **variables: str) -> str:
        """What it said; it must succeed."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "NO_PROXY"))}
        result = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=cwd or self.folder.parent,
            env={**clean, **variables},
        )
        if result.returncode != 0:
            raise AssertionError(result.stdout + result.stderr)
        return result.stdout + result.stderr

    def installed(self) -> set[str]:
        """name-version of all that was installed."""
        return {path.name.removesuffix(".dist-info") for path in self.folder.glob("*.dist-info")}


def platforms(store: Shelves) -> list[PublishedPlatform]:
    """foo 1.0 needs bar; its 2.0 is for a Python to come, its 3.0 yanked; bar has a local version."""
    foo = store.wheel("foo", requires=["bar"], python=">=3.9", upload_time="2024-01-01T00:00:00Z")
    bar = store.wheel("bar", "1.0+local.1", upload_time="2024-01-01T00:00:00.5Z")
    future = store.wheel("foo", "2.0", python=">=9")
    yanked = store.wheel("foo", "3.0", yanked="broken & <b>")
    late = store.wheel("bar", "2.0", upload_time="2026-01-01T00:00:00Z")
    return [platform("box", [foo, bar, future, yanked, late], sets={"base": [foo, bar]}, python=PYTHON)]


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """Published without a URL."""
    store = Shelves(tmp_path / "store")
    public = tmp_path / "public"
    put(public, store, *platforms(store))
    with ExitStack() as stack:
        plain, negotiating = (stack.enter_context(served(public, json=json)) for json in (False, True))
        yield Yard(public, plain, negotiating, tmp_path / "installed")


# A folder's file names say nothing of Requires-Python: pip takes foo 2.0 there, and refuses it. So it is named.
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", ["pip", "uv"])
def test_a_client_installs(yard: Yard, client: str, way: str) -> None:
    """What is needed, at the newest version that fits this Python and is not yanked."""
    name = "foo==1.0" if way == "flat" else "foo"
    getattr(yard, client)(*yard.index(way), name)
    assert yard.installed() == {"foo-1.0", "bar-2.0"}


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_a_yanked_version_can_still_be_pinned(yard: Yard, client: str) -> None:
    """PEP 592: with `==` it is installed, and the reason is told as it was given."""
    said = getattr(yard, client)(*yard.index("http-json"), "foo==3.0", *(["--no-deps"]))
    assert yard.installed() == {"foo-3.0"}
    assert "broken & <b>" in said


def test_an_upload_time_is_a_limit(yard: Yard) -> None:
    """Both clients' cut-off dates work over JSON: bar 2.0 came later."""
    yard.uv(*yard.index("http-json"), "--exclude-newer", "2025-01-01T00:00:00Z", "bar")
    assert yard.installed() == {"bar-1.0+local.1"}


def test_pips_upload_time_is_a_limit(yard: Yard) -> None:
    """The same with pip, from the version on that knows it."""
    help_text = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--help"], check=True, capture_output=True
    ).stdout
    if b"--uploaded-prior-to" not in help_text:
        pytest.skip("this pip does not know --uploaded-prior-to")
    yard.pip(*yard.index("http-json"), "--uploaded-prior-to", "2025-01-01T00:00:00Z", "bar")
    assert yard.installed() == {"bar-1.0+local.1"}


@pytest.mark.parametrize("client", ["pip", "uv"])
@pytest.mark.parametrize("way", WAYS)
def test_the_hashed_requirements_install(yard: Yard, client: str, way: str) -> None:
    """<set>.txt as it is, from everywhere, and only what has these hashes."""
    getattr(yard, client)(*yard.index(way), "--require-hashes", "-r", str(yard.public / "box" / "base.txt"))
    assert yard.installed() == {"foo-1.0", "bar-1.0+local.1"}


@pytest.mark.parametrize("client", ["pip", "uv"])
@pytest.mark.parametrize("way", WAYS)
def test_a_local_version_beside_it_is_not_what_was_asked_for(yard: Yard, client: str, way: str) -> None:
    """PEP 440: `==1.0` takes 1.0+cpu as well, and would rather; publishing adds, so it may be there from before."""
    store = Shelves(yard.public.with_name("other"))
    foo, before = store.wheel("foo", "1.0"), store.wheel("foo", "1.0+cpu")
    put(yard.public, store, platform("box", [before, foo], sets={"base": [foo]}, python=PYTHON))
    getattr(yard, client)(*yard.index(way), "--require-hashes", "-r", str(yard.public / "box" / "base.txt"))
    assert yard.installed() == {"foo-1.0"}
    assert verify(yard.public) == []


def test_another_file_of_the_name_is_refused(yard: Yard) -> None:
    """The hash is what counts."""
    text = (yard.public / "box" / "base.txt").read_text()
    altered = yard.folder.parent / "base.txt"
    altered.write_text(text.replace("--hash=sha256:", "--hash=sha256:0000")[: -len("0000\n")] + "\n")
    with pytest.raises(AssertionError, match=r"(?i)hash"):
        yard.pip(*yard.index("http"), "--require-hashes", "-r", str(altered))
    assert yard.installed() == set()


def test_the_lock_installs_by_itself(yard: Yard) -> None:
    """PEP 751: uv takes pylock.<set>.toml as it is, offline, with no index, wherever the tree was copied."""
    moved = yard.public.rename(yard.public.with_name("elsewhere"))
    yard.uv("--offline", "--preview-features", "pylock", "-r", str(moved / "box" / "pylock.base.toml"))
    assert yard.installed() == {"foo-1.0", "bar-1.0+local.1"}


def test_the_lock_is_a_lock(yard: Yard) -> None:
    """packaging reads it; it names every wheel with size and hash, and the Python that it is for."""
    text = (yard.public / "box" / "base.pylock.toml").read_text()
    lock = Pylock.from_dict(tomllib.loads(text))
    lock.validate()
    assert text == (yard.public / "box" / "pylock.base.toml").read_text()
    assert str(lock.requires_python) == f"=={sys.version_info.major}.{sys.version_info.minor}.*"
    for package in lock.packages:
        assert package.wheels is not None
        [wheel] = package.wheels
        assert wheel.path is not None
        assert (yard.public / "box" / wheel.path).stat().st_size == wheel.size


def test_the_settings_without_a_url_work_in_their_folder(yard: Yard) -> None:
    """pip.conf where pip is started in the folder; uv.toml from anywhere."""
    yard.pip("bar", cwd=yard.public / "box", config="pip.conf")
    assert yard.installed() == {"bar-2.0"}
    yard.uv("--config-file", str(yard.public / "box" / "uv.toml"), "foo==1.0")
    assert yard.installed() == {"bar-2.0", "foo-1.0"}


def test_the_settings_with_a_url_work_as_they_are(tmp_path: Path) -> None:
    """One index, no second one beside it; trusted-host for plain http."""
    store = Shelves(tmp_path / "store")
    public = tmp_path / "public"
    public.mkdir()
    with served(public, json=True) as url:
        put(public, store, *platforms(store), url=url.rstrip("/"))
        yard = Yard(public, url, url, tmp_path / "installed")
        said = yard.pip("foo", config=str(public / "box" / "pip.conf"))
        assert f"{url}box/simple" in said
        assert yard.installed() == {"foo-1.0", "bar-2.0"}
        yard.uv("--config-file", str(public / "box" / "uv.toml"), "--reinstall", "foo")
        assert "trusted-host" in (public / "box" / "pip.conf").read_text()
        assert "extra" not in (public / "box" / "pip.conf").read_text() + (public / "box" / "uv.toml").read_text()


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@mirror.example/",
        "http://token@mirror.example/",
        "ftp://mirror.example/",
        "mirror.example/pypi",
        "http://mirror.example/?a=b",
        "http://mirror.example/#x",
        "http://mirror.example/\n[global]\nextra-index-url = http://evil.example/",
        'http://mirror.example/"',
    ],
)
def test_a_url_that_would_do_harm_is_refused(url: str) -> None:
    """No secret and no second line gets into the settings, and no secret into the message."""
    with pytest.raises(TreeError, match=r"publish\.url") as caught:
        checked_url(url)
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)


def test_a_url_gets_its_last_slash() -> None:
    """With and without are the same."""
    assert checked_url("https://mirror.example/pypi") == checked_url("https://mirror.example/pypi/")
    assert checked_url(None) is None


def test_trusted_host_is_for_plain_http(tmp_path: Path) -> None:
    """With https nobody needs to trust beyond the certificate."""
    store = Shelves(tmp_path / "store")
    whole = tree(platforms(store), url="https://mirror.example/pypi/", metadata=store.metadata)
    assert whole.files["box/pip.conf"] == "[global]\nindex-url = https://mirror.example/pypi/box/simple/\n"
