"""Records of the store, one by one and many at a time: what is not one is named by its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders import store as module
from builders.errors import StoreError
from builders.store import Record, Store

NAMES = [f"{number:064x}" for number in range(9)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(module, "_AT_ONCE", 4)
    store = Store(tmp_path)
    for name in NAMES:
        store.add(record(store, name))
    return store


def record(store: Store, fingerprint: str, summary: str = 'ü "\n') -> Record:
    digest = store.keep_bytes(fingerprint.encode())
    return Record(
        fingerprint=fingerprint, filename=f"foo-{int(fingerprint, 16)}-py3-none-any.whl", project="foo", version="1.0",
        sha256=digest, size=64, tags=("py3-none-any",), requires_python=None, requires_dist=("bar>1",),
        metadata_sha256=digest, modules=(), summary=summary, license="", upload_time=None, yanked=None,
        source="fetched", built=False, built_on="", built_with=(), network=False, log=None, seconds=0.5,
    )  # fmt: skip


def test_records_come_back(store: Store) -> None:
    """As they were added; each once, in the order in which they are first asked for, and a large one whole."""
    store.add(record(store, NAMES[5], summary="x" * 200_000))
    asked = [*NAMES[3:], *NAMES[:5]]
    found = store.needed_records(iter(asked))
    assert list(found) == [*NAMES[3:], *NAMES[:3]]
    assert found == {name: store.record(name) for name in NAMES}
    assert found[NAMES[5]].summary == "x" * 200_000
    assert store.needed_records([]) == {}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b"{},{}", b"\xff", b"1", b'{"fingerprint": "a"}', b"[" * 9999]
)
def test_a_damaged_record_is_named(store: Store, tmp_path: Path, text: bytes) -> None:
    """Whatever stands beside it."""
    path = tmp_path / "records" / f"{NAMES[6]}.json"
    path.write_bytes(text)
    with pytest.raises(StoreError, match=f"the record {path} cannot be read"):
        store.needed_records(NAMES)


def test_a_missing_record_is_named(store: Store) -> None:
    """As a step that is known to be finished has one."""
    store.drop_record(NAMES[1])
    with pytest.raises(StoreError, match=f"the record {NAMES[1]} is missing"):
        store.needed_records(NAMES)


def test_two_records_in_one_file_shift_no_other(store: Store, tmp_path: Path) -> None:
    """Read together with others, they would be taken for those that come after them."""
    path = tmp_path / "records" / f"{NAMES[4]}.json"
    path.write_bytes(path.read_bytes() + b"," + path.read_bytes())
    with pytest.raises(StoreError, match=f"the record {path} cannot be read"):
        store.needed_records(NAMES)


def test_what_is_no_file_among_the_blobs(store: Store, tmp_path: Path) -> None:
    """A folder, a pipe, a link: named, and neither read nor followed."""
    folder = next((tmp_path / "blobs").iterdir())
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    found = [damage.text for damage in store.damaged()]
    assert found == [f"{folder / name}: is no file of ours; move it away" for name in ("folder", "link", "pipe")]
    assert len(list(store.blobs())) == len(NAMES)
