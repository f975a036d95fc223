"""The gateway between the resolver's box and the upstreams: over real sockets, and with a real uv."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from builders.errors import UpstreamError
from builders.fetch import Fetcher
from builders.gateway import Gateway
from builders.machine_index import machine_index
from builders.pages import JSON_TYPE
from builders.platforms import Upstream
from builders.upstreams import Upstreams
from builders.urls import Url
from tests import loopback
from tests.archive_makers import wheel_bytes
from tests.loopback import Index
from tests.upstream_makers import QUICK, open_gateway

CANARY = "k4naRy-s3cret"


def get(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    parts = Url.parse(url)
    connection = http.client.HTTPConnection(parts.site, timeout=10)
    try:
        connection.request(method, url.partition(parts.site)[2], headers=headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def wheel(project: str, version: str, *requires: str) -> bytes:
    """A wheel that uv can read the metadata of."""
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project}",
        f"Version: {version}",
        *(f"Requires-Dist: {text}" for text in requires),
    ]
    info = f"{project.replace('-', '_')}-{version}.dist-info"
    return wheel_bytes({"padding.bin": os.urandom(200_000)}, info=info, metadata=("\n".join(lines) + "\n").encode())


def lock(index_url: str, requirements: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, what uv said, and its lock."""
    argv = [
        find_uv_bin(),
        "pip",
        "compile",
        "--no-config",
        "--no-python-downloads",
        "--format",
        "pylock.toml",
        "-",
        "--quiet",
    ]
    argv += [
        "--index-url",
        index_url,
        "--cache-dir",
        str(folder / "cache"),
        "--output-file",
        str(folder / "pylock.toml"),
        "--system-certs",
    ]
    done = subprocess.run(argv, input=requirements, text=True, capture_output=True, timeout=120, check=False)
    written = folder / "pylock.toml"
    return done.returncode, done.stderr, written.read_text() if written.exists() else ""


def test_pages_come_as_json_with_all_that_the_upstream_said(index: Index, gateway: Gateway) -> None:
    """Nothing is lost on the way, except where files are: links lead to the gateway; HTML for who wants it."""
    fields: dict[str, object] = {
        "size": 5,
        "upload-time": "2024-08-13T11:12:09Z",
        "requires-python": ">=3.9",
        "yanked": 'no "good"',
        "core-metadata": {"sha256": "b" * 64},
    }
    sha256 = index.add("foo", "foo-1.0.tar.gz", fields=fields)
    code, headers, body = get(f"{gateway.index_url}Foo/", Accept=f"{JSON_TYPE}, text/html;q=0.1")
    assert (code, headers["content-type"]) == (200, JSON_TYPE)
    (entry,) = json.loads(body)["files"]
    assert entry == {
        "filename": "foo-1.0.tar.gz",
        "url": "../../files/foo/foo-1.0.tar.gz",
        "hashes": {"sha256": sha256},
        **fields,
    }
    _, _, html = get(f"{gateway.index_url}foo/", Accept="text/html")
    assert f'href="../../files/foo/foo-1.0.tar.gz#sha256={sha256}" data-requires-python="&gt;=3.9"' in html.decode()
    assert 'data-yanked="no &quot;good&quot;"' in html.decode()
    assert index.server.paths == ["/simple/foo/"]


def test_files_pass_through_with_their_ranges(index: Index, gateway: Gateway) -> None:
    """Whole, in part, and HEAD, as uv reads metadata out of a wheel; what is on no page is not to be had."""
    content = os.urandom(300_000)
    index.add("foo", "foo-1.0.tar.gz", content)
    url = f"{gateway.index_url}../files/foo/foo-1.0.tar.gz".replace("simple/../", "")
    assert get(url)[2] == content
    code, headers, part = get(url, Range="bytes=10-19")
    assert (code, headers["content-range"], part) == (206, f"bytes 10-19/{len(content)}", content[10:20])
    assert get(url, Range="bytes=-7")[2] == content[-7:]
    assert get(url, Range="bytes=999999-")[0] == 416
    code, headers, nothing = get(url, "HEAD")
    assert (code, headers["content-length"], headers["accept-ranges"], nothing) == (
        200,
        str(len(content)),
        "bytes",
        b"",
    )
    assert [get(url.replace("1.0", "2.0"))[0], get(url.replace("/foo/", "/bar/"))[0], get(f"{url}.metadata")[0]] == [
        404,
        404,
        404,
    ]


def test_files_of_a_folder_are_served_the_same_way(tmp_path: Path) -> None:
    """find-links: the box cannot see the folder, so it gets whole files, ranges and HEAD over the gateway."""
    content = bytes(range(250))
    (tmp_path / "foo-1.0.tar.gz").write_bytes(content)
    with (
        loopback.serving() as empty,
        open_gateway(tmp_path, Upstream(find_links="."), Upstream(url=empty.url)) as gateway,
    ):
        url = gateway.index_url.replace("/simple/", "/files/foo/foo-1.0.tar.gz")
        assert get(url)[2] == content
        spans = {"bytes=0-0": (206, content[:1]), "bytes=240-": (206, content[240:]), "bytes=-5": (206, content[-5:])}
        spans |= {
            "bytes=240-999": (206, content[240:]),
            "bytes=250-": (416, b""),
            "bytes=x": (416, b""),
            "bytes=-0": (416, b""),
        }
        assert {span: get(url, Range=span)[::2] for span in spans} == spans
        assert get(url, "HEAD")[1]["content-length"] == "250"
        assert gateway.original(url).url == Url.of_file(tmp_path / "foo-1.0.tar.gz")
        assert gateway.failure_behind(url) is None
        (tmp_path / "foo-1.0.tar.gz").unlink()
        os.mkfifo(tmp_path / "foo-1.0.tar.gz")
        assert b"foo-1.0.tar.gz is not a regular file any more" in get(url)[2]


def test_of_a_project_that_is_built_the_sdist_is_wanted(index: Index, tmp_path: Path) -> None:
    """The resolver looks at a wheel; what will be needed is the sdist of that version. Of others it is the wheel."""
    names = ["foo-1.0.tar.gz", "foo-1.0.0-py3-none-any.whl", "foo-2.0.tar.gz", "bar-1.0-py3-none-any.whl"]
    for name in names:
        index.add(name[:3], name)
    wanted: list[str] = []
    fetcher = Fetcher({}, patience=QUICK)
    upstreams = Upstreams((Upstream(url=index.url),), root=tmp_path, environ={}, fetcher=fetcher)
    built = frozenset({canonicalize_name("foo")})
    with Gateway(
        upstreams, fetcher, address="127.0.0.1", wanted=lambda file: wanted.append(file.filename), from_sdist=built
    ) as gateway:
        for name in names:
            get(gateway.index_url.replace("/simple/", f"/files/{name[:3]}/{name}"), "HEAD")
    assert wanted == ["foo-1.0.tar.gz", "foo-1.0.tar.gz", "foo-2.0.tar.gz", "bar-1.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("requires", "python", "offered"),
    [
        ("<3.10", "3.11.7", False),
        (">=3.8,<3.11", "3.11.7", False),
        ("!=3.11.*", "3.11.7", False),
        ("~=3.8.1", "3.11.7", False),
        ("<3.11.8", "3.11.7+", True),
        (">=3.12", "3.11.7", True),
        (">=3.12,<4", "3.11.7", True),
        (">3.11.7", "3.11.7", True),
        ("<3.15", "3.15.0rc1", False),
        ("<=3.15", "3.15.0rc1", True),
        ("<3.9.*", "3.11.7", True),
        ("<" + "9" * 190, "3.11.7", True),
    ],
)
def test_what_uv_would_take_and_pip_refuse_is_not_offered(
    index: Index, tmp_path: Path, requires: str, python: str, offered: bool
) -> None:
    """Uv looks at lower bounds alone, and says them well. To pip a pre-release is its release, nonsense is nothing."""
    index.add("foo", "foo-1.0.tar.gz")
    index.add("foo", "foo-2.0.tar.gz", fields={"requires-python": requires})
    with open_gateway(tmp_path, Upstream(url=index.url), python=python) as gateway:
        page = json.loads(get(f"{gateway.index_url}foo/", Accept=JSON_TYPE)[2])
    assert [file["filename"] for file in page["files"]] == ["foo-1.0.tar.gz", "foo-2.0.tar.gz"][: 1 + offered]


def test_metadata_passes_through_when_its_hash_is_right(index: Index, gateway: Gateway) -> None:
    """PEP 658: the index vouches for it; other bytes are a failure, not an answer."""
    metadata = b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n"
    vouched = {"core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()}}
    index.add("foo", "foo-1.0-py3-none-any.whl", fields=vouched)
    url = gateway.index_url.replace("/simple/", "/files/foo/foo-1.0-py3-none-any.whl.metadata")
    index.server.behaviours["/files/foo-1.0-py3-none-any.whl.metadata"] = loopback.in_turn(
        loopback.body(metadata), loopback.body(b"other")
    )
    assert get(url)[::2] == (200, metadata)
    assert [get(url)[0], get(url)[0]] == [424, 424]
    assert index.server.paths.count("/files/foo-1.0-py3-none-any.whl.metadata") == 2
    assert "expected: sha256" in str(gateway.failure_behind(url))


def test_the_token_keeps_others_out(index: Index, gateway: Gateway) -> None:
    """Another container on this machine reaches the port, and learns nothing from it."""
    index.add("foo", "foo-1.0.tar.gz")
    base = gateway.index_url.partition("/simple/")[0]
    other = base.rpartition("/")[0]
    for url in (
        f"{other}/simple/foo/",
        f"{other}/{'x' * 32}/simple/foo/",
        f"{other}/",
        f"{base}/",
        f"{base}/simple/../../etc/passwd",
    ):
        assert get(url)[0] == 404
    assert index.server.asked == []
    with pytest.raises(UpstreamError):
        gateway.original(f"{other}/{'x' * 32}/files/foo/foo-1.0.tar.gz")


FOREIGN = (
    "https://evil.example/files/foo/foo-1.0.tar.gz",
    "file:///etc/passwd",
    "",
    "\x1b[2J",
    "{base}/files/foo/foo-9.tar.gz",
    "{base}/files/foo/..%2f..%2fpasswd",
    "{base}/simple/foo/",
    "{base}x/files/foo/foo-1.0.tar.gz",
)


@pytest.mark.parametrize("url", FOREIGN)
def test_only_its_own_links_have_an_original(url: str, index: Index, gateway: Gateway) -> None:
    """Foreign code in the box may write anything into the lock."""
    index.add("foo", "foo-1.0.tar.gz")
    base = gateway.index_url.removesuffix("/simple/")
    assert gateway.original(f"{base}/files/foo/foo-1.0.tar.gz").filename == "foo-1.0.tar.gz"
    with pytest.raises(UpstreamError):
        gateway.original(url.replace("{base}", base))


def test_failures_are_remembered_with_their_reason(index: Index, gateway: Gateway) -> None:
    """Uv only says that it got a 502; the real cause is kept for whoever started it."""
    index.server.behaviours["/simple/foo/"] = loopback.status(500)
    code, _, body = get(f"{gateway.index_url}foo/")
    assert code == 502
    assert b"answers 500" in body
    reason = str(gateway.failure_behind(f"{gateway.index_url}foo/"))
    assert "/simple/foo/: answers 500 (Internal Server Error)" in reason
    assert get(f"{gateway.index_url}nobody/")[0] == 404
    assert str(gateway.failure_behind(f"{gateway.index_url}nobody/")) == reason  # there is no other


REFUSALS = {
    "answers 401": loopback.status(401),
    "answers 403": loopback.status(403),
    "which is not a page": loopback.body(b"", "image/png"),
    "a login page": loopback.body(b'<a href="/accept">Accept</a>'),
}


@pytest.mark.parametrize("said", REFUSALS)
def test_what_trying_again_cannot_mend_is_asked_once(said: str, index: Index, gateway: Gateway) -> None:
    """Uv does not retry a 424, and whoever asks once more gets the same answer; wrong credentials are not repeated."""
    index.server.behaviours["/simple/foo/"] = REFUSALS[said]
    codes = [get(f"{gateway.index_url}foo/", Accept=kind)[0] for kind in (JSON_TYPE, "text/html", JSON_TYPE)]
    assert codes == [424] * 3
    assert index.server.paths == ["/simple/foo/"]
    assert said in str(gateway.failure_behind(f"{gateway.index_url}foo/"))


def test_what_may_pass_is_asked_again(index: Index, gateway: Gateway) -> None:
    """A server that is overloaded, or breaks off: 502, and the next request gets what there is by then."""
    index.add("foo", "foo-1.0.tar.gz")
    page = index.server.behaviours["/simple/foo/"]
    index.server.behaviours["/simple/foo/"] = loopback.in_turn(loopback.status(503), loopback.cut(b"x" * 99, 9), page)
    assert [get(f"{gateway.index_url}foo/")[0] for _ in range(3)] == [502, 502, 200]


def test_a_failure_is_found_by_what_uv_says(index: Index, gateway: Gateway) -> None:
    """By the link that it names; without one, the last that may pass; none where it could read everything."""
    for name, code in (("foo", 500), ("bar", 500), ("baz", 403)):
        index.server.behaviours[f"/simple/{name}/"] = loopback.status(code)
        get(f"{gateway.index_url}{name}/")
    texts = (f"Failed to fetch: {gateway.index_url}foo/", "broke off", "No solution found when resolving")
    found = [gateway.failure_behind(text) for text in texts]
    assert ["/foo/" in str(found[0]), "/bar/" in str(found[1]), found[2]] == [True, True, None]


def test_a_file_that_breaks_off_does_not_look_whole(index: Index, gateway: Gateway) -> None:
    """The headers are out already: the connection breaks as well, and the cause is remembered."""
    content = os.urandom(100_000)
    index.add("foo", "foo-1.0.tar.gz", content)
    index.server.behaviours["/files/foo-1.0.tar.gz"] = loopback.cut(content, 50_000)
    url = gateway.index_url.replace("/simple/", "/files/foo/foo-1.0.tar.gz")
    with pytest.raises(http.client.IncompleteRead):
        get(url)
    assert "broke off" in str(gateway.failure_behind(url))


@pytest.mark.parametrize(
    ("size", "said"), [(300_000, "expected: size 300000\n  actual:   size more than 300000"), (None, "more than 1 MiB")]
)
def test_a_file_is_no_longer_than_it_may_be(index: Index, tmp_path: Path, size: int | None, said: str) -> None:
    """What uv got until then does not look whole, and upstream is not asked again: its disk would be filled once more.

    A server that knows of no ranges sends all that it has.
    """
    index.add("foo", "foo-1.0.tar.gz", fields={"size": size})
    index.server.behaviours["/files/foo-1.0.tar.gz"] = loopback.endless()
    fetcher = Fetcher({}, patience=replace(QUICK, file_bytes=2**20))
    upstreams = Upstreams((Upstream(url=index.url),), root=tmp_path, environ={}, fetcher=fetcher)
    with Gateway(upstreams, fetcher, address="127.0.0.1") as gateway:
        url = gateway.index_url.replace("/simple/", "/files/foo/foo-1.0.tar.gz")
        assert len(get(url, Range="bytes=-7")[2]) <= (size or 2**20)
        code, _, body = get(url)
    assert code == 424
    assert said in body.decode()
    assert f"{index.server.url}files/foo-1.0.tar.gz: " in str(gateway.failure_behind(url))
    assert index.server.paths == ["/simple/foo/", "/files/foo-1.0.tar.gz"]


def test_a_client_that_goes_away_is_no_failure(index: Index, gateway: Gateway) -> None:
    """Uv hangs up when it knows enough; the upstream is not to blame, and its connection is given back."""
    index.add("foo", "foo-1.0.tar.gz")
    index.server.behaviours["/files/foo-1.0.tar.gz"] = loopback.endless()
    parts = Url.parse(gateway.index_url)
    path = gateway.index_url.partition(parts.site)[2].replace("/simple/", "/files/foo/foo-1.0.tar.gz")
    for _ in range(12):
        with socket.create_connection((parts.host, int(parts.site.rpartition(":")[2]))) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    index.add("bar", "bar-1.0.tar.gz")
    assert get(f"{gateway.index_url}bar/")[0] == 200
    assert gateway.failure_behind(path) is None


def test_requests_for_one_name_ask_once(index: Index, gateway: Gateway) -> None:
    """Three platforms lock at once, and each asks for everything."""
    index.add("foo", "foo-1.0.tar.gz")
    answer, gate = index.server.behaviours["/simple/foo/"], threading.Event()

    def held(handler: loopback.Handler) -> None:
        gate.wait(10)
        answer(handler)

    index.server.behaviours["/simple/foo/"] = held
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(get(f"{gateway.index_url}foo/")[0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert codes == [200] * 6
    assert len(index.server.asked) == 1


def test_uv_locks_over_the_gateway(index: Index, gateway: Gateway, tmp_path: Path) -> None:
    """A real uv: metadata by ranges, dependencies, a yanked file passed over; each link in its lock has an original."""
    index.add("app", "app-1.0-py3-none-any.whl", wheel("app", "1.0", "my-lib>=2"))
    index.add("my-lib", "my_lib-2.0-py3-none-any.whl", wheel("my-lib", "2.0"))
    index.add("my-lib", "my_lib-3.0-py3-none-any.whl", wheel("my-lib", "3.0"), fields={"yanked": "broken"})
    code, said, text = lock(gateway.index_url, "app\n", tmp_path)
    assert (code, said, gateway.failure_behind(said)) == (0, "", None)
    urls = re.findall(r'url = "([^"]+)"', text)
    assert [str(gateway.original(url).url) for url in urls] == [
        f"{index.server.url}files/app-1.0-py3-none-any.whl",
        f"{index.server.url}files/my_lib-2.0-py3-none-any.whl",
    ]
    assert any("range" in asked.headers for asked in index.server.asked)


def test_uv_reads_a_page_with_fields_out_of_bounds(index: Index, gateway: Gateway, tmp_path: Path) -> None:
    """One size or time that nobody can mean would cost a real uv the whole project."""
    times = ["2024-01-01", "2024-W01-1", "2024-01-01T00:00:00", "9999-12-31T23:59:59-12:00", "0001-01-02T00:00:00Z"]
    fields = [{"size": size} for size in (2**63, 2**70)] + [{"upload-time": time} for time in times]
    for number, one in enumerate(fields):
        index.add("app", f"app-{number}.0-py3-none-any.whl", wheel("app", f"{number}.0"), fields=one)
    code, said, text = lock(gateway.index_url, "app\n", tmp_path)
    assert (code, said) == (0, "")
    assert f"app-{len(fields) - 1}.0-py3-none-any.whl" in text


def test_uv_gets_no_confused_dependency(index: Index, tmp_path: Path) -> None:
    """A real uv gets an internal name's 1.0 from its owner; the public index, which has 99.0, hears nothing of it."""
    with loopback.serving() as server:
        internal = Index(server=server)
        internal.add("acme-core", "acme_core-1.0-py3-none-any.whl", wheel("acme-core", "1.0", "numpy"))
        index.add("acme-core", "acme_core-99.0-py3-none-any.whl", wheel("acme-core", "99.0"))
        index.add("numpy", "numpy-2.0-py3-none-any.whl", wheel("numpy", "2.0"))
        with open_gateway(tmp_path, Upstream(url=index.url), Upstream(url=internal.url, owns=("acme-*",))) as gateway:
            code, said, text = lock(gateway.index_url, "acme-core\n", tmp_path)
    assert (code, said) == (0, "")
    assert re.findall(r'version = "([^"]+)"', text)[-2:] == ["1.0", "2.0"]
    assert not [path for path in index.server.paths if "acme" in path]
    assert not [path for path in server.paths if "numpy" in path]


def test_no_secret_reaches_the_box(index: Index, tmp_path: Path) -> None:
    """The upstream gets its password; pages, lock, messages and failures do not hold it."""
    index.add("app", "app-1.0-py3-none-any.whl", wheel("app", "1.0"))
    secret = index.url.replace("://", f"://user:{CANARY}@")
    fetcher = Fetcher({}, patience=QUICK)
    upstreams = Upstreams([Upstream(url=secret)], root=tmp_path, environ={}, fetcher=fetcher)
    with Gateway(upstreams, fetcher, address="127.0.0.1") as gateway:
        code, said, text = lock(gateway.index_url, "app\n", tmp_path)
        index.server.behaviours["/simple/other/"] = loopback.status(401)
        seen = [
            said,
            text,
            *(
                str(get(f"{gateway.index_url}{name}/", Accept=kind))
                for name in ("app", "other")
                for kind in (JSON_TYPE, "*/*")
            ),
        ]
        failure = gateway.failure_behind(f"{gateway.index_url}other/")
        seen += [
            str(failure),
            repr(upstreams.files(canonicalize_name("app"))),
            str(gateway.original(re.findall(r'url = "([^"]+)"', text)[0])),
        ]
    assert code == 0
    assert all("authorization" in asked.headers for asked in index.server.asked)
    assert failure
    assert not [place for place in seen if CANARY in place]


def test_a_big_page_is_built_once(index: Index, gateway: Gateway) -> None:
    """5,000 files: the second answer takes a fraction of the first."""
    files = [
        {"filename": f"foo-{n}.tar.gz", "url": f"/f/foo-{n}.tar.gz", "hashes": {"sha256": "a" * 64}}
        for n in range(5000)
    ]
    page = json.dumps({"meta": {"api-version": "1.0"}, "files": files}).encode()
    index.server.behaviours["/simple/foo/"] = loopback.body(page, JSON_TYPE)
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        assert len(get(f"{gateway.index_url}foo/", Accept=JSON_TYPE)[2]) > 500_000
        seconds.append(time.perf_counter() - started)
    assert seconds[1] < 0.1


@pytest.mark.network
def test_uv_finds_the_same_as_without_the_gateway(tmp_path: Path) -> None:
    """ansible, cryptography and docopt from this machine's own index: the same lock, about as fast on warm pages.

    But for the sizes: an index may have several servers, and not each of them tells sizes each time.
    """
    real = machine_index(os.environ)
    fetcher = Fetcher(os.environ)
    upstreams = Upstreams([], root=tmp_path, environ=os.environ, fetcher=fetcher)
    requirements = "ansible\ncryptography\ndocopt\n"
    seconds: dict[str, list[float]] = {"direct": [], "gateway": []}
    texts: dict[str, str] = {}
    with Gateway(upstreams, fetcher, address="127.0.0.1") as gateway:
        for attempt in range(3):
            for name, url in (("direct", real.secret_text), ("gateway", gateway.index_url)):
                folder = tmp_path / f"{name}{attempt}"
                folder.mkdir()
                started = time.perf_counter()
                code, said, texts[name] = lock(url, requirements, folder)
                seconds[name].append(time.perf_counter() - started)
                assert (code, said) == (0, "")
        mapped = re.sub(r'url = "([^"]+)"', lambda match: f'url = "{gateway.original(match[1]).url}"', texts["gateway"])
    body = [re.sub(r", size = \d+", "", text[text.index("lock-version") :]) for text in (mapped, texts["direct"])]
    assert body[0] == body[1]
    assert min(seconds["gateway"][1:]) < min(seconds["direct"]) + 0.5
