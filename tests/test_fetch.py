"""Fetching from servers that are slow, endless, forgetful or hostile. All of them are real, on this machine."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from builders.connections import Failure, redirected, seconds_of
from builders.errors import FetchError, StoreError, UpstreamError, WheelyardError
from builders.fetch import Fetcher, Patience
from builders.urls import Url
from tests import loopback
from tests.loopback import Server

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(backoff=0.01, longest_wait=3, read_seconds=2, slow_seconds=0.6, slow_bytes=600, page_seconds=1.5)
CANARY = "k4naRy-s3cret/+pass"


@pytest.fixture
def server() -> Iterator[Server]:
    with loopback.serving() as server:
        yield server


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher({}, patience=QUICK)


def fetch(
    fetcher: Fetcher, server: Server, folder: Path, *, sha256: str | None = SHA256, size: int | None = None
) -> bytes:
    fetched = fetcher.fetch(Url.parse(f"{server.url}f.whl"), folder / "f.whl", sha256=sha256, size=size)
    content = (folder / "f.whl").read_bytes()
    assert (fetched.sha256, fetched.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert [path.name for path in folder.iterdir()] == ["f.whl"]
    return content


def refused(
    fetcher: Fetcher, server: Server, folder: Path, *, sha256: str | None = SHA256, size: int | None = None
) -> str:
    """Why the fetch failed; what stood at the destination before still stands there."""
    (folder / "f.whl").write_bytes(b"of before")
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(Url.parse(f"{server.url}f.whl"), folder / "f.whl", sha256=sha256, size=size)
    assert (folder / "f.whl").read_bytes() == b"of before"
    return str(caught.value)


def test_a_file_arrives_whole_and_its_progress_is_told(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """The destination holds the bytes that the hash names; on_bytes ends at the size."""
    server.behaviours["/f.whl"] = loopback.file(CONTENT)
    heard: list[int] = []
    url = Url.parse(f"{server.url}f.whl")
    fetcher.fetch(url, tmp_path / "f.whl", sha256=SHA256, size=len(CONTENT), on_bytes=heard.append)
    assert (tmp_path / "f.whl").read_bytes() == CONTENT
    assert heard == sorted(heard)
    assert heard[-1] == len(CONTENT)
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_a_cut_download_goes_on_where_it_stopped(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """After a broken connection only the missing bytes are asked for."""
    server.behaviours["/f.whl"] = loopback.in_turn(loopback.cut(CONTENT, 500_000), loopback.file(CONTENT))
    assert fetch(fetcher, server, tmp_path, size=len(CONTENT)) == CONTENT
    assert server.asked[1].headers["range"] == "bytes=500000-"


def test_a_reset_is_survived(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """A TCP reset in the middle of a body is one more reason to try again."""
    server.behaviours["/f.whl"] = loopback.in_turn(loopback.cut(CONTENT, 100_000, reset=True), loopback.file(CONTENT))
    assert fetch(fetcher, server, tmp_path) == CONTENT


def test_a_part_of_an_earlier_run_is_used(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """A run that was killed left NAME.part; the next one asks for the rest only."""
    (tmp_path / "f.whl.part").write_bytes(CONTENT[:1000])
    server.behaviours["/f.whl"] = loopback.file(CONTENT)
    assert fetch(fetcher, server, tmp_path) == CONTENT
    assert [asked.headers.get("range") for asked in server.asked] == ["bytes=1000-"]


def test_a_whole_part_needs_no_server(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """Killed between the last byte and the new name: nothing is fetched again."""
    (tmp_path / "f.whl.part").write_bytes(CONTENT)
    assert fetch(fetcher, server, tmp_path, size=len(CONTENT)) == CONTENT
    assert server.asked == []


def test_without_a_hash_nothing_is_resumed(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """Nothing could tell that the two halves belong to one file."""
    (tmp_path / "f.whl.part").write_bytes(b"other bytes")
    server.behaviours["/f.whl"] = loopback.file(CONTENT)
    assert fetch(fetcher, server, tmp_path, sha256=None) == CONTENT
    assert "range" not in server.asked[0].headers


def test_a_part_of_other_bytes_is_thrown_away(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """A resumed file with a wrong hash is fetched once more, from its first byte."""
    (tmp_path / "f.whl.part").write_bytes(b"z" * 1000)
    server.behaviours["/f.whl"] = loopback.file(CONTENT)
    assert fetch(fetcher, server, tmp_path) == CONTENT
    assert [asked.headers.get("range") for asked in server.asked] == ["bytes=1000-", None]


@pytest.mark.parametrize("shift", [-1, 1, 7])
def test_resuming_at_a_wrong_offset_starts_anew(shift: int, server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """Content-Range says that the server went on elsewhere: what is there is dropped, and the file begun again."""
    (tmp_path / "f.whl.part").write_bytes(CONTENT[:1000])
    server.behaviours["/f.whl"] = loopback.in_turn(loopback.file(CONTENT, shift=shift), loopback.file(CONTENT))
    assert fetch(fetcher, server, tmp_path, size=len(CONTENT)) == CONTENT
    assert [asked.headers.get("range") for asked in server.asked] == ["bytes=1000-", None]


def test_a_server_that_ignores_ranges_starts_anew(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """A 200 to a Range request is the whole file."""
    (tmp_path / "f.whl.part").write_bytes(CONTENT[:1000])
    server.behaviours["/f.whl"] = loopback.body(CONTENT)
    assert fetch(fetcher, server, tmp_path) == CONTENT


def test_a_part_longer_than_the_file_starts_anew(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """416 to a Range request: begun again without one."""
    (tmp_path / "f.whl.part").write_bytes(CONTENT + b"more")
    server.behaviours["/f.whl"] = loopback.file(CONTENT)
    assert fetch(fetcher, server, tmp_path) == CONTENT


def test_wrong_bytes_are_tried_once_more_and_then_shown(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """Two requests, none resumed; the message lines up what was expected and what came; no part is left behind."""
    wrong = b"\xff" + CONTENT[1:]
    server.behaviours["/f.whl"] = loopback.file(wrong)
    message = refused(fetcher, server, tmp_path, size=len(CONTENT))
    assert f"expected: sha256 {SHA256}\n  actual:   sha256 {hashlib.sha256(wrong).hexdigest()}" in message
    assert [asked.headers.get("range") for asked in server.asked] == [None, None]
    assert not (tmp_path / "f.whl.part").exists()


def test_a_file_longer_than_promised_is_not_read_to_its_end(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """The size is known: an endless body is cut right behind it."""
    server.behaviours["/f.whl"] = loopback.endless()
    message = refused(fetcher, server, tmp_path, size=len(CONTENT))
    assert f"actual:   size more than {len(CONTENT)}" in message


def test_an_endless_file_of_unknown_size_meets_the_cap(server: Server, tmp_path: Path) -> None:
    """Nothing is bigger than `file_bytes`; the disk gets its room back."""
    server.behaviours["/f.whl"] = loopback.endless()
    message = refused(Fetcher({}, patience=Patience(file_bytes=4 * 1024 * 1024)), server, tmp_path)
    assert "more than 4 MiB" in message
    assert len(server.asked) == 1
    assert not (tmp_path / "f.whl.part").exists()


def test_a_file_that_always_ends_early_fails(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """Truncated each time, without a word of warning: bounded tries, then the count of bytes."""
    server.behaviours["/f.whl"] = loopback.body(CONTENT[:-1])
    message = refused(fetcher, server, tmp_path, size=len(CONTENT))
    assert f"size {len(CONTENT) - 1}" in message


def test_an_answer_that_closes_early_and_names_no_length_fails(
    server: Server, fetcher: Fetcher, tmp_path: Path
) -> None:
    """A body that ends with its connection can only be judged by the size that the lock names."""
    server.behaviours["/f.whl"] = loopback.drip(b"", 0, before=b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT[:99])
    message = refused(fetcher, server, tmp_path, size=len(CONTENT))
    assert f"ended after 99 of {len(CONTENT)} bytes (4 tries)" in message


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_waited_for(code: int, server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """The server asks for a second, and gets it."""
    server.behaviours["/f.whl"] = loopback.in_turn(loopback.status(code, retry_after="1"), loopback.file(CONTENT))
    started = time.monotonic()
    assert fetch(fetcher, server, tmp_path) == CONTENT
    assert time.monotonic() - started >= 1


def test_a_long_retry_after_is_told_not_waited_for(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """An hour is somebody else's decision."""
    server.behaviours["/f.whl"] = loopback.status(429, retry_after="3600")
    started = time.monotonic()
    assert "come back in 3600 seconds" in refused(fetcher, server, tmp_path)
    assert time.monotonic() - started < 1
    assert len(server.asked) == 1


@pytest.mark.parametrize("text", ["soon", "-1", "1e9", "9" * 400, "", "Mon, 99 Foo 2026"])
def test_a_retry_after_that_is_none_is_no_advice(text: str) -> None:
    """Nonsense is treated as if the header were not there."""
    assert seconds_of(text) is None


def test_a_retry_after_may_be_a_date() -> None:
    """RFC 9110 has two forms; a date in the past is no wait at all."""
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_server_errors_are_tried_again_and_then_named(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """5xx: as many tries as our patience allows, then the status."""
    server.behaviours["/f.whl"] = loopback.status(502)
    assert "answers 502 (Bad Gateway) (4 tries)" in refused(fetcher, server, tmp_path)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("code", "said"), [(404, "is not there"), (410, "is not there"), (403, "credentials"), (418, "418")]
)
def test_a_clear_no_is_not_asked_again(code: int, said: str, server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """No second try changes these."""
    server.behaviours["/f.whl"] = loopback.status(code)
    assert said in refused(fetcher, server, tmp_path)
    assert len(server.asked) == 1


def test_nobody_there_and_unknown_hosts_are_told_apart(fetcher: Fetcher, tmp_path: Path) -> None:
    """Connection refused and a failing look-up end as our errors, in words, after bounded tries."""
    with loopback.serving() as gone:
        url = gone.url
    with pytest.raises(FetchError, match=r"no connection is accepted.*4 tries"):
        fetcher.fetch(Url.parse(f"{url}f"), tmp_path / "f", sha256=None, size=None)
    with pytest.raises(FetchError, match="host name is not known"):
        fetcher.fetch(Url.parse("http://nowhere.invalid/f"), tmp_path / "f", sha256=None, size=None)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"",
    ],
)
def test_a_server_that_drips_is_cut_off(before: bytes, server: Server, tmp_path: Path) -> None:
    """Each byte comes before any socket time-out: in the body, a header, the size of a chunk, the status line."""
    server.behaviours["/f.whl"] = loopback.drip(b"1" * 300, 0.05, before=before)
    started = time.monotonic()
    assert "too slow" in refused(
        Fetcher({}, patience=Patience(attempts=2, backoff=0.01, slow_seconds=0.5, slow_bytes=100)), server, tmp_path
    )
    assert time.monotonic() - started < 3


def test_a_server_that_says_nothing_is_left(server: Server, tmp_path: Path) -> None:
    """Silence ends at the read time-out."""
    server.behaviours["/f.whl"] = lambda _: time.sleep(3)
    assert "stopped sending" in refused(Fetcher({}, patience=Patience(attempts=1, read_seconds=0.3)), server, tmp_path)


def test_a_loop_of_redirects_ends(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """Five redirects are followed, not a sixth."""
    server.behaviours["/f.whl"] = loopback.status(302, location="/f.whl")
    assert "redirects more than 5 times" in refused(fetcher, server, tmp_path)
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "javascript:alert(1)", "ftp://127.0.0.1/x", "", "http://a\\b/", "//"]
)
def test_redirects_lead_to_http_only(target: str, server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """No local file and no other scheme is ever read because a server says so."""
    server.behaviours["/f.whl"] = loopback.status(302, location=target)
    assert "redirects" in refused(fetcher, server, tmp_path, sha256=None)


def test_encryption_is_never_left(tmp_path: Path) -> None:
    """A page that came over https cannot send us on to http; the certificate is checked against the named bundle."""
    certificate, context = loopback.own_certificate(tmp_path)
    folder = tmp_path / "out"
    folder.mkdir()
    with loopback.serving(context) as secure, loopback.serving() as plain:
        plain.behaviours["/f.whl"] = loopback.file(CONTENT)
        secure.behaviours["/f.whl"] = loopback.status(302, location=f"{plain.url}f.whl")
        trusting = Fetcher({"SSL_CERT_FILE": str(certificate)}, patience=QUICK)
        assert "redirects from https to http" in refused(trusting, secure, folder)
        assert plain.asked == []
        secure.behaviours["/f.whl"] = loopback.file(CONTENT)
        assert "not trusted" in refused(Fetcher({}, patience=QUICK), secure, folder)
        assert fetch(trusting, secure, folder) == CONTENT
    with pytest.raises(Failure):
        redirected(Url.parse("https://index.example/"), "http://index.example/")


def test_a_dripping_tls_server_is_cut_off(tmp_path: Path) -> None:
    """The watch reaches through encryption too."""
    certificate, context = loopback.own_certificate(tmp_path)
    with loopback.serving(context) as secure:
        secure.behaviours["/f.whl"] = loopback.drip(b"1" * 300, 0.05)
        patience = Patience(attempts=1, slow_seconds=0.5, slow_bytes=100)
        assert "too slow" in refused(Fetcher({"SSL_CERT_FILE": str(certificate)}, patience=patience), secure, tmp_path)


def test_pages_come_unpacked_and_with_their_last_address(server: Server, fetcher: Fetcher) -> None:
    """Gzip is undone; after a redirect, links are relative to where the page really was."""
    server.behaviours["/a/"] = loopback.status(301, location="/b/")
    server.behaviours["/b/"] = loopback.body(gzip.compress(b"<p>page"), content_encoding="gzip")
    page = fetcher.get_page(Url.parse(f"{server.url}a/"), "text/html")
    assert page is not None
    assert (page.body, page.url.secret_text, page.content_type) == (b"<p>page", f"{server.url}b/", "text/html")
    assert fetcher.get_page(Url.parse(f"{server.url}none/"), "text/html") is None


def test_huge_pages_are_refused_packed_and_unpacked(server: Server) -> None:
    """A page of 100 MB, and a small one that stands for it, end at the same cap."""
    fetcher = Fetcher({}, patience=Patience(page_bytes=1024 * 1024))
    server.behaviours["/endless/"] = loopback.endless(content_type="text/html")
    server.behaviours["/bomb/"] = loopback.body(gzip.compress(b"0" * 20_000_000), content_encoding="gzip")
    for name in ("endless", "bomb"):
        with pytest.raises(UpstreamError, match="more than 1 MiB"):
            fetcher.get_page(Url.parse(f"{server.url}{name}/"), "text/html")


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (loopback.body(gzip.compress(b"<a>one") + gzip.compress(b"<a>two"), content_encoding="gzip"), "behind its end"),
        (loopback.body(gzip.compress(b"<a>one") + b"junk", content_encoding="gzip"), "behind its end"),
        (loopback.status(206), "answers 206 to a question for a whole page"),
        (loopback.status(416), "answers 416 to a question for a whole page"),
    ],
)
def test_a_part_is_no_page(server: Server, fetcher: Fetcher, behaviour: loopback.Behaviour, said: str) -> None:
    """A list that lacks files would make a lock with others than there are."""
    server.behaviours["/part/"] = behaviour
    with pytest.raises(UpstreamError, match=said):
        fetcher.get_page(Url.parse(f"{server.url}part/"), "text/html")


def test_a_page_has_a_deadline(server: Server) -> None:
    """Fast enough at each moment, but without end in sight."""
    fetcher = Fetcher({}, patience=Patience(attempts=1, page_seconds=0.6, slow_seconds=0.2, slow_bytes=1))
    server.behaviours["/slow/"] = loopback.drip(b"1" * 300, 0.02)
    with pytest.raises(UpstreamError, match="takes longer than"):
        fetcher.get_page(Url.parse(f"{server.url}slow/"), "text/html")


def test_a_local_file_is_copied_and_checked(fetcher: Fetcher, tmp_path: Path) -> None:
    """find-links: same checks; a link in the place of the file is not followed."""
    (tmp_path / "a.whl").write_bytes(CONTENT)
    (tmp_path / "link.whl").symlink_to("a.whl")
    fetcher.fetch(Url.of_file(tmp_path / "a.whl"), tmp_path / "b", sha256=SHA256, size=len(CONTENT))
    assert (tmp_path / "b").read_bytes() == CONTENT
    for name, sha256 in (("link.whl", SHA256), ("a.whl", "0" * 64), ("none.whl", SHA256)):
        with pytest.raises(FetchError):
            fetcher.fetch(Url.of_file(tmp_path / name), tmp_path / "c", sha256=sha256, size=None)
        assert not (tmp_path / "c").exists()


def test_a_disk_that_does_not_take_the_file_is_named(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """A folder that is missing is the disk's fault, not the server's: told apart, with the path."""
    server.behaviours["/f.whl"] = loopback.file(CONTENT)
    with pytest.raises(StoreError, match=re.escape(str(tmp_path / "none"))):
        fetcher.fetch(Url.parse(f"{server.url}f.whl"), tmp_path / "none" / "f", sha256=None, size=None)


def test_a_gigabyte_takes_little_memory(server: Server, tmp_path: Path) -> None:
    """Streaming 1 GB to the disk stays under 150 MB in a process of its own (a sparse body: zeros)."""
    piece, count = b"\0" * (1024 * 1024), 1024

    def gigabyte(handler: loopback.Handler) -> None:
        handler.start(200, content_length=str(len(piece) * count))
        for _ in range(count):
            handler.wfile.write(piece)

    server.behaviours["/f.whl"] = gigabyte
    script = (
        "import re, resource, sys, pathlib\nfrom builders.fetch import Fetcher\nfrom builders.urls import Url\n"
        "Fetcher({}).fetch(Url.parse(sys.argv[1]), pathlib.Path(sys.argv[2]), sha256=None, size=None)\n"
        "status = pathlib.Path('/proc/self/status')\n"  # on Linux the other figure counts whoever started this process
        "print(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1] if status.exists() else "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    argv = [sys.executable, "-c", script, f"{server.url}f.whl", str(tmp_path / "f")]
    told = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(Path.cwd())}).stdout
    assert (tmp_path / "f").stat().st_size == len(piece) * count
    assert int(told) // (1024 if sys.platform == "linux" else 1024 * 1024) < 150
    (tmp_path / "f").unlink()


# Secrets.


def traces(secret: str) -> tuple[str, ...]:
    """Every spelling in which a secret could get out."""
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    plain = base64.b64encode(secret.encode()).decode()
    return secret, quote(secret, safe=""), basic, plain, plain.rstrip("="), secret.encode().hex()


@pytest.mark.parametrize("way", ["url", "environment", "netrc", "pip"])
def test_passwords_reach_their_host_and_no_message(way: str, server: Server, tmp_path: Path) -> None:
    """The server gets the password, its neighbour after a redirect does not, and no error or repr shows it."""
    userinfo = f"user:{quote(CANARY, safe='')}@"
    with_secret = server.url.replace("://", f"://{userinfo}")
    environ = {"HOME": str(tmp_path)}
    match way:
        case "environment":
            environ["PIP_INDEX_URL"] = f"{with_secret}simple/"
        case "pip":
            environ["PIP_CONFIG_FILE"] = str(tmp_path / "pip.conf")
            (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {with_secret}simple/\n")
        case "netrc":
            (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login user password {CANARY}\n")
    fetcher = Fetcher(environ, patience=QUICK)
    url = Url.parse(f"{with_secret if way == 'url' else server.url}p/")
    server.behaviours["/p/"] = loopback.status(403)
    with pytest.raises(WheelyardError) as caught:
        fetcher.get_page(url, "text/html")
    sent = base64.b64encode(f"user:{CANARY}".encode()).decode()
    assert server.asked[-1].headers["authorization"] == f"Basic {sent}"
    with loopback.serving() as neighbour:
        if way != "netrc":
            server.behaviours["/p/"] = loopback.status(302, location=f"{neighbour.url}p/")
            assert fetcher.get_page(url, "text/html") is None
            assert "authorization" not in neighbour.asked[-1].headers
    shown = f"{caught.value!s} {caught.value!r} {vars(caught.value)} {url!s} {url!r} {url:>9} {[url]}"
    shown += f"{fetcher!r} {fetcher.credentials!r}"
    assert not [trace for trace in traces(CANARY) if trace in shown]


def test_signed_links_stay_secret_after_a_redirect(server: Server, fetcher: Fetcher, tmp_path: Path) -> None:
    """A redirect to a link with a signature that fails: the message names the host, not the signature."""
    server.behaviours["/f.whl"] = loopback.status(302, location=f"/signed?X-Sig={quote(CANARY)}&{quote(CANARY)}")
    server.behaviours["/signed"] = loopback.status(
        302, location=f"http://user:{quote(CANARY, safe='')}@127.0.0.1:1/x?t={quote(CANARY)}"
    )
    message = refused(fetcher, server, tmp_path)
    assert "/signed" in server.paths[1]
    assert not [trace for trace in traces(CANARY) if trace in message]


def test_a_broken_netrc_is_named_without_its_words(server: Server, tmp_path: Path) -> None:
    """The parser of the standard library quotes the word that it trips over, which may be the password."""
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 {CANARY}\n")
    with pytest.raises(UpstreamError) as caught:
        Fetcher({"NETRC": str(tmp_path / "netrc")}).get_page(Url.parse(server.url), "text/html")
    assert str(tmp_path / "netrc") in str(caught.value)
    assert CANARY not in str(caught.value)
    assert server.asked == []


@pytest.mark.parametrize("address", ["user:{}@127.0.0.1:9", "http://user:{}@127.0.0.1:9/"])
def test_a_dead_proxy_is_named(address: str, tmp_path: Path) -> None:
    """With the variable that says so, and without its password."""
    fetcher = Fetcher({"ALL_PROXY": address.format(quote(CANARY, safe=""))}, patience=QUICK)
    named = r"through the proxy http://127\.0\.0\.1:9/?, which ALL_PROXY names"
    with pytest.raises(FetchError, match=named) as caught:
        fetcher.fetch(Url.parse("http://index.invalid/f.whl"), tmp_path / "f", sha256=SHA256, size=None)
    assert CANARY not in str(caught.value)


def test_a_proxy_of_the_environment_is_used(server: Server, tmp_path: Path) -> None:
    """http_proxy gets the whole URL and its own password; no_proxy goes around it."""
    server.behaviours["http://index.invalid/f.whl"] = loopback.file(CONTENT)
    proxy = server.url.replace("://", f"://user:{quote(CANARY, safe='')}@")
    fetcher = Fetcher({"http_proxy": proxy, "no_proxy": "other.invalid"}, patience=QUICK)
    fetcher.fetch(Url.parse("http://index.invalid/f.whl"), tmp_path / "f", sha256=SHA256, size=None)
    assert server.paths == ["http://index.invalid/f.whl"]
    assert "proxy-authorization" in server.asked[0].headers
    with pytest.raises(FetchError, match="host name"):
        fetcher.fetch(Url.parse("http://other.invalid/f.whl"), tmp_path / "g", sha256=SHA256, size=None)
    assert os.listdir(tmp_path) == ["f"]  # noqa: PTH208
