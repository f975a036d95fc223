"""Real servers, with the very lines that docs/serving.md shows: what they send, and installing through each."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import CHECKOUT
from tests.index_makers import Shelves, put
from tests.loopback import JSON_TYPE
from tests.serving import NEEDED, SERVERS, WANTED, installed, needs, open_folder, pip, serving, stock, swapped, uv

PIPS_ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
PAGES = ["", "simple/", "simple/foo/", "box/simple/", "box/simple/bar/"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a server sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media(self) -> str:
        """The content type, without its character set."""
        return self.headers.get("content-type", "").partition(";")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A running server and what it serves."""

    name: str
    url: str
    public: Path

    @property
    def negotiates(self) -> bool:
        """Whether it can be told to: Python's own cannot."""
        return self.name != "python"

    def ask(self, path: str, verb: str = "GET", **headers: str) -> Answer:
        """One request, no redirect followed."""
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.netloc, timeout=20)
        try:
            connection.request(verb, f"/{path}", headers=headers)
            answer = connection.getresponse()
            named = {key.lower(): value for key, value in answer.getheaders()}
            return Answer(status=answer.status, headers=named, body=answer.read())
        finally:
            connection.close()

    def wheel(self, name: str = "bar-1.0+abc-py3-none-any.whl") -> tuple[str, Path]:
        """The path of a wheel's URL, as pages write it, and its file."""
        [path] = self.public.glob(f"files/*/*/{name}")
        return path.relative_to(self.public).as_posix().replace("+", "%2B"), path


@pytest.fixture(scope="module", params=SERVERS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Each server in turn, started once for all tests."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        store = Shelves(folder / "store")
        put(folder / "public", store, *stock(store))
        (folder / "server").mkdir(mode=0o777)
        url = stack.enter_context(serving(request.param, folder / "public", folder / "server"))
        yield Site(name=request.param, url=url, public=folder / "public")


@pytest.mark.parametrize("accept", ["", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8"])
@pytest.mark.parametrize("page", PAGES)
def test_browsers_and_old_clients_get_html(site: Site, page: str, accept: str) -> None:
    """As text/html, byte for byte what was published."""
    answer = site.ask(page, **({"Accept": accept} if accept else {}))
    assert (answer.status, answer.media) == (200, "text/html")
    assert answer.body == (site.public / page / "index.html").read_bytes()


@pytest.mark.parametrize("page", PAGES[1:])
def test_clients_that_ask_for_json_get_it(site: Site, page: str) -> None:
    """As its own type, and every answer says that it depends on what was asked for."""
    if not site.negotiates:
        assert site.ask(page, Accept=PIPS_ACCEPT).media == "text/html"
        return
    for accept in (PIPS_ACCEPT, "application/vnd.pypi.simple.latest+json"):
        answer = site.ask(page, Accept=accept)
        assert (answer.status, answer.media) == (200, JSON_TYPE)
        assert answer.body == (site.public / page / "index.v1_json").read_bytes()
        assert "Accept" in answer.headers["vary"]
    assert "Accept" in site.ask(page).headers["vary"]


def test_the_page_for_people_has_no_json(site: Site) -> None:
    """The root is no index: it is the same page whoever asks."""
    answer = site.ask("", Accept=PIPS_ACCEPT)
    assert (answer.status, answer.media) == (200, "text/html")


def test_a_folder_without_its_slash_leads_to_it(site: Site) -> None:
    """On the port and host that were asked, not on those that the server believes to have."""
    answer = site.ask("simple/foo")
    assert answer.status in {301, 308}
    assert urlsplit(answer.headers["location"]).path == "/simple/foo/"
    assert urlsplit(answer.headers["location"]).netloc in {"", urlsplit(site.url).netloc}


@pytest.mark.parametrize("plus", ["%2B", "+"])
@pytest.mark.parametrize("behind", ["", ".metadata"])
def test_a_plus_in_a_name_is_no_obstacle(site: Site, plus: str, behind: str) -> None:
    """A wheel of a local version and its METADATA, quoted as pages do it and as people type it."""
    url, path = site.wheel()
    answer = site.ask(url.replace("%2B", plus) + behind)
    assert (answer.status, answer.body) == (200, path.with_name(path.name + behind).read_bytes())
    assert "content-encoding" not in answer.headers


def test_head_says_how_large_a_wheel_is(site: Site) -> None:
    """Without sending it."""
    url, path = site.wheel()
    answer = site.ask(url, "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) == path.stat().st_size


def test_a_part_of_a_wheel_can_be_had(site: Site) -> None:
    """An interrupted download goes on where it stopped; Python's own server sends all of it again, which is allowed."""
    url, path = site.wheel()
    answer = site.ask(url, Range="bytes=10-19")
    expected = (206, path.read_bytes()[10:20]) if site.negotiates else (200, path.read_bytes())
    assert (answer.status, answer.body) == expected


def test_files_are_kept_for_ever_and_pages_for_a_minute(site: Site) -> None:
    """The bytes behind a URL of the pool never change; a page does, and so may a wheel in the flat folder."""
    url, _ = site.wheel()
    if not site.negotiates:
        assert "cache-control" not in site.ask(url).headers
        return
    for path in (url, f"{url}.metadata"):
        assert site.ask(path).headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in (*PAGES, "box/foo-1.0-py3-none-any.whl", "box/pip.conf"):
        assert site.ask(path).headers["cache-control"] == "public, max-age=60"
    assert site.ask("simple/foo/", Accept=PIPS_ACCEPT).headers["cache-control"] == "public, max-age=60"


def test_what_is_not_there_is_not_kept_for_ever(site: Site) -> None:
    """A 404 below files/ may be a wheel that comes with the next publication."""
    answer = site.ask(f"files/00/{'0' * 64}/foo-9-py3-none-any.whl")
    assert answer.status == 404
    assert "immutable" not in answer.headers.get("cache-control", "")
    assert site.ask("simple/absent/", Accept=PIPS_ACCEPT).status == 404


def test_an_unchanged_page_is_not_sent_again(site: Site) -> None:
    """A client that shows what it has, gets 304."""
    first = site.ask("simple/foo/")
    assert site.ask("simple/foo/", **{"If-Modified-Since": first.headers["last-modified"]}).status == 304


@pytest.mark.parametrize("name", [name for name in SERVERS if name != "python"])
def test_the_same_lines_serve_a_prefix(name: str, tmp_path: Path) -> None:
    """The tree one folder deeper than the server's root: JSON, cache headers and links are as without a prefix."""
    with open_folder() as folder:
        store = Shelves(folder / "store")
        put(folder / "www" / "pypi", store, *stock(store))
        (folder / "server").mkdir(mode=0o777)
        with serving(name, folder / "www", folder / "server") as url:
            site = Site(name=name, url=url, public=folder / "www" / "pypi")
            assert site.ask("pypi/simple/foo/", Accept=PIPS_ACCEPT).media == JSON_TYPE
            assert "immutable" in site.ask(f"pypi/{site.wheel()[0]}").headers["cache-control"]
            uv().install("--default-index", f"{url}pypi/box/simple/", WANTED, into=tmp_path / "into")
    assert installed(tmp_path / "into") == NEEDED


@pytest.mark.network
@pytest.mark.parametrize("index", ["simple/", "box/simple/"])
def test_the_newest_pip_installs(site: Site, tmp_path: Path, index: str) -> None:
    """From one platform's index and from the merged one."""
    pip("").install("--index-url", f"{site.url}{index}", WANTED, into=tmp_path / "into")
    assert installed(tmp_path / "into") == NEEDED


@pytest.mark.parametrize("index", ["simple/", "box/simple/"])
def test_uv_installs(site: Site, tmp_path: Path, index: str) -> None:
    """Likewise; with a date as limit where there are JSON pages, as only those say when a file came."""
    limit = ["--exclude-newer", "2024-02-01T00:00:00Z"] if site.negotiates else []
    uv().install("--default-index", f"{site.url}{index}", *limit, WANTED, into=tmp_path / "into")
    assert installed(tmp_path / "into") == NEEDED


def test_wget_takes_a_platforms_wheels(site: Site, tmp_path: Path) -> None:
    """Every wheel of the flat folder, under its own name, with its own bytes, and nothing else."""
    [line] = re.findall(r"^wget .*$", (CHECKOUT / "docs" / "serving.md").read_text(), re.MULTILINE)
    command = swapped(line, {"wget": f"{needs('wget')} -q", "http://mirror.lan/debian-bookworm/": f"{site.url}box/"})
    subprocess.run(command.split(), cwd=tmp_path, check=True, timeout=60)
    flat = {path.name: path.read_bytes() for path in (site.public / "box").glob("*.whl")}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == flat
    assert "bar-1.0+abc-py3-none-any.whl" in flat
