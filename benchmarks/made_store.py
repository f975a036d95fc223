"""The same made-up wheels as a store of ours, as a folder of wheels, and as the list that dumb-pypi reads.

The store has the shape that builders.store reads, and is written without flushing each file: 10,000 records through
Store.add take minutes on a disk, and writing the store is not what is measured.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from benchmarks.tree import Count, records
from benchmarks.workspaces import metadata_of, write_wheel
from builders.store import Record, Store, record_text
from index.model import Entry

_UNSHOWN = {"modules": (), "seconds": 0.0}  # what a record has and no page shows


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeUp:
    """Real wheels: each is a blob of the store, and stands in each folder of wheels as a hard link to it."""

    store: Store
    wheels: tuple[Entry, ...]

    @property
    def projects(self) -> int:
        """How many projects they are of."""
        return len({wheel.project for wheel in self.wheels})

    def write_folder(self, folder: Path) -> None:
        """What every one of these tools calls a folder of packages."""
        folder.mkdir(parents=True)
        for wheel in self.wheels:
            os.link(self.store.blob(wheel.sha256), folder / wheel.filename)

    def write_list(self, path: Path) -> None:
        """For dumb-pypi: a line of JSON for each wheel, with everything that our own pages say of it."""
        path.write_text("".join(f"{json.dumps(_listed(wheel))}\n" for wheel in self.wheels), encoding="utf-8")


def made_store(folder: Path, count: int) -> MadeUp:
    """`count` wheels with the names that benchmarks.tree gives them, 5 versions a project, in a new store."""
    store = Store(folder)
    (folder / "records").mkdir(parents=True)
    (folder / "blobs").mkdir()
    for number in range(256):
        (folder / "blobs" / f"{number:02x}").mkdir()
    wheels = tuple(_kept(store, wheel) for wheel in records(Count(wheels=count)))
    for wheel in wheels:
        fingerprint = sha256(wheel.filename.encode()).hexdigest()
        record = Record(**asdict(wheel) | _UNSHOWN, fingerprint=fingerprint)
        (folder / "records" / f"{fingerprint}.json").write_bytes(record_text(record))
    os.sync()
    return MadeUp(store=store, wheels=wheels)


def _kept(store: Store, wheel: Entry) -> Entry:
    """The same record, true of a wheel that is now in the store."""
    path = write_wheel(store.scratch(), wheel.project, version=wheel.version, python=wheel.requires_python)
    if path.name != wheel.filename:
        raise SystemExit(f"the wheel made for {wheel.filename} came out as {path.name}")
    beside = path.with_suffix(".metadata")
    beside.write_bytes(metadata_of(wheel.project, wheel.version, wheel.requires_python))
    size = path.stat().st_size
    return replace(wheel, sha256=_blob(store, path), size=size, metadata_sha256=_blob(store, beside))


def _blob(store: Store, path: Path) -> str:
    """Moved and not copied: a disk is slow for minutes after a removal."""
    digest = sha256(path.read_bytes()).hexdigest()
    path.chmod(0o444)
    path.rename(store.blob(digest))
    return digest


def _listed(wheel: Entry) -> dict[str, str | int]:
    assert wheel.upload_time is not None  # benchmarks.tree gives one to each
    assert wheel.requires_python is not None
    return {
        "filename": wheel.filename,
        "hash": f"sha256={wheel.sha256}",
        "core_metadata": f"sha256={wheel.metadata_sha256}",
        "requires_python": wheel.requires_python,
        "upload_timestamp": int(datetime.fromisoformat(wheel.upload_time).timestamp()),
    }
