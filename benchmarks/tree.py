"""How fast the tree is written: `python -m benchmarks.tree [WHEELS [A_PROJECT]]`, beside a bare loop of the same.

The bare loop makes every folder, link, hard link and page of our tree from bytes that it is handed: no rendering, no
hashing, no reading, no manifest of its own making, nothing flushed to the disk. No index can be written with less.
Each measurement runs in a process of its own, on made-up records and tiny blobs in a temporary folder; the loop and the
tree take turns, twice, and the better time of each counts, as that of two or three changes does: a disk is never twice
as quick. Publications have a memo, as they have in a workspace; TMPDIR says on which file system all of it is.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from index.memo import EMPTY, Memo, read_memo
from index.model import Entry, PublishedPlatform, PublishedSet
from index.publish import is_current, publish
from index.tree import Tree, tree

_MOST_MEMORY = 600  # MB
_PROJECTS = 20_000  # of which one that changes is to cost little


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How much there is of everything."""

    wheels: int = 10_000
    a_project: int = 5


Work = Callable[[Path, Count], float]


def main() -> None:
    """Print each figure and its ratio to the bare loop, or to the whole tree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tree", description=__doc__)
    for name, usual in asdict(Count()).items():
        parser.add_argument(name, nargs="?", type=int, default=usual, metavar=name.upper())
    count = Count(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        make_blobs(store, count)
        turns = [(measured(bare_loop, store, count), measured(first, store, count)) for _ in range(2)]
        bare, ours = (min(figures) for figures in zip(*turns, strict=True))
        projects = count.wheels // count.a_project
        print(f"{count.wheels} wheels, {projects} projects, one platform and the merged index")
        report("bare loop, same files, links and bytes", bare, bare)
        report("whole tree, first time", ours, bare, limit=2)
        report("nothing changed, looked at all", better((again, again), store, count), ours)
        report(
            "one project changed",
            better((one_changed, again, one_changed), store, count),
            ours,
            limit=0.1 if projects >= _PROJECTS else None,
        )
        report("one changed, and no memo", measured(without_memo, store, count), ours)
        report("is_current", measured(current, store, count), ours)


def report(name: str, figure: tuple[float, int], against: tuple[float, int], *, limit: float | None = None) -> None:
    """One line: seconds, ratio, peak memory, and whether the limits hold."""
    (seconds, memory), ratio = figure, figure[0] / against[0]
    word = "" if limit is None else f"  at most {limit:g} x: {'holds' if ratio <= limit else 'MISSED'}"
    if against is not figure and memory > _MOST_MEMORY:
        word += f"  at most {_MOST_MEMORY} MB: MISSED"
    print(f"{name:40} {seconds:8.3f} s {ratio:6.2f} x {memory:6d} MB{word}", flush=True)


def measured(work: Work, store: Path, count: Count) -> tuple[float, int]:
    """(seconds, peak MB) of a function in a process of its own; it gives the seconds itself."""
    os.sync()
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (work, store, count))


def better(works: Sequence[Work], store: Path, count: Count) -> tuple[float, int]:
    """The best of several, in this order."""
    return min([measured(work, store, count) for work in works])


def _run(work: Work, store: Path, count: Count) -> tuple[float, int]:
    seconds = work(store, count)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def make_blobs(store: Path, count: Count) -> None:
    """Wheels of a line each, and their METADATA."""
    for number in range(256):
        (store / f"{number:02x}").mkdir()
    for wheel in records(count):
        for data in (f"wheel {wheel.filename}", f"metadata {wheel.filename}"):
            path = Path(blob_of(store)(sha256(data.encode()).hexdigest()))
            path.write_text(data)
            path.chmod(0o444)


def records(count: Count) -> list[Entry]:
    """So many wheels, the versions of each project one after another."""
    return [record(*divmod(number, count.a_project)) for number in range(count.wheels)]


def record(project: int, version: int) -> Entry:
    """One wheel's."""
    name = f"made_up_project_{project:06d}-{version}.0.1-py3-none-any.whl"
    return Entry(
        filename=name,
        project=f"made-up-project-{project:06d}",
        version=f"{version}.0.1",
        sha256=sha256(f"wheel {name}".encode()).hexdigest(),
        size=len(f"wheel {name}"),
        metadata_sha256=sha256(f"metadata {name}".encode()).hexdigest(),
        tags=("py3-none-any",),
        requires_python=">=3.9",
        upload_time="2024-05-06T07:08:09.123456Z",
    )


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
    return tree([one], url=None, metadata=lambda digest: Path(blob_of(store)(digest)).read_bytes(), memo=memo)


def blob_of(store: Path) -> Callable[[str], str]:
    """The store's own shape, blobs/<aa>/<sha256>, as text like the store's own `blob_name`."""
    return lambda digest: f"{store}/{digest[:2]}/{digest}"


def bare_loop(store: Path, count: Count) -> float:
    """Everything that the tree holds, from memory."""
    whole = made(records(count), store)
    pages = list(whole.pages())
    pool = [(path, blob_of(store)(one.sha256)) for path, one in whole.pool(whole.parts)]
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


def first(store: Path, count: Count) -> float:
    """From records to a whole tree where there is none; an earlier one stays, as a disk is slow after a removal."""
    for path in (store / "public", store / "memo"):
        if path.exists():
            path.rename(Path(tempfile.mkdtemp(dir=store), path.name))
    os.sync()
    return again(store, count)


def again(store: Path, count: Count) -> float:
    """From records to a tree that is there already."""
    wheels = records(count)
    return published(wheels, store)


def published(wheels: list[Entry], store: Path) -> float:
    """As dodo.py does it."""
    start = time.perf_counter()
    memo = read_memo(store / "memo")
    whole = made(wheels, store, memo)
    publish(store / "public", whole, blob=blob_of(store), memo=store / "memo")
    return time.perf_counter() - start


def one_changed(store: Path, count: Count) -> float:
    """One wheel of one project is yanked."""
    wheels = records(count)
    wheels[7] = replace(wheels[7], yanked="broken")
    return published(wheels, store)


def without_memo(store: Path, count: Count) -> float:
    """The same where the memo was lost, and the wheel is good again."""
    (store / "memo").unlink()
    return again(store, count)


def current(store: Path, _count: Count) -> float:
    """The question that a run asks when its records have not changed."""
    manifest = sha256((store / "public" / "manifest.json").read_bytes()).hexdigest()
    start = time.perf_counter()
    is_current(store / "public", manifest)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
