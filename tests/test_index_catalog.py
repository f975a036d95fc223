"""What the merged index offers to whom, and that each choice is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from index.model import Entry
from index.tree import Tree
from tests.index_makers import Shelves, made, platform


def offers(whole: Tree, folder: str) -> dict[str, str]:
    """File name → sha256 in one index."""
    pages = {path: data for path, data in whole.pages() if path.startswith(f"{folder}/") and path.endswith("json")}
    listed = [one["name"] for one in json.loads(pages.pop(f"{folder}/index.v1_json"))["projects"]]
    assert {f"{folder}/{name}/index.v1_json" for name in listed} == pages.keys()
    files = [file for page in pages.values() for file in json.loads(page)["files"]]
    return {file["filename"]: file["hashes"]["sha256"] for file in files}


def test_a_wheel_of_two_platforms_is_in_the_pool_once(store: Shelves) -> None:
    """The same bytes on two platforms are one wheel, and nothing had to be decided."""
    foo = store.wheel("foo")
    whole = made(store, platform("a", [foo]), platform("b", [foo]))
    assert len(dict(whole.pool(whole.parts))) == 2  # the wheel and its .metadata
    assert offers(whole, "simple") == offers(whole, "a/simple") == offers(whole, "b/simple")
    assert whole.decisions == ()


def test_of_two_builds_under_one_name_the_older_glibc_wins(store: Shelves) -> None:
    """abi3 wheels of one file name and other bytes: the merged index takes the one for more machines, and says so."""
    tag = "cp39-abi3-manylinux_2_31_x86_64"
    old, new = store.wheel("foo", tag=tag, body="old"), store.wheel("foo", tag=tag, body="new")
    platforms = platform("a-trixie", [new], libc=(2, 41)), platform("b-bullseye", [old], libc=(2, 31))
    whole = made(store, *platforms)
    assert offers(whole, "simple") == {old.filename: old.sha256}
    assert offers(whole, "a-trixie/simple") == {new.filename: new.sha256}
    [decision] = whole.decisions
    assert "the index for all offers b-bullseye's, built on the oldest glibc" in decision.text
    assert decision.text in whole.files["index.html"].replace("&#x27;", "'")


def test_other_metadata_lines_do_no_harm(store: Shelves) -> None:
    """A newer build tool writes other METADATA: what it requires is the same, so one of the two is offered."""
    one, two = store.wheel("foo", requires=["bar"]), store.wheel("foo", requires=["bar"], extra="Dynamic: license")
    whole = made(store, platform("a", [one], libc=(2, 36)), platform("b", [two]))
    assert offers(whole, "simple") == {two.filename: two.sha256}


@pytest.mark.parametrize("tag", ["py3-none-any", "cp39-abi3-manylinux_2_31_x86_64"])
def test_other_requirements_are_offered_to_nobody(store: Shelves, tag: str) -> None:
    """One sdist, built with other Requires-Dist on two platforms: either would be wrong for somebody."""
    one, two = store.wheel("foo", tag=tag, requires=["bar"]), store.wheel("foo", tag=tag, requires=["baz"])
    newer = store.wheel("foo", "2.0")
    whole = made(store, platform("a", [one, newer]), platform("b", [two], libc=(2, 41)))
    assert offers(whole, "simple") == {newer.filename: newer.sha256}
    assert offers(whole, "a/simple")[one.filename] == one.sha256
    assert offers(whole, "b/simple")[two.filename] == two.sha256
    assert "its METADATA requires one thing on a, another on b" in whole.decisions[0].text


ABI3, PURE, LINUX = "cp311-cp311-manylinux_2_31_x86_64", "py3-none-any", "cp311-cp311-linux_x86_64"


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (("foo", PURE), ("Foo", PURE)),  # spelled otherwise: pip takes either
        (("foo", PURE), ("foo", ABI3)),  # both run here, and the other one comes first
        (("foo", PURE), ("foo-1", PURE)),  # as it does with a build number
    ],
)
def test_another_file_with_other_requirements_takes_nobodys_place(
    store: Shelves, here: tuple[str, str], there: tuple[str, str]
) -> None:
    """A client of the merged index gets what its own platform's requires, whichever file that is, or nothing."""
    own, others = named(store, *here), named(store, *there, requires=["bar"])
    whole = made(store, platform("a", [own]), platform("b", [others], libc=(2, 41)))
    assert offers(whole, "simple") == {}
    assert [offers(whole, f"{name}/simple").keys() for name in "ab"] == [{own.filename}, {others.filename}]
    assert any("is left out: a has" in one.text and "requires something else" in one.text for one in whole.decisions)
    agreed = made(store, platform("a", [own]), platform("b", [named(store, *there)], libc=(2, 41)))
    assert offers(agreed, "simple").keys() == {own.filename, others.filename}


@pytest.mark.parametrize("required", [">=3." + "9" * 5000, "banana", ">=3.13"])
def test_what_a_wheel_says_of_pythons_is_read_as_pip_reads_it(store: Shelves, required: str) -> None:
    """Nonsense excludes none, and a pre-release counts as its release: pip would take this one, so it is left out."""
    own, others = store.wheel("foo"), store.wheel("foo", tag=ABI3, requires=["bar"], python=required)
    platforms = platform("a", [own], python="3.13.0rc2"), platform("b", [others], libc=(2, 41), python="3.13.1")
    assert others.filename not in offers(made(store, *platforms), "simple")


def named(store: Shelves, stem: str, tag: str, requires: Sequence[str] = ()) -> Entry:
    """A wheel of foo 1.0 whose file name spells that, and its build number, in this way."""
    name, _, build = stem.partition("-")
    filename = "-".join([name, "1.0", *([build] if build else []), tag]) + ".whl"
    return replace(store.wheel("foo", tag=tag, requires=requires, body=stem), filename=filename)


def test_what_replaces_a_wheel_for_one_machine_requires_the_same(store: Shelves) -> None:
    """Its linux_* wheel is left out: the pure one of the same version, which requires less, is not offered for it."""
    own = store.wheel("foo", tag=LINUX, requires=["bar"])
    pure = store.wheel("foo")
    tags = (LINUX, PURE)
    whole = made(store, replace(platform("a", [own, pure]), tags=tags))
    assert offers(whole, "simple") == {}
    with_same = made(store, replace(platform("a", [own, store.wheel("foo", requires=["bar"])]), tags=tags))
    assert len(offers(with_same, "simple")) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bar >=1 ; extra == 'my_extra'", 'Bar>=1; extra == "my-extra"'),
        ("bar (>=1,<2)", "bar<2,>=1"),
        ("bar[B_b,a]", "bar[a,b-b]"),
    ],
)
def test_the_same_requirement_in_other_words(store: Shelves, one: str, other: str) -> None:
    """Build tools of other versions write it otherwise, and it is the same: one of the two is offered."""
    spelled, otherwise = (
        store.wheel("foo", requires=[text], extra=f"Provides-Extra: {extra}")
        for text, extra in ((one, "my_extra"), (other, "my-extra"))
    )
    whole = made(store, platform("a", [spelled]), platform("b", [otherwise], libc=(2, 41)))
    assert offers(whole, "simple") == {spelled.filename: spelled.sha256}


def test_who_agrees_on_what_is_required_is_told(store: Shelves) -> None:
    """Two of three platforms have the same."""
    same, other = store.wheel("foo", requires=["bar"]), store.wheel("foo", requires=["baz"])
    whole = made(store, platform("a", [same]), platform("b", [other]), platform("c", [same]))
    assert "its METADATA requires one thing on a and c, another on b, so" in whole.decisions[0].text


def test_a_project_with_nothing_to_offer_is_not_listed(store: Shelves) -> None:
    """Its page would be empty: the merged index has neither page nor name."""
    one, two = store.wheel("foo", requires=["bar"]), store.wheel("foo", requires=["baz"])
    pages = dict(made(store, platform("a", [one]), platform("b", [two])).pages())
    assert "simple/foo/index.html" not in pages
    assert b"foo" not in pages["simple/index.html"]


@pytest.mark.parametrize("tag", ["cp311-cp311-linux_x86_64", "py3-none-linux_armv7l.manylinux_2_31_armv7l"])
def test_a_wheel_for_one_machine_stays_on_its_platform(store: Shelves, tag: str) -> None:
    """A linux_* tag fits every Linux, so one among several is enough to keep the wheel out of the merged index."""
    foo = store.wheel("foo", tag=tag)
    whole = made(store, platform("a", [foo]))
    assert offers(whole, "simple") == {}
    assert offers(whole, "a/simple") == {foo.filename: foo.sha256}
    assert "linux_*" in whole.decisions[0].text


def test_a_newer_glibc_is_said_by_the_tag(store: Shelves) -> None:
    """manylinux_2_41 is for clients to judge; it stays in, beside the one for older machines, also for musl."""
    tags = ["cp39-abi3-manylinux_2_41_x86_64", "cp39-abi3-manylinux_2_31_x86_64", "cp39-abi3-musllinux_1_2_x86_64"]
    new, old, musl = (store.wheel("foo", tag=tag) for tag in tags)
    whole = made(store, platform("a", [new, musl], libc=(2, 41)), platform("b", [old]))
    assert set(offers(whole, "simple")) == {new.filename, old.filename, musl.filename}
    assert whole.decisions == ()


def test_a_rebuilt_wheel_takes_the_place_of_the_former(store: Shelves) -> None:
    """Of two builds on one platform the current set's is offered; the other's bytes stay for those who pinned them."""
    before, after = store.wheel("foo", body="before"), store.wheel("foo", body="after")
    for wheels in ([before, after], [after, before]):
        whole = made(store, platform("a", wheels, sets={"base": [after]}))
        assert offers(whole, "a/simple") == offers(whole, "simple") == {after.filename: after.sha256}
        assert f"files/{before.sha256[:2]}/{before.sha256}/{before.filename}" in dict(whole.pool(whole.parts))
        assert before.sha256 in whole.files["index.html"]


def test_without_a_set_the_later_build_counts(store: Shelves) -> None:
    """What a platform published is handed over oldest first."""
    before, after = store.wheel("foo", body="before"), store.wheel("foo", body="after")
    assert offers(made(store, platform("a", [before, after])), "simple") == {after.filename: after.sha256}


def test_yanked_in_one_record_is_yanked(store: Shelves) -> None:
    """Two platforms fetched the same file before and after it was yanked: the merged index says that it is."""
    foo = store.wheel("foo", upload_time=None)
    later = store.wheel("foo", yanked="broken", upload_time="2020-01-01T00:00:00Z")
    whole = made(store, platform("a", [foo]), platform("b", [later]))
    [file] = json.loads(dict(whole.pages())["simple/foo/index.v1_json"])["files"]
    assert (file["yanked"], file["upload-time"]) == ("broken", "2020-01-01T00:00:00Z")


def test_yanked_in_one_record_is_yanked_beside_other_bytes(store: Shelves) -> None:
    """A third platform with bytes of its own changes nothing about what is known of the others'."""
    foo, later = (store.wheel("foo", yanked=said) for said in (None, "broken"))
    other = store.wheel("foo", body="other")
    whole = made(
        store, platform("a", [foo]), platform("b", [later], libc=(2, 36)), platform("c", [other], libc=(2, 41))
    )
    [file] = json.loads(dict(whole.pages())["simple/foo/index.v1_json"])["files"]
    assert (file["yanked"], file["hashes"]["sha256"]) == ("broken", foo.sha256)


def test_order_of_platforms_does_not_matter(store: Shelves) -> None:
    """Whoever comes first in the configuration, the tree is the same, to the byte."""
    one, two = store.wheel("foo", body="1"), store.wheel("foo", body="2")
    pair = platform("a", [one]), platform("b", [two])
    assert dict(made(store, *pair).pages()) == dict(made(store, *reversed(pair)).pages())


def test_versions_are_in_the_order_of_versions(store: Shelves) -> None:
    """1.10 after 1.9, and what is no version before all that are."""
    wheels = [store.wheel("foo", version) for version in ("1.10", "1.9", "2004d", "1.9rc1", "1!0.1")]
    page = dict(made(store, platform("a", wheels)).pages())["simple/foo/index.v1_json"]
    assert b'"versions":["2004d","1.9rc1","1.9","1.10","1!0.1"]' in page
