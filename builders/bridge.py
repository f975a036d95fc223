"""Between doit and the rest: the only module besides dodo.py that imports doit.

reporter()         feeds a Progress, holds the workspace while a run lasts, prints the summary
guarded()          an action whose errors are sentences, and whose bugs are tracebacks
loading()          the same for what makes tasks
STATELESS          doit keeps nothing on disk: the store is the truth, and `uptodate` asks it
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, ParamSpec, TextIO, TypeVar

from doit.exceptions import BaseFail, InvalidCommand, InvalidDodoFile, TaskFailed, UnmetDependency

from builders.errors import StoreError, WheelyardError, sentence
from builders.holding import workspace_lock
from builders.progress import Progress
from builders.stopping import Signals, active, stop_everything, stopping
from builders.summary import RunEnd, Summary, render_summary
from builders.terminal import shortened, visible
from builders.yaml_nodes import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")


# --- errors -----------------------------------------------------------------------------------------------------


def guarded(action: Callable[P, R]) -> Callable[P, R | TaskFailed]:
    """Turn errors that a user can cause into doit's TaskFailed; any other passes, as a bug with a traceback."""

    @functools.wraps(action)
    def run(*args: P.args, **kwargs: P.kwargs) -> R | TaskFailed:
        with active.entered():
            try:
                return action(*args, **kwargs)
            except (WheelyardError, OSError) as error:
                return _failed(error)

    return run


def failing(basename: str, error: WheelyardError) -> dict[str, object]:
    """Return a task that only fails: what a delayed creator yields where it could not plan.

    An exception in a delayed creator would end the whole run, with all other platforms in the middle of their work.
    """
    return {"basename": basename, "actions": [lambda: _failed(error)]}


def _failed(error: WheelyardError | OSError) -> TaskFailed:
    said = sentence(error)
    ours = isinstance(error, StoreError)  # a list of what was found here, and no log has it
    return TaskFailed(said if ours else shortened(said))


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
        self._tasks: dict[str, Any] = {}
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

    def initialize(self, tasks: dict[str, Any], selected: list[str]) -> None:
        """Take the workspace, before anything is decided. doit calls this for runs, never for `doit list`."""
        if not selected:
            raise InvalidCommand("no task has such a name: `doit list --all` shows them")
        self._tasks, self._selected = tasks, frozenset(selected)
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
            known = [name for name, one in self._tasks.items() if one.actions]
            question = did_you_mean(task.name, known) or "; `doit list --all` shows them"
            raise InvalidCommand(f"no task has the name {visible(task.name)}{question}")

    def execute_task(self, task: Any) -> None:
        """Come from a worker thread, at the real start of an action."""
        if task.actions:
            with self._guard:
                self._executed.add(task.title())

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """Say at once what went wrong; a bug brings its traceback. What could not be tried for it is only counted."""
        if isinstance(fail, UnmetDependency):
            self.blocked.add(task.name)
            return
        self.progress.done(_step(task), outcome="failed")
        if not stopping.is_set():  # what a stopped action complains about is of our own making
            self.failed[task.title()] = text = visible(fail.get_msg().strip(), lines=True)
            self.progress.say(f"failed   {visible(task.title())}: {text}", "failed")

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
