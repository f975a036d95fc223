"""The doit bridge, each time with a real doit on a small dodo.py in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from doit.exceptions import InvalidDodoFile, TaskFailed

from builders.bridge import guarded, invalid_configuration
from builders.errors import BuildError, ConfigurationError, StoreError
from builders.holding import workspace_lock

ROOT = Path(__file__).parent.parent

# The shape of the real dodo.py: locks, a delayed creator for each platform, platforms, an index that comes in any case.
DODO = '''
import os, subprocess, sys
from doit import create_after
from builders import bridge
from builders.bridge import guarded
from builders.errors import BuildError, ConfigurationError
from builders.progress import Progress
from builders.stopping import at_stop
from builders.summary import PlatformState, Summary

BAD = os.environ.get("BAD", "")
PROGRESS = Progress()
if BAD == "configuration":
    raise bridge.invalid_configuration(ConfigurationError("platforms.yaml, line 3", hint="write image"))

def summary(end):
    print("end:", [name for name, _ in end.failed], list(end.blocked), end.interrupted)
    return Summary(executed=len(end.executed), built=PROGRESS.tally("built"), interrupted=end.interrupted)

REPORTER = bridge.reporter(PROGRESS, summary)
DOIT_CONFIG = {
    "num_process": int(os.environ.get("THREADS", "2")), "par_type": "thread", "continue": True, "verbosity": 0,
    "default_tasks": ["platforms", "index"], "reporter": REPORTER, **bridge.STATELESS,
}

@guarded
def work(name):
    if name == BAD:
        raise BuildError(f"{name} has no foo.h", hint="install libfoo-dev")
    if name + " bug" == BAD:
        raise KeyError(name)
    if name + " full" == BAD:
        with open("/dev/full", "w") as full:
            full.write("x")
    if name + " hang" == BAD:
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        at_stop(child.kill)
        try:
            print(child.pid, file=sys.__stderr__, flush=True)
            child.wait()
        finally:
            with open("finally", "w") as file:
                file.write("ran")
    PROGRESS.begin(name, "RUN", platform=name)
    PROGRESS.done(name, outcome="done")

def task(name, **more):
    return {"actions": [(work, [name])], "io": {"capture": False}, **more}

def steps(platform):
    for project in ("bar-1.0", "foo-1.0"):
        name = f"{platform}/{project}"
        yield {"basename": f"wheel:{name}", **task(f"wheel:{name}"), "uptodate": [os.path.exists("up-to-date")]}

@create_after(creates=["wheel"])
def task_wheel():
    """One step: wheel:PLATFORM/PROJECT-VERSION"""
    for platform in "ab":
        for step in steps(platform):
            yield {**step, "basename": "wheel", "name": step["basename"].removeprefix("wheel:")}

def task_lock():
    """Resolve only"""
    for platform in "ab":
        yield {"name": platform, **task(f"lock:{platform}"), "uptodate": [os.path.exists("up-to-date")]}

def wheels(platform):
    @create_after(executed=f"lock:{platform}", creates=[f"_wheels:{platform}"])
    def creator():
        if BAD == f"plan:{platform}":
            yield bridge.failing(f"_wheels:{platform}", BuildError("the lock is torn", hint="doit upgrade"))
            return
        made = [] if REPORTER.has_failed(f"lock:{platform}") else list(steps(platform))
        names = [step["basename"] for step in made]  # before doit takes the dicts apart
        yield from made
        yield {"basename": f"_wheels:{platform}", "actions": None, "task_dep": names}
    return creator

for platform in "ab":
    globals()[f"task__wheels_{platform}"] = wheels(platform)

def task_platforms():
    """Every platform to the end"""
    for platform in "ab":
        yield {"name": platform, **task(f"platforms:{platform}"), "task_dep": [f"_wheels:{platform}"],
               "uptodate": [os.path.exists("up-to-date")]}

@create_after(executed="platforms", creates=["index"])
def task_index():
    """The merged index"""
    if BAD == "creator bug":
        raise KeyError("creator")
    yield {"basename": "_tree", **task("_tree"), "uptodate": [os.path.exists("up-to-date")]}
    yield {"basename": "index", "actions": None, "task_dep": ["_tree"]}
'''


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "dodo.py").write_text(DODO, encoding="utf-8")
    return tmp_path


def start(workspace: Path, *words: str, **environ: str) -> subprocess.Popen[str]:
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "doit", *words],
        cwd=workspace,
        env=bare | environ,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def doit(workspace: Path, *words: str, **environ: str) -> tuple[int, list[str], str]:
    """Run to the end: exit code, the lines of stdout, stderr."""
    run = start(workspace, *words, **environ)
    out, errors = run.communicate(timeout=60)
    return run.returncode, out.splitlines(), errors


def ran(lines: list[str]) -> set[str]:
    return {line.split()[1] for line in lines if line.startswith("RUN ")}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def holder(workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the workspace until it is killed."""
    code = (
        "import sys, time; from pathlib import Path; from builders.holding import workspace_lock\n"
        "with workspace_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code, workspace], env=environ, text=True, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.kill()


# --- the graph ----------------------------------------------------------------------------------------------------


def test_list_names_the_groups_and_writes_nothing(workspace: Path) -> None:
    """`doit list` shows the groups with a line of help each, calls no delayed creator and leaves no file."""
    code, lines, errors = doit(workspace, "list")
    assert (code, errors) == (0, "")
    assert [line.split(maxsplit=1) for line in lines] == [
        ["index", "The merged index"],
        ["lock", "Resolve only"],
        ["platforms", "Every platform to the end"],
        ["wheel", "One step: wheel:PLATFORM/PROJECT-VERSION"],
    ]
    assert files(workspace) == {"dodo.py"}


def test_one_platform_leaves_the_other_alone(workspace: Path) -> None:
    """`doit platforms:a` runs a's lock and wheels and nothing of b."""
    code, lines, _ = doit(workspace, "platforms:a")
    assert code == 0
    assert ran(lines) == {"lock:a", "wheel:a/bar-1.0", "wheel:a/foo-1.0", "platforms:a"}


def test_one_wheel_can_be_chosen(workspace: Path) -> None:
    """`doit wheel:a/foo-1.0` runs that step alone: the command that a failure names."""
    code, lines, _ = doit(workspace, "wheel:a/foo-1.0")
    assert (code, ran(lines)) == (0, {"wheel:a/foo-1.0"})


@pytest.mark.parametrize("name", ["wheel:a/nope-1.0", "whee", "zzz*"])
def test_a_name_that_nobody_made_is_refused(workspace: Path, name: str) -> None:
    """By itself doit would run nothing for an unknown delayed name, silently and with exit code 0."""
    code, lines, errors = doit(workspace, name)
    assert (code, ran(lines)) == (3, set())
    assert errors.startswith("ERROR: ")
    assert "Traceback" not in errors
    assert not any(line.startswith("end:") for line in lines)


def test_a_wheel_that_nobody_asked_for_is_refused_with_the_nearest(workspace: Path) -> None:
    """As other mistakes are; where nothing is near, with the command that lists the names."""
    assert "did you mean 'wheel:a/foo-1.0'?" in doit(workspace, "wheel:a/fooo-1.0")[2]
    assert "`doit list --all` shows them" in doit(workspace, "wheel:zzzzzzzzzzzz")[2]


def test_doit_keeps_no_state_on_disk(workspace: Path) -> None:
    """After a run there is our lock file and nothing of doit's; `uptodate` alone decides, and doit's commands work."""
    for _ in range(2):
        code, lines, _ = doit(workspace)
        assert (code, len(ran(lines))) == (0, 9)
    assert files(workspace) == {"dodo.py", ".wheelyard/lock"}
    (workspace / "up-to-date").touch()
    code, lines, errors = doit(workspace)
    assert (code, ran(lines), errors) == (0, set(), "")
    assert lines[-1].startswith("nothing to do")
    for command in (["forget"], ["clean"], ["info", "lock:a"], ["list", "--status"]):
        code, _, errors = doit(workspace, *command)
        assert (code, errors) == (0, "")
    assert files(workspace) == {"dodo.py", ".wheelyard/lock", "up-to-date"}


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", ["0", "2"])
def test_a_failed_wheel_stops_its_platform_and_nothing_else(workspace: Path, threads: str) -> None:
    """The other wheels, the other platform and the index go on; no traceback; the exit code is not 0."""
    code, lines, errors = doit(workspace, BAD="wheel:a/foo-1.0", THREADS=threads)
    assert code != 0
    assert ran(lines) == {
        "lock:a",
        "lock:b",
        "wheel:a/bar-1.0",
        "wheel:b/bar-1.0",
        "wheel:b/foo-1.0",
        "platforms:b",
        "_tree",
    }
    assert "failed   wheel:a/foo-1.0: wheel:a/foo-1.0 has no foo.h" in lines
    assert "  install libfoo-dev" in lines
    assert "end: ['wheel:a/foo-1.0'] ['_wheels:a', 'index', 'platforms', 'platforms:a'] False" in lines
    assert "Traceback" not in errors + "".join(lines)


def test_a_failed_lock_leaves_its_platform_without_wheels(workspace: Path) -> None:
    """A delayed creator is called also when what it waited for failed; `has_failed` is how the creator knows."""
    code, lines, _ = doit(workspace, BAD="lock:a")
    assert code != 0
    assert ran(lines) == {"lock:b", "wheel:b/bar-1.0", "wheel:b/foo-1.0", "platforms:b", "_tree"}


def test_a_creator_that_cannot_plan_fails_its_platform_alone(workspace: Path) -> None:
    """`failing` gives a sentence where an exception would have ended the run for all platforms."""
    code, lines, errors = doit(workspace, BAD="plan:a")
    assert code != 0
    assert ran(lines) == {"lock:a", "lock:b", "wheel:b/bar-1.0", "wheel:b/foo-1.0", "platforms:b", "_tree"}
    assert "failed   _wheels:a: the lock is torn" in lines
    assert "Traceback" not in errors + "".join(lines)


def test_a_bug_in_a_creator_ends_the_run_without_a_false_summary(workspace: Path) -> None:
    """The traceback comes from doit; nothing claims that the run was complete."""
    code, lines, errors = doit(workspace, BAD="creator bug")
    assert code == 3
    assert "KeyError: 'creator'" in errors
    assert not any(line.startswith("end:") for line in lines)


def test_a_full_disk_is_a_sentence(workspace: Path) -> None:
    """A real ENOSPC, from /dev/full: what happened and what to do, and no traceback."""
    code, lines, errors = doit(workspace, "lock:a", BAD="lock:a full")
    assert code != 0
    assert "failed   lock:a: No space left on device" in lines
    assert "  make room, and run again: nothing finished is lost" in lines
    assert "Traceback" not in errors + "".join(lines)


def test_a_bug_shows_its_traceback(workspace: Path) -> None:
    """What no user can cause is not dressed up."""
    code, lines, _ = doit(workspace, "lock:a", BAD="lock:a bug")
    assert code != 0
    assert "KeyError: 'lock:a'" in lines
    assert any("Traceback" in line for line in lines)


def test_a_mistake_in_the_configuration_ends_with_3(workspace: Path) -> None:
    """All lines of the error, no traceback, nothing written."""
    code, lines, errors = doit(workspace, BAD="configuration")
    assert (code, lines, errors) == (3, [], "ERROR: platforms.yaml, line 3\n  write image\n")
    assert files(workspace) == {"dodo.py"}


def test_invalid_configuration_makes_control_characters_visible() -> None:
    """A key of platforms.yaml may hold anything."""
    error = invalid_configuration(ConfigurationError("unknown key \x1b[2J", hint="line\ntwo"))
    assert isinstance(error, InvalidDodoFile)
    assert str(error) == "unknown key \\x1b[2J\n  line\ntwo"


@pytest.mark.parametrize("unit", ["x" * 79 + "\n", "x"])
def test_what_strangers_say_is_cut(unit: str) -> None:
    """However much it is, a screen has the beginning, the end with the hint, and a word that it was cut."""

    @guarded
    def work() -> None:
        raise BuildError(f"first {unit * 300_000} last", hint="look at the log")

    failed = work()
    assert isinstance(failed, TaskFailed)
    text = failed.get_msg()
    assert len(text) < 4_200
    assert text.count("\n") <= 62
    assert text.startswith("first x")
    assert "cut here" in text
    assert text.endswith(" last\n  look at the log\n")


def test_what_was_found_here_is_told_whole() -> None:
    """`doit verify` names everything that is damaged: no log has it."""
    findings = "\n".join(f"blob {number} is damaged" for number in range(1000))

    @guarded
    def work() -> None:
        raise StoreError(findings)

    failed = work()
    assert isinstance(failed, TaskFailed)
    assert findings in failed.get_msg()


def test_guarded_keeps_signature_and_result(tmp_path: Path) -> None:
    """An action's parameters are read by doit; an OSError that is a bug stays one."""
    import inspect

    @guarded
    def action(package: str, missing: Path | None = None) -> str:
        if missing:
            missing.read_bytes()
        if package == "bad":
            raise BuildError("no wheel", hint="look at the log")
        return package

    assert list(inspect.signature(action).parameters) == ["package", "missing"]
    assert action("good") == "good"
    failed = action("bad")
    assert isinstance(failed, TaskFailed)
    assert failed.get_msg() == "no wheel\n  look at the log\n"
    with pytest.raises(FileNotFoundError):
        action("good", tmp_path / "missing")


# --- one run at a time --------------------------------------------------------------------------------------------


def test_a_second_run_waits_and_says_for_whom(workspace: Path) -> None:
    """It names pid, host and since when, runs nothing meanwhile, and goes on when the first is gone, by SIGKILL too."""
    with holder(workspace) as first:
        second = start(workspace, "lock:a")
        assert second.stderr is not None
        said = second.stderr.readline()
        assert said.startswith(
            f"waiting for pid {first.pid} on {os.uname().nodename}, which holds this workspace since "
        )
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=1)  # ten times what it needs when it does not wait
    out, _ = second.communicate(timeout=60)
    assert (second.returncode, ran(out.splitlines())) == (0, {"lock:a"})


def test_a_run_that_waits_can_be_stopped(workspace: Path) -> None:
    """Ctrl-C while waiting: no traceback, nothing has run."""
    with holder(workspace):
        second = start(workspace, "lock:a")
        assert second.stderr is not None
        second.stderr.readline()
        second.send_signal(signal.SIGINT)
        out, errors = second.communicate(timeout=60)
    assert (second.returncode, out, errors) == (130, "", "")


@pytest.mark.parametrize("left", ["", "{", "[1]", '{"pid": 1}'])
def test_whatever_a_dead_run_left_in_the_lock_does_not_matter(tmp_path: Path, left: str) -> None:
    """The file's text is for people; torn or empty, it never has to be removed by hand."""
    lock = tmp_path / ".wheelyard" / "lock"
    lock.parent.mkdir()
    lock.write_text(left, encoding="utf-8")
    with workspace_lock(tmp_path):
        assert json.loads(lock.read_text(encoding="utf-8"))["pid"] == os.getpid()


def test_a_workspace_that_cannot_be_written_needs_no_lock() -> None:
    """Reading (`doit verify` on a read-only mount) works without one; /sys refuses even root."""
    if not Path("/sys/kernel").is_dir():
        pytest.skip("needs Linux's /sys")
    with workspace_lock(Path("/sys")):
        assert not Path("/sys/.wheelyard").exists()


# --- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", ["0", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_everything_it_started(workspace: Path, number: signal.Signals, threads: str) -> None:
    """A child in a session of its own is dead, its action's `finally` has run, no traceback, exit code 128 + n."""
    run = start(workspace, "lock:a", BAD="lock:a hang", THREADS=threads)
    assert run.stderr is not None
    child = int(run.stderr.readline())
    run.send_signal(number)
    out, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (128 + number, "")
    assert "end: [] [] True" in out
    assert "interrupted" in out
    assert (workspace / "finally").read_text(encoding="utf-8") == "ran"
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
