"""Only what changed: what a second run does, seen on disk and on the wire. Host platforms, and one with the engine."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import PREPARE, Bench
from tests.disk import on_disk, snapshot
from tests.loopback import Index, serving
from tests.projects_maker import make_sdist, make_wheel

pytestmark = pytest.mark.network  # pip, which drives every build, comes from the machine's index


def new_names(bench: Bench, before: dict[str, str]) -> list[str]:
    """Files of the steps whose fingerprints were not there before."""
    return sorted(name for fingerprint, name in bench.records().items() if fingerprint not in before)


def locks(bench: Bench) -> dict[str, str]:
    return snapshot(bench.root / "locks")


@pytest.fixture(scope="module")
def made(make_bench: Callable[[str], Bench]) -> Bench:
    """A finished workspace: alpha asks for beta, both are built here, and six is fetched. For reading only."""
    bench = make_bench("changed")
    make_sdist(bench.root / "vendor", "alpha", requires=["beta"])
    for name in ("beta", "gamma"):
        make_sdist(bench.root / "vendor", name)
    bench.declare("alpha", "six")
    ran = bench.doit()
    assert ran.code == 0, ran.text
    assert sorted(name.partition("-")[0] for name in bench.flat("here")) == ["alpha", "beta", "six"]
    return bench


@pytest.fixture
def mine(made: Bench, tmp_path: Path) -> Bench:
    """A copy of it to change; a workspace may be moved as it is."""
    return made.copied(tmp_path / "workspace")


def test_nothing_changed_nothing_runs(mine: Bench) -> None:
    """A second run writes no file of the tree, the locks or the store, and says so in one line."""
    before = on_disk(mine.root)
    ran = mine.doit()
    assert ran.code == 0, ran.text
    assert ran.out.startswith("nothing to do: 1 platform"), ran.text
    after = on_disk(mine.root)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed <= {".wheelyard/lock"}


def test_one_requirement_more_is_one_wheel_more(mine: Bench) -> None:
    """A requirement that was added is built; every other record stays, untouched."""
    records, before = mine.records(), on_disk(mine.root / ".wheelyard/records")
    mine.declare("alpha", "six", "gamma")
    ran = mine.doit()
    assert ran.code == 0, ran.text
    assert new_names(mine, records) == ["gamma-1.0-py3-none-any.whl"]
    after = on_disk(mine.root / ".wheelyard/records")
    assert {path: after[path] for path in before} == before
    assert "gamma-1.0-py3-none-any.whl" in mine.flat("here")


def test_one_builds_entry_changed_is_that_wheel_again(mine: Bench) -> None:
    """Another environment for beta builds beta again, and the tree serves the new bytes; alpha is left alone."""
    records = mine.records()
    mine.declare("alpha", "six", builds={"beta": {"env": {"CHANGE_WORD": "other"}}})
    ran = mine.doit()
    assert ran.code == 0, ran.text
    assert new_names(mine, records) == ["beta-1.0-py3-none-any.whl"]
    with zipfile.ZipFile(mine.root / "public/here/beta-1.0-py3-none-any.whl") as wheel:
        assert wheel.read("beta.py") == b"WORD = 'other'\n"


def test_the_store_is_the_truth(mine: Bench) -> None:
    """Without doit's database, the kept plans and the note of what was published: no fetch, no build, the same tree."""
    before, records = snapshot(mine.root / "public"), on_disk(mine.root / ".wheelyard/records")
    for path in (mine.root / ".wheelyard").glob("doit*"):
        path.unlink()
    shutil.rmtree(mine.root / ".wheelyard/plans")
    (mine.root / ".wheelyard/published.json").unlink()
    ran = mine.doit()
    assert ran.code == 0, ran.text
    assert "FETCH" not in ran.out, ran.text
    assert "BUILD" not in ran.out, ran.text
    assert on_disk(mine.root / ".wheelyard/records") == records
    assert snapshot(mine.root / "public") == before


def test_a_lost_tree_comes_back_byte_for_byte(mine: Bench) -> None:
    """public/ is made from the store alone."""
    before, records = snapshot(mine.root / "public"), on_disk(mine.root / ".wheelyard/records")
    shutil.rmtree(mine.root / "public")
    ran = mine.doit(PYTHONHASHSEED="1")
    assert ran.code == 0, ran.text
    assert snapshot(mine.root / "public") == before
    assert on_disk(mine.root / ".wheelyard/records") == records


def versions(bench: Bench) -> dict[str, str]:
    """What the set's lock says."""
    text = (bench.root / "locks/here/packages.pylock.toml").read_text()
    found = [line.split('"')[1] for line in text.splitlines() if line.startswith(("name = ", "version = "))]
    return dict(zip(found[::2], found[1::2], strict=True))


def test_a_lock_moves_only_when_told_to(bench: Bench) -> None:
    """Newer versions in vendor/ change nothing, not even where the set grows; upgrade moves what it is told to."""

    def release(version: str) -> None:
        make_wheel(bench.root / "vendor", "alpha", version, requires=["beta"])
        for name in ("beta", "gamma"):
            make_wheel(bench.root / "vendor", name, version)

    release("1.0")
    bench.declare("alpha")
    assert bench.doit().code == 0
    before = locks(bench)
    release("2.0")
    assert bench.doit().code == 0
    assert locks(bench) == before
    bench.declare("alpha", "gamma")
    assert bench.doit("lock:here").code == 0
    assert versions(bench) == {"alpha": "1.0", "beta": "1.0", "gamma": "2.0"}
    release("3.0")
    ran = bench.doit("upgrade", "--package", "Beta")
    assert ran.code == 0, ran.text
    assert "here  beta 1.0 → 3.0\nrun doit to get what moved" in ran.out, ran.text
    assert versions(bench) == {"alpha": "1.0", "beta": "3.0", "gamma": "2.0"}
    ran = bench.doit("upgrade")
    assert ran.code == 0, ran.text
    assert "here  alpha 1.0 → 3.0\nhere  gamma 2.0 → 3.0\nrun doit" in ran.out, ran.text
    assert versions(bench) == {"alpha": "3.0", "beta": "3.0", "gamma": "3.0"}
    assert "nothing moved" in bench.doit("upgrade").out
    assert bench.doit().code == 0
    assert {"alpha-3.0-py3-none-any.whl", "alpha-1.0-py3-none-any.whl"} <= set(bench.flat("here"))


def test_an_upgrade_of_what_no_lock_names(bench: Bench) -> None:
    """It is most likely misspelt: words, and no lock moves."""
    for version in ("1.0", "2.0"):
        make_wheel(bench.root / "vendor", "gamma", version)
    bench.declare("gamma<2")
    assert bench.doit("lock:here").code == 0
    bench.declare("gamma")
    before = locks(bench)
    ran = bench.doit("upgrade", "--package", "gama")
    assert ran.code != 0
    assert "nothing asks for 'gama'; did you mean 'gamma'?" in ran.out, ran.text
    assert locks(bench) == before


def test_an_upgrade_that_one_platform_cannot_follow(bench: Bench) -> None:
    """The others move all the same, and what failed is said with its platform's name."""
    make_wheel(bench.root / "vendor", "alpha")
    bench.declare_hosts({"bad": ["alpha>9"], "good": ["alpha"]})
    ran = bench.doit("upgrade")
    assert ran.code != 0
    assert "good  locked for the first time" in ran.out, ran.text
    assert "bad: " in ran.out, ran.text
    assert (bench.root / "locks/good/packages.pylock.toml").exists()
    assert "Traceback" not in ran.text


@pytest.mark.parametrize("same_size", [True, False])
def test_another_file_under_a_locked_name_is_refused(bench: Bench, *, same_size: bool) -> None:
    """Whoever has only the locks and meets other bytes under a known name stops: both hashes, or sizes, are shown."""
    wheel = make_wheel(bench.root / "vendor", "beta")
    bench.declare("beta")
    assert bench.doit("lock:here").code == 0
    before, ours = locks(bench), wheel.read_bytes()
    theirs = ours.replace(b"beta.py", b"eta2.py") if same_size else ours + b"more"
    wheel.write_bytes(theirs)
    shutil.rmtree(bench.root / ".wheelyard")
    ran = bench.doit()
    assert ran.code != 0
    assert "Traceback" not in ran.out + ran.errors
    told = [sha256(ours).hexdigest(), sha256(theirs).hexdigest()] if same_size else [f"expected: size {len(ours)}"]
    assert [text for text in told if text not in ran.out] == [], ran.text
    assert "beta 1.0 on here" in ran.out, ran.text
    assert locks(bench) == before
    assert bench.records() == {}
    assert not list((bench.root / ".wheelyard").glob("blobs/*/*"))


def test_ours_stays_when_upstream_replaces_a_file(mine: Bench) -> None:
    """A file that is in the store is never asked for again: other bytes under its name upstream change nothing."""
    make_sdist(mine.root / "vendor", "beta", note="replaced")
    before = snapshot(mine.root / "public")
    ran = mine.doit()
    assert ran.code == 0, ran.text
    assert snapshot(mine.root / "public") == before


def test_two_platforms_share_what_is_fetched(bench: Bench, tmp_path: Path) -> None:
    """A file that two platforms want is asked for once."""
    wheel = make_wheel(tmp_path, "beta")
    with serving() as server:
        index = Index(server=server)
        index.add("beta", wheel.name, wheel.read_bytes())
        bench.declare_hosts({"one": ["beta"], "two": ["beta"]}, upstream={"url": index.url})
        ran = bench.doit()
        assert ran.code == 0, ran.text
        whole = [asked for asked in server.asked if asked.path.endswith(".whl") and "range" not in asked.headers]
    assert [asked.method for asked in whole if asked.method == "GET"] == ["GET"]
    assert bench.flat("one") == bench.flat("two") == [wheel.name]


@contextmanager
def silent_engine(path: Path) -> Iterator[list[object]]:
    """A socket where an engine would listen; who knocks is written down."""
    callers: list[object] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                callers.append(connection)
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        try:
            yield callers
        finally:
            server.shutdown(socket.SHUT_RDWR)


@pytest.mark.engine
def test_a_changed_image_makes_again_what_was_built_on_it(bench: Bench, tmp_path: Path) -> None:
    """With an engine: nothing changed contacts no engine; another pre-command builds again and fetches nothing."""
    import docker

    client = docker.from_env()
    make_sdist(bench.root / "vendor", "beta")
    platform = {"name": "box", "image": "debian:trixie", "pre-command": PREPARE}
    bench.declare("beta", "six", platform=platform)
    ran = bench.doit()
    assert ran.code == 0, ran.text
    with silent_engine(tmp_path / "engine.sock") as callers:
        again = bench.doit(DOCKER_HOST=f"unix://{tmp_path}/engine.sock")
    assert again.code == 0, again.text
    assert again.out.startswith("nothing to do"), again.text
    assert callers == []

    # The prepared image under a name of its own, so that what changes is quickly done.
    image = json.loads((bench.root / ".wheelyard/facts/box.json").read_text())["image"]
    assert client.images.get(image).tag("wheelyard-test-changed", "1")
    try:
        records = bench.records()
        platform |= {"image": "wheelyard-test-changed:1", "pre-command": "touch /changed"}
        bench.declare("beta", "six", platform=platform)
        ran = bench.doit()
        assert ran.code == 0, ran.text
        assert new_names(bench, records) == ["beta-1.0-py3-none-any.whl"]
        assert "FETCH" not in ran.out, ran.text
    finally:
        client.images.remove("wheelyard-test-changed:1", noprune=True)
