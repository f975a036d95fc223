"""What a stranger finds who reads the tree again: every kind of damage, by name, and nothing where nothing is wrong."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from index import verify as module
from index.publish import publish
from index.tree import tree
from index.verify import verify
from tests.index_makers import Shelves, platform


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A small tree with everything in it: two platforms, a clash, a local version, a yanked file, a former build."""
    store = Shelves(tmp_path / "store")
    foo, bar = store.wheel("foo", python=">=3.9, <4"), store.wheel("bar", "1.0+local.1", requires=["foo"])
    gone = store.wheel("foo", "0.9", yanked="bad <b>")
    before, after, other = (store.wheel("baz", body=text) for text in ("before", "after", "other"))
    whole = tree(
        [
            platform("old", [foo, bar, gone, before, after], sets={"base": [foo, bar]}),
            platform("new", [foo, other], libc=(2, 41), sets={"base": [foo]}),
        ],
        url="http://mirror.example/pypi",
        metadata=store.metadata,
    )
    publish(tmp_path / "public", whole, blob=store.blob)
    for path in (tmp_path / "public").glob("files/*/*/*"):  # no longer the store's: the tests damage them
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    return tmp_path / "public"


def wheel(public: Path, name: str = "foo-1.0") -> Path:
    return next(public.glob(f"files/*/*/{name}-*.whl"))


def flip(path: Path, at: int = -30) -> None:
    """One bit."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def sign(public: Path, *paths: str) -> Path:
    """Make the manifest agree with what was altered, as somebody would who wants to hide it."""
    manifest = json.loads((public / "manifest.json").read_text())
    for name in paths:
        data = (public / name).read_bytes()
        manifest["paths"][name] = {"size": len(data), "sha256": sha256(data).hexdigest()}
    (public / "manifest.json").write_text(json.dumps(manifest))
    return public


def spoilt(data: bytes) -> bytes:
    """A wheel whose METADATA is stored compressed, and is no such thing."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo("foo-1.0.dist-info/METADATA")
    start = info.header_offset + 30 + len(info.filename)
    packed = bytearray(data)
    packed[start : start + 4] = b"\xff" * 4
    return bytes(packed)


def link(public: Path, path: str, target: str) -> Path:
    """One more link."""
    (public / path).symlink_to(target)
    return public


def edit(public: Path, path: str, old: str, new: str) -> Path:
    """Alter one page and its line in the manifest."""
    text = (public / path).read_text()
    assert re.search(old, text)
    (public / path).write_text(re.sub(old, new, text))
    return sign(public, path)


def test_all_is_right(public: Path) -> None:
    """A tree as it was published, also under another name and with its links made into files."""
    assert verify(public) == []
    copy = public.with_name("stick")
    shutil.copytree(public, copy, symlinks=False)
    assert verify(copy) == []


def test_it_runs_alone(public: Path, tmp_path: Path) -> None:
    """One file, copied out of the checkout, run by a Python that knows no other: 0, and 1 with the findings."""
    alone = shutil.copy(module.__file__, tmp_path / "verify.py")
    command = [sys.executable, "-I", "-S", str(alone), str(public)]
    good = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (good.returncode, good.stdout, good.stderr) == (0, "all is right\n", "")
    flip(wheel(public))
    bad = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (bad.returncode, bad.stderr) == (1, "")
    assert "foo-1.0-py3-none-any.whl: is not what was published" in bad.stdout


@pytest.mark.parametrize("stdout", ["/dev/full", "pipe"])
def test_nobody_reads_what_it_says(public: Path, stdout: str) -> None:
    """The exit code says it all the same."""
    read, write = os.pipe()
    os.close(read)
    target = os.open(stdout, os.O_WRONLY) if stdout != "pipe" else write
    flip(wheel(public))
    done = subprocess.run(
        [sys.executable, str(module.__file__), str(public)], check=False, stdout=target, stderr=subprocess.PIPE
    )
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_flipped_bit_is_found_wherever_it_is(public: Path) -> None:
    """In each single file of the tree, the manifest included."""
    for path in sorted(one for one in public.rglob("*") if one.is_file() and not one.is_symlink()):
        before = path.read_bytes()
        flip(path, at=len(before) // 2)
        findings = verify(public)
        name = path.relative_to(public).as_posix()
        assert findings, name
        assert name == "manifest.json" or any(one.startswith(f"{name}: is not what was published") for one in findings)
        path.write_bytes(before)
    assert verify(public) == []


@pytest.mark.parametrize(
    "spelled", ["1.0-RC.1", "v1.0rc1", "1.0.0c1", " 1.0rc01 ", "0!1.0-pre_1", "1.0.preview1", "1.0rc1"]
)
def test_a_version_in_another_spelling(tmp_path: Path, spelled: str) -> None:
    """PEP 440 allows many; METADATA may have any, and it is the same version."""
    store = Shelves(tmp_path / "store")
    foo = replace(store.wheel("foo", "1.0rc1"), version=spelled)
    whole = tree([platform("old", [foo])], url=None, metadata=store.metadata)
    publish(tmp_path / "public", whole, blob=store.blob)
    assert verify(tmp_path / "public") == []
    other = replace(foo, version="1.0rc2")
    publish(tmp_path / "public", tree([platform("old", [other])], url=None, metadata=store.metadata), blob=store.blob)
    assert any("its versions are not those of its files" in one for one in verify(tmp_path / "public"))


def test_a_missing_file_is_found(public: Path) -> None:
    """Each file and each link, one at a time."""
    for path in sorted(one for one in public.rglob("*") if one.is_symlink() or one.is_file()):
        spare = public.with_name("spare")
        path.rename(spare)
        name = path.relative_to(public).as_posix()
        assert any(one.startswith(f"{name}: is missing") for one in verify(public)), name
        spare.rename(path)
    assert verify(public) == []


HOSTILE = '{"filename":[1],"url":{"a":1},"hashes":[],"core-metadata":7,"requires-python":[],"yanked":{},"size":"x"}'
ALTERATIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a status in one form only": (
        lambda public: edit(public, "simple/foo/index.html", '(project-status" content)="active"', r'\1="archived"'),
        r"simple/foo: HTML and JSON disagree about the project's status",
    ),
    "a yanked file that no set asks for": (
        lambda public: link(
            public, "old/foo-0.9-py3-none-any.whl", f"../{wheel(public, 'foo-0.9').relative_to(public)}"
        ),
        r"old/foo-0.9-py3-none-any.whl: is not what the platform's index offers",
    ),
    "a status that nobody knows": (
        lambda public: [
            edit(public, "simple/foo/index.html", '(project-status" content)="active"', r'\1="evil"'),
            edit(public, "simple/foo/index.v1_json", '"status":"active"', '"status":"evil"'),
        ],
        r"simple/foo/index.html: 'evil' is no status of a project",
    ),
    "two addresses in HTML": (
        lambda public: edit(
            public, "simple/foo/index.html", '<a href="', '<a href="https://evil.example/x.whl" href="'
        ),
        r"simple/foo/index.html: a <a> says something twice",
    ),
    "two addresses in JSON": (
        lambda public: edit(public, "simple/foo/index.v1_json", '"url":"', '"url":"https://evil.example/x","url":"'),
        r"simple/foo/index.v1_json: is not the JSON that it should be: .*said twice",
    ),
    "two repository-versions": (
        lambda public: edit(
            public, "simple/index.html", "<title>", '<meta name="pypi:repository-version" content="2.0"><title>'
        ),
        r"simple/index.html: a <meta> says something twice",
    ),
    "a script on a page for clients": (
        lambda public: edit(public, "simple/foo/index.html", "</body>", "<script>alert(1)</script></body>"),
        r"simple/foo/index.html: has a <script>",
    ),
    "a page that leads elsewhere by itself": (
        lambda public: edit(public, "simple/index.html", "<title>", '<meta http-equiv="refresh" content="0"><title>'),
        r"simple/index.html: has a <meta>, which could lead a browser elsewhere",
    ),
    "a question behind an address": (
        lambda public: edit(public, "simple/foo/index.html", r"\.whl#", ".whl?x=1#"),
        r"simple/foo/index.html: links to '.*\?x=1#.*', with a question",
    ),
    "a second index in pip.conf": (
        lambda public: edit(public, "old/pip.conf", r"\Z", "extra-index-url = https://evil.example/\n"),
        r"old/pip.conf: says 'extra-index-url = https://evil.example/', which nobody publishes",
    ),
    "a second index in uv.toml": (
        lambda public: edit(public, "old/uv.toml", r"\Z", 'extra-index-url = ["https://evil.example/"]\n'),
        r"old/uv.toml: says 'extra-index-url",
    ),
    "an option in a set's requirements": (
        lambda public: edit(public, "old/base.txt", r"\A", "--extra-index-url https://evil.example/\n"),
        r"old/base.txt: says '--extra-index-url https://evil.example/', which nobody publishes",
    ),
    "another version in a set's requirements": (
        lambda public: edit(public, "old/base.txt", "foo==1.0 ", "foo==1.1 "),
        r"old/base.txt: asks for foo 1.1, and its sha256 is that of foo 1.0",
    ),
    "another path in a lock": (
        lambda public: edit(public, "old/base.pylock.toml", r"path = \"../files/", 'path = "../nofiles/'),
        r"old/base.pylock.toml: leads to nofiles/.*, where no file of its sha256 is",
    ),
    "a lock that leads elsewhere": (
        lambda public: edit(public, "old/base.pylock.toml", r"path = \"../", 'url = "https://evil.example/'),
        r"old/base.pylock.toml: says '.*url = .*', which nobody publishes",
    ),
    "an orphan": (lambda public: (public / "files" / "x.whl").write_text("x"), r"files/x.whl: nothing points to it"),
    "an orphan in the manifest": (
        lambda public: [(public / "files" / "x.whl.metadata").write_text("x"), sign(public, "files/x.whl.metadata")],
        r"files/x.whl.metadata: has no wheel beside it",
    ),
    "a link that dangles": (
        lambda public: link(public, "old/x.whl", "../nowhere.whl"),
        r"old/x.whl: is a link to ../nowhere.whl, where no file is",
    ),
    "a link out of the tree": (
        lambda public: link(public, "old/x.whl", "/etc/passwd"),
        r"old/x.whl: is a link to /etc/passwd",
    ),
    "a page that dropped a file in HTML": (
        lambda public: edit(public, "old/simple/foo/index.html", r"<a href=.*foo-1.0.*\n", ""),
        r"old/simple/foo: HTML and JSON disagree about foo-1.0-py3-none-any.whl",
    ),
    "another hash in JSON": (
        lambda public: edit(
            public, "simple/foo/index.v1_json", r'"hashes":{"sha256":"....', '"hashes":{"sha256":"0000'
        ),
        r"simple/foo: HTML and JSON disagree about",
    ),
    "another size in JSON": (
        lambda public: edit(public, "simple/foo/index.v1_json", r'"size":\d+', '"size":1'),
        r"simple/foo/index.v1_json: foo-.*: has \d+ bytes, and the page says 1",
    ),
    "another Requires-Python in both": (
        lambda public: [
            edit(public, "simple/foo/index.html", "&gt;=3.9, &lt;4", "&gt;=2"),
            edit(public, "simple/foo/index.v1_json", ">=3.9, <4", ">=2"),
        ],
        r"simple/foo/index.html: foo-1.0-py3-none-any.whl requires Python >=3.9, <4, and the page says >=2",
    ),
    "a link to another host": (
        lambda public: edit(public, "simple/foo/index.html", r'href="../..', 'href="http://evil.example/'),
        r"simple/foo/index.html: links to 'http://evil.example/.*', which is outside the tree",
    ),
    "a project that no list names": (
        lambda public: [
            edit(public, "simple/index.html", r"<a href=.*foo.*\n", ""),
            edit(public, "simple/index.v1_json", r'\{"name":"foo"\}', '{"name":"bar"}'),
        ],
        r"simple/foo: no list names it",
    ),
    "a project without a page": (
        lambda public: edit(public, "simple/index.html", ">foo<", ">fob<"),
        r"simple/index.html: lists 'fob', which has no page",
    ),
    "a page that is no HTML5": (
        lambda public: edit(public, "simple/index.html", "<!DOCTYPE html>\n", ""),
        r"simple/index.html: has no HTML5 doctype",
    ),
    "another api-version": (
        lambda public: edit(public, "simple/index.v1_json", "1[.]4", "2.0"),
        r"simple/index.v1_json: is not of api-version 1.4",
    ),
    "nonsense in JSON": (
        lambda public: edit(public, "simple/foo/index.v1_json", r'"files":\[', f'"files":[{HOSTILE},'),
        r"simple/foo: HTML and JSON disagree about",
    ),
    "a wheel for one machine": (
        lambda public: edit(public, "simple/foo/index.html", ">foo-1.0-py3-none-any", ">foo-1.0-py3-none-linux_x86_64"),
        r"simple/foo/index.html: offers foo-1.0-py3-none-linux_x86_64.whl to machines",
    ),
    "metadata that is not the wheel's": (
        lambda public: [
            path := next(public.glob("files/*/*/foo-1.0-*.metadata")),
            path.write_text("Metadata-Version: 2.1\nName: foo\nVersion: 1.0\nRequires-Dist: evil\n"),
            sign(public, path.relative_to(public).as_posix()),
        ],
        r"foo-1.0-py3-none-any.whl.metadata: is not the METADATA in the wheel",
    ),
    "a yanked file in the folder": (
        lambda public: [
            path := wheel(public, "foo-0.9"),
            link(public, f"old/{path.name}", f"../{path.relative_to(public)}"),
        ],
        r"old/foo-0.9-py3-none-any.whl: is not what the platform's index offers",
    ),
    "a page for people that leads nowhere": (
        lambda public: edit(public, "index.html", r'href="old/simple/', 'href="young/simple/'),
        r"index.html: links to young/simple/index.html, which is not there",
    ),
    "a URL that is none": (
        lambda public: edit(public, "simple/foo/index.html", 'href="../../files', 'href="http://[files'),
        r"simple/foo/index.html: links to 'http://\[files.*outside the tree",
    ),
    "markup that Python's parser gives up on": (
        lambda public: edit(public, "simple/foo/index.html", "</html>", "<![x[a]]></html>"),
        r"simple/foo/index.html: is no HTML",
    ),
    "JSON without an end": (
        lambda public: edit(public, "simple/foo/index.v1_json", '"files":', f'"files":{"[" * 200_000}'),
        r"simple/foo/index.v1_json: is not the JSON that it should be",
    ),
    "a size of 5,000 digits": (
        lambda public: edit(public, "simple/foo/index.v1_json", r'"size":\d+', f'"size":"{"9" * 5000}"'),
        r"simple/foo/index.v1_json: foo-1.0-py3-none-any.whl: has \d+ bytes, and the page says 9+$",
    ),
    "a table without an end": (
        lambda public: edit(public, "index.html", '"projects":', f'"projects":{"[" * 200_000}'),
        r"index.html: has no table of projects",
    ),
    "a wheel whose METADATA does not unpack": (
        lambda public: [
            path := wheel(public),
            path.write_bytes(spoilt(path.read_bytes())),
            sign(public, path.relative_to(public).as_posix()),
        ],
        r"foo-1.0-py3-none-any.whl: cannot be read as a wheel",
    ),
    "versions that are not those of the files": (
        lambda public: edit(public, "simple/foo/index.v1_json", r'"versions":\[.*?\]', '"versions":["1.0"]'),
        r"simple/foo/index.v1_json: its versions are not those of its files",
    ),
    "a version twice": (
        lambda public: edit(public, "simple/foo/index.v1_json", r'"versions":\["0.9",', '"versions":["0.9","0.9",'),
        r"simple/foo/index.v1_json: its versions are not those of its files",
    ),
    "a size in quotes": (
        lambda public: edit(public, "simple/foo/index.v1_json", r'"size":(\d+)', r'"size":"\1"'),
        r"simple/foo/index.v1_json: foo-1.0-py3-none-any.whl: its size is no number",
    ),
    "another repository-version": (
        lambda public: edit(public, "old/simple/index.html", "1[.]4", "2.0"),
        r"old/simple/index.html: is not of repository-version 1.4",
    ),
    "a repository-version on no project's page": (
        lambda public: edit(public, "simple/foo/index.html", '<meta name="pypi:repository-version".*\n', ""),
        r"simple/foo/index.html: is not of repository-version 1.4",
    ),
    "a file of elsewhere on a folder's page": (
        lambda public: edit(
            public, "old/index.html", "<a href=", '<a href="http://evil.example/foo-9-py3-none-any.whl">'
        ),
        r"old/index.html: links to 'http://evil.example/foo-9-py3-none-any.whl', which is elsewhere",
    ),
    "a file that its folder's page does not have": (
        lambda public: edit(public, "old/index.html", r"<a href=.*foo-1.0.*\n", ""),
        r"old/foo-1.0-py3-none-any.whl: is not on its folder's page",
    ),
    "a wheel under another hash": (
        lambda public: [
            path := wheel(public, "bar-1.0+local.1"),
            path.write_bytes(path.read_bytes() + b"x"),
            sign(public, path.relative_to(public).as_posix()),
        ],
        r"bar-1.0\+local.1-py3-none-any.whl: is not in the folder of its own hash",
    ),
}


@pytest.mark.parametrize("name", sorted(ALTERATIONS))
def test_what_is_altered_is_found(public: Path, name: str) -> None:
    """Also where the manifest was made to agree: each thing is compared with at least one other."""
    alter, expected = ALTERATIONS[name]
    alter(public)
    assert any(re.search(expected, finding, re.DOTALL) for finding in verify(public)), verify(public)


MODES = {"simple/foo/index.html": 0o646, "simple/foo": 0o777, ".": 0o700, "manifest.json": 0o600, "index.html": 0o600}


@pytest.mark.parametrize("path", MODES)
def test_modes_unlike_the_rest(public: Path, path: str) -> None:
    """A web server answers 403 for what is hidden from it; and what somebody else may write is not to be trusted."""
    place = public / path
    was = place.stat().st_mode & 0o777
    place.chmod(MODES[path])
    [finding] = [one for one in verify(public) if one.startswith(f"{path}: ")]
    assert finding.endswith(f"the rest: its mode is {MODES[path]:o}")
    place.chmod(was)
    assert verify(public) == []


def test_a_lost_manifest_is_one_finding(public: Path) -> None:
    """And not one for each path."""
    (public / "manifest.json").unlink()
    assert verify(public) == ["manifest.json: is missing"]


def test_a_publication_that_runs_is_no_finding(tmp_path: Path) -> None:
    """Trees of other sizes are published one after the other while somebody verifies: nothing is wrong at any time."""
    store, public = Shelves(tmp_path / "store"), tmp_path / "public"
    wheels = [store.wheel(f"made-up-{number}") for number in range(80)]
    trees = [tree([platform("box", wheels[:size])], url=None, metadata=store.metadata) for size in (20, 80)]
    publish(public, trees[0], blob=store.blob)
    ended = threading.Event()

    def publishing() -> None:
        for number in range(16):
            publish(public, trees[number % 2], blob=store.blob)
            time.sleep(0.02 * (number % 8))
        ended.set()

    thread = threading.Thread(target=publishing)
    thread.start()
    found: set[str] = set()
    while not ended.is_set():
        found.update(verify(public))
    thread.join()
    assert found <= {"manifest.json: publications ran all the while; verify again when they have ended"}
    assert verify(public) == []


@pytest.mark.parametrize("name", ["x\x1b[2J\n", "x\udcff"])
def test_control_sequences_of_a_name_are_not_printed(public: Path, name: str) -> None:
    """A finding is for a terminal, and a line of its own."""
    (public / name).write_text("")
    [finding] = verify(public)
    assert finding.isprintable()


def test_a_link_in_the_manifest_that_leads_to_no_path(public: Path) -> None:
    """It is as good as none."""
    manifest = json.loads((public / "manifest.json").read_text())
    manifest["paths"]["old/foo-1.0-py3-none-any.whl"] = {"link": 7}
    (public / "manifest.json").write_text(json.dumps(manifest))
    [finding] = verify(public)
    assert finding.startswith("old/foo-1.0-py3-none-any.whl: nothing points to it: it is not in the manifest")


def test_what_cannot_be_read_is_a_finding(public: Path) -> None:
    """No traceback for a FIFO, a folder in the place of a page, a manifest of nonsense."""
    page = public / "simple" / "foo" / "index.html"
    page.unlink()
    page.mkdir()
    os.mkfifo(public / "files" / "fifo")
    (public / "manifest.json").write_text('{"paths": [1]}')
    findings = verify(public)
    assert any("manifest.json: cannot be read" in one for one in findings)
    assert any("files/fifo" in one for one in findings)
    assert verify(public / "nothing") == [f"{public / 'nothing'}: there is no such folder"]
