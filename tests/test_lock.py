"""Locks that somebody edited, merged wrongly or tampered with: each is told as what it is, none is half believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.errors import StoreError
from builders.lock import Lock, parse_lock

PATH = Path("/workspace/locks/here/base.pylock.toml")
SHA256 = "0123456789abcdef" * 4
URL = "https://index.example/demo-1.0-py3-none-any.whl"


def lock_text(*, url: str = f'url = "{URL}"', sha256: str = SHA256, more: str = "", ours: str = "") -> str:
    """A lock of one wheel."""
    wheel = f'{{{url}, hashes = {{sha256 = "{sha256}"}}{more}}}'
    return (
        'lock-version = "1.0"\ncreated-by = "uv"\n'
        f'[[packages]]\nname = "demo"\nversion = "1.0"\nwheels = [{wheel}]\n{ours}'
    )


def parsed(text: str) -> Lock:
    return parse_lock(text, PATH)


def refusal(text: str) -> str:
    """Why this is no lock; the message names the file and says what to do."""
    with pytest.raises(StoreError) as caught:
        parsed(text)
    assert caught.value.reason.startswith(f"{PATH}: not a lock file: ")
    assert "delete it to lock again" in caught.value.hint
    return caught.value.reason


@pytest.mark.parametrize(
    "sha256", ["", "abc", "../../../../etc/passwd", SHA256 + "0", SHA256[:-1] + "g", SHA256 + r"\n"]
)
def test_a_sha256_is_64_digits(sha256: str) -> None:
    """It becomes a name in the store: whatever else stands there is refused, with the file that it stands at."""
    assert f"{URL} has a sha256 that is no sha256" in refusal(lock_text(sha256=sha256))


def test_a_sha256_in_capitals_is_the_same() -> None:
    """Kept as the store spells it."""
    assert parsed(lock_text(sha256=SHA256.upper())).packages[0].wheels[0].sha256 == SHA256
