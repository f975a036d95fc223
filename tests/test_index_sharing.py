"""Publications that several processes share: the same tree as one makes alone, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from index import sharing, staging
from index.disk import opened
from index.projects import PoolFile
from index.sharing import copies, in_parts
from tests.disk import snapshot
from tests.index_makers import Shelves, platform, put

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="copies are made on Linux alone")


def lengths(names: Sequence[str]) -> tuple[int, ...]:
    """Work that fails for who has nothing to do, and never ends for who is asked to wait."""
    if names == ["wait"]:
        time.sleep(600)
    if names == ["compute"]:
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            sum(range(1000))
    return tuple(map(len, names)) if names else (1 // 0,)


def test_each_part_has_its_answer_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    """A part that fails has none, and says nothing of its own."""
    many = ["x" * 10] * 100_000
    with copies(lengths, [["a"], [], ["bb", "ccc"], many]) as elsewhere:
        assert list(elsewhere.answers()) == [(1,), None, (2, 3), (10,) * 100_000]
        assert not elsewhere.pids
    assert capfd.readouterr() == ("", "")


def test_whoever_is_killed_has_no_answer() -> None:
    """And what nobody waits for any more is ended."""
    with copies(lengths, [["wait"], ["a"], ["wait"]]) as elsewhere:
        first, _, last = elsewhere.pids
        os.kill(first, signal.SIGKILL)
        answers = elsewhere.answers()
        assert [next(answers), next(answers)] == [None, (1,)]
    assert not alive(last)


def test_whoever_stands_still_is_killed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As would a copy that came upon a lock which another thread held; one that is merely slow is waited for."""
    monkeypatch.setattr(sharing, "_PATIENCE", 0.4)
    monkeypatch.setattr(sharing, "_LOOK", 50)
    with copies(lengths, [["wait"], ["compute"]]) as elsewhere:
        assert list(elsewhere.answers()) == [None, (7,)]


def test_interrupted_while_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that came in the middle is heard after it, and leaves none behind."""
    pids: list[int] = []

    def fork() -> int:
        pid = os_fork()
        if pid:
            pids.append(pid)
            if len(pids) == 2:
                os.kill(os.getpid(), signal.SIGINT)
        return pid

    os_fork = os.fork
    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(KeyboardInterrupt), copies(lengths, [["wait"], ["wait"], ["wait"]]):
        pass
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_what_other_threads_hold_open_is_closed() -> None:
    """Whoever reads the other end of a pipe would wait for the copy too; what it needs it keeps."""
    theirs, kept = os.pipe(), os.pipe()

    def work(_names: Sequence[str]) -> tuple[str, ...]:
        os.write(kept[1], b"kept")
        time.sleep(600)
        return ()

    with copies(work, [["a"]], keep=[kept[1]]):
        os.close(theirs[1])
        assert os.read(theirs[0], 1) == b""
        assert os.read(kept[0], 9) == b"kept"
    for fd in (theirs[0], *kept):
        os.close(fd)


def test_where_nobody_waits_for_children() -> None:
    """SIGCHLD may be ignored by who started us, and that is inherited: an answer is one all the same."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with copies(lengths, [["a"], [], ["bb"], ["wait"]]) as elsewhere:
            answers = elsewhere.answers()
            assert [next(answers) for _ in range(3)] == [(1,), None, (2,)]
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_signal_is_for_whoever_made_them() -> None:
    """Ctrl-C reaches a whole group of processes; what a handler does must not be done twice."""
    with copies(lengths, [["wait"]]) as elsewhere:
        (pid,) = elsewhere.pids
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.2)
        assert alive(pid)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def test_they_die_with_whoever_made_them() -> None:
    """However that one ends."""
    program = (
        "import os, signal, time; from index.sharing import Copies\n"
        "made = Copies(); made.start(lambda names: time.sleep(600), [['a'], ['b']]); print(*made.pids, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    here = Path(__file__).parent.parent
    said = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True, check=False)
    ended = time.monotonic() + 30
    pids = list(map(int, said.stdout.split()))
    assert len(pids) == 2
    while any(map(alive, pids)):
        assert time.monotonic() < ended
        time.sleep(0.01)


def test_parts_are_as_large_as_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as that goes with what stands together; none is empty, and the largest is for whoever asks."""
    monkeypatch.setattr(sharing, "cores", lambda: 3)
    assert in_parts({}) == [[]]
    assert in_parts({"a": 0.0, "b": 0.01}) == [["a", "b"]]
    assert in_parts(dict.fromkeys("abcdefg", 0.1)) == [["c", "d", "e"], ["a", "b"], ["f", "g"]]
    assert in_parts({"a": 0.01, "b": 9.0, "c": 0.01}) == [["b"], ["a"], ["c"]]
    assert in_parts({"a": 900.0}) == [["a"]]
    monkeypatch.setattr(sharing, "cores", lambda: 1)
    assert in_parts({"a": 9.0, "b": 9.0}) == [["a", "b"]]


@pytest.mark.parametrize("fate", ["well", "killed", "not made"])
def test_the_tree_is_the_same(tmp_path: Path, fate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """New, changed and taken away: by one process, by several, and where one of them is killed half-way."""
    store = Shelves(tmp_path / "store")
    wheels = [store.wheel(f"p{number}", version) for number in range(9) for version in ("1.0", "2.0")]
    states = [wheels[:10], wheels[4:], wheels[4:], wheels]
    monkeypatch.setattr("index.batches._TOGETHER", 1)
    alone, together = tmp_path / "alone", tmp_path / "together"
    expected = [(put(alone, store, platform("box", state)), snapshot(alone)) for state in states]
    monkeypatch.setattr(sharing, "WORTH", 1e-9)
    monkeypatch.setattr(sharing, "cores", lambda: 3)
    forked = []
    here = os.getpid()

    def files(self: staging._Staging, pool: Iterable[tuple[str, PoolFile]]) -> None:
        whole(self, pool)
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)

    def fork() -> int:
        if fate == "not made":
            raise BlockingIOError
        forked.append(made := os_fork())
        return made

    whole, os_fork = staging._Staging.files, os.fork
    monkeypatch.setattr(os, "fork", fork)
    if fate == "killed":
        monkeypatch.setattr(staging._Staging, "files", files)
    assert [(put(together, store, platform("box", state)), snapshot(together)) for state in states] == expected
    assert bool(forked) == (fate != "not made")


def test_another_thread_does_not_stop_them(tmp_path: Path) -> None:
    """As where a page is being drawn on the terminal while the tree is made."""
    held, ended = threading.Lock(), threading.Event()

    def holding() -> None:
        while not ended.is_set():
            with held:
                time.sleep(0.001)

    thread = threading.Thread(target=holding)
    thread.start()
    try:
        with opened(tmp_path / "root"):
            for _ in range(20):
                with copies(lengths, [["a"], ["bb"]]) as elsewhere:
                    assert list(elsewhere.answers()) == [(1,), (2,)]
    finally:
        ended.set()
        thread.join()


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and was not asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
