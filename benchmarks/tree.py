"""How fast the tree is written: `python -m benchmarks.tree [WHEELS]`, beside a bare loop that makes the same things.

The bare loop makes every folder, link, hard link and page of our tree from bytes that it is handed: no rendering, no
hashing, no reading, no manifest of its own making, nothing flushed to the disk. No index can be written with less.
Each measurement runs in a process of its own, on made-up records and tiny blobs in a temporary folder; the loop and the
tree take turns, twice, and the better time of each counts: a disk is never twice as quick.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from index.memo import EMPTY, Memo, read_memo
from index.model import Entry, PublishedPlatform, PublishedSet
from index.publish import is_current, publish
from index.tree import Tree, tree

PER_PROJECT = 5
Work = Callable[[Path, int], float]


def main() -> None:
    """Print each figure and its ratio to the bare loop."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        make_blobs(store, count)
        turns = [(measured(bare_loop, store, count), measured(first, store, count)) for _ in range(2)]
        bare, ours = (min(figures) for figures in zip(*turns, strict=True))
        print(f"{count} wheels, {count // PER_PROJECT} projects, one platform and the merged index")
        report("bare loop, same files, links and bytes", bare, bare)
        report("whole tree, first time", ours, bare)
        report("nothing changed, looked at all", measured(again, store, count), bare)
        report("one project changed", measured(one_changed, store, count), ours)
        report("is_current", measured(current, store, count), ours)


def report(name: str, figure: tuple[float, int], against: tuple[float, int]) -> None:
    """One line: seconds, ratio, peak memory."""
    print(f"{name:40} {figure[0]:8.3f} s {figure[0] / against[0]:6.2f} x {figure[1]:6d} MB", flush=True)


def measured(work: Work, store: Path, count: int) -> tuple[float, int]:
    """(seconds, peak MB) of a function in a process of its own; it gives the seconds itself."""
    os.sync()
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (work, store, count))


def _run(work: Work, store: Path, count: int) -> tuple[float, int]:
    seconds = work(store, count)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def make_blobs(store: Path, count: int) -> None:
    """Wheels of a line each, and their METADATA."""
    for number in range(256):
        (store / f"{number:02x}").mkdir()
    for wheel in records(count):
        for data in (f"wheel {wheel.filename}", f"metadata {wheel.filename}"):
            path = blob_of(store)(sha256(data.encode()).hexdigest())
            path.write_text(data)
            path.chmod(0o444)


def records(count: int) -> list[Entry]:
    """`count` wheels, five versions of each project."""
    return [
        Entry(
            filename=(
                name := f"made_up_project_{number // PER_PROJECT:06d}-{number % PER_PROJECT}.0.1-py3-none-any.whl"
            ),
            project=f"made-up-project-{number // PER_PROJECT:06d}",
            version=f"{number % PER_PROJECT}.0.1",
            sha256=sha256(f"wheel {name}".encode()).hexdigest(),
            size=len(f"wheel {name}"),
            metadata_sha256=sha256(f"metadata {name}".encode()).hexdigest(),
            tags=("py3-none-any",),
            requires_python=">=3.9",
            upload_time="2024-05-06T07:08:09.123456Z",
        )
        for number in range(count)
    ]


def made(wheels: list[Entry], store: Path, memo: Memo = EMPTY) -> Tree:
    """The tree of one platform with all of these and one set of the first hundred."""
    one = PublishedPlatform(
        name="debian-bullseye",
        python="3.9.2",
        tags=("py3-none-any",),
        libc=(2, 31),
        wheels=tuple(wheels),
        sets=(PublishedSet(name="base", wheels=tuple(wheels[:100])),),
    )
    return tree([one], url=None, metadata=lambda digest: blob_of(store)(digest).read_bytes(), memo=memo)


def blob_of(store: Path) -> Callable[[str], Path]:
    """The store's own shape: blobs/<aa>/<sha256>."""
    return lambda digest: Path(f"{store}/{digest[:2]}/{digest}")


def bare_loop(store: Path, count: int) -> float:
    """Everything that the tree holds, from memory."""
    whole = made(records(count), store)
    pages = list(whole.pages())
    pool = [(path, str(blob_of(store)(one.sha256))) for path, one in whole.pool(whole.parts)]
    links = list(whole.links(whole.parts))
    start = time.perf_counter()
    root = tempfile.mkdtemp(dir=store) + "/"
    folders: set[str] = set()

    def folder_of(path: str) -> None:
        folder = path.rpartition("/")[0]
        if folder and folder not in folders:
            folder_of(folder)
            os.mkdir(root + folder)  # noqa: PTH102 (nothing quicker than this: here and below)
            folders.add(folder)

    for path, blob in pool:
        folder_of(path)
        os.link(blob, root + path)
    for path, target in links:
        folder_of(path)
        os.symlink(target, root + path)  # noqa: PTH211
    for path, data in pages:
        folder_of(path)
        with open(root + path, "wb", buffering=0) as file:  # noqa: PTH123
            file.write(data)
    return time.perf_counter() - start


def first(store: Path, count: int) -> float:
    """From records to a whole tree where there is none."""
    if (store / "public").exists():
        (store / "public").rename(tempfile.mkdtemp(dir=store) + "/public")
        (store / "memo").unlink()
    return again(store, count)


def again(store: Path, count: int) -> float:
    """From records to a tree that is there already."""
    wheels = records(count)
    start = time.perf_counter()
    whole = made(wheels, store, read_memo(store / "memo"))
    publish(store / "public", whole, blob=blob_of(store), memo=store / "memo")
    return time.perf_counter() - start


def one_changed(store: Path, count: int) -> float:
    """One wheel of one project is yanked."""
    wheels = records(count)
    wheels[7] = replace(wheels[7], yanked="broken")
    start = time.perf_counter()
    whole = made(wheels, store, read_memo(store / "memo"))
    publish(store / "public", whole, blob=blob_of(store), memo=store / "memo")
    return time.perf_counter() - start


def current(store: Path, _count: int) -> float:
    """The question that a run asks when its records have not changed."""
    manifest = sha256((store / "public" / "manifest.json").read_bytes()).hexdigest()
    start = time.perf_counter()
    is_current(store / "public", manifest)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
