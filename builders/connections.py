"""Connections to servers that may be slow, endless or hostile: pools, proxies, redirects, a watch on each.

`Connections.answer` asks once and hands the body on unread; whatever goes wrong becomes a `Failure` in our own words.
The words of urllib3 are never passed on: they quote URLs with everything that is in them.
"""

from __future__ import annotations

import email.utils
import http.client
import os
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from builders.certificates import ca_bundle
from builders.credentials import Credentials
from builders.errors import UpstreamError
from builders.urls import Url

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CHUNK = 256 * 1024
MEBIBYTE = 1024 * 1024
_AT_ONCE = 8  # answers
_MOVED = frozenset({301, 302, 303, 307, 308})
_PASSED_ON = frozenset({200, 206, 404, 410, 416})
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_here = threading.local()


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How much patience a server gets. `slow_bytes` is the least that must come in each `slow_seconds`."""

    attempts: int = 4
    backoff: float = 0.5
    longest_wait: float = 60
    connect_seconds: float = 15
    read_seconds: float = 30
    slow_seconds: float = 60
    slow_bytes: int = 60 * 1024
    page_seconds: float = 120
    page_bytes: int = 100 * MEBIBYTE
    file_bytes: int = 4096 * MEBIBYTE
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, its body not read yet. Header names are in lower case; `url` is where it came from at last."""

    status: int
    headers: Mapping[str, str]
    url: Url
    chunks: Iterator[bytes] = field(repr=False)


class Failure(Exception):  # noqa: N818 - never reaches a user: Fetcher turns it into one of ours
    """One attempt failed. `again`: another may work; `wait`: what the server asked for, in seconds."""

    def __init__(self, reason: str, *, hint: str = "", again: bool = True, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.hint, self.again, self.wait = reason, hint, again, wait


class _ProxyFailure(Failure):
    """What kept us from the server was the proxy."""


class Connections:
    """A bounded number of answers at a time; thread-safe. All settings come from `environ`."""

    def __init__(self, environ: Mapping[str, str], credentials: Credentials, patience: Patience) -> None:
        self._environ = environ
        self._credentials = credentials
        self._patience = patience
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._pools: dict[str, PoolManager] = {}

    @contextmanager
    def answer(
        self, method: str, url: Url, headers: Mapping[str, str], *, deadline: float | None = None
    ) -> Iterator[Answer]:
        """Ask, follow redirects, hand the answer on. Its status is 200, 206, 404, 410 or 416: others are a Failure."""
        with self._slots, _Watch(self._patience, deadline) as watch:
            for _ in range(self._patience.redirects + 1):
                response = self._ask(method, url, headers, watch)
                try:
                    watch.check()
                    if response.status not in _MOVED:
                        check_status(response.status, response.headers.get("retry-after"))
                        lower = {name.lower(): value for name, value in response.headers.items()}
                        yield Answer(response.status, lower, url, _chunks(response, watch))
                        return
                    url = redirected(url, response.headers.get("location"))
                finally:
                    _give_back(response)
            raise Failure(f"redirects more than {self._patience.redirects} times", again=False)

    def _ask(self, method: str, url: Url, headers: Mapping[str, str], watch: _Watch) -> BaseHTTPResponse:
        sent = {"User-Agent": "wheelyard", **headers, **self._credentials.header(url)}
        pool = self._pool(url)
        with self._proxy_named(url), _translated(watch):
            _here.watch = watch
            return pool.request(
                method,
                url.public().secret_text,
                headers=sent,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )

    @contextmanager
    def _proxy_named(self, url: Url) -> Iterator[None]:
        try:
            yield
        except _ProxyFailure:
            variable = proxy_variable(url, self._environ)
            address = _proxy_address(self._environ[variable]).public()
            raise Failure(f"cannot be reached through the proxy {address}, which {variable} names") from None

    def _pool(self, url: Url) -> PoolManager:
        proxy = self._environ.get(proxy_variable(url, self._environ), "")
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._new_pool(proxy)
            return self._pools[proxy]

    def _new_pool(self, proxy: str) -> PoolManager:
        import urllib3

        bundle = ca_bundle(self._environ)
        try:
            context = ssl.create_default_context(cafile=str(bundle) if bundle else None)
        except OSError:
            raise UpstreamError(f"{bundle} cannot be read as a bundle of certificates") from None
        settings: dict[str, Any] = {
            "maxsize": _AT_ONCE,
            "timeout": urllib3.Timeout(connect=self._patience.connect_seconds, read=self._patience.read_seconds),
            "ssl_context": context,
        }
        if proxy:
            address = _proxy_address(proxy)
            told = urllib3.make_headers(proxy_basic_auth=":".join(address.credentials)) if address.credentials else None
            pool: PoolManager = urllib3.ProxyManager(address.public().secret_text, proxy_headers=told, **settings)
        else:
            pool = urllib3.PoolManager(**settings)
        pool.pool_classes_by_scheme = _watched_pools()
        return pool


def _proxy_address(proxy: str) -> Url:
    return Url.parse(proxy if "://" in proxy else f"http://{proxy}")


def proxy_variable(url: Url, environ: Mapping[str, str]) -> str:
    """Which of curl's variables names a proxy for this URL, or ''."""
    excluded = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if urllib.request.proxy_bypass_environment(url.site, {"no": excluded}):  # type: ignore[attr-defined]
        return ""
    names = (f"{url.scheme}_proxy", f"{url.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if environ.get(name)), "")


def redirected(url: Url, location: str | None) -> Url:
    """Where a redirect leads: http or https, and never from https down to http."""
    try:
        target = url.join(location or "")
    except UpstreamError:
        raise Failure("redirects to something that is no URL", again=False) from None
    if not location or target.scheme not in {"http", "https"} or (url.scheme, target.scheme) == ("https", "http"):
        raise Failure(f"redirects from {url.scheme} to {target.public()}, which is not followed", again=False)
    return target


def check_status(status: int, retry_after: str | None) -> None:
    """Raise the Failure that this status stands for."""
    if status in _PASSED_ON:
        return
    if status in {401, 403, 407}:
        who = "the proxy" if status == 407 else "it"
        raise Failure(
            f"answers {status}: {who} wants credentials that it did not get",
            hint="Put them into netrc, or as user info into the variable that names the index (or the proxy).",
            again=False,
        )
    name = http.client.responses.get(status, "no known status")
    raise Failure(f"answers {status} ({name})", again=status in _RETRIED, wait=seconds_of(retry_after))


def seconds_of(retry_after: str | None) -> float | None:
    """Retry-After in both its forms, a number of seconds or a date; None where it is neither."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal() and len(retry_after) < 12:
        return float(retry_after)
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None


def _chunks(response: BaseHTTPResponse, watch: _Watch) -> Iterator[bytes]:
    """The body as it comes over the wire, nothing decoded."""
    with _translated(watch):
        while chunk := response.read1(CHUNK, decode_content=False):
            watch.check()
            watch.received += len(chunk)
            yield chunk
        watch.check()


def _give_back(response: BaseHTTPResponse) -> None:
    """A connection whose answer was read to its end is kept alive; any other is closed, whatever was still to come."""
    with suppress(Exception):
        if getattr(response, "length_remaining", None) == 0:
            response.drain_conn()
        response.close()


@contextmanager
def _translated(watch: _Watch) -> Iterator[None]:
    """Turn what urllib3 raises into a Failure that quotes no URL."""
    import urllib3.exceptions as theirs

    try:
        yield
    except (theirs.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise watch.reason or _in_words(error) from None


def _in_words(error: Exception) -> Failure:
    import urllib3.exceptions as theirs

    match error:
        case theirs.SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error) or "doesn't match" in str(error):
            return Failure(
                "has a certificate that is not trusted here",
                hint="SSL_CERT_FILE may name a bundle that holds its authority.",
                again=False,
            )
        case theirs.ProxyError():
            return _ProxyFailure("cannot be reached through the proxy")
        case theirs.NameResolutionError():
            return Failure("its host name is not known here")
        case theirs.NewConnectionError() | ConnectionRefusedError():
            return Failure("cannot be reached: no connection is accepted")
        case theirs.ConnectTimeoutError():
            return Failure("does not answer: the connection timed out")
        case theirs.ReadTimeoutError():
            return Failure("stopped sending")
        case theirs.SSLError():
            return Failure("broke off while encryption was set up")
        case _:
            return Failure("broke off the connection")


class _Watch:
    """Cuts one answer off that is slower than our patience.

    No time-out of a socket can do this: a server that sends each byte just in time never meets one, in its headers, in
    its body or while encryption is set up. `received` is counted by the reader; the brake is a second handle on the
    socket.
    """

    def __init__(self, patience: Patience, deadline: float | None) -> None:
        self.received = 0
        self.reason: Failure | None = None
        self._patience = patience
        self._deadline = deadline
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._brake: socket.socket | None = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="wheelyard-watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        with self._lock:
            self._let_go()

    def hold(self, connection: socket.socket | None) -> None:
        """Watch this socket from now on, by a handle of our own that nobody else closes; None changes nothing."""
        with self._lock:
            if connection is not None:
                self._let_go()
                self._brake = socket.socket(fileno=os.dup(connection.fileno()))
            self._pull()

    def check(self) -> None:
        """Raise the reason of the cut: to whoever reads, a cut looks like the end of the data."""
        if self.reason is not None:
            raise self.reason

    def _run(self) -> None:
        patience, before, started = self._patience, 0, time.monotonic()
        while True:
            left = None if self._deadline is None else started + self._deadline - time.monotonic()
            if self._done.wait(patience.slow_seconds if left is None else max(0.0, min(left, patience.slow_seconds))):
                return None
            if left is not None and left <= patience.slow_seconds:
                return self._cut(f"takes longer than {self._deadline:g} seconds")
            if self.received - before < patience.slow_bytes:
                return self._cut(
                    f"sent {self.received - before} bytes in {patience.slow_seconds:g} seconds, which is too slow"
                )
            before = self.received

    def _cut(self, reason: str) -> None:
        with self._lock:
            self.reason = Failure(reason)
            self._pull()

    def _let_go(self) -> None:
        if self._brake is not None:
            self._brake.close()
            self._brake = None

    def _pull(self) -> None:
        if self.reason is not None and self._brake is not None:
            with suppress(OSError):
                self._brake.shutdown(socket.SHUT_RDWR)


def _watched_pools() -> dict[str, Any]:
    """urllib3's pools, over connections that show their sockets to the watch of the thread that uses them."""
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Watched(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            _here.watch.hold(connected)
            return connected

        def request(self, *arguments: Any, **settings: Any) -> None:
            _here.watch.hold(self.sock)  # one that was kept alive; None for a new one
            super().request(*arguments, **settings)

    class WatchedTls(Watched, HTTPSConnection):
        pass

    class Plain(HTTPConnectionPool):
        ConnectionCls = Watched

    class Tls(HTTPSConnectionPool):
        ConnectionCls = WatchedTls

    return {"http": Plain, "https": Tls}
