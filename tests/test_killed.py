"""A run that is killed: nothing finished is lost or repeated, nothing of it lives on, and no hand is needed.

Each moment is certain: the run stands before a FIFO, or before a server that has stopped in the middle of a file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builders.build_places import places_here
from tests.conftest import Bench
from tests.disk import on_disk, snapshot
from tests.loopback import Handler, Index, file, serving
from tests.projects_maker import make_sdist, make_wheel

SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """FIFOs at which the project `gate` stops, by moment: lock, build."""

    folder: Path

    @property
    def builds(self) -> dict[str, object]:
        """What platforms.yaml says of the project."""
        return {"gate": {"env": {"CHANGE_GATE": str(self.folder)}}}

    def shut(self, moment: str) -> None:
        """Make it stop there from now on."""
        for end in ("here", "go"):
            os.mkfifo(self.folder / f"{moment}.{end}")

    def reached(self, moment: str) -> tuple[int, ...]:
        """Wait until it stands there; the process ids that it tells."""
        return tuple(map(int, (self.folder / f"{moment}.here").read_text().split()))

    def open(self, moment: str) -> None:
        """Take the FIFOs away: nobody stops there any more."""
        for end in ("here", "go"):
            (self.folder / f"{moment}.{end}").unlink()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    folder = tmp_path / "gate"
    folder.mkdir()
    return Gate(folder=folder)


@pytest.fixture(scope="module")
def begun(make_bench: Callable[[str], Bench]) -> Bench:
    """A workspace in which beta is built and pip is fetched."""
    bench = make_bench("begun")
    make_sdist(bench.root / "vendor", "beta")
    make_sdist(bench.root / "vendor", "gate", parts=("change-base", "change-gate"))
    bench.declare("beta")
    ran = bench.doit()
    assert ran.code == 0, ran.text
    return bench


@pytest.fixture
def mine(begun: Bench, tmp_path: Path) -> Bench:
    return begun.copied(tmp_path / "workspace")


def end(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal to the whole group of a run, as a terminal or a service manager would; what it had printed."""
    os.killpg(process.pid, number)
    out, _ = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number, out
        assert "Traceback" not in out
        assert "interrupted: finished steps are kept" in out
    return out


def assert_gone(pids: tuple[int, ...]) -> None:
    """The processes end; the kernel tells through a descriptor, so that nothing is polled."""
    import select

    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            ready, _, _ = select.select([handle], [], [], 10)
            assert ready, f"process {pid} of the dead run lives on"
        finally:
            os.close(handle)


@pytest.mark.network
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", ["lock", "build"])
def test_killed_while_foreign_code_runs(mine: Bench, gate: Gate, moment: str, number: signal.Signals) -> None:
    """What runs on behalf of a run dies with it; the next run repeats nothing finished and leaves nothing behind."""
    mine.declare("beta", "gate", builds=gate.builds)
    gate.shut(moment)
    process = mine.start()
    pids = gate.reached(moment)
    before = on_disk(mine.root / ".wheelyard/records")
    end(process, number)
    assert_gone(pids)
    gate.open(moment)
    ran = mine.doit()
    assert ran.code == 0, ran.text
    after = on_disk(mine.root / ".wheelyard/records")
    assert {path: after[path] for path in before} == before
    assert mine.flat("here") == ["beta-1.0-py3-none-any.whl", "gate-1.0-py3-none-any.whl"]
    assert leftovers(mine) == []
    assert mine.doit("verify").code == 0


@pytest.mark.network
@pytest.mark.parametrize("number", SIGNALS[1:])
def test_what_waits_for_its_turn_never_starts(bench: Bench, tmp_path: Path, number: signal.Signals) -> None:
    """More sdists than may be asked at once: those behind them are not asked by a run that is being stopped."""
    told = tmp_path / "told"
    told.mkdir()
    names = [f"slow{count}" for count in range(2 * places_here() + 2)]
    for name in names:
        make_sdist(bench.root / "vendor", name, parts=("change-base", "change-slow"))
    bench.declare(*names, builds={name: {"env": {"CHANGE_TOLD": str(told)}} for name in names})
    process = bench.start()
    while len(list(told.iterdir())) < places_here():
        assert process.poll() is None
        time.sleep(0.05)
    pids = tuple(int(path.name) for path in told.iterdir())
    end(process, number)
    assert_gone(pids)
    assert sorted(int(path.name) for path in told.iterdir()) == sorted(pids)


def leftovers(bench: Bench) -> list[str]:
    """What stands in the folders for work in progress, and half-written files anywhere."""
    folder = bench.root / ".wheelyard"
    found = [path for name in ("incoming", "work") for path in (folder / name).glob("*")]
    found += [path for path in bench.root.rglob(".*.*") if path.is_file() and path.name.count(".") > 2]
    found += list((bench.root / "public").glob(".publishing/*"))
    return sorted(str(path.relative_to(bench.root)) for path in found)


@pytest.mark.network
@pytest.mark.parametrize("number", SIGNALS)
def test_killed_while_publishing(mine: Bench, number: signal.Signals) -> None:
    """The tree is whole before and after: a run that dies between staging and renaming is completed by the next."""
    make_wheel(mine.root / "vendor", "delta")
    asked = json.loads((mine.root / "platforms.yaml").read_text())
    asked["platforms"][0]["packages"].append("delta")
    mine.write("platforms.yaml", json.dumps(asked))
    for task in ("lock:here", "wheel:here/delta-1.0"):
        ran = mine.doit(task)
        assert ran.code == 0, ran.text
    tree, records = snapshot(mine.root / "public"), on_disk(mine.root / ".wheelyard/records")
    [record] = [
        path
        for path in records
        if json.loads((mine.root / ".wheelyard/records" / path).read_text())["project"] == "delta"
    ]
    sha256 = json.loads((mine.root / ".wheelyard/records" / record).read_text())["sha256"]
    blob = mine.root / ".wheelyard/blobs" / sha256[:2] / sha256
    kept = blob.rename(mine.root / "kept")
    os.mkfifo(blob)  # publishing hashes each new file first, and so stops here
    process = mine.start()
    with blob.open("wb"):
        end(process, number)
    blob.unlink()
    kept.rename(blob)
    during = snapshot(mine.root / "public")
    assert {path: during[path] for path in tree} == tree
    ran = mine.doit()
    assert ran.code == 0, ran.text
    assert on_disk(mine.root / ".wheelyard/records") == records
    assert "delta-1.0-py3-none-any.whl" in mine.flat("here")
    assert leftovers(mine) == []
    assert mine.doit("verify").code == 0


@dataclass(kw_only=True)
class Stalling:
    """Sends half of a whole file and then nothing, until it is told to be good; parts, which uv reads, come whole."""

    content: bytes
    stalled: threading.Event = field(default_factory=threading.Event)
    good: threading.Event = field(default_factory=threading.Event)

    def __call__(self, handler: Handler) -> None:
        """Behave."""
        if self.good.is_set() or handler.command == "HEAD" or "Range" in handler.headers:
            file(self.content)(handler)
            return
        handler.start(200, content_length=str(len(self.content)))
        handler.wfile.write(self.content[: len(self.content) // 2])
        handler.wfile.flush()
        self.stalled.set()
        self.good.wait(60)
        handler.close_connection = True


@contextmanager
def stalling_index(folder: Path) -> Iterator[tuple[Index, Stalling]]:
    """An index with quick-1.0, and slow-1.0 that stops half way."""
    with serving() as server:
        index = Index(server=server)
        quick, slow = make_wheel(folder, "quick"), make_wheel(folder, "slow")
        index.add("quick", quick.name, quick.read_bytes())
        index.add("slow", slow.name, slow.read_bytes())
        stalling = Stalling(content=slow.read_bytes())
        server.behaviours[f"/files/{slow.name}"] = stalling
        yield index, stalling


@pytest.mark.parametrize("number", SIGNALS)
def test_killed_while_fetching(bench: Bench, tmp_path: Path, number: signal.Signals) -> None:
    """A file that came is not asked for again; one that was cut short is completed, and no part of it stays."""
    with stalling_index(tmp_path / "files") as (index, stalling):
        bench.declare("quick", upstream={"url": index.url})
        assert bench.doit().code == 0
        before = on_disk(bench.root / ".wheelyard/records")
        bench.declare("quick", "slow", upstream={"url": index.url})
        index.server.asked.clear()
        process = bench.start()
        assert stalling.stalled.wait(60)
        locked_by = time.monotonic() + 60  # the file may be fetched ahead, while it is still being locked
        while "slow" not in (bench.root / "locks/here/packages.pylock.toml").read_text():
            assert time.monotonic() < locked_by
            time.sleep(0.05)
        end(process, number)
        stalling.good.set()
        ran = bench.doit()
        assert ran.code == 0, ran.text
        whole = [asked.path for asked in index.server.asked if asked.method == "GET" and "range" not in asked.headers]
        assert "/files/quick-1.0-py3-none-any.whl" not in whole
    after = on_disk(bench.root / ".wheelyard/records")
    assert {path: after[path] for path in before} == before
    assert bench.flat("here") == ["quick-1.0-py3-none-any.whl", "slow-1.0-py3-none-any.whl"]
    assert leftovers(bench) == []


@pytest.mark.network
def test_two_runs_at_once_make_a_wheel_once(mine: Bench, gate: Gate) -> None:
    """A second run waits for the first, says for whom, and then finds nothing to do."""
    mine.declare("beta", "gate", builds=gate.builds)
    gate.shut("build")
    first = mine.start()
    gate.reached("build")
    second = mine.start()
    assert second.stdout is not None
    waits = second.stdout.readline()
    assert f"waiting for pid {first.pid} " in waits
    with (gate.folder / "build.go").open("w"):
        pass
    out, _ = first.communicate(timeout=120)
    assert first.returncode == 0, out
    out, _ = second.communicate(timeout=120)
    assert second.returncode == 0, out
    assert "BUILD" not in out
