"""Made-up mirrors for the tests of the pages for people."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from index.model import Entry
from index.tree import Tree
from tests.index_makers import Shelves, platform, put


def page(whole: Tree, path: str) -> str:
    return next(data for name, data in whole.pages() if name == path).decode()


def many(count: int) -> list[Entry]:
    """Records without wheels, for pages alone."""
    return [
        Entry(
            filename=f"project_{one:05d}-1.{one % 9}-py3-none-any.whl",
            project=f"project-{one:05d}",
            version=f"1.{one % 9}",
            sha256=sha256(f"{one}".encode()).hexdigest(),
            size=one,
            metadata_sha256=sha256(b"").hexdigest(),
            summary=f"What number {one} is good for" if one % 2 else "",
        )
        for one in range(count)
    ]


def laid_out(public: Path, whole: Tree) -> Path:
    """The pages for people on the disk, without the wheels."""
    for path, data in whole.pages():
        if path == "index.html" or path.startswith("about/"):
            (public / path).parent.mkdir(parents=True, exist_ok=True)
            (public / path).write_bytes(data)
    return public


def small_mirror(public: Path, store: Shelves) -> Path:
    """Two platforms, a clash, a yanked file, a long name, a platform that waits."""
    foo, bar = store.wheel("foo", body="a"), replace(store.wheel("foo", body="b"), summary="Does foo. " * 20)
    gone = replace(store.wheel("gone", yanked="broken"), requires_dist=("foo",), summary="Is gone")
    long = store.wheel(
        "a-very-long-name-that-somebody-gave-to-a-project-without-thinking-of-telephones", "2026.11.21.1"
    )
    old = replace(
        platform("debian-bullseye", [foo, gone, long], sets={"base": [foo]}), image="debian:bullseye", proven=True
    )
    new = replace(platform("trixie-arm64", [bar, gone], libc=(2, 41), sets={"base": [bar]}), unproven="prove: false")
    put(public, store, old, new, incomplete=["mac-mini"])
    return public
