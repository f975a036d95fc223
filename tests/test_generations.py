"""Generations: what was published can be listed, brought back, and thrown away on purpose and only so."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urljoin, urlsplit

import pytest

from index.model import Entry
from index.publish import publish
from index.tree import tree
from index.verify import verify
from tests.conftest import CHECKOUT, Bench, Ran
from tests.disk import on_disk, sha256_of, snapshot
from tests.index_makers import Shelves, platform, served
from tests.projects_maker import make_sdist, make_wheel
from tests.test_failures import refused


def done(ran: Ran) -> Ran:
    assert ran.code == 0, ran.text
    return ran


def name(project: str, version: str = "1.0") -> str:
    return f"{project}-{version}-py3-none-any.whl"


@pytest.fixture(scope="module")
def three(make_bench: Callable[[str], Bench]) -> tuple[Bench, list[dict[str, str]]]:
    """Three generations, alpha 1.0, 2.0 and 3.0, beside beta, which stays; and the tree of each. For reading only."""
    bench = make_bench("generations")
    make_wheel(bench.root / "vendor", "beta")
    trees = []
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(bench.root / "vendor", "alpha", version)
        bench.declare(f"alpha=={version}", "beta")
        done(bench.doit())
        trees.append(snapshot(bench.root / "public"))
    return bench, trees


@pytest.fixture
def mine(three: tuple[Bench, list[dict[str, str]]], tmp_path: Path) -> Bench:
    """A copy to change."""
    return three[0].copied(tmp_path / "workspace")


@pytest.fixture(scope="module")
def trees(three: tuple[Bench, list[dict[str, str]]]) -> list[dict[str, str]]:
    return three[1]


def assert_whole(bench: Bench) -> None:
    """Store and tree are as they say, every link leads somewhere, and everything is pointed to."""
    assert verify(bench.root / "public") == []
    done(bench.doit("verify"))


def test_what_verify_names_is_made_again(mine: Bench) -> None:
    """A page, a pool file and a blob that somebody changed in place: all named; the next run mends all three."""
    public, store = mine.root / "public", mine.root / ".wheelyard"
    done(mine.doit())
    before = snapshot(public)
    record = next(
        json.loads(path.read_bytes()) for path in (store / "records").iterdir() if b'"beta"' in path.read_bytes()
    )
    pool = next(public.glob(f"files/*/*/{name('alpha', '3.0')}"))
    page, blob = public / "simple" / "beta" / "index.html", store / "blobs" / record["sha256"][:2] / record["sha256"]
    for path in (page, pool, blob):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    said = mine.doit("verify")
    assert said.code != 0
    assert all(text in said.text for text in ("simple/beta/index.html", name("alpha", "3.0"), record["sha256"]))
    done(mine.doit())
    assert snapshot(public) == before
    assert_whole(mine)
    assert "nothing to do" in done(mine.doit()).text


def test_a_manifest_that_was_made_to_agree(mine: Bench) -> None:
    """A page and what the manifest says of it, changed together: this workspace knows which manifest it wrote."""
    public = mine.root / "public"
    done(mine.doit())
    before = snapshot(public)
    style, manifest = public / "about" / "people.css", public / "manifest.json"
    said = json.loads(manifest.read_bytes())
    style.write_text("@import 'evil.css';")
    said["paths"]["about/people.css"] = {"size": style.stat().st_size, "sha256": sha256_of(style)}
    manifest.write_text(json.dumps(said))
    told = mine.doit("verify")
    assert told.code != 0
    assert "manifest.json: is not the one that was published last" in told.text
    done(mine.doit())
    assert snapshot(public) == before


@pytest.mark.parametrize("way", ["record", "no record", "blob"])
def test_what_nobody_asks_for_any_more_is_damaged(mine: Bench, way: str) -> None:
    """It leaves the tree, and is told; everything else is published as before, and goes on to be."""
    store = mine.root / ".wheelyard"
    [record] = [path for path in (store / "records").iterdir() if name("alpha", "2.0").encode() in path.read_bytes()]
    said = json.loads(record.read_bytes())
    if way == "no record":
        record.unlink()
    else:
        path = record if way == "record" else store / "blobs" / said["sha256"][:2] / said["sha256"]
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b"2.0", b"2.1"))
        if way == "blob":  # there is no whole copy of it
            next((mine.root / "public/files").glob(f"*/{said['sha256']}/*.whl")).unlink()
    ran = refused(mine.doit("verify"))
    assert "here: 1 of its wheels are lost, asked for by nobody, and leave the tree" in ran.out, ran.text
    done(mine.doit())
    assert name("alpha", "2.0") not in mine.flat("here")
    assert {name("alpha"), name("alpha", "3.0"), name("beta")} <= set(mine.flat("here"))
    assert_whole(mine)
    assert "have left the store" in refused(mine.doit("rollback", "--to", "2")).out


def test_what_a_published_set_asks_for_is_never_let_go(mine: Bench) -> None:
    """Where the lock has moved on and the wheel is damaged, the set stays whole: published as it was, or not at all."""
    before = snapshot(mine.root / "public")
    mine.declare("alpha==2.0", "beta")
    done(mine.doit("lock:here"))
    store = mine.root / ".wheelyard"
    [record] = [path for path in (store / "records").iterdir() if name("alpha", "3.0").encode() in path.read_bytes()]
    record.unlink()
    assert "leave the tree" not in mine.doit("verify").out
    assert "missing from the store" in refused(mine.doit("prune")).out
    assert snapshot(mine.root / "public") == before
    assert "`doit verify` lets go of" in refused(mine.doit()).out
    assert "1 of its wheels are lost, asked for by nobody" in refused(mine.doit("verify")).out
    done(mine.doit())
    assert "alpha==2.0" in (mine.root / "public/here/packages.txt").read_text()
    assert_whole(mine)


def test_a_damaged_blob_is_mended_from_the_tree(mine: Bench) -> None:
    """Where the tree has a copy of its own, the bytes that nobody could fetch again come from there."""
    before = snapshot(mine.root / "public")
    store = mine.root / ".wheelyard"
    for path in sorted((store / "blobs").glob("*/*")):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes() + b"?")
    for path in (mine.root / "vendor").iterdir():
        path.unlink()
    refused(mine.doit("verify"))
    assert_whole(mine)
    done(mine.doit())
    assert snapshot(mine.root / "public") == before


def test_a_folder_of_somebody_else_is_no_platform(mine: Bench) -> None:
    """doit leaves alone what it did not make, whatever it looks like."""
    (mine.root / "public/mine/simple").mkdir(parents=True)
    (mine.root / "public/mine/simple/index.html").write_text("mine")
    mine.declare("alpha==2.0", "beta")
    done(mine.doit())
    done(mine.doit("prune"))
    assert (mine.root / "public/mine/simple/index.html").read_text() == "mine"


def test_a_lost_workspace_takes_nothing_away(mine: Bench) -> None:
    """The tree stays until all is made again that it has: a platform that is not known is never taken away unasked."""
    mine.declare_hosts({"here": ["alpha==3.0", "beta"], "there": ["beta"]})
    done(mine.doit())
    before = snapshot(mine.root / "public")
    shutil.rmtree(mine.root / ".wheelyard")
    for words in (("platforms:here",), ("prune",), ("prune", "--dry-run")):
        ran = refused(mine.doit(*words))
        assert "of which this workspace knows nothing" in ran.out, ran.text
        assert snapshot(mine.root / "public") == before
    mine.declare_hosts({"here": ["alpha==3.0", "beta"], "there": ["beta", "absent-from-everywhere"]})
    refused(mine.doit())
    assert snapshot(mine.root / "public") == before
    mine.declare("alpha==3.0", "beta")
    assert "public/ has there, of which" in refused(mine.doit()).out
    assert snapshot(mine.root / "public") == before
    assert "would remove  platform there" in done(mine.doit("prune", "--dry-run")).out
    done(mine.doit("prune"))
    assert not (mine.root / "public/there").exists()
    assert_whole(mine)
    mine.declare_hosts({"here": ["alpha==3.0", "beta"], "there": ["beta"]})
    done(mine.doit())
    shutil.rmtree(mine.root / ".wheelyard")
    done(mine.doit("platforms"))
    assert {"here", "there"} <= {path.name for path in (mine.root / "public").iterdir()}
    assert_whole(mine)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"[" * 99_999])
def test_what_was_said_of_the_last_publication_is_damaged(mine: Bench, content: bytes) -> None:
    """A cache and no truth: every question is answered, and the next run looks at the tree."""
    before = snapshot(mine.root / "public")
    (mine.root / ".wheelyard/published.json").write_bytes(content)
    done(mine.doit("list"))
    done(mine.doit("verify"))
    done(mine.doit())
    assert snapshot(mine.root / "public") == before
    assert "nothing to do" in done(mine.doit()).out


@pytest.mark.parametrize("folder", ["simple", "here"])
def test_a_folder_of_the_tree_that_somebody_removed(mine: Bench, folder: str) -> None:
    """The next run sees it."""
    before = snapshot(mine.root / "public")
    shutil.rmtree(mine.root / "public" / folder)
    done(mine.doit())
    assert snapshot(mine.root / "public") == before


# --- listing --------------------------------------------------------------------------------------------------------


def test_generations_are_listed_with_what_came_and_went(mine: Bench) -> None:
    """Oldest first, each with its number, and a line for each wheel; listing writes nothing."""
    before = snapshot(mine.root)
    ran = done(mine.doit("generations"))
    lines = [line for line in ran.out.splitlines() if line.strip()]
    heads = [line.split()[:2] for line in lines if line.startswith("generation ")]
    assert heads == [["generation", "1"], ["generation", "2"], ["generation", "3"]]
    assert [line.strip() for line in lines if not line.startswith("generation ")] == [
        f"+ here {name('alpha')}",
        f"+ here {name('beta')}",
        f"+ here {name('alpha', '2.0')}",
        f"- here {name('alpha')}",
        f"+ here {name('alpha', '3.0')}",
        f"- here {name('alpha', '2.0')}",
    ]
    assert {path for path, one in snapshot(mine.root).items() if before.get(path) != one} <= {".wheelyard/lock"}


def test_a_second_run_is_no_generation(mine: Bench) -> None:
    """Nothing changed, nothing is remembered."""
    before = on_disk(mine.root / ".wheelyard/generations")
    done(mine.doit())
    assert on_disk(mine.root / ".wheelyard/generations") == before


# --- rollback -------------------------------------------------------------------------------------------------------


def test_rollback_brings_the_tree_back(mine: Bench, trees: list[dict[str, str]]) -> None:
    """Byte for byte and link for link: the one before, then any by its number; and the next doit goes forward again."""
    ran = done(mine.doit("rollback"))
    assert "public/ is generation 2 again" in ran.out
    assert snapshot(mine.root / "public") == trees[1]
    done(mine.doit("rollback", "--to", "1"))
    assert snapshot(mine.root / "public") == trees[0]
    assert_whole(mine)
    ran = done(mine.doit())
    assert "FETCH" not in ran.out
    assert name("alpha", "3.0") in mine.flat("here")
    assert_whole(mine)
    done(mine.doit("rollback", "--to", "3"))
    assert snapshot(mine.root / "public") == trees[2]


def test_twice_goes_back_by_two(mine: Bench, trees: list[dict[str, str]]) -> None:
    """And no further than to the first; what comes after stands on that."""
    for count in (2, 1):
        assert f"public/ is generation {count} again" in done(mine.doit("rollback")).out
        assert snapshot(mine.root / "public") == trees[count - 1]
    assert "there is no generation before this one" in refused(mine.doit("rollback")).out
    listed = done(mine.doit("generations")).out
    assert re.findall(r"^generation (\d).*  (\d) again$", listed, re.MULTILINE) == [("4", "2"), ("5", "1")]
    done(mine.doit())
    assert "public/ is generation 1 again" in done(mine.doit("rollback")).out
    assert snapshot(mine.root / "public") == trees[0]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": 1}', b"\xff"])
def test_a_damaged_state_is_told_and_brought_back(mine: Bench, trees: list[dict[str, str]], content: bytes) -> None:
    """What is complete cannot be read: nothing is published, every question is answered, and a rollback mends it."""
    state = mine.root / ".wheelyard/completed/here.json"
    state.write_bytes(content)
    done(mine.doit("list"))
    ran = refused(mine.doit())
    assert f"{state} cannot be read" in ran.out, ran.text
    assert snapshot(mine.root / "public") == trees[2]
    assert "public/ is generation 3 again" in done(mine.doit("rollback", "--to", "3")).out
    done(mine.doit())
    assert snapshot(mine.root / "public") == trees[2]
    assert_whole(mine)


@pytest.mark.parametrize("words", [("--to", "7"), ("--to", "-1"), ("--to", "0")])
def test_an_unknown_generation(mine: Bench, words: tuple[str, ...]) -> None:
    """It is said which there are, and nothing changes."""
    before = on_disk(mine.root / "public"), on_disk(mine.root / ".wheelyard/completed")
    ran = refused(mine.doit("rollback", *words))
    assert f"there is no generation {words[1]}" in ran.out
    assert "1, 2, 3" in ran.out
    assert (on_disk(mine.root / "public"), on_disk(mine.root / ".wheelyard/completed")) == before


def test_nothing_to_go_back_to(bench: Bench) -> None:
    """Before the first publication, and with only one: words."""
    make_wheel(bench.root / "vendor", "beta")
    bench.declare("beta")
    assert "there are: none" in refused(bench.doit("rollback")).out
    assert "there is no generation yet" in done(bench.doit("generations")).out
    done(bench.doit())
    before = on_disk(bench.root / "public")
    assert "there are: 1" in refused(bench.doit("rollback")).out
    assert on_disk(bench.root / "public") == before


def test_a_platform_that_came_later_goes_with_a_rollback(mine: Bench, trees: list[dict[str, str]]) -> None:
    """Generations hold all platforms: going back takes a newer one out of the tree, going forward brings it again."""
    mine.declare_hosts({"here": ["alpha==3.0", "beta"], "there": ["beta"]})
    done(mine.doit())
    assert mine.flat("there") == [name("beta")]
    mine.declare("alpha==3.0", "beta")  # as it was declared then: pages name what is declared and missing
    done(mine.doit("rollback", "--to", "3"))
    assert snapshot(mine.root / "public") == trees[2]


# --- prune ------------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_and_removes_nothing(mine: Bench) -> None:
    """Generations, each wheel with its size and since when nobody asks for it, the sum; what then goes is just that."""
    before = snapshot(mine.root)
    ran = done(mine.doit("prune", "--dry-run"))
    lines = [line for line in ran.out.splitlines() if line.startswith("would remove")]
    assert "generations 1 to 2  no rollback to there any more" in lines[0]
    assert [line.split()[2] for line in lines[1:-1]] == [name("alpha"), name("alpha", "2.0")]
    assert all("bytes  not asked for since 20" in line for line in lines[1:-1])
    assert {path for path, one in snapshot(mine.root).items() if before.get(path) != one} <= {".wheelyard/lock"}
    real = done(mine.doit("prune"))
    told = [line.removeprefix("removed") for line in real.out.splitlines() if line.startswith("removed")]
    assert told == [line.removeprefix("would remove") for line in lines]
    gone = {path for path in before if not (mine.root / path).exists()}
    sizes = [len_of(path, mine) for path in gone if path.startswith(".wheelyard/blobs/")]
    assert f"would remove 2 wheels, {len(sizes)} files, " in lines[-1]


def len_of(path: str, bench: Bench) -> int:
    target = bench.root / path
    return target.stat().st_size if target.exists() else 0


def test_prune_removes_exactly_what_is_not_asked_for(mine: Bench, tmp_path: Path) -> None:
    """The tree, records and blobs are those of a workspace that never had the rest; and there is nothing left to do."""
    done(mine.doit("prune"))
    assert mine.flat("here") == [name("alpha", "3.0"), name("beta")]
    assert sorted(mine.records().values()) == mine.flat("here")
    bench = Bench(root=tmp_path / "fresh")
    shutil.copytree(mine.root / "vendor", bench.root / "vendor")
    bench.declare("alpha==3.0", "beta")
    done(bench.doit())
    assert set(snapshot(mine.root / ".wheelyard/blobs")) == set(snapshot(bench.root / ".wheelyard/blobs"))
    ours, fresh = snapshot(mine.root / "public"), snapshot(bench.root / "public")
    assert set(ours) == set(fresh)
    differ = {path for path in ours if ours[path] != fresh[path]}
    assert differ <= {"index.html", "manifest.json"}  # when the platform last changed stands there
    assert_whole(mine)
    ran = done(mine.doit())
    assert ran.out.startswith("nothing to do"), ran.text
    assert "removed 0 wheels, 0 files, 0 bytes" in done(mine.doit("prune")).out


def test_a_prune_that_fails_does_not_say_that_it_removed(mine: Bench) -> None:
    """What cannot be written, as on a full disk, is told alone; what was to go is told once it has gone."""
    before = snapshot(mine.root / "public"), mine.records()
    (mine.root / ".wheelyard/published.less").mkdir()  # the first file that it writes
    ran = refused(mine.doit("prune"))
    assert "published.less" in ran.text
    assert "removed" not in ran.text
    assert (snapshot(mine.root / "public"), mine.records()) == before
    (mine.root / ".wheelyard/published.less").rmdir()
    assert "removed  alpha-1.0" in done(mine.doit("prune")).out


def test_kept_generations_stay_whole(mine: Bench) -> None:
    """`--keep 2`: what the one before asked for stays, a rollback to it works, and the one before that is gone."""
    done(mine.doit("prune", "--keep", "2"))
    assert mine.flat("here") == [name("alpha", "2.0"), name("alpha", "3.0"), name("beta")]
    assert "there are: 2, 3" in refused(mine.doit("rollback", "--to", "1")).out
    done(mine.doit("rollback"))
    assert mine.flat("here") == [name("alpha", "2.0"), name("beta")]
    assert_whole(mine)


@pytest.mark.parametrize("words", [("--keep", "-1"), ("--keep=-5", "--dry-run"), ("--keep", "0")])
def test_too_few_to_keep(mine: Bench, words: tuple[str, ...]) -> None:
    """Words, and no damage."""
    before = on_disk(mine.root / "public"), on_disk(mine.root / ".wheelyard/blobs"), mine.records()
    assert "cannot be kept" in refused(mine.doit("prune", *words)).out
    assert (on_disk(mine.root / "public"), on_disk(mine.root / ".wheelyard/blobs"), mine.records()) == before


def test_a_platform_no_longer_declared_stays_until_prune(mine: Bench) -> None:
    """It stays published; a dry run says that it would go; prune takes tree, records and blobs at once, for good."""
    make_wheel(mine.root / "vendor", "gamma")
    mine.declare_hosts({"here": ["alpha==3.0", "beta"], "there": ["gamma", "beta"]})
    done(mine.doit())
    mine.declare("alpha==3.0", "beta")
    done(mine.doit())
    assert mine.flat("there") == [name("beta"), name("gamma")]
    dry = done(mine.doit("prune", "--dry-run"))
    assert "would remove  platform there  platforms.yaml does not name it any more" in dry.out
    assert mine.flat("there") == [name("beta"), name("gamma")]
    ran = done(mine.doit("prune"))
    assert f"removed  {name('gamma')}" in ran.out
    assert not (mine.root / "public/there").exists()
    assert sorted(mine.records().values()) == [name("alpha", "3.0"), name("beta")]
    assert_whole(mine)
    refused(mine.doit("rollback"))
    assert done(mine.doit()).out.startswith("nothing to do")


def test_what_another_platform_asks_for_leaves_this_one(mine: Bench) -> None:
    """Two platforms share a wheel; where one does not ask any more, prune takes it off that one's pages alone."""
    mine.declare_hosts({"here": ["alpha==3.0", "beta"], "there": ["beta", "alpha==3.0"]})
    done(mine.doit())
    mine.declare_hosts({"here": ["alpha==3.0"], "there": ["beta"]})
    done(mine.doit())
    ran = done(mine.doit("prune"))
    assert f"removed  {name('beta')}  from here alone: something else asks for it" in ran.out
    assert mine.flat("here") == [name("alpha", "3.0")]
    assert mine.flat("there") == [name("beta")]
    assert_whole(mine)


def test_files_that_no_record_names_are_swept(mine: Bench) -> None:
    """Bytes that a dead run left in the store go as well."""
    stray = mine.root / ".wheelyard/blobs/ab"
    stray.mkdir(exist_ok=True)
    (stray / ("ab" * 32)).write_bytes(b"left over")
    done(mine.doit("prune"))
    assert not (stray / ("ab" * 32)).exists()


@pytest.mark.network
def test_what_builds_need_stays(bench: Bench) -> None:
    """The wheels of build environments are in no set; prune keeps them, and the next run fetches and builds nothing."""
    make_sdist(bench.root / "vendor", "delta")
    bench.declare("delta")
    done(bench.doit())
    records = on_disk(bench.root / ".wheelyard/records")
    assert len(records) > 1
    assert "removed 0 wheels" in done(bench.doit("prune")).out
    make_wheel(bench.root / "vendor", "beta")
    bench.declare("delta", "beta")  # not run yet: the plan does not hold any more
    assert "removed 0 wheels" in done(bench.doit("prune")).out
    assert on_disk(bench.root / ".wheelyard/records") == records
    ran = done(bench.doit())
    assert "BUILD" not in ran.out
    assert records.items() <= on_disk(bench.root / ".wheelyard/records").items()


# --- killed -----------------------------------------------------------------------------------------------------------

CALLS = "unlink,unlinkat,rename,renameat,renameat2,link,linkat"


def killed_at(bench: Bench, number: int, *words: str) -> bool:
    """Run doit and kill it before the so-many-th call that changes the disk's names; whether it came to that."""
    inject = f"inject={CALLS}:signal=KILL:when={number}"
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={CALLS}", "-e", inject, *bench.command(*words)]
    ran = subprocess.run(command, capture_output=True, timeout=120, check=False, cwd=CHECKOUT)
    assert ran.returncode in {0, -signal.SIGKILL, 128 + signal.SIGKILL}, ran
    return ran.returncode != 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("words", [("prune",), ("rollback", "--to", "1")])
def test_killed_at_any_moment(three: tuple[Bench, object], tmp_path: Path, words: tuple[str, ...]) -> None:
    """The tree is valid at once; the next doit and a second try need no hand, and end where they would have ended."""
    hit = 0
    for number in (1, 2, 4, 7, 12, 24):
        bench = three[0].copied(tmp_path / str(number))
        if not killed_at(bench, number, *words):
            break
        hit += 1
        assert verify(bench.root / "public") == [], number
        done(bench.doit())
        assert_whole(bench)
        done(bench.doit(*words))
        done(bench.doit())
        done(bench.doit("prune"))
        assert sorted(bench.records().values()) == bench.flat("here") == [name("alpha", "3.0"), name("beta")], number
        assert_whole(bench)
    assert hit >= 4


def test_killed_while_a_platform_is_taken_out(mine: Bench, tmp_path: Path) -> None:
    """The next doit goes on with it, as nothing was lost."""
    mine.declare_hosts({"here": ["alpha==3.0", "beta"], "there": ["beta"]})
    done(mine.doit())
    mine.declare("alpha==3.0", "beta")
    for number in (1, 2, 4, 7, 12):
        bench = mine.copied(tmp_path / str(number))
        if not killed_at(bench, number, "prune"):
            break
        done(bench.doit())
        assert_whole(bench)
        done(bench.doit("prune"))
        assert not (bench.root / "public/there").exists(), number
        assert_whole(bench)


# --- read all the while -----------------------------------------------------------------------------------------------


class Reader(Thread):
    """A client that walks over pages and files; a file that is gone must be gone from its page as well."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.connection = HTTPConnection(urlsplit(url).netloc)
        self.stop = Event()
        self.reads = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        """Until told to stop."""
        while not self.stop.is_set():
            for folder in ("/simple/foo/", "/box/simple/foo/"):
                for url, digest in self.listed(folder).items():
                    self.file(folder, url, digest)
        self.connection.close()

    def listed(self, folder: str) -> dict[str, str]:
        """What a page says: url → sha256."""
        code, text = self.read(f"{folder}index.v1_json")
        if code != 200:
            self.wrong.append(f"{folder}: {code}")
            return {}
        return {file["url"]: file["hashes"]["sha256"] for file in json.loads(text)["files"]}

    def file(self, folder: str, url: str, digest: str) -> None:
        """A file of a page that was just read."""
        code, content = self.read(urljoin(folder, url))
        if code == 404 and "foo-0-" not in url and url not in self.listed(folder):
            return
        if code != 200 or sha256(content).hexdigest() != digest:
            self.wrong.append(f"{url}: {code}, {len(content)} bytes")

    def read(self, path: str) -> tuple[int, bytes]:
        """One whole answer."""
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        self.reads += 1
        if len(body) != int(answer.headers["Content-Length"]):
            self.wrong.append(f"{path} is short")
        return answer.status, body


def test_a_reader_through_publications_and_prunes(tmp_path: Path) -> None:
    """200 publications, every fifth of which prunes: pages always whole; a file is only gone if no page names it."""
    store, public = Shelves(tmp_path / "store"), tmp_path / "public"

    def put(wheels: list[Entry]) -> None:
        made = tree([platform("box", wheels, sets={"base": wheels[-1:]})], url=None, metadata=store.metadata)
        publish(public, made, blob=store.blob)

    wheels = [store.wheel("foo", "0")]
    put(wheels)
    with served(public) as url:
        reader = Reader(url)
        reader.start()
        for number in range(1, 201):
            new = store.wheel("foo", str(number))
            wheels = [wheels[0], new] if number % 5 == 0 else [*wheels, new]
            put(wheels)
        reader.stop.set()
        reader.join()
    assert reader.wrong == []
    assert reader.reads > 200
    assert verify(public) == []
