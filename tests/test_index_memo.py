"""What changed is published, and nothing else is made again; and nobody can tell by the result."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from index import memo as module
from index.disk import Root
from index.errors import PublishError, TreeError
from index.manifest import Lines, State, parsed, printed
from index.memo import EMPTY, read_memo, write_memo
from index.model import Entry, PublishedPlatform, Wheel
from index.parts import Part
from index.projects import Project
from index.publish import Published, publish
from index.tree import Tree, tree
from index.verify import verify
from tests.disk import snapshot
from tests.index_makers import Shelves, platform

REPOSITORY = Path(__file__).parent.parent


def made(store: Shelves, memo: Path, *platforms: PublishedPlatform, url: str | None = None) -> Tree:
    return tree(platforms, url=url, metadata=store.metadata, memo=read_memo(memo))


def put(public: Path, store: Shelves, *platforms: PublishedPlatform, url: str | None = None) -> Published:
    memo = memo_of(public)
    return publish(public, made(store, memo, *platforms, url=url), blob=store.blob, memo=memo)


def memo_of(public: Path) -> Path:
    return public.with_name(f"{public.name}.memo")


def fresh(folder: Path, store: Shelves, *platforms: PublishedPlatform, url: str | None = None) -> dict[str, str]:
    """What a publication leaves where there was nothing."""
    publish(folder, tree(platforms, url=url, metadata=store.metadata), blob=store.blob)
    found = snapshot(folder)
    shutil.rmtree(folder)
    return found


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the projects whose pages are made, in order; each project is a batch of its own."""
    names: list[str] = []
    monkeypatch.setattr("index.batches._TOGETHER", 1)
    real = Project.pages

    def pages(self: Project, *rest: object, **more: object) -> Iterator[tuple[str, str]]:
        names.append(self.name)
        return real(self, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Project, "pages", pages)
    return names


def some(store: Shelves) -> list[Entry]:
    """Three projects; app needs base."""
    wheels = [store.wheel(name, version) for name in ("app", "base", "other") for version in ("1.0", "2.0")]
    return [replace(wheels[0], requires_dist=("base>=1",)), *wheels[1:]]


# --- any change -------------------------------------------------------------------------------------------------------

PROJECTS = ("alpha", "beta", "gamma", "delta")
NEEDS = st.lists(st.sampled_from(["alpha>1", "Beta", "gamma ; extra == 'x'", "delta<2", "missing"]), max_size=2)


@st.composite
def changed(draw: st.DrawFn, before: tuple[Entry, ...], store: Shelves) -> tuple[Entry, ...]:
    """A few wheels come, go, are built again, yanked, or say something else."""
    wheels = list(before)
    for _ in range(draw(st.integers(0, 2))):
        match draw(st.sampled_from(["come", "go", "say", "say"])):
            case "come":
                project, version = draw(st.sampled_from(PROJECTS)), draw(st.sampled_from(["1.0", "1.1", "2.0"]))
                tag = draw(st.sampled_from(["py3-none-any", "py3-none-any", "cp311-cp311-linux_x86_64"]))
                body, needs = draw(st.sampled_from(["", "x"])), draw(st.sampled_from([(), ("beta",)]))
                wheels.append(store.wheel(project, version, tag=tag, body=body, requires=needs))
            case "go" if wheels:
                wheels.pop(draw(st.integers(0, len(wheels) - 1)))
            case "say" if wheels:
                place = draw(st.integers(0, len(wheels) - 1))
                wheels[place] = replace(
                    wheels[place],
                    yanked=draw(st.sampled_from([None, "", "broken <b>"])),
                    requires_dist=tuple(draw(NEEDS)),
                    summary=draw(st.sampled_from(["", "A\ttab, ü and\na \x0b line", "</script>"])),
                    requires_python=draw(st.sampled_from([None, ">=3.9\n"])),
                )
    return tuple(wheels)


def damage(data: st.DataObject, public: Path) -> None:
    """Somebody edits, removes, replaces or hides one thing of the tree, or the memo.

    Not what stands in a project's own folder, and no page for people in place: that is for verify to find.
    """
    every = sorted(path for path in public.rglob("*") if path.is_file() or path.is_symlink())
    paths = [path for path in every if path.parent.parent.name != "simple" and not path.match("files/*/*/*")]
    path = data.draw(st.sampled_from([*paths, memo_of(public)]))
    own = path.parent.name == "about"
    match data.draw(st.sampled_from(["remove", "replace", "hide", "edit"])):
        case "replace":
            path.unlink()
            path.write_bytes(b"something else")
        case "hide" if not path.is_symlink() and not own:
            path.chmod(0o600)
        case "edit" if not path.is_symlink() and not own:
            path.write_bytes(path.read_bytes()[::-1])
        case _:
            path.unlink()


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_difference(data: st.DataObject) -> None:
    """Whatever changes, in whatever order, damage included: file by file what a publication from nothing leaves."""
    together = data.draw(st.sampled_from([1, 2, 32]))
    with tempfile.TemporaryDirectory() as folder, patch("index.batches._TOGETHER", together):
        store, public = Shelves(Path(folder, "store")), Path(folder, "public")
        held: dict[str, tuple[Entry, ...]] = {name: (store.wheel("alpha"), store.wheel("beta")) for name in "ab"}
        url = None
        for _ in range(data.draw(st.integers(2, 5))):
            for name in data.draw(st.sets(st.sampled_from("abc"), max_size=2)):
                held[name] = data.draw(changed(held.get(name, ()), store))
            if data.draw(st.integers(0, 9)) == 0:
                held.pop(data.draw(st.sampled_from("abc")), None)
            if data.draw(st.integers(0, 9)) == 0:
                url = data.draw(st.sampled_from([None, "https://mirror.example/pypi/"]))
            platforms = [
                platform(name, wheels, sets={"base": wheels[-1:]}, libc=(2, 41) if name == "a" else (2, 31))
                for name, wheels in held.items()
            ]
            if public.exists() and data.draw(st.booleans()):
                damage(data, public)
            whole = made(store, memo_of(public), *platforms, url=url)
            publish(public, whole, blob=store.blob, memo=memo_of(public))
            assert snapshot(public) == fresh(public.with_name("fresh"), store, *platforms, url=url)
            assert whole.decisions == tree(platforms, url=url, metadata=store.metadata).decisions
            assert read_memo(memo_of(public)).records.keys() == whole.parts.keys()


PATHS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=4)
STATES = st.text(max_size=3) | st.tuples(st.integers(0, 10**12), st.text("0123456789abcdef", min_size=64, max_size=64))


@example(before={"link": "x"}, changes={})
@given(before=st.dictionaries(PATHS, STATES), changes=st.dictionaries(PATHS, st.none() | STATES))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_changed_lines_are_the_manifest(before: dict[str, State], changes: dict[str, State | None]) -> None:
    """A manifest in which lines were changed is, to the byte, the one printed of all; each path is found in it."""
    lines = Lines(b"".join(printed(before)))
    assert {path: lines.state(path) for path in before} == before
    for path, state in changes.items():
        lines.change(path, state)
    after = {path: state for path, state in {**before, **changes}.items() if state is not None}
    assert b"".join(lines.printed()) == b"".join(printed(after))
    assert parsed(b"".join(lines.printed())) == after


# --- what is made again -----------------------------------------------------------------------------------------------


def test_only_what_changed_is_made(public: Path, store: Shelves, rendered: list[str]) -> None:
    """One project's pages are made when one changed; with nothing changed, none, and nothing is written."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    assert rendered == ["app", "base", "other"]
    rendered.clear()
    assert not put(public, store, platform("box", wheels)).changed
    assert rendered == []
    put(public, store, platform("box", [*wheels[:-1], replace(wheels[-1], yanked="broken")]))
    assert rendered == ["other"]


def test_a_batch_is_made_together(public: Path, store: Shelves) -> None:
    """Who comes or goes changes the batch that it is in, and no other; and pages that say the same are left alone."""
    wheels = [store.wheel(f"made-up-{number:03d}") for number in range(200)]
    put(public, store, platform("box", wheels))
    before = made(store, memo_of(public), platform("box", wheels))
    after = made(store, memo_of(public), platform("box", [*wheels[:70], *wheels[71:]]))
    assert 4 <= len(before.parts) <= 12
    assert before.known == before.parts.keys()
    assert len(after.parts.keys() - after.known) == 1
    assert len(before.parts.keys() - after.parts.keys()) in {1, 2}
    published = publish(public, after, blob=store.blob, memo=memo_of(public))
    assert (published.links, published.files, published.pages) == (0, 0, 6)
    assert verify(public) == []


def test_who_needs_it_is_made_again_with_it(public: Path, store: Shelves, rendered: list[str]) -> None:
    """What a project needs stands on the other's page, and whether that is here on its own: both are made again."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    rendered.clear()
    put(public, store, platform("box", [replace(wheels[0], requires_dist=()), *wheels[1:]]))
    assert rendered == ["app", "base"]
    rendered.clear()
    put(public, store, platform("box", wheels))
    put(public, store, platform("box", [wheels[0], wheels[1], *wheels[4:]]))
    assert rendered == ["app", "base", "app"]


@pytest.mark.parametrize(
    "pattern", ["about/other.html", "simple/other", "box/simple/other", "box/other-1*", "files/*/*", "files/*", "box"]
)
def test_what_projects_share_is_made_again(public: Path, store: Shelves, rendered: list[str], pattern: str) -> None:
    """Something came into one of the folders that all share, or went: everything is looked at."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    before, path = snapshot(public), min(public.glob(pattern))
    path.rename(public.with_name("away"))
    rendered.clear()
    put(public, store, platform("box", wheels))
    assert (rendered, snapshot(public)) == (["app", "base", "other"], before)
    rendered.clear()
    put(public, store, platform("box", wheels))
    assert rendered == []


PAGES = ["about/other.html", "simple/other/index.html", "box/simple/other/index.v1_json"]
IN_THE_POOL = ["files/*/*/other-1.0*.whl", "files/*/*/*.metadata"]


@pytest.mark.parametrize(
    ("pattern", "how"),
    [*product(PAGES[1:] + IN_THE_POOL, ["removed", "replaced"]), *product(PAGES, ["in place"])],
)
def test_what_is_a_projects_own_is_for_verify(public: Path, store: Shelves, pattern: str, how: str) -> None:
    """And is mended by a thorough publication, which follows a verify that found something, and by one without memo."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    before, path, memo = snapshot(public), min(public.glob(pattern)), memo_of(public)
    for thorough in (True, False):
        if how != "in place":
            path.unlink()
        if how != "removed":
            path.write_text("something else")
        assert any(path.name in finding for finding in verify(public))
        if not thorough:
            memo.unlink()
        publish(public, made(store, memo, platform("box", wheels)), blob=store.blob, memo=memo, thorough=thorough)
        assert (snapshot(public), verify(public)) == (before, [])


def test_what_is_hidden_is_for_verify(public: Path, store: Shelves) -> None:
    """As what is changed in place is."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    before, page = snapshot(public), public / "simple" / "other" / "index.html"
    page.chmod(0o600)
    assert [finding for finding in verify(public) if "other" in finding and "its mode is 600" in finding]
    memo_of(public).unlink()
    put(public, store, platform("box", wheels))
    assert (snapshot(public), page.stat().st_mode & 0o777, verify(public)) == (before, 0o644, [])


def test_a_folder_that_is_shown_again_is_known_again(public: Path, store: Shelves, rendered: list[str]) -> None:
    """The publication after the one that mended its mode finds nothing to make, or to look at."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    memo, folder = memo_of(public), public / "simple" / "other"
    folder.chmod(0o700)
    publish(public, made(store, memo, platform("box", wheels)), blob=store.blob, memo=memo, thorough=True)
    assert folder.stat().st_mode & 0o777 == 0o755
    rendered.clear()
    put(public, store, platform("box", wheels))
    assert rendered == []


def test_a_failed_publication_costs_the_next_one_little(
    public: Path, store: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has linked the manifest, and so has a backup with hard links: what is older than that is as it was left."""
    wheels = some(store)
    put(public, store, platform("box", wheels[:-1]))
    before = snapshot(public)
    with monkeypatch.context() as patched:
        patched.setattr(Root, "sync", full)
        with pytest.raises(PublishError, match="No space left"):
            put(public, store, platform("box", wheels))
    assert snapshot(public) == before
    os.link(public / "manifest.json", public.with_name("backup"))
    read: list[str] = []
    real = Root.digest

    def digest(root: Root, path: str) -> str:
        read.append(path)
        return real(root, path)

    monkeypatch.setattr(Root, "digest", digest)
    put(public, store, platform("box", wheels))
    assert read == []
    assert snapshot(public) == fresh(public.with_name("fresh"), store, platform("box", wheels))


def full(_root: Root) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_copy_from_a_backup_is_read(public: Path, store: Shelves, rendered: list[str]) -> None:
    """A tree that was copied back is not the one that was published: everything is looked at."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    shutil.copytree(public, public.with_name("backup"), symlinks=True)
    shutil.rmtree(public)
    page = public.with_name("backup") / "simple" / "base" / "index.html"
    page.write_text(page.read_text().replace("base", "BASE"))
    shutil.copytree(public.with_name("backup"), public, symlinks=True)
    (public / "about" / "app.html").write_text("hello")
    os.utime(public / "manifest.json")
    rendered.clear()
    put(public, store, platform("box", wheels))
    assert rendered == ["app", "base", "other"]
    assert snapshot(public) == fresh(public.with_name("fresh"), store, platform("box", wheels))


# --- a cache and no truth ---------------------------------------------------------------------------------------------


def test_a_memo_of_another_manifest_is_not_used(public: Path, store: Shelves, rendered: list[str]) -> None:
    """After a publication without it, and after one that was killed before it was written, all is looked at."""
    wheels = some(store)
    put(public, store, platform("box", wheels[:-1]))
    old = memo_of(public).read_bytes()
    put(public, store, platform("box", wheels))
    before = snapshot(public)
    memo_of(public).write_bytes(old)
    rendered.clear()
    put(public, store, platform("box", wheels))
    assert (rendered, snapshot(public)) == (["app", "base", "other"], before)


def test_any_damage_to_the_memo_is_seen(public: Path, store: Shelves) -> None:
    """Each byte of it that is changed, and each place where it ends too early, make it as good as none."""
    put(public, store, platform("box", some(store)))
    memo = memo_of(public)
    good = memo.read_bytes()
    assert read_memo(memo) != EMPTY
    head = good.index(b"\n")
    for place in (*range(0, head, 7), *range(head, len(good), 101)):
        memo.write_bytes(good[:place])
        assert read_memo(memo) == EMPTY
        memo.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        damaged = read_memo(memo)
        assert damaged == EMPTY or (place < head and damaged.records == read_good(memo, good).records), place


def read_good(memo: Path, good: bytes) -> module.Memo:
    memo.write_bytes(good)
    return read_memo(memo)


def test_another_version_makes_everything_anew(
    public: Path, store: Shelves, rendered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other source files, other pages: nothing of the old memo is used."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    rendered.clear()
    monkeypatch.setattr(module, "code", lambda: "another")
    put(public, store, platform("box", wheels))
    assert rendered == ["app", "base", "other"]


def test_a_memo_that_cannot_be_written_fails_nothing(public: Path, store: Shelves) -> None:
    """It is a cache: the tree is published all the same."""
    memo_of(public).mkdir()
    put(public, store, platform("box", some(store)))
    assert verify(public) == []
    assert list(public.parent.glob(".*")) == []


CHILD = """
import os, signal, sys
from pathlib import Path
from tests.index_makers import Shelves, platform
from tests.test_index_memo import put, some
public, store, last = Path(sys.argv[1]), Shelves(Path(sys.argv[2])), int(sys.argv[3])
seen = 0
def count(event, arguments):
    global seen
    if event in {"os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.utime"}:
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
put(public, store, platform("box", [*some(store)[2:], store.wheel("new")]))
"""


def test_killed_anywhere_the_next_run_goes_on(tmp_path: Path, store: Shelves) -> None:
    """SIGKILL before each kind of call of a publication with a memo: valid at once, complete after the next."""
    wheels = some(store)
    after = [platform("box", [*wheels[2:], store.wheel("new")])]
    complete = fresh(tmp_path / "fresh", store, *after)
    for last in range(1, 400, 5):
        public = tmp_path / f"public-{last}"
        put(public, store, platform("box", wheels))
        command = [sys.executable, "-c", CHILD, str(public), str(store.folder), str(last)]
        killed = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY)
        assert killed.returncode in {0, -signal.SIGKILL}, killed.stderr
        assert verify(public) == [], last
        put(public, store, *after)
        assert snapshot(public) == complete, last
        if killed.returncode == 0:
            return
    pytest.fail("the child was always killed")


# --- names ------------------------------------------------------------------------------------------------------------


def test_all_bad_names_are_told_at_once(public: Path, store: Shelves) -> None:
    """Of every project and platform that is new, beside others that are known; nothing is published."""
    wheels = some(store)
    put(public, store, platform("box", wheels))
    before = snapshot(public)
    bad = [replace(wheels[0], version="", project=name) for name in ("Not Normal", "x")]
    with pytest.raises(TreeError) as caught:
        put(public, store, platform("a", [replace(bad[0], filename="one.txt")]),
            platform("box", [*wheels, replace(bad[1], filename="two.whl")]))  # fmt: skip
    assert "one.txt" in caught.value.reason
    assert "Not Normal" in caught.value.reason
    assert "two.whl" in caught.value.reason
    assert snapshot(public) == before


def test_a_file_name_belongs_to_one_project(public: Path, store: Shelves) -> None:
    """Projects are published each by itself, so what one has must not depend on another."""
    foo = store.wheel("foo")
    with pytest.raises(TreeError, match="is given for 'foo' and 'bar'"):
        put(public, store, platform("a", [foo]), platform("b", [replace(foo, project="bar")]))


def test_a_key_is_made_of_every_field() -> None:
    """An Entry has just the fields of a Wheel: none is left out of what tells whether a project changed."""
    asked = {name for name, value in vars(Wheel).items() if isinstance(value, property)}
    assert {field.name for field in fields(Entry)} == asked


def test_a_lost_manifest_hides_nothing(tmp_path: Path, store: Shelves) -> None:
    """What was published and is not asked for any more goes all the same: the memo knows where it is."""
    public, box = tmp_path / "public", platform("box", [store.wheel("alpha")])
    whole = made(store, memo_of(public), box, platform("other", [store.wheel("beta")]))
    publish(public, whole, blob=store.blob, memo=memo_of(public))
    (public / "manifest.json").unlink()
    publish(public, made(store, memo_of(public), box), blob=store.blob, memo=memo_of(public))
    assert snapshot(public) == fresh(tmp_path / "fresh", store, box)
    shutil.rmtree(public)
    publish(public, made(store, memo_of(public), box), blob=store.blob, memo=memo_of(public))
    assert snapshot(public) == fresh(tmp_path / "fresh", store, box)


def test_parts_come_back_from_their_records(store: Shelves) -> None:
    """What a memo keeps of a few projects is all of it."""
    wheels = [*some(store), store.wheel("base", "2.0", body="again"), store.wheel("app", "3.0", yanked="<\x85>\t")]
    whole = tree([platform("box", wheels), platform("a", wheels[:3])], url=None, metadata=store.metadata)
    for part in whole.parts.values():
        assert Part.parsed(part.record()) == part
        assert [row[0] for row in json.loads(f"[{part.rows}]")] == list(part.names)


def test_a_memo_comes_back(tmp_path: Path) -> None:
    """As it was written."""
    write_memo(tmp_path / "memo", manifest="ab", since=7, paths=["x", "ü\n"], records=["a\x1fb", "ü\x1fc\n"])
    back = read_memo(tmp_path / "memo")
    assert (back.manifest, back.paths, dict(back.records)) == ("ab", ("x", "ü\n"), {"a": "a\x1fb", "ü": "ü\x1fc\n"})
