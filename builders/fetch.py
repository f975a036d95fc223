"""Bytes from a server: pages into memory, files onto the disk, under limits on size, time, speed and redirects.

A file is streamed into `NAME.part` beside its destination and hashed on the way; what was promised (sha256, size) is
compared before the final name appears. A file that was cut short goes on where it stopped, in the next run too.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import stat
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from builders.connections import CHUNK, MEBIBYTE, Answer, Connections, Failure, Patience
from builders.credentials import Credentials
from builders.errors import FetchError, StoreError, UpstreamError
from builders.store import opened_plainly, sync_folder
from builders.urls import Url

__all__ = ["Answer", "Fetched", "Fetcher", "Page", "Patience"]
_GONE = frozenset({404, 410})
_OFFERED = "The index offers a file that it does not have: ask whoever runs it, or ask for another version."
_SMALL = 16 * MEBIBYTE
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page as it was meant, its content coding undone; `url` is where it came from after redirects."""

    body: bytes
    content_type: str
    url: Url


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What now stands at the destination."""

    sha256: str
    size: int


class Fetcher:
    """Fetches pages and files; thread-safe, a bounded number of answers at a time.

    Proxies, the CA bundle, netrc and passwords in index variables come from `environ` and nowhere else.
    """

    def __init__(self, environ: Mapping[str, str], *, patience: Patience | None = None) -> None:
        self.credentials = Credentials(environ)
        self._patience = patience or Patience()
        self._connections = Connections(environ, self.credentials, self._patience)

    def get_page(self, url: Url, accept: str) -> Page | None:
        """Read a page of a simple index; None where the server says that there is none. Raises UpstreamError."""
        self.credentials.remember(url)
        most = self._patience.page_bytes

        def attempt() -> Page | None:
            headers = {"Accept": accept, "Accept-Encoding": "gzip"}
            with self._connections.answer("GET", url, headers, deadline=self._patience.page_seconds) as answer:
                if answer.status in _GONE:
                    return None
                if answer.status != 200:
                    raise Failure(f"answers {answer.status} to a question for a whole page", again=False)
                body = _undo_coding(_whole(answer, most), answer.headers, most)
                return Page(body=body, content_type=answer.headers.get("content-type", ""), url=answer.url)

        return self._persist(attempt, url, UpstreamError)

    def get_bytes(self, url: Url) -> bytes | None:
        """Read a small file as it is; None where there is none. Raises UpstreamError."""

        def attempt() -> bytes | None:
            with self._connections.answer(
                "GET", url, {"Accept-Encoding": "identity"}, deadline=self._patience.page_seconds
            ) as answer:
                return None if answer.status in _GONE else _whole(answer, _SMALL)

        return self._persist(attempt, url, UpstreamError)

    @contextmanager
    def open(
        self, url: Url, *, size: int | None, method: str = "GET", byte_range: str | None = None
    ) -> Iterator[Answer]:
        """Ask for a file, or a part of it, and hand its body on unread. UpstreamError may come while it is read.

        One comes where the body has more than `size` bytes, or than any file may have.
        """
        headers = {"Accept-Encoding": "identity"} | ({"Range": byte_range} if byte_range else {})
        with ExitStack() as stack:

            def attempt() -> Answer:
                answer = stack.enter_context(self._connections.answer(method, url, headers))
                if answer.status in _GONE:
                    raise Failure("is not there", hint=_OFFERED, again=False)
                return answer

            answer = self._persist(attempt, url, UpstreamError)
            try:
                yield replace(answer, chunks=_within(answer.chunks, size, self._patience.file_bytes))
            except Failure as failure:
                raise UpstreamError(f"{url.public()}: {failure.reason}", hint=failure.hint) from None

    def fetch(
        self,
        url: Url,
        destination: Path,
        *,
        sha256: str | None,
        size: int | None,
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> Fetched:
        """Put the file at `url` to `destination`, whole and checked, or raise FetchError and leave what is there.

        `on_bytes` hears how many bytes there are so far; the number falls where a file is begun anew. What an earlier
        try left is used only where a sha256 can tell that it belongs to the same file. Two fetches to one destination
        at the same time are the caller's mistake. StoreError: the disk is at fault.
        """
        part = _Part(destination, sha256=sha256, size=size, most=self._patience.file_bytes, on_bytes=on_bytes)
        anew = False

        def attempt() -> Fetched:
            nonlocal anew
            try:
                return part.copy(url) if url.scheme == "file" else self._fill(part, url)
            except _WrongBytes as failure:
                part.discard()
                failure.again, anew = not anew and url.scheme != "file", True
                raise

        try:
            return self._persist(attempt, url, FetchError)
        except OSError as error:
            raise StoreError(
                f"{part.path} cannot be written: {error.strerror}",
                hint="Nothing was lost: run again once this is mended.",
            ) from None

    def _fill(self, part: _Part, url: Url) -> Fetched:
        with part.opened() as stream:
            if part.size is None or part.have < part.size:
                headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={part.have}-"} if part.have else {})
                with self._connections.answer("GET", url, headers) as answer:
                    part.begin(answer, stream)
                    for chunk in answer.chunks:
                        part.add(chunk, stream)
            return part.finish(stream)

    def _persist(self, attempt: Callable[[], _Result], url: Url, error: type[FetchError | UpstreamError]) -> _Result:
        """Try again with growing pauses, as long as there is hope."""
        number = 1
        while True:
            try:
                return attempt()
            except Failure as failure:
                pause = self._backoff(number) if failure.wait is None else failure.wait
                if failure.again and pause > self._patience.longest_wait:
                    reason = f"{url.public()}: {failure.reason}, and asks us to come back in {pause:.0f} seconds"
                    raise error(reason, hint="Try again later.") from None
                if not failure.again or number >= self._patience.attempts:
                    tries = f" ({number} tries)" if number > 1 else ""
                    raise error(f"{url.public()}: {failure.reason}{tries}", hint=failure.hint) from None
            time.sleep(pause)
            number += 1

    def _backoff(self, number: int) -> float:
        """Longer each time, and not the same for all who failed together."""
        return float(self._patience.backoff * 2 ** (number - 1) * random.uniform(0.5, 1))  # noqa: S311


class _WrongBytes(Failure):
    """A whole file came, and it is not the one that was asked for."""


class _Part:
    """The file beside the destination while it grows: how much of it there is, and its hash so far."""

    def __init__(
        self, destination: Path, *, sha256: str | None, size: int | None, most: int, on_bytes: Callable[[int], None]
    ) -> None:
        self.destination = destination
        self.path = destination.with_name(destination.name + ".part")
        self.sha256, self.size, self.have = sha256, size, 0
        self._most, self._on_bytes = most, on_bytes
        self._digest = hashlib.sha256()

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open for adding at the end. What is there is hashed, or thrown away where nothing could vouch for it."""
        with os.fdopen(
            os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "r+b"
        ) as stream:
            status = os.fstat(stream.fileno())
            self.have, self._digest = 0, hashlib.sha256()
            if (
                self.sha256 is None
                or not stat.S_ISREG(status.st_mode)
                or status.st_size > (self.size if self.size is not None else self._most)
            ):
                self._restart(stream)
            while chunk := stream.read(CHUNK):
                self._count(chunk)
            try:
                yield stream
            finally:
                if self.have == 0:
                    self.discard()

    def begin(self, answer: Answer, stream: BinaryIO) -> None:
        """Compare what the server is about to send with what is missing."""
        match answer.status:
            case 206:
                start, total = _content_range(answer.headers.get("content-range", ""))
                if start != self.have:
                    self._restart(stream)
                    raise Failure("went on at a wrong offset")
            case 200:
                length = answer.headers.get("content-length", "")
                total = int(length) if length.isdecimal() else None
                self._restart(stream)
            case 416:
                self._restart(stream)
                raise Failure("refuses to go on where the last try stopped")
            case _:
                raise Failure("is not there", again=False)
        if self.size is not None and total is not None and total != self.size:
            raise _WrongBytes(_mismatch("size", str(self.size), str(total)))

    def add(self, chunk: bytes, stream: BinaryIO) -> None:
        """Write and hash, up to what the file may have."""
        if self.size is not None and self.have + len(chunk) > self.size:
            raise _WrongBytes(_longer(self.size))
        if self.have + len(chunk) > self._most:
            self.discard()
            raise _too_large(self._most)
        stream.write(chunk)
        self._count(chunk)

    def finish(self, stream: BinaryIO) -> Fetched:
        """Give the file its name, if it is the right one."""
        if self.size is not None and self.have != self.size:
            raise Failure(f"ended after {self.have} of {self.size} bytes")
        actual = self._digest.hexdigest()
        if self.sha256 is not None and actual != self.sha256:
            raise _WrongBytes(_mismatch("sha256", self.sha256, actual))
        stream.flush()
        os.fsync(stream.fileno())
        self.path.replace(self.destination)
        sync_folder(self.destination.parent)
        return Fetched(sha256=actual, size=self.have)

    def copy(self, url: Url) -> Fetched:
        """The same for a file of this machine: opened without following a link, copied, checked."""
        self.discard()
        try:
            source = opened_plainly(url.local_path())
        except OSError as error:
            raise Failure(f"cannot be read: {error.strerror}", again=False) from None
        if source is None:
            raise Failure("is not a regular file", again=False)
        with source, self.opened() as copy:
            while chunk := source.read(CHUNK):
                self.add(chunk, copy)
            return self.finish(copy)

    def discard(self) -> None:
        """Forget what there is."""
        self.path.unlink(missing_ok=True)

    def _restart(self, stream: BinaryIO) -> None:
        stream.seek(0)
        stream.truncate()
        self.have, self._digest = 0, hashlib.sha256()

    def _count(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.have += len(chunk)
        self._on_bytes(self.have)


def _mismatch(what: str, expected: str, actual: str) -> str:
    return f"is not the file that was asked for\n  expected: {what} {expected}\n  actual:   {what} {actual}"


def _longer(size: int) -> str:
    return _mismatch("size", str(size), f"more than {size}")


def _too_large(most: int) -> Failure:
    return Failure(f"sends more than {most // MEBIBYTE} MiB, which is more than any file may have", again=False)


def _within(chunks: Iterator[bytes], size: int | None, most: int) -> Iterator[bytes]:
    """The body, as far as its file may be long."""
    have = 0
    for chunk in chunks:
        have += len(chunk)
        if size is not None and have > size:
            raise Failure(_longer(size), again=False)
        if have > most:
            raise _too_large(most)
        yield chunk


def _content_range(text: str) -> tuple[int | None, int | None]:
    """Start and total of `bytes 10-20/100`; None for what it does not say."""
    match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", text.strip())
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2] != "*" else None


def _whole(answer: Answer, most: int) -> bytes:
    body = bytearray()
    for chunk in answer.chunks:
        body += chunk
        if len(body) > most:
            raise Failure(f"sends more than {most // MEBIBYTE} MiB, which is more than a page may have", again=False)
    return bytes(body)


def _undo_coding(body: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """Unpack a gzipped page, up to the same limit: a small body may stand for a very large page."""
    match headers.get("content-encoding", "identity").strip().lower():
        case "identity" | "":
            return body
        case "gzip" | "x-gzip":
            unpacker = zlib.decompressobj(wbits=31)
            try:
                page = unpacker.decompress(body, most)
            except zlib.error:
                raise Failure("sends a page that says it is gzip, and is not") from None
            if unpacker.unconsumed_tail or not unpacker.eof:
                raise Failure(
                    f"sends a gzip page that is cut short, or unpacks to more than {most // MEBIBYTE} MiB", again=False
                )
            if unpacker.unused_data:
                raise Failure("sends a gzip page with something behind its end", again=False)
            return page
        case _:
            raise Failure("sends a page in a content coding that was not asked for", again=False)
