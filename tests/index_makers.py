"""Made-up wheels, stores and platforms for the tests of `index`: real zips with real METADATA, in a real folder."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from index.model import Entry, PublishedPlatform, PublishedSet, Wheel
from index.publish import Published, publish
from index.tree import Tree, tree
from tests.archive_makers import STORED, wheel_bytes
from tests.loopback import JSON_TYPE, running

OLD_TAGS = ("cp311-cp311-manylinux_2_31_x86_64", "py3-none-any")
NEW_TAGS = ("cp311-cp311-manylinux_2_41_x86_64", "cp311-cp311-manylinux_2_31_x86_64", "py3-none-any")


@dataclass(slots=True)
class Shelves:
    """A store as `publish` sees it: read-only blobs under their hash."""

    folder: Path

    def blob(self, digest: str) -> Path:
        """Where these bytes are."""
        return self.folder / digest[:2] / digest

    def metadata(self, digest: str) -> bytes:
        """A METADATA file."""
        return self.blob(digest).read_bytes()

    def keep(self, data: bytes) -> str:
        """Store bytes; gives their hash."""
        digest = sha256(data).hexdigest()
        path = self.blob(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o444)
        return digest

    def wheel(
        self,
        project: str,
        version: str = "1.0",
        *,
        tag: str = "py3-none-any",
        requires: Sequence[str] = (),
        python: str | None = None,
        body: str = "",
        extra: str = "",
        upload_time: str | None = "2024-05-06T07:08:09.000000Z",
        yanked: str | None = None,
    ) -> Entry:
        """A wheel that pip installs: one module that says `body`; `extra` stands in METADATA and changes nothing."""
        filename = f"{project.replace('-', '_')}-{version}-{tag}.whl"
        metadata = _metadata(project, version, requires, python, extra)
        data = module_wheel(project.replace("-", "_"), version, tag, metadata, body)
        return Entry(
            filename=filename,
            project=project,
            version=version,
            sha256=self.keep(data),
            size=len(data),
            metadata_sha256=self.keep(metadata),
            tags=(tag,),
            requires_python=python,
            upload_time=upload_time,
            yanked=yanked,
        )


def module_wheel(name: str, version: str, tag: str, metadata: bytes, body: str) -> bytes:
    """A wheel of one module, as large as `body` says."""
    pure = "true" if tag.endswith("any") else "false"
    return wheel_bytes(
        {f"{name}.py": f"version = {version!r}\nbody = {body!r}\n".encode()},
        method=STORED,
        info=f"{name}-{version}.dist-info",
        wheel=f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode(),
        metadata=metadata,
    )


def platform(
    name: str,
    wheels: Iterable[Wheel],
    *,
    libc: tuple[int, int] | None = (2, 31),
    sets: dict[str, Sequence[Wheel]] | None = None,
    python: str = "3.11.2",
) -> PublishedPlatform:
    return PublishedPlatform(
        name=name,
        python=python,
        tags=OLD_TAGS if libc and libc < (2, 41) else NEW_TAGS,
        libc=libc,
        wheels=tuple(wheels),
        sets=tuple(PublishedSet(name=key, wheels=tuple(value)) for key, value in (sets or {}).items()),
    )


def yanked(wheel: Entry, reason: str) -> Entry:
    return replace(wheel, yanked=reason)


def _metadata(project: str, version: str, requires: Sequence[str], python: str | None, extra: str) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {project}", f"Version: {version}"]
    lines += [f"Requires-Python: {python}"] if python else []
    lines += [f"Requires-Dist: {one}" for one in requires]
    lines += [extra] if extra else []
    return ("\n".join(lines) + "\n").encode()


def made(store: Shelves, *platforms: PublishedPlatform, url: str | None = None, incomplete: Sequence[str] = ()) -> Tree:
    return tree(platforms, url=url, metadata=store.metadata, incomplete=incomplete)


def put(
    public: Path,
    store: Shelves,
    *platforms: PublishedPlatform,
    url: str | None = None,
    incomplete: Sequence[str] = (),
) -> Published:
    """Publish."""
    return publish(public, made(store, *platforms, url=url, incomplete=incomplete), blob=store.blob)


class _Handler(SimpleHTTPRequestHandler):
    """A plain file server; where it negotiates, a client that asks for JSON gets index.v1_json as what it is."""

    json = False
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        page = Path(self.translate_path(self.path)) / "index.v1_json"
        if self.json and JSON_TYPE in self.headers.get("Accept", "") and page.is_file():
            data = page.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", JSON_TYPE)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return io.BytesIO(data)
        return super().send_head()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(public: Path, *, json: bool = False) -> Iterator[str]:
    """The URL under which a real server on the loopback interface serves a folder, with or without JSON."""
    handler = partial(type("Handler", (_Handler,), {"json": json}), directory=str(public))
    with running(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/"
