"""Publishing: in place, additive, the same bytes for the same input, and valid at every instant."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urljoin, urlsplit

import pytest

from index import sharing
from index.disk import Root
from index.errors import PublishError
from index.model import Entry
from index.publish import Published, is_current, publish
from index.tree import Tree
from index.verify import interrupted, verify
from tests.disk import sha256_of, snapshot
from tests.index_makers import Shelves, made, platform, put, served

REPOSITORY = Path(__file__).parent.parent


def generation(store: Shelves, number: int) -> Tree:
    """The tree as it is after so many runs: each adds a project, a version, and yanks or mends one."""
    wheels = [store.wheel(f"project-{one}", f"{two}.0") for one in range(number + 1) for two in range(2)]
    yanked = store.wheel("foo", "1.0", yanked="broken" if number % 2 else None)
    foo = [yanked, *(store.wheel("foo", f"2.{one}", requires=["project-0"]) for one in range(number + 1))]
    return made(
        store,
        platform("old", [*wheels, *foo], sets={"base": [foo[-1], wheels[1]]}),
        platform("new", foo, libc=(2, 41), sets={"base": foo[-1:]}),
    )


def test_the_tree_is_the_contract(public: Path, store: Shelves) -> None:
    """Every path of the published tree, by name."""
    foo, bar = store.wheel("foo"), store.wheel("bar", yanked="")
    put(public, store, platform("box", [foo, bar], sets={"base": [foo]}))
    pool = {
        f"files/{one.sha256[:2]}/{one.sha256}/{one.filename}{end}" for one in (foo, bar) for end in ("", ".metadata")
    }
    settings = {"pip.conf", "uv.toml", "base.txt", "base.pylock.toml", "pylock.base.toml", "index.html", foo.filename}
    pages = {f"simple/{page}{name}" for page in ("", "foo/", "bar/") for name in ("index.html", "index.v1_json")}
    people = {f"about/{name}" for name in ("foo.html", "bar.html", "people.css")}
    assert set(snapshot(public)) == {
        "index.html",
        "manifest.json",
        *people,
        *pool,
        *pages,
        *(f"box/{name}" for name in settings | pages),
    }
    assert (public / "box" / foo.filename).readlink() == Path(f"../files/{foo.sha256[:2]}/{foo.sha256}/{foo.filename}")
    assert verify(public) == []


def test_the_manifest_names_every_path(public: Path, store: Shelves) -> None:
    """Size and sha256 of each file, the target of each link, nothing else, and no time."""
    put(public, store, platform("box", [store.wheel("foo")]))
    manifest = json.loads((public / "manifest.json").read_text())
    assert manifest["version"] == 1
    found = snapshot(public)
    del found["manifest.json"]
    said = {path: one["sha256"] if "sha256" in one else f"-> {one['link']}" for path, one in manifest["paths"].items()}
    assert said == found
    assert all(
        one["size"] == (public / path).stat().st_size for path, one in manifest["paths"].items() if "size" in one
    )
    assert list(manifest["paths"]) == sorted(manifest["paths"])


def test_nothing_changed_writes_nothing(public: Path, store: Shelves) -> None:
    """The second publication leaves every inode and time as it was, and `is_current` says so before."""
    first = put(public, store, platform("box", [store.wheel("foo")]))
    before = {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in public.rglob("*")}
    assert first.changed
    assert is_current(public, first.manifest)
    second = put(public, store, platform("box", [store.wheel("foo")]))
    assert not second.changed
    assert second.manifest == first.manifest
    assert {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in public.rglob("*")} == before


def test_a_wheel_shares_its_bytes_with_the_store(public: Path, store: Shelves) -> None:
    """A hard link of a read-only blob costs nothing; a blob that somebody may write is copied."""
    foo, bar = store.wheel("foo"), store.wheel("bar")
    store.blob(bar.sha256).chmod(0o644)
    put(public, store, platform("box", [foo, bar]))
    assert (public / "box" / foo.filename).samefile(store.blob(foo.sha256))
    assert not (public / "box" / bar.filename).samefile(store.blob(bar.sha256))


def test_everybody_may_read_what_is_published(public: Path, store: Shelves) -> None:
    """Whatever the umask of the one who publishes."""
    before = os.umask(0o077)
    try:
        put(public, store, platform("box", [store.wheel("foo")]))
    finally:
        os.umask(before)
    for path in (public, *public.rglob("*")):
        mode = path.stat().st_mode
        assert mode & 0o444 == 0o444, path
        assert mode & 0o111 == 0o111 or not stat.S_ISDIR(mode), path


def test_another_platform_is_added_and_touches_no_page_of_the_first(public: Path, store: Shelves) -> None:
    """One platform after the other: what it does not share stays the very same file."""
    foo, bar = store.wheel("foo"), store.wheel("bar")
    put(public, store, platform("a", [foo]))
    before = {path: path.lstat().st_ino for path in (public / "a").rglob("*")}
    result = put(public, store, platform("a", [foo]), platform("b", [foo, bar]))
    assert {path: path.lstat().st_ino for path in (public / "a").rglob("*")} == before
    assert result.files == 2  # bar and its metadata; foo is there
    assert verify(public) == []


def test_what_is_not_in_the_tree_any_more_is_taken_away(public: Path, store: Shelves) -> None:
    """Pages, links, files, and the folders that they leave empty; and nothing of anybody else's."""
    foo, bar = store.wheel("foo"), store.wheel("bar")
    put(public, store, platform("a", [foo]), platform("b", [bar], sets={"base": [bar]}))
    (public / "robots.txt").write_text("not ours")
    result = put(public, store, platform("a", [foo]))
    fresh = public.with_name("fresh")
    put(fresh, store, platform("a", [foo]))
    assert result.removed > 0
    assert snapshot(public) == {**snapshot(fresh), "robots.txt": sha256(b"not ours").hexdigest()}
    assert not (public / "b").exists()


def test_an_edit_is_mended(public: Path, store: Shelves) -> None:
    """A page altered to the same size, one deleted, a link gone astray, a pool file deleted: all as published."""
    foo = store.wheel("foo")
    put(public, store, platform("box", [foo], sets={"base": [foo]}))
    before = snapshot(public)
    page = public / "simple" / "foo" / "index.html"
    page.write_text(page.read_text().replace("foo-1.0", "bar-9.9"))
    (public / "box" / "simple" / "index.v1_json").unlink()
    (public / "box" / foo.filename).unlink()
    (public / "box" / foo.filename).symlink_to("../nowhere")
    next(public.glob("files/*/*/*.whl")).unlink()
    (public / "box" / "pip.conf").chmod(0o600)
    put(public, store, platform("box", [foo], sets={"base": [foo]}))
    assert snapshot(public) == before
    assert verify(public) == []
    assert (public / "box" / "pip.conf").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"version":1,"paths":{"../../victim":{"size":1,"sha256":""}}}'])
def test_a_damaged_manifest_is_mended(public: Path, store: Shelves, damage: bytes) -> None:
    """The manifest is looked at, not believed: everything is checked, and nothing outside is touched for it."""
    victim = public.parent.parent / "victim"
    put(public, store, platform("box", [store.wheel("foo")]))
    before = snapshot(public)
    (public / "manifest.json").write_bytes(damage)
    victim.write_text("not ours")
    put(public, store, platform("box", [store.wheel("foo")]))
    assert snapshot(public) == before
    assert victim.read_text() == "not ours"


@pytest.mark.parametrize("parts", [1, 2])
def test_a_damaged_blob_is_not_published(
    public: Path, store: Shelves, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each blob is hashed once more; expected and actual stand under each other, and the old tree stays."""
    monkeypatch.setattr(sharing, "WORTH", 1e-9)
    monkeypatch.setattr(sharing, "cores", lambda: parts)
    monkeypatch.setattr("index.batches._TOGETHER", 1)
    foo, bar = store.wheel("foo"), store.wheel("bar")
    put(public, store, platform("box", [bar]))
    before = snapshot(public)
    blob = store.blob(foo.sha256)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"\x01")
    with pytest.raises(PublishError, match=f"expected sha256 {foo.sha256}"):
        put(public, store, platform("box", [foo, bar]))
    assert snapshot(public) == before


@pytest.mark.parametrize("name", ["simple", "box", "files"])
def test_a_link_in_the_place_of_a_folder_is_not_followed(public: Path, store: Shelves, name: str) -> None:
    """Nothing is written or removed outside the tree, wherever a link in it leads."""
    elsewhere = public.parent / "elsewhere"
    put(public, store, platform("box", [store.wheel("foo")]))
    (public / name).rename(elsewhere)
    (public / name).symlink_to(elsewhere)
    before = snapshot(elsewhere)
    with pytest.raises(PublishError, match="not a folder"):
        put(public, store, platform("box", [store.wheel("bar")]))
    assert snapshot(elsewhere) == before


@pytest.mark.parametrize("folder", ["simple/foo", "box/simple/foo"])
def test_a_link_in_the_place_of_a_projects_folder_is_named(public: Path, store: Shelves, folder: str) -> None:
    """Also where it leads to a copy of what was there: a tree that is carried elsewhere would not have that."""
    put(public, store, platform("box", [store.wheel("foo")]))
    (public / folder).rename(public.parent / "elsewhere")
    (public / folder).symlink_to(public.parent / "elsewhere")
    with pytest.raises(PublishError, match=rf"{folder} is not a folder\n  move it away"):
        put(public, store, platform("box", [store.wheel("foo")]))
    (public / folder).unlink()
    put(public, store, platform("box", [store.wheel("foo")]))
    assert verify(public) == []


IN_THE_WAY = ["index.html", "about/foo.html", "simple/foo/index.html", "box/foo-1.0-*.whl", "files/*/*/foo-1.0-*.whl"]


@pytest.mark.parametrize("pattern", [*IN_THE_WAY, "manifest.json"])
def test_a_folder_in_the_place_of_a_file_is_named(public: Path, store: Shelves, pattern: str) -> None:
    """Of a page, a link, a pool file: it is said what to move away, and then all is well."""
    put(public, store, platform("box", [store.wheel("foo")]))
    [path] = public.glob(pattern)
    path.unlink()
    path.mkdir()
    with pytest.raises(PublishError, match=rf"{re.escape(str(path))} is a folder\n  move it away"):
        put(public, store, platform("box", [store.wheel("foo")]))
    path.rmdir()
    put(public, store, platform("box", [store.wheel("foo")]))
    assert verify(public) == []


def test_what_is_no_folder_in_the_place_of_all_is_named(public: Path, store: Shelves) -> None:
    """A link that leads nowhere, a file: nothing is made behind it or in its place."""
    public.symlink_to("nowhere")
    with pytest.raises(PublishError, match=r"public is a link to nowhere, which is not there\n  move it away"):
        put(public, store, platform("box", [store.wheel("foo")]))
    assert not public.exists()
    public.unlink()
    public.write_text("not ours")
    with pytest.raises(PublishError, match=r"public is not a folder\n  move it away"):
        put(public, store, platform("box", [store.wheel("foo")]))
    assert public.read_text() == "not ours"


@pytest.mark.parametrize("kind", ["link", "pipe", "written pipe"])
@pytest.mark.timeout(60)
def test_a_manifest_that_is_no_file_counts_as_none(public: Path, store: Shelves, kind: str) -> None:
    """A link is not followed, a pipe not waited for; the next publication puts a file there."""
    first = put(public, store, platform("box", [store.wheel("foo")]))
    path, victim = public / "manifest.json", public.with_name("victim")
    path.rename(victim)
    writer = None
    if kind == "link":
        path.symlink_to(victim)
    else:
        os.mkfifo(path)
        writer = os.open(path, os.O_RDWR) if kind == "written pipe" else None
    assert not is_current(public, first.manifest)
    assert put(public, store, platform("box", [store.wheel("foo")])).manifest == first.manifest
    assert path.is_file()
    assert not path.is_symlink()
    assert path.read_bytes() == victim.read_bytes()
    assert not path.samefile(victim)
    assert verify(public) == []
    if writer is not None:
        os.close(writer)


def put_thoroughly(public: Path, store: Shelves) -> Published:
    return publish(public, made(store, platform("box", [store.wheel("foo")])), blob=store.blob, thorough=True)


@pytest.mark.parametrize("path", ["files", "files/*", "files/*/*", "simple", "simple/foo", "box", "about"])
def test_a_hidden_folder_is_shown_again(public: Path, store: Shelves, path: str) -> None:
    """By a publication that looks at everything; its other bits stay, and so does a folder of somebody else's."""
    put_thoroughly(public, store)
    [folder] = public.glob(path)
    folder.chmod(0o2700)
    (public / "theirs").mkdir(mode=0o700)
    assert any("its mode is 700" in finding for finding in verify(public))
    put_thoroughly(public, store)
    assert folder.stat().st_mode & 0o7777 == 0o2755
    assert (public / "theirs").stat().st_mode & 0o777 == 0o700
    (public / "theirs").rmdir()
    assert verify(public) == []


def test_a_folder_that_is_not_ours_stays_hidden(public: Path, store: Shelves) -> None:
    """Another owner's, and one that a link leads to."""
    put_thoroughly(public, store)
    (public / "files").chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: -1)
        put_thoroughly(public, store)
    assert (public / "files").stat().st_mode & 0o777 == 0o700
    elsewhere = public.with_name("elsewhere")
    (public / "simple").rename(elsewhere)
    (elsewhere / "foo").chmod(0o700)
    (public / "simple").symlink_to(elsewhere)
    with pytest.raises(PublishError, match="simple is not a folder"):
        put_thoroughly(public, store)
    assert (elsewhere / "foo").stat().st_mode & 0o777 == 0o700


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a small file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_old_tree(small_disk: Path, store: Shelves) -> None:
    """No room: it is said, the old tree stands, nothing is left lying, and room is all that it takes."""
    public = small_disk / "public"
    put(public, store, platform("box", [store.wheel("foo")]))
    before = snapshot(public)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"x" * 400_000)
    large = platform("box", [store.wheel("foo"), store.wheel("bar", body="x" * 100_000)])
    with pytest.raises(PublishError, match="No space left"):
        put(public, store, large)
    assert snapshot(public) == before
    assert verify(public) == []
    ballast.unlink()
    put(public, store, large)
    assert verify(public) == []


FLUSHED = """
import sys, time
from pathlib import Path
from index.disk import opened
with opened(Path(sys.argv[1])) as root:
    with root.writing():
        root.write("page", [b"text"])
        time.sleep(1)
    root.sync()
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_an_error_that_the_disk_tells_early_is_not_lost(tmp_path: Path) -> None:
    """The kernel tells of what it could not write once, perhaps while more is being made: the publication fails."""
    child = [sys.executable, "-c", FLUSHED, str(tmp_path / "public")]
    failing = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=syncfs", "-e", "inject=syncfs:error=EIO:when=1"]
    done = subprocess.run([*failing, *child], check=False, capture_output=True, text=True, cwd=REPOSITORY)
    assert "Input/output error" in done.stderr
    assert done.returncode == 1
    (tmp_path / "public" / "page").unlink()
    assert subprocess.run(child, check=False, cwd=REPOSITORY).returncode == 0


CHILD = """
import os, signal, sys
from pathlib import Path
from index import batches, sharing
from index.publish import publish
from tests.index_makers import Shelves
from tests.test_index_publish import generation
public, store = Path(sys.argv[1]), Shelves(Path(sys.argv[2]))
number, last, cores = map(int, sys.argv[3:])
sharing.WORTH, sharing.cores, batches._TOGETHER = 1e-9, lambda: cores, 1
whole = generation(store, number)
seen = 0
def count(event, arguments):
    global seen
    if event in {"os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.utime"}:
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
publish(public, whole, blob=store.blob)
print(seen)
"""


def run_child(public: Path, store: Shelves, number: int, last: int, cores: int = 1) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(public), str(store.folder), str(number), str(last), str(cores)]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY)


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("start", [None, 0])
def test_killed_anywhere_the_tree_is_valid(tmp_path: Path, store: Shelves, start: int | None, cores: int) -> None:
    """SIGKILL before each kind of call, first publication and later one: valid at once, and complete after the next.

    So it is where several processes share it, and each is killed at its own.
    """
    complete = tmp_path / "complete"
    publish(complete, generation(store, 1), blob=store.blob)
    total = int(run_child(tmp_path / "count", store, 1, -1, cores).stdout) if start is None else 60
    for last in range(1, total + 1, max(1, total // 16)):
        public = tmp_path / f"public-{last}"
        if start is not None:
            publish(public, generation(store, start), blob=store.blob)
        killed = run_child(public, store, 1, last, cores)
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not public.exists() or verify(public) == [], last
        publish(public, generation(store, 1), blob=store.blob)
        assert snapshot(public) == snapshot(complete), last
        assert not interrupted(public)


def test_killed_while_it_takes_away(tmp_path: Path, store: Shelves) -> None:
    """From a later generation back to an earlier one, killed at every call: nothing that a page names is missing."""
    complete = tmp_path / "complete"
    publish(complete, generation(store, 0), blob=store.blob)
    for last in range(1, 200, 4):
        public = tmp_path / f"public-{last}"
        publish(public, generation(store, 1), blob=store.blob)
        killed = run_child(public, store, 0, last)
        assert verify(public) == [], last
        publish(public, generation(store, 0), blob=store.blob)
        assert snapshot(public) == snapshot(complete), last
        if killed.returncode == 0:
            return
    pytest.fail("the child was always killed")


@pytest.mark.parametrize("projects", [0, 10])
def test_what_leads_to_others_is_taken_away_before_them(tmp_path: Path, store: Shelves, projects: int) -> None:
    """A platform goes, stopped after each k-th removal, few or with threads: no page leads to what is not there."""
    shared = store.wheel("shared")
    gone = [store.wheel(name) for name in ("bar", "simple", *(f"project-{one}" for one in range(projects)))]
    removed = stopped_after(tmp_path / "all", store, shared, gone, 10_000)
    assert (removed > 64) == (projects > 0)
    for last in range(1, removed, max(1, removed // 16)):
        assert stopped_after(tmp_path / f"public-{last}", store, shared, gone, last) >= last


def test_stopped_before_it_takes_an_empty_folder_away(public: Path, store: Shelves) -> None:
    """Its files have gone, so that nothing in it tells the next publication of it: it goes all the same."""
    shared, gone = store.wheel("shared"), store.wheel("gone")
    real, count = os.rmdir, 0

    def rmdir(path: str, **more: int) -> None:
        nonlocal count
        count += not str(path).startswith(".publishing")
        if count == last:
            raise KeyboardInterrupt
        real(path, **more)

    for last in range(1, 20):
        count = 0
        put(public, store, platform("box", [shared, gone]))
        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(os, "rmdir", rmdir)
            put(public, store, platform("box", [shared]))
        put(public, store, platform("box", [shared]))
        assert verify(public) == [], last
        if count < last:
            return
    pytest.fail("it was always stopped")


def stopped_after(public: Path, store: Shelves, shared: Entry, gone: list[Entry], last: int) -> int:
    """Publish two platforms, then only the first, until so many paths were taken away; gives their number."""
    count = 0
    real = Root._unlinked

    def unlinked(root: Root, path: str) -> bool:
        nonlocal count
        if count >= last:
            raise KeyboardInterrupt
        count += not path.startswith(".publishing")
        return real(root, path)

    stays = platform("box", [shared])
    put(public, store, stays, platform("c", [shared, *gone], sets={"base": [shared, *gone]}))
    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Root, "_unlinked", unlinked)
        put(public, store, stays)
    assert verify(public) == [], last
    return count


def test_a_flat_page_names_no_other_bytes_than_its_links(public: Path, store: Shelves) -> None:
    """A wheel is built again under its name: at no instant does the folder's page name the hash of the former one."""
    before, after = (store.wheel("foo", body=text) for text in ("before", "after"))
    page, link = public / "box" / "index.html", public / "box" / before.filename
    real, seen = Root.replace, set()

    def replaced(root: Root, path: str, place: str) -> None:
        real(root, path, place)
        linked = sha256_of(link)
        seen.add(linked)
        assert set(re.findall("[0-9a-f]{64}", page.read_text())) <= {linked}

    put(public, store, platform("box", [before]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Root, "replace", replaced)
        put(public, store, platform("box", [after], sets={"base": [after]}))
    assert seen == {before.sha256, after.sha256}
    assert f'<a href="{after.filename}">' in page.read_text()


class Reader(Thread):
    """A client that walks over all pages and files, again and again, and writes down what is not right."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.host = urlsplit(url).netloc
        self.stop = Event()
        self.reads = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        """Until told to stop."""
        connection = HTTPConnection(self.host)
        while not self.stop.is_set():
            for index in ("simple/", "old/simple/", "new/simple/"):
                names = json.loads(self.read(connection, f"/{index}index.v1_json"))["projects"]
                for name in names:
                    self.project(connection, f"/{index}{name['name']}/")
        connection.close()

    def project(self, connection: HTTPConnection, folder: str) -> None:
        """Both pages, and each file that they name."""
        if not self.read(connection, folder).endswith(b"</html>\n"):
            self.wrong.append(f"{folder} is short")
        for file in json.loads(self.read(connection, f"{folder}index.v1_json"))["files"]:
            path = urljoin(folder, file["url"])
            if sha256(self.read(connection, path)).hexdigest() != file["hashes"]["sha256"]:
                self.wrong.append(f"{path} has another hash")
            if sha256(self.read(connection, f"{path}.metadata")).hexdigest() != file["core-metadata"]["sha256"]:
                self.wrong.append(f"{path}.metadata has another hash")
            if file["filename"].startswith("project_") and not folder.startswith("/simple"):
                self.read(connection, urljoin(folder, f"../../{file['filename']}"))

    def read(self, connection: HTTPConnection, path: str) -> bytes:
        """One whole answer."""
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        self.reads += 1
        if answer.status != 200 or len(body) != int(answer.headers["Content-Length"]):
            self.wrong.append(f"{path}: {answer.status}, {len(body)} bytes")
        return body


def test_a_reader_sees_only_whole_answers(public: Path, store: Shelves) -> None:
    """Fifty publications while a client reads in a loop: no 404, no short body, no wrong hash."""
    publish(public, generation(store, 0), blob=store.blob)
    with served(public) as url:
        reader = Reader(url)
        reader.start()
        for number in range(50):
            publish(public, generation(store, number // 2), blob=store.blob)
        reader.stop.set()
        reader.join()
    assert reader.wrong == []
    assert reader.reads > 500
    assert verify(public) == []


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_hash_seed_changes_nothing(public: Path, store: Shelves, seed: str) -> None:
    """Same input, same bytes, in another process with another order of every set."""
    publish(public.with_name("here"), generation(store, 2), blob=store.blob)
    command = [sys.executable, "-c", CHILD, str(public), str(store.folder), "2", "-1", "3"]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY, env={**os.environ, "PYTHONHASHSEED": seed})
    assert snapshot(public) == snapshot(public.with_name("here"))


def test_a_record_that_lies_about_its_size_is_refused(public: Path, store: Shelves) -> None:
    """The size on the page is the size of the file, or there is no page."""
    foo = store.wheel("foo")
    wrong = Entry(**{name: getattr(foo, name) for name in Entry.__slots__} | {"size": 1})
    with pytest.raises(PublishError, match="its record says 1"):
        put(public, store, platform("box", [wrong]))
    assert snapshot(public) == {}
