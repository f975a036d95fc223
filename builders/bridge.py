"""Between doit and the rest: the only module besides dodo.py that imports doit.

reporter()         feeds a Progress, holds the workspace while a run lasts, prints the summary
guarded()          an action whose errors are sentences, and whose bugs are tracebacks
loading()          the same for what makes tasks
STATELESS          doit keeps nothing on disk: the store is the truth, and `uptodate` asks it
workspace_lock()   one run at a time
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, ParamSpec, TextIO, TypeVar

from doit.exceptions import BaseFail, InvalidCommand, InvalidDodoFile, TaskFailed, UnmetDependency

from builders.errors import WheelyardError
from builders.progress import Progress
from builders.stopping import Signals, active, stop_everything, stopping
from builders.summary import RunEnd, Summary, render_summary
from builders.terminal import Sink, visible

P = ParamSpec("P")
R = TypeVar("R")

# What a full, read-only or forbidding disk answers: not a bug of ours, and nothing that a traceback explains.
DISK_ERRORS = {
    errno.ENOSPC: "make room, and run again: nothing finished is lost",
    errno.EDQUOT: "make room within the quota, and run again: nothing finished is lost",
    errno.EROFS: "this file system can only be read: choose a workspace that can be written",
    errno.EACCES: "give the user who runs doit the right to write there",
    errno.EPERM: "give the user who runs doit the right to write there",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or run fewer steps at once (doit -n 2)",
    errno.ENOTDIR: "a file stands where a folder has to be: move it away",
    errno.EISDIR: "a folder stands where a file has to be: move it away",
    errno.EEXIST: "it stands in the way of a folder: move it away",
    errno.ENOLCK: "this file system has no locks: choose a workspace on another one",
    errno.EIO: "the disk itself answers with an error: check it before anything else",
}


# --- errors -----------------------------------------------------------------------------------------------------


def guarded(action: Callable[P, R]) -> Callable[P, R | TaskFailed]:
    """Turn errors that a user can cause into doit's TaskFailed; any other passes, as a bug with a traceback."""

    @functools.wraps(action)
    def run(*args: P.args, **kwargs: P.kwargs) -> R | TaskFailed:
        with active.entered():
            try:
                return action(*args, **kwargs)
            except (WheelyardError, OSError) as error:
                return TaskFailed(sentence(error))

    return run


def failing(basename: str, error: WheelyardError) -> dict[str, object]:
    """Return a task that only fails: what a delayed creator yields where it could not plan.

    An exception in a delayed creator would end the whole run, with all other platforms in the middle of their work.
    """
    return {"basename": basename, "actions": [lambda: TaskFailed(str(error))]}


def sentence(error: WheelyardError | OSError) -> str:
    """Return what a person reads; raises the error again where it is a bug."""
    if isinstance(error, WheelyardError):
        return str(error)
    hint = DISK_ERRORS.get(error.errno or 0)
    if hint is None:
        raise error
    where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
    return f"{error.strerror}{where}\n  {hint}"


def invalid_configuration(error: WheelyardError | OSError) -> InvalidDodoFile:
    """Return what to raise while doit loads: it prints `ERROR: …`, several lines if need be, and exits with 3."""
    return InvalidDodoFile(visible(sentence(error), lines=True))


def loading(creator: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
    """Turn the same errors of a creator of tasks, which reads what is kept, into doit's own for that."""

    @functools.wraps(creator)
    def create() -> Iterator[Any]:
        try:
            yield from creator()
        except (WheelyardError, OSError) as error:
            raise invalid_configuration(error) from error

    return create


# --- no state -----------------------------------------------------------------------------------------------------


class NoState:
    """A codec for doit's json database that reads nothing and writes nothing.

    With `backend: json` and `dep_file: os.devnull` doit's state lives in one dict and ends with the run.
    """

    def encode(self, data: object) -> str:  # noqa: ARG002 - doit's signature
        """Write nothing."""
        return ""

    def decode(self, data: str) -> dict[str, object]:  # noqa: ARG002 - doit's signature
        """Remember nothing."""
        return {}


STATELESS: dict[str, object] = {"backend": "json", "dep_file": os.devnull, "codec_cls": NoState}


# --- one run at a time ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def workspace_lock(root: Path, say: Callable[[str], object] | None = None) -> Iterator[None]:
    """Hold the workspace; wait, with one line about who holds it, where another run does.

    The kernel lets go of the lock when its holder ends, however it ends: what the file says is only there to be read.
    Where nothing can be written (a read-only workspace) there is nothing to guard.
    """
    path = root / ".wheelyard" / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+", encoding="utf-8")
    except OSError as error:
        if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise
        yield
        return
    with handle:
        _acquire(handle, say or _to_stderr)
        handle.truncate(0)
        handle.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%H:%M")}))
        handle.flush()
        yield


def _acquire(handle: TextIO, say: Callable[[str], object]) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for {_holder(handle)}")
        fcntl.flock(handle, fcntl.LOCK_EX)


def _holder(handle: TextIO) -> str:
    handle.seek(0)
    try:
        told = json.loads(handle.read())
        return visible(f"pid {told['pid']} on {told['host']}, which holds this workspace since {told['since']}")
    except (ValueError, KeyError, TypeError):  # not written yet
        return "another run, which holds this workspace"


def _to_stderr(text: str) -> None:
    Sink(sys.stderr).write(f"{text}\n")


# --- the reporter ---------------------------------------------------------------------------------------------------


class WheelyardReporter:
    """What doit tells during a run, on its way to a Progress. `reporter()` makes one for a workspace."""

    desc = "wheelyard: a live view on a terminal, plain lines elsewhere, a summary at the end"
    progress: ClassVar[Progress]
    root: ClassVar[Path]
    make_summary: ClassVar[Callable[[RunEnd], Summary | None]]
    begin: ClassVar[Callable[[frozenset[str]], object]]
    failed: ClassVar[dict[str, str]]
    blocked: ClassVar[set[str]]

    def __init__(self, outstream: TextIO, options: dict[str, object]) -> None:  # noqa: ARG002 - doit's signature
        self.progress.attach(outstream)
        self._selected: frozenset[str] = frozenset()
        self._executed: set[str] = set()
        self._guard = threading.Lock()
        self._signals = Signals()
        self._held = contextlib.ExitStack()
        self._refused = True  # until the workspace is ours: then there is something to sum up

    @classmethod
    def has_failed(cls, task: str) -> bool:
        """Whether this task failed, or was not tried: a delayed creator is called in either case."""
        return task in cls.failed or task in cls.blocked

    def initialize(self, tasks: dict[str, Any], selected: list[str]) -> None:  # noqa: ARG002 - doit's signature
        """Take the workspace, before anything is decided. doit calls this for runs, never for `doit list`."""
        if not selected:
            raise InvalidCommand("no task has such a name: `doit list --all` shows them")
        self._selected = frozenset(selected)
        self._signals.install()
        try:
            self._held.enter_context(workspace_lock(self.root))
        except OSError as error:
            raise invalid_configuration(error) from error
        type(self).begin(self._selected)
        self._refused = False

    def get_status(self, task: Any) -> None:
        """Refuse a chosen name that no creator made: doit itself would run nothing for it, and say nothing."""
        empty = not (task.actions or task.has_subtask or task.task_dep)
        if task.name in self._selected and task.loader is False and empty:
            self._refused = True
            raise InvalidCommand(not_found=task.name)

    def execute_task(self, task: Any) -> None:
        """Come from a worker thread, at the real start of an action."""
        if task.actions:
            with self._guard:
                self._executed.add(task.name)

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """Say at once what went wrong; a bug brings its traceback. What could not be tried for it is only counted."""
        if isinstance(fail, UnmetDependency):
            self.blocked.add(task.name)
            return
        self.progress.done(_step(task), outcome="failed")
        if not stopping.is_set():  # what a stopped action complains about is of our own making
            self.failed[task.name] = text = visible(fail.get_msg().strip(), lines=True)
            self.progress.say(f"failed   {visible(task.name)}: {text}", "failed")

    def add_success(self, task: Any) -> None:
        """Say nothing: the pipeline's own verbs have."""

    def skip_uptodate(self, task: Any) -> None:
        """Say nothing: most steps of most runs are skipped."""

    def skip_ignore(self, task: Any) -> None:
        """Say so: `doit ignore` is easily forgotten."""
        self.progress.say(f"ignored  {visible(task.name)}  (doit forget {visible(task.name)})")

    def cleanup_error(self, exception: BaseFail) -> None:
        """Pass on what a teardown could not do."""
        self.progress.say(visible(exception.get_msg().strip(), lines=True), "failed")

    def runtime_error(self, msg: str) -> None:
        """Pass on what doit itself finds wrong."""
        self.failed["doit"] = msg
        self.progress.say(visible(msg.strip(), lines=True), "failed")

    def teardown_task(self, task: Any) -> None:
        """Say nothing."""

    def complete_run(self) -> None:
        """Come last, however the run ended: stop what still runs, give the terminal back, say what came of it."""
        interrupted = self._signals.received is not None
        aborted = sys.exception() is not None  # doit calls this in a `finally`; threads may still be at work
        self.progress.close()
        try:
            if aborted:
                stop_everything()
            if not self._refused and (interrupted or not aborted):
                self._tell(interrupted=interrupted)
        finally:
            self._held.close()
            self._signals.restore()

    def _tell(self, *, interrupted: bool) -> None:
        end = RunEnd(
            failed=tuple(sorted(self.failed.items())),
            blocked=tuple(sorted(self.blocked)),
            interrupted=interrupted,
            executed=tuple(sorted(self._executed)),
        )
        try:
            summary = type(self).make_summary(end)
        except (WheelyardError, OSError) as error:
            self.progress.say(visible(sentence(error), lines=True), "failed")
            raise SystemExit(1) from error
        if summary is not None:
            self.progress.say(render_summary(summary, colour=self.progress.colour).rstrip("\n"))


def reporter(
    progress: Progress,
    make_summary: Callable[[RunEnd], Summary | None],
    *,
    root: Path | None = None,
    begin: Callable[[frozenset[str]], object] = lambda _: None,
) -> type[WheelyardReporter]:
    """Return the class for `DOIT_CONFIG["reporter"]`; root is the workspace, by default doit's working directory.

    `begin` is called with the chosen tasks once the workspace is ours.
    """

    class Reporter(WheelyardReporter):
        pass

    Reporter.progress = progress
    Reporter.failed, Reporter.blocked = {}, set()
    Reporter.make_summary = staticmethod(make_summary)
    Reporter.begin = staticmethod(begin)
    Reporter.root = root or Path.cwd()
    return Reporter


def _step(task: Any) -> str:
    """Name the step: `debian-bullseye/cffi-2.0.0` of `wheel:debian-bullseye/cffi-2.0.0`."""
    return str(task.name.partition(":")[2] or task.name)
