"""The store: bytes by their sha256, and one record for each finished step. The only writer of either.

    blobs/<aa>/<sha256>          read-only, written beside, fsynced, renamed into place
    records/<fingerprint>.json   what went in and what came out; written after its blobs

Nothing in it is changed in place, so a reader needs no lock, and whatever a record says is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from builders.errors import StoreError

CHUNK = 1024 * 1024
# what JSON raises that is broken, or is read as something that it is not
UNLIKE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
_AT_ONCE = 256  # records
_SMALL = 1 << 16  # bytes; most records have a hundredth of it


class Record(NamedTuple):
    """One finished step. Times are RFC 3339 in UTC, sizes bytes; `metadata_sha256` names a blob as `sha256` does.

    `built_on` is the image (or "this machine, not confined") with its Python, `built_with` the build requirements as
    `name version`.
    """

    fingerprint: str
    filename: str
    project: str
    version: str
    sha256: str
    size: int
    tags: tuple[str, ...]
    requires_python: str | None
    requires_dist: tuple[str, ...]
    metadata_sha256: str
    modules: tuple[str, ...]
    summary: str
    license: str
    upload_time: str | None
    yanked: str | None
    source: str
    built: bool
    built_on: str
    built_with: tuple[str, ...]
    network: bool
    log: str | None
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """What is not as it should be, in a sentence; the steps that it undoes, and the bytes that are wrong."""

    text: str
    fingerprints: tuple[str, ...]
    blob: Path | None = None
    sha256: str = ""  # of the bytes that are wrong, or missing


_FIELDS = itemgetter(*Record._fields)
_LISTS = ("tags", "requires_dist", "modules", "built_with")


class Store:
    """A store in one folder; made when first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._records = root / "records"
        self._incoming = root / "incoming"

    def blob(self, sha256: str) -> Path:
        """Where the bytes of that hash stand, or would."""
        return self._blobs / sha256[:2] / sha256

    def blob_name(self, sha256: str) -> str:
        """The same as text: a tree of 100,000 wheels asks 200,000 times."""
        return f"{self._blobs}/{sha256[:2]}/{sha256}"

    def has_blob(self, sha256: str) -> bool:
        """Whether those bytes are here."""
        return self.blob(sha256).is_file()

    def scratch(self) -> Path:
        """A folder on the store's own file system for files on their way in."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        return self._incoming

    def keep(self, source: Path) -> str:
        """Copy a file's bytes into the store and return the hash of the copy, whatever becomes of the source."""
        with self._fresh() as (target, name):
            digest = hashlib.sha256()
            with source.open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
            sha256 = digest.hexdigest()
            self._settle(target, name, sha256)
        return sha256

    def keep_bytes(self, content: bytes) -> str:
        """The same for bytes at hand."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.has_blob(sha256):
            with self._fresh() as (target, name):
                target.write(content)
                self._settle(target, name, sha256)
        return sha256

    def adopt(self, path: Path, sha256: str) -> None:
        """Take over a file of our own below scratch(), already written, hashed and fsynced."""
        path.chmod(0o444)
        place = self._place(sha256)
        path.replace(place)
        sync_folder(place.parent)

    def finished(self) -> frozenset[str]:
        """The fingerprints of all records."""
        try:
            with os.scandir(self._records) as entries:
                return frozenset(entry.name[:-5] for entry in entries if entry.name.endswith(".json"))
        except FileNotFoundError:
            return frozenset()

    def record(self, fingerprint: str) -> Record | None:
        """The record of a step, or None where the step is not finished."""
        path = f"{self._records}/{fingerprint}.json"
        try:
            return _record(json.loads(_read(path)))
        except FileNotFoundError:
            return None
        except UNLIKE as error:
            raise StoreError(
                f"the record {path} cannot be read: {error}", hint="delete that file: the step is then made again"
            ) from error

    def needed_record(self, fingerprint: str) -> Record:
        """The record of a step that is known to be finished; StoreError where it has gone."""
        record = self.record(fingerprint)
        if record is None:
            raise StoreError(
                f"the record {fingerprint} is missing from the store",
                hint="run doit again: it is made anew; what nobody asks for any more, `doit verify` lets go of",
            )
        return record

    def needed_records(self, fingerprints: Iterable[str]) -> dict[str, Record]:
        """The same for many steps, in half the time."""
        found: dict[str, Record] = {}
        asked = list(dict.fromkeys(fingerprints))
        for at in range(0, len(asked), _AT_ONCE):
            some = asked[at : at + _AT_ONCE]
            try:
                text = b",".join([_read(f"{self._records}/{one}.json") for one in some])
                records = [_record(values) for values in json.loads(b"[%s]" % text)]
                whole = [one.fingerprint for one in records] == some
            except (OSError, *UNLIKE):
                whole = False
            found.update(zip(some, records if whole else map(self.needed_record, some), strict=True))
        return found

    def add(self, record: Record) -> None:
        """Write a record; its blobs must be here already."""
        for sha256 in (record.sha256, record.metadata_sha256):
            if not self.has_blob(sha256):
                raise StoreError(f"{record.filename}: the bytes {sha256} are not in the store")
        self._records.mkdir(parents=True, exist_ok=True)
        write_file(self._records / f"{record.fingerprint}.json", record_text(record))

    def drop_record(self, fingerprint: str) -> None:
        """Forget a step; its bytes stay until nothing names them."""
        (self._records / f"{fingerprint}.json").unlink(missing_ok=True)

    def blobs(self) -> Iterator[Path]:
        """Every stored file, in order."""
        return filter(_is_file, sorted(self._blobs.glob("*/*")))

    def damaged(self) -> Iterator[Damage]:
        """Re-hash everything, and change nothing."""
        named: dict[str, list[str]] = {}
        for fingerprint in sorted(self.finished()):
            try:
                record = self.record(fingerprint)
                written = _read(f"{self._records}/{fingerprint}.json")
                if record and written != record_text(record):
                    raise StoreError(f"the record {fingerprint} of {record.filename!r} is not what was written")
            except (StoreError, OSError) as error:
                yield Damage(text=str(getattr(error, "reason", error)), fingerprints=(fingerprint,))
                continue
            for sha256 in (record.sha256, record.metadata_sha256) if record else ():
                named.setdefault(sha256, []).append(fingerprint)
                if record and not self.has_blob(sha256):
                    text = f"{record.filename}: the bytes {sha256} are missing"
                    yield Damage(text=text, fingerprints=(fingerprint,), sha256=sha256)
        for path in sorted(self._blobs.glob("*/*")):
            if not _is_file(path):
                yield Damage(text=f"{path}: is no file of ours; move it away", fingerprints=())
            elif hash_file(path) != path.name:
                text = f"{path}: the bytes are not what their name says"
                yield Damage(text=text, fingerprints=tuple(named.get(path.name, ())), blob=path, sha256=path.name)

    def mend(self, sha256: str, copy: Path) -> bool:
        """Put other bytes in place of missing or damaged ones, if those have that hash."""
        if not _is_file(copy) or hash_file(copy) != sha256:
            return False
        self.blob(sha256).unlink(missing_ok=True)
        self.keep(copy)
        return True

    def discard(self, damage: Damage) -> None:
        """Throw away bytes that are nobody's any more, and the records that need them: their steps are made again."""
        for fingerprint in damage.fingerprints:
            self.drop_record(fingerprint)
        if damage.blob is not None:
            damage.blob.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[tuple[Any, Path]]:
        handle, name = tempfile.mkstemp(dir=self.scratch())
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as target:
                yield target, path
        finally:
            path.unlink(missing_ok=True)

    def _settle(self, target: Any, path: Path, sha256: str) -> None:
        target.flush()
        os.fsync(target.fileno())
        if not self.has_blob(sha256):
            self.adopt(path, sha256)

    def _place(self, sha256: str) -> Path:
        place = self.blob(sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def record_text(record: Record) -> bytes:
    """What stands in its file: the record, and a hash over it, without which one flipped bit would go unnoticed."""
    values = record._asdict()
    check = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return json.dumps({**values, "check": check}, sort_keys=True).encode()


def _record(values: dict[str, Any]) -> Record:
    """Of what JSON gave; one of UNLIKE where that is not one."""
    for name in _LISTS:
        values[name] = tuple(values[name])
    return Record(*_FIELDS(values))


def _read(path: str) -> bytes:
    """A small file's bytes, at half the cost of a file object: a tree of 100,000 wheels asks as often."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = piece = os.read(handle, _SMALL)
        while len(piece) == _SMALL:
            piece = os.read(handle, _SMALL)
            text += piece
        return text
    finally:
        os.close(handle)


def _is_file(path: Path) -> bool:
    """A regular one, and no link to one: from a pipe one would read for ever."""
    return path.is_file() and not path.is_symlink()


def opened_plainly(path: Path) -> BufferedReader | None:
    """A file open for reading, no link followed and no writer waited for; None for what is no regular one. OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return os.fdopen(handle, "rb")


def hash_file(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write beside, fsync, rename: a reader sees the old bytes or the new, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(content)
            target.flush()
            os.fchmod(target.fileno(), mode)
            os.fsync(target.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was renamed into it stays there, whatever happens."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
