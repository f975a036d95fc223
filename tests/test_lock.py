"""Locks that somebody edited, merged wrongly or tampered with: each is told as what it is, none is half believed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import StoreError
from builders.lock import Lock, parse_lock, render_lock

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


@pytest.mark.parametrize(
    ("ours", "says"),
    [
        ("[tool]\nwheelyard = 1", "tool.wheelyard is not a table"),
        ("[tool.wheelyard]\ninputs = 1", "tool.wheelyard.inputs is not a text"),
        ("[tool.wheelyard]\nextra-requires = 'pip'", "tool.wheelyard.extra-requires is not a list of texts"),
        ("[tool.wheelyard]\nextra-requires = [1]", "tool.wheelyard.extra-requires is not a list of texts"),
        ("[tool.wheelyard]\nasked-by = [1]", "tool.wheelyard.asked-by is not a table"),
        ("[tool.wheelyard]\nasked-by = false", "tool.wheelyard.asked-by is not a table"),
        ('[tool.wheelyard.asked-by]\n"demo" = 1', "'demo' of tool.wheelyard.asked-by is not a list of texts"),
        ('[tool.wheelyard.asked-by]\n"demo" = "demo"', "'demo' of tool.wheelyard.asked-by is not a list of texts"),
        (
            '[tool.wheelyard.yanked]\n"demo-1.0.tar.gz" = true',
            "'demo-1.0.tar.gz' of tool.wheelyard.yanked is not a text",
        ),
        (
            '[tool.wheelyard.status]\n"demo" = "archived"',
            "'demo' of tool.wheelyard.status is not a status and its reason",
        ),
        (
            '[tool.wheelyard.status]\n"demo" = ["archived"]',
            "'demo' of tool.wheelyard.status is not a status and its reason",
        ),
        ('[tool.wheelyard.status]\n"demo" = [1, ""]', "'demo' of tool.wheelyard.status is not a status and its reason"),
    ],
)
def test_our_own_table_has_its_shape(ours: str, says: str) -> None:
    """What stands in [tool.wheelyard] is read as strictly as the rest."""
    assert says in refusal(lock_text(ours=ours))


def test_our_own_table_is_read() -> None:
    """Every key of it, and a lock of somebody else's without it."""
    ours = (
        '[tool.wheelyard]\ninputs = "x"\nextra-requires = ["wheel"]\nasked-by = {"demo" = ["", "other"]}\n'
        f'yanked = {{"{URL.rpartition("/")[2]}" = ""}}\nstatus = {{"demo" = ["archived", ""]}}\n'
    )
    lock = parsed(lock_text(ours=ours))
    [package] = lock.packages
    assert (lock.inputs, lock.extra_requires) == ("x", ("wheel",))
    assert (package.asked_by, package.status) == (("", "other"), ("archived", ""))
    assert package.wheels[0].yanked == ""
    assert parsed(lock_text()).inputs == ""


@given(st.text(), st.text(), st.text(min_size=1))
def test_what_an_index_says_comes_back_out_of_the_lock(reason: str, why: str, extra: str) -> None:
    """Whatever the letters: snakes, controls, quotes."""
    filename = URL.rpartition("/")[2]
    text = render_lock(
        lock_text(),
        inputs="x",
        asked_by={"demo": ("",)},
        yanked={filename: reason},
        statuses={"demo": ("archived", why)},
        extra_requires=(extra,),
    )
    lock = parsed(text)
    [package] = lock.packages
    assert lock.extra_requires == (extra,)
    assert (package.wheels[0].yanked, package.status) == (reason, ("archived", why))
    assert "\x7f" not in text


def test_a_snake_stands_in_a_lock_as_itself() -> None:
    """Two halves of one are no TOML."""
    text = render_lock(
        lock_text(), inputs="x", asked_by={}, yanked={URL.rpartition("/")[2]: "broken 🐍 build"}, statuses={}
    )
    assert parsed(text).packages[0].wheels[0].yanked == "broken 🐍 build"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (lock_text() + "x = " + "[" * 5000, "nested too deeply"),
        (lock_text() + "x = " + "9" * 5000, "integer string conversion"),
        (lock_text(url=r'path = "a\u0000b/demo-1.0-py3-none-any.whl"'), "null"),
        (lock_text(url='url = "demo-1.0-py3-none-any.whl"'), "'demo-1.0-py3-none-any.whl' is no URL with a scheme"),
        (lock_text(url='url = "/srv/demo-1.0-py3-none-any.whl"'), "is no URL with a scheme"),
        (lock_text(url='url = "https://index.example/"'), "Cannot determine wheel filename"),
    ],
    ids=["deep", "number", "nul", "url", "url-path", "no-name"],
)
def test_what_no_parser_survives_is_refused(text: str, says: str) -> None:
    """Nesting and numbers without end, paths that no system has, URLs that lead nowhere."""
    assert says in refusal(text)


def test_a_path_through_a_link_that_leads_to_itself_is_no_traceback(tmp_path: Path) -> None:
    """Refused here, or by whoever opens it: that depends on the Python."""
    (tmp_path / "loop").symlink_to("loop")
    with suppress(StoreError):
        parse_lock(lock_text(url='path = "loop/demo-1.0-py3-none-any.whl"'), tmp_path / "pylock.toml")


@pytest.mark.parametrize(
    ("said", "kept"),
    [("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), ("2024-05-06T07:08:09.1234Z", "2024-05-06T07:08:09.123400Z")],
)
def test_years_have_four_digits(said: str, kept: str) -> None:
    """The tree refuses any other spelling of a time."""
    assert parsed(lock_text(more=f", upload-time = {said}")).packages[0].wheels[0].upload_time == kept
