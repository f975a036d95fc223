"""Old and new clients, each resolving and installing: over http, HTML and JSON, from file:// and from the folder."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.index_makers import Shelves, put, served
from tests.serving import (
    BEFORE_3_12,
    NEEDED,
    PYTHON,
    WANTED,
    Client,
    documented,
    environment,
    in_container,
    installed,
    open_folder,
    pip,
    prepared,
    run,
    stock,
    swapped,
    uv,
)

PIPS = [*BEFORE_3_12, "24.3.1", "25.3", ""]  # the last one: the newest
WAYS = ["merged", "html", "file", "flat", "flat-http"]
UV = uv().command[0]
NOT_ELSEWHERE = {"https_proxy": "http://127.0.0.1:9"}  # nobody listens there: whoever asks another index fails
POETRY = {
    "POETRY_VIRTUALENVS_IN_PROJECT": "true",
    "POETRY_VIRTUALENVS_OPTIONS_NO_PIP": "true",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
}
LIMIT = "2024-01-01T00:00:00.2Z"  # between foo and the second bar


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """A published tree and its two servers: one negotiates, one knows only HTML."""

    public: Path
    json: str
    html: str

    def way(self, name: str) -> list[str]:
        """Where to look, as options of pip and uv."""
        return {
            "merged": ["--index-url", f"{self.json}simple/"],
            "json": ["--index-url", f"{self.json}box/simple/"],
            "html": ["--index-url", f"{self.html}box/simple/"],
            "file": ["--index-url", f"{(self.public / 'box' / 'simple').as_uri()}/"],
            "flat": ["--no-index", "--find-links", str(self.public / "box")],
            "flat-http": ["--no-index", "--find-links", f"{self.html}box/"],
        }[name]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """One for all tests: clients change nothing in it."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        store = Shelves(folder / "store")
        put(folder / "public", store, *stock(store))
        json, html = (stack.enter_context(served(folder / "public", json=one)) for one in (True, False))
        yield Shop(public=folder / "public", json=json, html=html)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Where a client installs to."""
    return tmp_path / "into"


@pytest.fixture(params=PIPS, ids=lambda version: f"pip-{version or 'newest'}")
def each_pip(request: pytest.FixtureRequest) -> Client:
    """The pips of bullseye and bookworm among them; 22.3 to 23.1 are those that the older metadata key breaks."""
    return pip(request.param)


@pytest.mark.network
@pytest.mark.parametrize("way", WAYS)
def test_pip_installs(shop: Shop, each_pip: Client, way: str, into: Path) -> None:
    """The newest that fits: extras, a local version, abi3 and a name with dots; not yanked, not for another Python.

    File names say nothing of Requires-Python, so a pip that looks at those alone has to be told which foo.
    """
    wanted = "foo[more]==1.0" if way == "flat" else WANTED
    each_pip.install(*shop.way(way), wanted, into=into)
    assert installed(into) == NEEDED


@pytest.mark.network
def test_pip_installs_a_yanked_version_only_if_pinned(shop: Shop, each_pip: Client, into: Path) -> None:
    """And tells the reason as it was given."""
    said = each_pip.install(*shop.way("json"), "--no-deps", "foo==3.0", into=into)
    assert installed(into) == {"foo 3.0"}
    assert "broken & <b>" in said


@pytest.mark.network
@pytest.mark.parametrize("way", ["json", "file"])
def test_pip_says_what_is_for_another_python(shop: Shop, each_pip: Client, way: str, into: Path) -> None:
    """foo 2.0 is there, for Python 9: nothing is installed in its place."""
    with pytest.raises(AssertionError, match=r"No matching distribution|requires a different Python"):
        each_pip.install(*shop.way(way), "foo==2.0", into=into)
    assert installed(into) == set()


@pytest.mark.network
def test_the_older_metadata_key_would_break_a_pip(shop: Shop, into: Path, tmp_path: Path) -> None:
    """Why pages have `core-metadata` alone: with `dist-info-metadata` beside it, bookworm's pip ends in a traceback."""
    folder = tmp_path / "public"
    shutil.copytree(shop.public, folder, symlinks=True)
    for page in folder.rglob("index.v1_json"):
        files = re.sub(r'"core-metadata":(\{.*?\})', r'"core-metadata":\1,"dist-info-metadata":\1', page.read_text())
        page.write_text(files)
    with served(folder, json=True) as url, pytest.raises(AssertionError, match="TypeError: unhashable"):
        pip("23.0.1").install("--index-url", f"{url}simple/", WANTED, into=into)
    assert installed(into) == set()


@pytest.mark.network
@pytest.mark.parametrize("way", ["json", "html"])
def test_the_newest_pip_holds_to_a_date(shop: Shop, way: str, into: Path) -> None:
    """--uploaded-prior-to takes the older bar over JSON; without upload times it refuses rather than guesses."""
    words = ["--uploaded-prior-to", LIMIT, "--no-deps", "bar"]
    if way == "json":
        pip("").install(*shop.way(way), *words, into=into)
        assert installed(into) == {"bar 0.9"}
    else:
        with pytest.raises(AssertionError, match=r"upload-time"):
            pip("").install(*shop.way(way), *words, into=into)
        assert installed(into) == set()


@pytest.mark.parametrize("way", [*WAYS, "json"])
def test_uv_installs(shop: Shop, way: str, into: Path) -> None:
    """From everywhere, the same."""
    uv().install(*shop.way(way), WANTED, into=into)
    assert installed(into) == NEEDED


def test_uv_holds_to_a_date(shop: Shop, into: Path) -> None:
    """--exclude-newer takes the older bar."""
    uv().install(*shop.way("json"), "--exclude-newer", LIMIT, "--no-deps", "bar", into=into)
    assert installed(into) == {"bar 0.9"}


@pytest.mark.parametrize("way", ["json", "html"])
def test_a_uv_project_has_this_mirror_as_its_index(shop: Shop, way: str, tmp_path: Path) -> None:
    """`uv lock`, then `uv sync` from that lock: every wheel of it comes from here, with its hash."""
    project(tmp_path, shop.way(way)[1], f"=={PYTHON.rpartition('.')[0]}.*")
    for verb in (["lock"], ["sync", "--locked"]):
        run([UV, *verb, "--no-cache", "--python", sys.executable], cwd=tmp_path, environ=NOT_ELSEWHERE)
    assert installed(_libraries(tmp_path / ".venv")) == NEEDED
    assert (tmp_path / "uv.lock").read_text().count('hash = "sha256:') >= len(NEEDED)


@pytest.mark.network
@pytest.mark.parametrize("way", ["json", "html"])
def test_poetry_has_this_mirror_as_its_only_source(shop: Shop, way: str, tmp_path: Path) -> None:
    """A primary source, and nothing else is asked: `poetry lock`, `poetry install`."""
    project(tmp_path, shop.way(way)[1], ">=3.11,<4")
    poetry = str(environment("poetry") / "poetry")
    for verb in ("lock", "install"):
        run([poetry, verb, "--no-interaction", "--no-ansi"], cwd=tmp_path, environ={**NOT_ELSEWHERE, **POETRY})
    assert installed(_libraries(tmp_path / ".venv")) == NEEDED


@pytest.mark.network
def test_pdm_has_this_mirror_as_its_only_source(shop: Shop, tmp_path: Path) -> None:
    """A source of the default's name replaces the default."""
    project(tmp_path, shop.way("json")[1], ">=3.11,<4")
    pdm = str(environment("pdm[locked]") / "pdm")
    own = str(tmp_path / ".venv" / "bin" / "python")  # without one, pdm takes the environment of these tests
    for command in ([UV, "venv", "-p", sys.executable], [pdm, "use", "--first", own], [pdm, "install", "--no-self"]):
        run(command, cwd=tmp_path, environ={**NOT_ELSEWHERE, "PDM_CHECK_UPDATE": "false"})
    assert installed(_libraries(tmp_path / ".venv")) == NEEDED


def project(folder: Path, index: str, python: str) -> None:
    """A user's project that wants foo[more], with the sources of docs/serving.md for uv, poetry and pdm alike."""
    sources = swapped(documented("Settings for clients"), {"http://mirror.lan/debian-bookworm/simple/": index})
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "user"\nversion = "1"\nrequires-python = "{python}"\ndependencies = ["{WANTED}"]\n'
        f"[tool.uv]\npackage = false\n[tool.poetry]\npackage-mode = false\n[tool.pdm]\ndistribution = false\n{sources}"
    )


OWN_PIP = """
python3 -m pip --version
python3 -m http.server --directory /srv/pypi --bind 127.0.0.1 8000 >/dev/null 2>&1 &
until python3 -c 'import socket; socket.create_connection(("127.0.0.1", 8000))' 2>/dev/null; do sleep 0.1; done
install() {
    rm -rf /tmp/into
    python3 -m pip install -q --no-cache-dir --target /tmp/into "$@"
    PYTHONPATH=/tmp/into python3 -c 'import foo, bar, fast; print("imports", foo.version, bar.version, fast.version)'
}
install --index-url http://127.0.0.1:8000/box/simple/ 'foo[more]'
install --index-url http://127.0.0.1:8000/simple/ 'foo[more]'
install --index-url file:///srv/pypi/box/simple/ 'foo[more]'
install --no-index -f /srv/pypi/box --require-hashes -r /srv/pypi/box/base.txt
"""


@pytest.mark.engine
@pytest.mark.parametrize(
    ("image", "version"), [("debian:bullseye", "20.3.4"), ("debian:bookworm", "23.0.1"), ("debian:trixie", "25.1")]
)
def test_a_platforms_own_pip_installs(shop: Shop, image: str, version: str) -> None:
    """Debian's own pips, with Debian's patches, in a container with the tree mounted read-only and no network."""
    said = in_container(prepared(image), OWN_PIP, public=shop.public)
    assert f"pip {version}" in said
    assert said.count("imports 1.0 1.0+abc 1.0") == 4


def _libraries(environ: Path) -> Path:
    [folder] = environ.glob("lib/python*/site-packages")
    return folder
