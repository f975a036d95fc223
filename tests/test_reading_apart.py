"""Large wheels are read in a process of their own, and nobody can tell by the result."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.workspaces import write_wheel
from builders.errors import ArchiveError
from builders.reading_apart import read_large_wheel
from builders.wheels import read_wheel


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of nine MiB."""
    return write_wheel(tmp_path_factory.mktemp("large"), "made-up", ballast=9)


def test_the_same_record(large: Path) -> None:
    """What the other process reads comes back whole: equal to what is read here."""
    assert read_large_wheel(large, filename=large.name) == read_wheel(large)


def test_the_same_refusal(large: Path) -> None:
    """A wheel under another project's name is refused in the same words, with the same hint."""
    with pytest.raises(ArchiveError) as here:
        read_wheel(large, filename="other-1.0-py3-none-any.whl")
    with pytest.raises(ArchiveError) as apart:
        read_large_wheel(large, filename="other-1.0-py3-none-any.whl")
    assert str(apart.value) == str(here.value)


def test_a_damaged_one(large: Path, tmp_path: Path) -> None:
    """One flipped bit in the middle of the large entry is seen, by whichever process reads it."""
    data = bytearray(large.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / large.name
    damaged.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"CRC|hash"):
        read_large_wheel(damaged, filename=damaged.name)
