"""Real HTTP servers on this machine that misbehave on purpose, and remember what they were asked."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
AnyServer = TypeVar("AnyServer", bound=ThreadingHTTPServer)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request as it came in; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the behaviour that stands at its path; 404 where there is none."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Write down what is asked, then let the behaviour of its path answer."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(method=self.command, path=self.path, headers=headers))
        behaviour = self.server.behaviours.get(self.path.partition("?")[0], status(404))
        try:
            behaviour(self)
        except OSError:
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815

    def reply(self, code: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; underscores in header names stand for dashes."""
        self.start(code, content_length=str(len(body)), **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def start(self, code: int, **headers: str) -> None:
        """Status and headers; the body is up to the caller."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


Behaviour = Callable[[Handler], None]


class Server(ThreadingHTTPServer):
    """Paths and what happens there."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours: dict[str, Behaviour] = {}
        self.asked: list[Asked] = []
        self.scheme = "http"
        if context is not None:
            self.scheme = "https"
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def site(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        """Where it listens, '/' at the end."""
        return f"{self.scheme}://{self.site}/"

    @property
    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [asked.path for asked in self.asked]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what these tests are about."""


@contextmanager
def running(server: AnyServer) -> Iterator[AnyServer]:
    """A server that answers for the length of a `with` block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Such a server, to be told what happens at which path."""
    with running(Server(context)) as server:
        yield server


def own_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody but its own file vouches for, and a server's context that uses it."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


# Behaviours.


def status(code: int, **headers: str) -> Behaviour:
    """Only a status."""
    return lambda handler: handler.reply(code, b"", **headers)


def body(content: bytes, content_type: str = "text/html", **headers: str) -> Behaviour:
    """A plain answer."""
    return lambda handler: handler.reply(200, content, content_type=content_type, **headers)


def file(content: bytes, *, shift: int = 0) -> Behaviour:
    """A file with ranges; `shift` starts a range at a wrong offset, honestly said in Content-Range."""

    def behave(handler: Handler) -> None:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", handler.headers.get("Range", ""))
        if match is None:
            handler.reply(200, content, accept_ranges="bytes")
            return
        start = (int(match[1]) if match[1] else len(content) - int(match[2])) + shift
        end = int(match[2]) + 1 if match[1] and match[2] else len(content)
        if start >= len(content):
            handler.reply(416, content_range=f"bytes */{len(content)}")
            return
        part = content[start:end]
        handler.reply(
            206, part, content_range=f"bytes {start}-{start + len(part) - 1}/{len(content)}", accept_ranges="bytes"
        )

    return behave


def cut(content: bytes, at: int, *, reset: bool = False) -> Behaviour:
    """Promises everything and hangs up after `at` bytes."""

    def behave(handler: Handler) -> None:
        handler.start(200, content_length=str(len(content)), accept_ranges="bytes")
        handler.wfile.write(content[:at])
        handler.close_connection = True
        if reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

    return behave


def endless(piece: bytes = b"x" * 65536, **headers: str) -> Behaviour:
    """A body that never ends."""

    def behave(handler: Handler) -> None:
        handler.close_connection = True
        handler.start(200, **headers)
        while True:
            handler.wfile.write(piece)

    return behave


def drip(content: bytes, seconds: float, *, before: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Behaviour:
    """One byte at a time, each just in time. With `before` empty, even the headers drip."""

    def behave(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(before)
        for byte in content:
            handler.wfile.write(bytes([byte]))
            time.sleep(seconds)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first request gets the first behaviour, and so on; the last one stays."""
    left = list(behaviours)

    def behave(handler: Handler) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        now(handler)

    return behave


# A simple index.


@dataclass(kw_only=True)
class Index:
    """A simple index with files, on a server; pages are JSON."""

    server: Server
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def add(
        self, project: str, filename: str, content: bytes = b"bytes", *, fields: Mapping[str, object] | None = None
    ) -> str:
        """Offer a file; answers with its sha256."""
        self.files.setdefault(project, {})[filename] = content
        sha256 = hashlib.sha256(content).hexdigest()
        self.server.behaviours[f"/files/{filename}"] = file(content)
        entry = {"filename": filename, "url": f"../../files/{filename}", "hashes": {"sha256": sha256}, **(fields or {})}
        page = self.pages.setdefault(project, {"meta": {"api-version": "1.1"}, "name": project, "files": []})
        page["files"].append(entry)
        self.server.behaviours[f"/simple/{project}/"] = body(json.dumps(page).encode(), JSON_TYPE)
        return sha256

    pages: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """What goes into `upstream: - url:`."""
        return f"{self.server.url}simple/"
