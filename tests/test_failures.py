"""What goes wrong is told in a sentence, with what to do next; and one failure costs nobody else anything."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders.engine import Engine
from tests.archive_makers import SDIST_NAME, TOP, member, sdist_bytes
from tests.conftest import HERE, PREPARE, Bench, Ran
from tests.disk import snapshot
from tests.projects_maker import make_sdist, make_wheel
from tests.test_only_what_changed import locks

WAYS = {
    "nothing": r"no wheel produced",
    "other": r"expected 'bad-other', got 'requests'",
    "two": r"one wheel was asked for, and the build left: bad_two-1\.0\S+, stowaway",
    "program": r"missing program frobnicate-parser",
    "network": r"no network",
    "slow": r"time limit of 3 s",
    "pipe": r"the build left 'pipe' in its output, which is not a regular file",
    "gone": r"the build left something else where its output folder was",
    "header": r"missing header frobnicate/frobnicate\.h",
}
BUILDS = {"bad-slow": {"limits": {"time": "3s"}}}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the summary says of one failure."""

    what: str
    rows: dict[str, str]


def told(ran: Ran) -> dict[str, Told]:
    """The failures of a run's last page, by what failed."""
    found: dict[str, Told] = {}
    page = re.split(r"\d+ steps? failed\n", ran.out)[-1]
    for block in page.strip().split("\n\n"):
        first, *rest = block.splitlines()
        rows = {line[2:10].strip(): line[12:] for line in rest if line.startswith("  ")}
        found[first] = Told(what=first, rows=rows)
    return found


def refused(ran: Ran) -> Ran:
    """A run that failed as it should: a code, and no traceback anywhere."""
    assert ran.code not in {0, -9}, ran.text
    assert "Traceback" not in ran.out + ran.errors, ran.text
    return ran


# --- builds -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spoiled(make_bench: Callable[[str], Bench]) -> tuple[Bench, Ran]:
    """One run: a platform with every way to fail under top → middle → bad, a good one, and one that was good before."""
    bench = make_bench("spoiled")
    vendor = bench.root / "vendor"
    for way in WAYS:
        parts = ("change-ext", "change-header") if way == "header" else ("change-base", f"change-{way}")
        make_sdist(vendor, f"bad-{way}", parts=parts)
    make_wheel(vendor, "middle", requires=["bad-nothing"])
    make_wheel(vendor, "top", requires=["middle"])
    make_sdist(vendor, "good")
    make_wheel(vendor, "old")
    bench.declare_hosts({"before": ["old"]})
    assert bench.doit().code == 0
    asked = ["good", "top", *(f"bad-{way}" for way in WAYS if way != "nothing")]
    bench.declare_hosts({"bad": asked, "before": ["old", "bad-program"], "fine": ["good", "old"]}, builds=BUILDS)
    return bench, bench.doit()


@pytest.mark.network
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=pytest.mark.compiler) if way == "header" else way for way in WAYS]
)
def test_a_failed_build_is_told_whole(spoiled: tuple[Bench, Ran], way: str) -> None:
    """What, why in one line, who asked, the log, which exists, and the command to try again."""
    bench, ran = spoiled
    rows = told(refused(ran))[f"bad-{way} 1.0 on bad"].rows
    assert re.search(WAYS[way], rows["why"]), ran.text
    assert "pre-command" not in rows["why"], "on a host none runs"
    assert rows["asked by"] == ("top → middle → bad-nothing" if way == "nothing" else f"bad-{way}")
    if way != "slow":  # its time may be over before it said a word: an empty log is not named
        assert (bench.root / rows["log"]).stat().st_size > 0
    assert rows["again"] == f"doit wheel:bad/bad-{way}-1.0"
    assert not [name for name in bench.records().values() if name.startswith(f"bad_{way}")]
    tries = ran.out.count(f"BUILD    bad/bad-{way}-1.0\n") + ran.out.count(f"BUILD    before/bad-{way}-1.0\n")
    assert tries == (2 if way == "program" else 1), "one failure is enough for each platform"


@pytest.mark.network
def test_a_failure_costs_nobody_else_anything(spoiled: tuple[Bench, Ran]) -> None:
    """Other steps are finished, other platforms published; one that fell ill keeps its last complete publication."""
    bench, ran = spoiled
    kept = set(bench.records().values())
    assert {"good-1.0-py3-none-any.whl", "middle-1.0-py3-none-any.whl", "top-1.0-py3-none-any.whl"} <= kept
    assert bench.flat("fine") == ["good-1.0-py3-none-any.whl", "old-1.0-py3-none-any.whl"]
    assert bench.flat("before") == ["old-1.0-py3-none-any.whl"]
    assert bench.flat("bad") == []
    assert re.search(r"(?m)^before +incomplete +its last complete publication stays$", ran.out), ran.text
    assert re.search(r"(?m)^bad +incomplete +nothing of it is published yet$", ran.out), ran.text
    assert re.search(r"(?m)^fine +complete$", ran.out), ran.text
    assert bench.doit("verify").code == 0


@pytest.mark.network
def test_the_command_to_try_again_works_once_it_is_mended(spoiled: tuple[Bench, Ran], tmp_path: Path) -> None:
    """Once the reason is gone, the command of the summary makes just that wheel; an unmended one fails as before."""
    bench = spoiled[0].copied(tmp_path / "workspace")
    mended = {"bad-program": {"env": {"CHANGE_PROGRAM": "true"}}, **BUILDS}
    asked = json.loads((bench.root / "platforms.yaml").read_text())
    bench.write("platforms.yaml", json.dumps({**asked, "builds": mended}))
    before = bench.records()
    again = told(spoiled[1])["bad-program 1.0 on bad"].rows["again"].split()
    assert again[0] == "doit"
    ran = bench.doit(*again[1:])
    assert ran.code == 0, ran.text
    new = [name for fingerprint, name in bench.records().items() if fingerprint not in before]
    assert new == ["bad_program-1.0-py3-none-any.whl"]
    assert refused(bench.doit("wheel:bad/bad-two-1.0")).code != 0


# --- resolving --------------------------------------------------------------------------------------------------------


@pytest.fixture
def settled(bench: Bench) -> Bench:
    """A workspace with one wheel published."""
    make_wheel(bench.root / "vendor", "good")
    make_wheel(bench.root / "vendor", "wants-one", requires=["good<1"])
    make_wheel(bench.root / "vendor", "wants-none", requires=["there-is-no-such-thing-anywhere"])
    bench.declare("good")
    assert bench.doit().code == 0
    return bench


@pytest.mark.network
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["wants-none"], ["wants-none", "there-is-no-such-thing-anywhere"]),
        (["good==1.0", "wants-one"], ["good", "wants-one", "good<1"]),
        (["good>7"], ["good>7"]),
    ],
)
def test_no_solution(settled: Bench, asked: list[str], words: list[str]) -> None:
    """A name that nobody has, a conflict, a version that there is not: the chain of reasons; lock and tree stay."""
    before, tree = locks(settled), snapshot(settled.root / "public")
    settled.declare_hosts({"here": asked, "other": ["good"]})
    ran = refused(settled.doit())
    rows = told(ran)["here"].rows
    assert [word for word in words if word not in rows["why"]] == [], ran.text
    assert rows["again"] == "doit lock:here"
    assert (settled.root / rows["log"]).stat().st_size > 0
    assert {path: content for path, content in locks(settled).items() if path.startswith("here/")} == before
    after = snapshot(settled.root / "public")
    served = {path: content for path, content in tree.items() if path.startswith(("here/", "files/"))}
    assert {path: after[path] for path in served} == served
    assert settled.flat("other") == ["good-1.0-py3-none-any.whl"]
    settled.declare_hosts({"here": ["good"], "other": ["good"]})
    mended = settled.doit(*rows["again"].split()[1:])
    assert mended.code == 0, mended.text


@pytest.mark.network
@pytest.mark.parametrize("words", ["prune --keep -1", "rollback --to 99", "upgrade --package nosuch"])
def test_a_command_that_failed_is_told_alone(settled: Bench, words: str) -> None:
    """No platform is summed up that it never touched, and nothing is to be run again that names less than it did."""
    ran = refused(settled.doit(*words.split()))
    assert told(ran).keys() == {words.partition(" ")[0]}, ran.text
    assert [word for word in ("again ", "pip install", "complete", "wheel") if word in ran.out] == [], ran.text


@pytest.mark.network
def test_a_tree_that_cannot_be_written_is_told_once(settled: Bench) -> None:
    """However many platforms wait for it: as `index`, which is there to be typed."""
    shutil.rmtree(settled.root / "public")
    settled.write("public", "in the way")
    settled.declare_hosts({"here": ["good"], "other": ["good"]})
    ran = refused(settled.doit())
    assert told(ran)["index"].rows["again"] == "doit index", ran.text
    assert "1 step failed" in ran.out, ran.text
    assert "pip install" not in ran.out, ran.text
    assert ran.out.count("public is not a folder") == 2, ran.text  # as it failed, and in the summary
    alone = refused(settled.doit("platforms:other"))
    assert told(alone).keys() == {"other"}, alone.text


HUNGRY = b"""
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    bytearray(1 << 30)
"""


@pytest.mark.engine
@pytest.mark.network
def test_no_memory_left_to_resolve_with(bench: Bench) -> None:
    """Whoever was killed for it, uv or a backend that it asks: the limit is told and where to raise it."""
    pyproject = b"[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    sdist = sdist_bytes(member(f"{TOP}/backend.py", HUNGRY), pyproject=pyproject)
    (bench.root / "vendor").mkdir()
    (bench.root / "vendor" / SDIST_NAME).write_bytes(sdist)
    box = {"name": "box", "image": "debian:bookworm", "pre-command": PREPARE, "limits": {"memory": "128MiB"}}
    bench.declare("demo", platform=box)
    ran = refused(bench.doit("lock:box"))
    why = "resolving for box/lock: out of memory at 128 MiB; raise it: `limits: memory:`"
    assert told(ran)["box"].rows["why"] == why, ran.text


# --- before any work --------------------------------------------------------------------------------------------------


def test_mistakes_in_platforms_yaml_are_all_told_at_once(bench: Bench) -> None:
    """A typo and a set that does not exist: place and remedy of both, no traceback, nothing written."""
    bench.write(
        "platforms.yaml",
        "platforms:\n  - name: here\n    host: true\n    sandbx: none\n    requirements: [missing]\n",
    )
    bench.write("requirements/present.txt", "six\n")
    ran = refused(bench.doit())
    said = ran.out + ran.errors
    assert re.search(r"platforms\.yaml:4:5: .*sandbx.*sandbox", said), ran.text
    assert re.search(r"platforms\.yaml:5:\d+: .*missing", said), ran.text
    assert "present" in said, ran.text
    assert snapshot(bench.root).keys() == {"platforms.yaml", "requirements/present.txt"}


# --- the engine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "words"),
    [("tcp://127.0.0.1:1", "127.0.0.1:1"), ("unix:///nonexistent/engine.sock", "engine.sock")],
)
def test_no_engine(bench: Bench, address: str, words: str) -> None:
    """Where no engine answers, that is the reason, with its address; an optional platform is skipped and exit is 0."""
    box = {"name": "box", "image": "debian:trixie", "packages": ["good"]}
    make_wheel(bench.root / "vendor", "good")
    here = {**HERE, "packages": ["good"]}
    bench.declare_all(box, here)
    ran = refused(bench.doit(DOCKER_HOST=address))
    rows = told(ran)["box"].rows
    assert words in rows["why"], ran.text
    assert rows["again"] == "doit image:box"
    assert bench.flat("here") == ["good-1.0-py3-none-any.whl"]
    bench.declare_all({**box, "optional": True}, here)
    ran = bench.doit(DOCKER_HOST=address)
    assert ran.code == 0, ran.text
    assert "skipped" in ran.out, ran.text


@contextmanager
def faltering_engine(folder: Path, word: bytes) -> Iterator[str]:
    """The real engine, but that whoever asks for something with this word in it is left without an answer."""

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
                engine.connect("/var/run/docker.sock")
                ends = {self.request: engine, engine: self.request}
                while True:
                    for end in select.select(list(ends), [], [])[0]:
                        data = end.recv(1 << 16)
                        if not data or (end is self.request and word in data.partition(b"\r\n")[0]):
                            return
                        ends[end].sendall(data)

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    path = folder / "engine.sock"
    with Server(str(path), Relay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()


@pytest.mark.engine
@pytest.mark.parametrize("word", [b"/containers/json", b"/images/", b"/containers/create", b"/archive", b"/commit"])
def test_an_engine_that_falters(bench: Bench, tmp_path: Path, word: bytes) -> None:
    """It is a failure like any other, told in a sentence, and the other platform is made."""
    make_wheel(bench.root / "vendor", "good")
    box = {"name": "box", "image": "debian:bookworm", "pre-command": "true", "env": {"ONCE": tmp_path.name}}
    bench.declare_all(*({**one, "packages": ["good"]} for one in (box, HERE)))
    with faltering_engine(tmp_path, word) as address:
        ran = refused(bench.doit(DOCKER_HOST=address))
    assert "the engine broke off when it was asked" in told(ran)["box"].rows["why"], ran.text
    assert bench.flat("here") == ["good-1.0-py3-none-any.whl"]


@pytest.mark.engine
def test_a_container_that_somebody_removes(bench: Bench) -> None:
    """Its end is no error where it was to be removed anyway."""
    engine = Engine(bench.root)
    with engine.container("debian:bookworm", label="test", command=["true"]) as container:
        container.remove()
    engine.client.close()


@pytest.mark.engine
def test_no_such_image(bench: Bench) -> None:
    """An image that this engine does not have and cannot pull is named."""
    name = "wheelyard-test-nonexistent:7"
    bench.write("platforms.yaml", json.dumps({"platforms": [{"image": name, "packages": ["six"]}]}))
    ran = refused(bench.doit())
    rows = told(ran)["wheelyard-test-nonexistent-7"].rows
    assert name in rows["why"], ran.text
    assert rows["again"] == "doit image:wheelyard-test-nonexistent-7"


# --- the disk --------------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, of a few MB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("size", ["16k", "256k", "1m"])
def test_full_disk(bench: Bench, tmp_path: Path, size: str) -> None:
    """A disk that is full at whatever point is named; what was published stays; with room, the next run goes on."""
    for name in ("good", "other"):
        make_wheel(tmp_path / "vendor", name, weight=900_000)
    bench.declare("good", "other", upstream={"find-links": "../vendor"})
    with small_disk(tmp_path / "small", size) as folder:
        (bench.root / ".wheelyard").symlink_to(folder)
        ran = refused(bench.doit())
        assert "No space left on device" in ran.out + ran.errors, ran.text
        assert "run again" in ran.out + ran.errors, ran.text
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        ran = bench.doit()
        assert ran.code == 0, ran.text
        assert bench.flat("here") == ["good-1.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"]
        assert bench.doit("verify").code == 0


# --- a workspace in disorder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("list",), (), ("verify",), ("prune",), ("generations",)])
@pytest.mark.parametrize("place", [".wheelyard", ".wheelyard/facts/here.json/x"])
def test_something_stands_in_the_way(bench: Bench, place: str, words: tuple[str, ...]) -> None:
    """A file where the store should be, a folder where a file should be: its path, and what to do."""
    bench.write("platforms.yaml", json.dumps({"platforms": [{**HERE, "packages": ["good"]}]}))
    bench.write(place, "")
    ran = refused(bench.doit(*words))
    assert str(bench.root / ".wheelyard") in ran.text, ran.text
    assert "move it away" in ran.text, ran.text
