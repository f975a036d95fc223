"""The one address that a resolver's box can reach: a simple index on this machine, in front of all upstreams.

uv runs in a box that sees nothing but this server. Which upstream owns a name, the passwords, and which hosts may be
asked are decided out here; file links lead back to this server, so foreign code in the box reaches no other. Afterwards
`original` tells which file of which upstream a link in uv's lock stands for.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from builders.connections import CHUNK
from builders.errors import UpstreamError, WheelyardError
from builders.fetch import Fetcher
from builders.pages import HTML_TYPE, JSON_TYPE, IndexFile
from builders.pythons import excludes_unseen
from builders.store import opened_plainly
from builders.upstreams import Upstreams, is_lasting, sdist_of, with_sdists
from builders.urls import Url

MOST_CONNECTIONS = 256
IDLE_SECONDS = 120
METADATA = ".metadata"
_PASSED_ON = ("accept-ranges", "content-length", "content-range")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Body:
    """What a request is answered with, short enough to be in memory."""

    status: int
    content_type: str
    content: bytes


class Gateway:
    """Serves as long as its `with` block runs. `failure_behind` tells why it answered 502 or 424: uv does not.

    502 stands for a failure that may pass: uv asks again. One that lasts is a 424, and upstream is not asked again.

    `wanted` is told of each file that the resolver looks at. Of a project in `from_sdist`, versions with no sdist are
    not offered; the wheels of the others are, so that their metadata can be read where no foreign code runs. Nor is
    what `python`'s pip would refuse and uv would take; `left_out` tells of that.

    `sdists_given` counts the sdists that were handed out: none of their code runs in a box before.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        fetcher: Fetcher,
        *,
        address: str = "127.0.0.1",
        python: str = "",
        wanted: Callable[[IndexFile], None] | None = None,
        from_sdist: frozenset[NormalizedName] = frozenset(),
    ) -> None:
        self._upstreams = upstreams
        self._fetcher = fetcher
        self._python = python
        self._wanted = wanted
        self._from_sdist = from_sdist
        self._lock = threading.Lock()
        self._failed: dict[str, WheelyardError] = {}  # by path, the last one
        self._pages: dict[tuple[NormalizedName, str], _Body] = {}
        self.sdists_given = 0
        self._left_out: dict[NormalizedName, set[IndexFile]] = {}  # what is not offered to this Python
        self._root = f"/{secrets.token_urlsafe(24)}"
        try:
            self._server = _Server((address, 0), self)
        except OSError as error:
            raise UpstreamError(f"cannot serve the resolver on {address}: {error.strerror}") from None
        self._base = f"http://{address}:{self._server.server_port}{self._root}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="wheelyard-gateway", daemon=True
        )

    @property
    def index_url(self) -> str:
        """What uv gets as its only index. The token in its path keeps other containers of this machine out."""
        return f"{self._base}/simple/"

    def failure_behind(self, said: str) -> WheelyardError | None:
        """What made uv say this: the failure of the page or file that it names, or else the last that may pass."""
        if "No solution found" in said:  # which it says when it could read all that it asked for
            return None
        with self._lock:
            failed = dict(self._failed)
        named = [path for path in failed if (path if path.endswith("/") else path.rpartition("/")[2]) in said]
        if named:
            return failed[max(named, key=len)]
        return next((error for error in reversed(failed.values()) if not is_lasting(error)), None)

    def left_out(self, said: str) -> list[str]:
        """A line for each project that uv names where it says that there is no solution, and not all was offered."""
        with self._lock:
            left_out = sorted(self._left_out.items()) if "No solution found" in said else []
        named = [(one, files) for one, files in left_out if re.search(rf"(?<![\w.-]){one}(?![\w-])", said)]
        return [_why_left_out(project, files, self._python) for project, files in named]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def original(self, url: str) -> IndexFile:
        """The upstream's file behind a link of this gateway. Raises UpstreamError for any other link."""
        path = urlsplit(url).path
        if not url.startswith(f"{self._base}/"):
            raise UpstreamError(f"the resolver took a file from elsewhere: {_shown(url)}")
        file = self._file_at(path.removeprefix(self._root))
        if file is None:
            raise UpstreamError(f"the resolver names a file that no upstream offers: {path.rpartition('/')[2][:200]!r}")
        return file

    # What a request is answered with.

    def answer(self, path: str, accept: str) -> _Body | IndexFile:
        """The answer to a path: a body, or the file to pass through. Raises WheelyardError for a failing upstream."""
        with self._lock:
            failure = self._failed.get(path)
        if failure and is_lasting(failure):
            raise failure
        token, _, rest = path.removeprefix("/").partition("/")
        if not hmac.compare_digest(f"/{token}".encode(), self._root.encode()):
            return _text(404, "not found")
        rest = f"/{rest}"
        if match := re.fullmatch(r"/simple/([A-Za-z0-9._-]{1,200})/?", rest):
            return self._page(canonicalize_name(match[1]), "json" if JSON_TYPE in accept else "html")
        file = self._file_at(rest.removesuffix(METADATA))
        if file is None:
            return _text(404, "not found")
        self._tell(NormalizedName(rest.split("/")[2]), file)
        return self._metadata(file) if rest.endswith(METADATA) else file

    def failed(self, path: str, error: WheelyardError) -> None:
        """Remember why an upstream failed."""
        with self._lock:
            self._failed.pop(path, None)
            self._failed[path] = error

    def _page(self, project: NormalizedName, form: str) -> _Body:
        with self._lock:
            page = self._pages.get((project, form))
        if page is None:
            files = self._upstreams.files(project)
            if not files:
                return _text(404, f"no upstream has {project}")
            files = self._offered(project, files)
            if project in self._from_sdist:
                files = with_sdists(project, files)
            page = _json_page(project, files) if form == "json" else _html_page(project, files)
            with self._lock:
                self._pages[project, form] = page
        return page

    def _offered(self, project: NormalizedName, files: tuple[IndexFile, ...]) -> tuple[IndexFile, ...]:
        offered = tuple(file for file in files if not excludes_unseen(file.requires_python, self._python))
        if len(offered) < len(files):
            with self._lock:
                self._left_out[project] = set(files) - set(offered)
        return offered

    def _tell(self, project: NormalizedName, file: IndexFile) -> None:
        """Of a project that is built, a wheel is looked at for its metadata alone: what is wanted is the sdist."""
        if self._wanted is None:
            return
        built = project in self._from_sdist and file.filename.endswith(".whl")
        if wanted := sdist_of(project, file, self._upstreams.files(project)) if built else file:
            self._wanted(wanted)

    def _file_at(self, path: str) -> IndexFile | None:
        match = re.fullmatch(r"/files/([a-z0-9-]{1,200})/([^/]{1,800})", path)
        if match is None:
            return None
        name = unquote(match[2])
        files = self._upstreams.files(NormalizedName(match[1]))
        return next((file for file in files if file.filename == name), None)

    def _metadata(self, file: IndexFile) -> _Body:
        """PEP 658's file, only where the upstream vouches for it with a hash."""
        if file.metadata_sha256 is None:
            return _text(404, "not found")
        content = self._fetcher.get_bytes(file.url.sibling(METADATA))
        if content is None:
            return _text(404, "not found")
        actual = hashlib.sha256(content).hexdigest()
        if actual != file.metadata_sha256:
            raise UpstreamError(
                f"{file.url}{METADATA} is not what the index says\n"
                f"  expected: sha256 {file.metadata_sha256}\n  actual:   sha256 {actual}"
            )
        return _Body(status=200, content_type="application/octet-stream", content=content)

    @contextmanager
    def opened(
        self, file: IndexFile, method: str, byte_range: str | None
    ) -> Iterator[tuple[int, dict[str, str], Iterator[bytes]]]:
        """Status, headers and body of a file that is passed through."""
        if method != "HEAD" and not file.filename.endswith(".whl"):
            with self._lock:
                self.sdists_given += 1
        if file.url.scheme == "file":
            with _local(file.url.local_path(), byte_range) as answer:
                yield answer
            return
        with self._fetcher.open(file.url, size=file.size, method=method, byte_range=byte_range) as remote:
            yield (
                remote.status,
                {name: remote.headers[name] for name in _PASSED_ON if name in remote.headers},
                remote.chunks,
            )


def _why_left_out(project: str, files: set[IndexFile], python: str) -> str:
    required = sorted({file.requires_python or "" for file in files})
    more = " and the like" if len(required) > 3 else ""
    return (
        f"of {project}, {len(files)} file{'s' * (len(files) > 1)} left out for requiring Python "
        f"{' or '.join(required[:3])}{more}; the platform has {python}"
    )


def _shown(url: str) -> str:
    try:
        return str(Url.parse(url))
    except UpstreamError:
        return "(no URL)"


def _text(status: int, text: str) -> _Body:
    return _Body(status=status, content_type="text/plain; charset=utf-8", content=f"{text}\n".encode())


def _link(project: str, file: IndexFile) -> str:
    return f"../../files/{project}/{quote(file.filename)}"


def _json_page(project: str, files: tuple[IndexFile, ...]) -> _Body:
    """PEP 691, as version 1.0: 1.1 wants the size of each file, which not all upstreams tell; more keys are allowed."""
    page = {"meta": {"api-version": "1.0"}, "name": project, "files": [_json_file(project, file) for file in files]}
    return _Body(status=200, content_type=JSON_TYPE, content=json.dumps(page, separators=(",", ":")).encode())


def _json_file(project: str, file: IndexFile) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": _link(project, file),
        "hashes": {"sha256": file.sha256} if file.sha256 else {},
    }
    if file.size is not None:
        entry["size"] = file.size
    if file.upload_time is not None:
        entry["upload-time"] = file.upload_time
    if file.requires_python is not None:
        entry["requires-python"] = file.requires_python
    if file.yanked is not None:
        entry["yanked"] = file.yanked or True
    if file.metadata_sha256 is not None:
        entry["core-metadata"] = {"sha256": file.metadata_sha256}
    return entry


def _html_page(project: str, files: tuple[IndexFile, ...]) -> _Body:
    lines = "".join(f"{_anchor(project, file)}<br>\n" for file in files)
    return _Body(
        status=200, content_type=HTML_TYPE, content=f"<!DOCTYPE html>\n<title>{project}</title>\n{lines}".encode()
    )


def _anchor(project: str, file: IndexFile) -> str:
    attributes = {
        "href": _link(project, file) + (f"#sha256={file.sha256}" if file.sha256 else ""),
        "data-requires-python": file.requires_python,
        "data-yanked": file.yanked,
        "data-core-metadata": f"sha256={file.metadata_sha256}" if file.metadata_sha256 else None,
    }
    text = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items() if value is not None)
    return f"<a {text}>{escape(file.filename)}</a>"


@contextmanager
def _local(path: Path, byte_range: str | None) -> Iterator[tuple[int, dict[str, str], Iterator[bytes]]]:
    """A file of a find-links folder, served as a web server would."""
    try:
        stream = opened_plainly(path)
    except OSError as error:
        raise UpstreamError(f"{path} cannot be read: {error.strerror}") from None
    if stream is None:
        raise UpstreamError(f"{path} is not a regular file any more")
    with stream:
        size = os.fstat(stream.fileno()).st_size
        start, end = _span(byte_range, size)
        left = max(0, end - start)
        headers = {"accept-ranges": "bytes", "content-length": str(left)}
        if byte_range is not None:
            headers["content-range"] = f"bytes {start}-{end - 1}/{size}" if left else f"bytes */{size}"
        stream.seek(start)
        status = 200 if byte_range is None else 206 if left else 416
        yield status, headers, iter(lambda: stream.read(min(CHUNK, start + left - stream.tell())), b"")


def _span(byte_range: str | None, size: int) -> tuple[int, int]:
    """First byte and end of `bytes=…`; an empty span for what cannot be served."""
    if byte_range is None:
        return 0, size
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", byte_range.strip())
    if match is None or not (match[1] or match[2]):
        return 0, 0
    if not match[1]:
        return max(0, size - int(match[2])), size
    return int(match[1]), min(size, int(match[2]) + 1) if match[2] else size


class _Server(ThreadingHTTPServer):
    """Threads with a bound on their number: whoever is in the box may open as many connections as they like."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], gateway: Gateway) -> None:
        self.gateway = gateway
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve in a thread of its own, or hang up where there are too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve, then make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "wheelyard"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        gateway = self.server.gateway
        self._begun = False
        path = self.path.partition("?")[0]
        try:
            answer = gateway.answer(path, self.headers.get("Accept", ""))
            if isinstance(answer, IndexFile):
                self._pass_through(answer)
            else:
                self._send(answer)
        except WheelyardError as error:
            gateway.failed(path, error)
            if self._begun:
                self.close_connection = True  # the only way left to say that the body is not whole
            else:
                self._send(_text(424 if is_lasting(error) else 502, str(error)))

    do_HEAD = do_GET  # noqa: N815

    def _send(self, body: _Body) -> None:
        self.send_response(body.status)
        self.send_header("Content-Type", body.content_type)
        self.send_header("Content-Length", str(len(body.content)))
        self.send_header("Vary", "Accept")
        self._let_it_be_kept(body.status)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.content)

    def _pass_through(self, file: IndexFile) -> None:
        gateway = self.server.gateway
        with gateway.opened(file, self.command, self.headers.get("Range")) as (status, headers, chunks):
            self.send_response(status)
            self.send_header("Content-Type", "application/octet-stream")
            for name, value in headers.items():
                self.send_header(name.title(), value)
            if "content-length" not in headers:
                self.send_header("Connection", "close")
            self._let_it_be_kept(status)
            self.end_headers()
            self._begun = True
            if self.command == "HEAD":
                return
            for chunk in chunks:
                self.wfile.write(chunk)

    def _let_it_be_kept(self, status: int) -> None:
        """Say that an answer holds for this job: without that, each uv in it would ask again for everything."""
        if status in {200, 206}:
            self.send_header("Cache-Control", "max-age=3600")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: of what is asked here only failures matter, and the gateway keeps them."""
