"""Who is asked for which name: against real servers that write down what they were asked."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from builders.errors import UpstreamError
from builders.fetch import Fetcher
from builders.machine_index import machine_index
from builders.pages import IndexFile
from builders.platforms import Upstream
from builders.upstreams import Upstreams
from tests import loopback
from tests.loopback import Index
from tests.upstream_makers import QUICK


@pytest.fixture
def public() -> Iterator[Index]:
    with loopback.serving() as server:
        yield Index(server=server)


@pytest.fixture
def internal() -> Iterator[Index]:
    with loopback.serving() as server:
        yield Index(server=server)


def ask(root: Path, *upstreams: Upstream, environ: dict[str, str] | None = None) -> Upstreams:
    environ = environ or {}
    return Upstreams(upstreams, root=root, environ=environ, fetcher=Fetcher(environ, patience=QUICK))


def names(files: tuple[IndexFile, ...]) -> list[str]:
    return [file.filename for file in files]


def test_an_owned_name_is_asked_of_its_owner_alone(public: Index, internal: Index, tmp_path: Path) -> None:
    """Dependency confusion: the public index, with its 99.0, is never asked; nor is the owner for other names."""
    public.add("acme-core", "acme_core-99.0-py3-none-any.whl")
    public.add("numpy", "numpy-1.0.tar.gz")
    internal.add("acme-core", "acme_core-1.0-py3-none-any.whl")
    internal.add("numpy", "numpy-66.0.tar.gz")
    upstreams = ask(tmp_path, Upstream(url=public.url), Upstream(url=internal.url, owns=("acme-*", "other-name")))
    assert names(upstreams.files(canonicalize_name("Acme_Core"))) == ["acme_core-1.0-py3-none-any.whl"]
    assert names(upstreams.files(canonicalize_name("numpy"))) == ["numpy-1.0.tar.gz"]
    assert upstreams.files(canonicalize_name("acme-unknown")) == ()
    assert upstreams.files(canonicalize_name("other-name")) == ()
    assert public.server.paths == ["/simple/numpy/"]
    assert internal.server.paths == ["/simple/acme-core/", "/simple/acme-unknown/", "/simple/other-name/"]


def test_the_first_that_has_a_project_wins(public: Index, internal: Index, tmp_path: Path) -> None:
    """In the order of platforms.yaml; files of two upstreams are never mixed, and each is asked once in a run."""
    internal.add("foo", "foo-1.0.tar.gz")
    public.add("foo", "foo-2.0.tar.gz")
    public.add("bar", "bar-2.0.tar.gz")
    upstreams = ask(tmp_path, Upstream(url=internal.url), Upstream(url=public.url))
    for _ in range(2):
        assert names(upstreams.files(canonicalize_name("foo"))) == ["foo-1.0.tar.gz"]
        assert names(upstreams.files(canonicalize_name("bar"))) == ["bar-2.0.tar.gz"]
        assert upstreams.files(canonicalize_name("none")) == ()
    assert internal.server.paths == ["/simple/foo/", "/simple/bar/", "/simple/none/"]
    assert public.server.paths == ["/simple/bar/", "/simple/none/"]


@pytest.mark.parametrize("code", [401, 403, 500, 503])
def test_an_upstream_that_fails_is_not_passed_over(code: int, public: Index, internal: Index, tmp_path: Path) -> None:
    """Going on to the next would let a public index answer for a private name while the private one is down."""
    internal.server.behaviours["/simple/foo/"] = loopback.status(code)
    public.add("foo", "foo-99.0.tar.gz")
    upstreams = ask(tmp_path, Upstream(url=internal.url), Upstream(url=public.url))
    with pytest.raises(UpstreamError, match=str(code)):
        upstreams.files(canonicalize_name("foo"))
    assert public.server.asked == []
    internal.add("foo", "foo-1.0.tar.gz")
    if code in {401, 403}:  # of these nobody asks twice in a run
        with pytest.raises(UpstreamError, match=str(code)):
            upstreams.files(canonicalize_name("foo"))
        assert internal.server.paths == ["/simple/foo/"]
    else:
        assert names(upstreams.files(canonicalize_name("foo"))) == ["foo-1.0.tar.gz"]


def test_an_empty_page_is_no_project(public: Index, internal: Index, tmp_path: Path) -> None:
    """Some servers answer 200 and no links for names that they do not know."""
    internal.server.behaviours["/simple/foo/"] = loopback.body(b"<!DOCTYPE html><h1>Links for foo</h1>")
    public.add("foo", "foo-2.0.tar.gz")
    upstreams = ask(tmp_path, Upstream(url=internal.url), Upstream(url=public.url))
    assert names(upstreams.files(canonicalize_name("foo"))) == ["foo-2.0.tar.gz"]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (b'<h1>Hotel WiFi</h1><a href="/accept">Accept</a>', "answers with 1 link, none of them a file of foo"),
        (b'<a href="/a">a</a><a href="/b">b</a>', "answers with 2 links, none of them a file of foo"),
        (b"<html><script>location = '/portal'</script></html>", "answers with a page without any link"),
    ],
)
def test_a_login_page_is_a_failure(page: bytes, said: str, public: Index, internal: Index, tmp_path: Path) -> None:
    """I11, with status 200: it is no word on whether there is such a project, and the next upstream is not asked."""
    internal.server.behaviours["/simple/foo/"] = loopback.body(page)
    public.add("foo", "foo-99.0.tar.gz")
    with pytest.raises(UpstreamError) as caught:
        ask(tmp_path, Upstream(url=internal.url), Upstream(url=public.url)).files(canonicalize_name("foo"))
    assert f"{internal.url}foo/ {said}: a login page?\n  Open it in a browser" in str(caught.value)
    assert public.server.asked == []


def test_files_elsewhere_need_files_from(public: Index, internal: Index, tmp_path: Path) -> None:
    """All links lead to another host: the error names it and the key; with the key they are offered."""
    link = f"{public.server.url}files/foo-1.0.tar.gz"
    internal.server.behaviours["/simple/foo/"] = loopback.body(f'<a href="{link}">foo-1.0.tar.gz</a>'.encode())
    with pytest.raises(UpstreamError) as caught:
        ask(tmp_path, Upstream(url=internal.url)).files(canonicalize_name("foo"))
    assert f"files-from: [{public.server.site}]" in str(caught.value)
    upstreams = ask(tmp_path, Upstream(url=internal.url, files_from=(public.server.site,)))
    assert str(upstreams.files(canonicalize_name("foo"))[0].url) == link
    assert public.server.asked == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"requires-python": "<script>"}, "its requires-python cannot be read: <script>"),
        ({"hashes": {"sha256": "x"}}, "its sha256 is none"),
    ],
)
def test_a_project_without_a_file_that_can_be_used(
    internal: Index, tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    """It is not called unknown: the file is named, and what is wrong with it. One good file beside it is enough."""
    internal.add("foo", "foo-1.0.tar.gz", fields=fields)
    with pytest.raises(UpstreamError, match=f"foo has no file that can be used: foo-1.0.tar.gz: {said}"):
        ask(tmp_path, Upstream(url=internal.url)).files(canonicalize_name("foo"))
    internal.add("foo", "foo-2.0.tar.gz")
    files = ask(tmp_path, Upstream(url=internal.url)).files(canonicalize_name("foo"))
    assert [file.filename for file in files or ()] == ["foo-2.0.tar.gz"]


def test_what_has_no_host_is_not_proposed_for_files_from(internal: Index, tmp_path: Path) -> None:
    """A base that leads to local files: platforms.yaml would refuse `file:` there."""
    base, link = '<base href="file:///tmp/">', '<a href="foo-1.0.tar.gz">foo-1.0.tar.gz</a>'
    other = '<a href="https://files.example/foo-2.0.tar.gz">foo-2.0.tar.gz</a>'
    for page, hint in ((base + link, "ask whoever runs it"), (base + link + other, "files-from: [files.example]")):
        internal.server.behaviours["/simple/foo/"] = loopback.body(page.encode())
        with pytest.raises(UpstreamError, match="has all its files at file:") as caught:
            ask(tmp_path, Upstream(url=internal.url)).files(canonicalize_name("foo"))
        assert hint in caught.value.hint
        assert "files-from: [file:" not in caught.value.hint


def test_a_page_may_not_move_to_another_host(public: Index, internal: Index, tmp_path: Path) -> None:
    """What a page says has no hash to be checked by: it comes from the declared host, or from one under files-from."""
    public.add("foo", "foo-1.0.tar.gz")
    internal.server.behaviours["/simple/foo/"] = loopback.status(301, location=f"{public.url}foo/")
    with pytest.raises(UpstreamError, match="is answered from"):
        ask(tmp_path, Upstream(url=internal.url)).files(canonicalize_name("foo"))
    upstreams = ask(tmp_path, Upstream(url=internal.url, files_from=(public.server.site,)))
    assert names(upstreams.files(canonicalize_name("foo"))) == ["foo-1.0.tar.gz"]


def test_a_folder_is_an_upstream(public: Index, tmp_path: Path) -> None:
    """Regular files with the names of wheels and sdists, hashed; links, folders, FIFOs, other names are not offered."""
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    (vendor / "Foo_Bar-1.0.tar.gz").write_bytes(b"sdist")
    (vendor / "foo_bar-2.0-py3-none-any.whl").symlink_to("Foo_Bar-1.0.tar.gz")
    (vendor / "foo_bar-3.0.zip").mkdir()
    os.mkfifo(vendor / "foo_bar-4.0.zip")
    (vendor / "notes.txt").write_text("x")
    upstreams = ask(tmp_path, Upstream(find_links="vendor/"), Upstream(url=public.url))
    (file,) = upstreams.files(canonicalize_name("foo-bar"))
    assert (file.filename, file.sha256, file.size) == ("Foo_Bar-1.0.tar.gz", hashlib.sha256(b"sdist").hexdigest(), 5)
    assert file.url.local_path() == vendor / "Foo_Bar-1.0.tar.gz"
    assert public.server.asked == []
    with pytest.raises(UpstreamError, match="none"):
        ask(tmp_path, Upstream(find_links="none")).files(canonicalize_name("foo"))


@pytest.mark.parametrize(
    "name", ["Foo_Bar-1.0-<b>-py3-none-any.whl", "foo_bar-1.0.whl", "foo.bar-x\x1b[2J-py3-none-any.whl"]
)
def test_a_wheel_in_a_folder_whose_name_says_nothing(tmp_path: Path, public: Index, name: str) -> None:
    """It is named, and nobody else is asked for the project: that would be a stranger's."""
    public.add("foo-bar", "foo_bar-2.0-py3-none-any.whl")
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / name).write_bytes(b"wheel")
    upstreams = ask(tmp_path, Upstream(find_links="vendor/"), Upstream(url=public.url))
    with pytest.raises(UpstreamError, match="this is no file name of a wheel") as refused:
        upstreams.files(canonicalize_name("foo-bar"))
    assert "\x1b" not in str(refused.value)
    assert public.server.asked == []
    assert upstreams.files(canonicalize_name("foo")) == ()


def test_without_an_index_the_machines_own_comes_last(public: Index, tmp_path: Path) -> None:
    """A folder alone is asked first; then what this machine's pip is set to, credentials included."""
    (tmp_path / "foo-1.0.tar.gz").write_bytes(b"sdist")
    public.add("bar", "bar-1.0.tar.gz")
    environ = {"PIP_INDEX_URL": public.url.replace("://", "://user:pw@")}
    upstreams = ask(tmp_path, Upstream(find_links="."), environ=environ)
    assert names(upstreams.files(canonicalize_name("foo"))) == ["foo-1.0.tar.gz"]
    assert names(upstreams.files(canonicalize_name("bar"))) == ["bar-1.0.tar.gz"]
    assert "authorization" in public.server.asked[0].headers
    assert "pw" not in upstreams.files(canonicalize_name("bar"))[0].url.secret_text


def test_many_threads_share_one_answer(public: Index, tmp_path: Path) -> None:
    """Three platforms that lock at once ask the upstream once: the answer is held back until all of them wait."""
    public.add("foo", "foo-1.0.tar.gz")
    answer, gate = public.server.behaviours["/simple/foo/"], threading.Event()

    def held(handler: loopback.Handler) -> None:
        gate.wait(10)
        answer(handler)

    public.server.behaviours["/simple/foo/"] = held
    upstreams = ask(tmp_path, Upstream(url=public.url))
    seen: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: seen.append(names(upstreams.files(canonicalize_name("foo"))))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert seen == [["foo-1.0.tar.gz"]] * 8
    assert len(public.server.asked) == 1


def test_what_is_expected_is_asked_once_even_where_it_is_refused(public: Index, tmp_path: Path) -> None:
    """Asking ahead saves the wait, not the error: whoever needs the page hears why it cannot be had."""
    public.add("foo", "foo-1.0.tar.gz")
    public.server.behaviours["/simple/bad/"] = loopback.status(403)
    upstreams = ask(tmp_path, Upstream(url=public.url))
    upstreams.expect([canonicalize_name("foo"), canonicalize_name("bad"), canonicalize_name("foo")])
    deadline = time.monotonic() + 10
    while len(public.server.asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert names(upstreams.files(canonicalize_name("foo"))) == ["foo-1.0.tar.gz"]
    assert sorted(one.path for one in public.server.asked) == ["/simple/bad/", "/simple/foo/"]
    with pytest.raises(UpstreamError):
        upstreams.files(canonicalize_name("bad"))
    assert len(public.server.asked) == 2


def test_identity_is_stable_and_tells_no_secret(tmp_path: Path) -> None:
    """It goes into digests that are committed; making it starts nothing and asks nobody."""
    declared = (
        Upstream(url="https://user:canary@index.example/simple", owns=("b-*", "a-*"), files_from=("files.example",)),
        Upstream(find_links="vendor/"),
    )
    expected = "index https://***@index.example/simple/ owns=a-*,b-* files-from=files.example\nfolder vendor/"
    assert ask(tmp_path, *declared).identity() == expected
    assert ask(tmp_path).identity() == "machine"
    assert ask(tmp_path, declared[1]).identity() == "folder vendor/\nmachine"


# The index that this machine is set to.


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_variables_come_before_files(tmp_path: Path) -> None:
    """Uv's variables, pip's variable, pip's files, uv's file: in this order."""
    write(
        tmp_path / ".config/uv/uv.toml",
        '[[index]]\nurl = "https://extra.example/"\n[[index]]\nurl = "https://u.example/"\ndefault = true\n',
    )
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    assert machine_index(environ).host == "u.example"
    chosen = write(tmp_path / "chosen.conf", "[global]\nindex-url = https://c.example/%(x)s\n")
    environ["PIP_CONFIG_FILE"] = str(chosen)
    assert machine_index(environ).host == "c.example"
    environ["PIP_INDEX_URL"] = "https://p.example/"
    assert machine_index(environ).host == "p.example"
    environ["UV_DEFAULT_INDEX"] = "name=https://d.example/"
    assert machine_index(environ).host == "d.example"


def test_the_users_file_of_pip_is_read(tmp_path: Path) -> None:
    """Where pip itself would look; a section of the command wins over [global]."""
    write(
        tmp_path / ".config/pip/pip.conf",
        "[global]\nindex-url = https://g.example/\n[install]\nindex-url = https://i.example/\n",
    )
    if not Path(sys.prefix, "pip.conf").exists():
        assert machine_index({"HOME": str(tmp_path)}).host == "i.example"


@pytest.mark.parametrize("text", ["[global", "index-url = x", "[global]\nindex-url = https://user:canary@ bad/"])
def test_a_broken_file_is_named_without_its_words(text: str, tmp_path: Path) -> None:
    """Said with its path or as a redacted URL; never as a traceback, never with what stands in it."""
    chosen = write(tmp_path / "chosen.conf", text)
    with pytest.raises(UpstreamError) as caught:
        machine_index({"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(chosen)})
    assert "canary" not in str(caught.value)


def test_a_folder_as_index_is_refused(tmp_path: Path) -> None:
    """Pip can read a folder as an index; we say what to write instead."""
    with pytest.raises(UpstreamError, match="find-links"):
        machine_index({"PIP_INDEX_URL": tmp_path.as_uri()})


def test_the_default_is_asked_of_the_tools(tmp_path: Path) -> None:
    """No host of a registry is written down in this program: pip knows it."""
    url = machine_index({"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "PATH": os.environ["PATH"]})
    assert url.scheme == "https"
    assert url.secret_text.rstrip("/").endswith("/simple")
