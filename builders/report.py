"""The end of a run, from what doit told and what the store holds: the summary's records. Printing is summary.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builders.pipeline import completed_platform
from builders.plan import Plan, Step
from builders.run import Run
from builders.summary import FailedStep, PlatformState, RunEnd, Summary
from builders.yard import Yard

_MOST_LINES = 6  # of one failure, where a page has all of them


def failures(yard: Yard, end: RunEnd, plans: Mapping[str, Plan]) -> tuple[FailedStep, ...]:
    """Every failed task as the summary tells it."""
    return tuple(_failure(yard, task, text, plans) for task, text in end.failed)


def _failure(yard: Yard, task: str, text: str, plans: Mapping[str, Plan]) -> FailedStep:
    verb, _, step_name = task.partition(":")
    platform, _, name = step_name.partition("/")
    step = _step(plans.get(platform), name)
    log = yard.log(platform, name or {"image": "pre-command"}.get(verb, verb))
    return FailedStep(
        step=step_name or task,
        platform=platform,
        project=step.project if step else name,
        version=step.version if step else "",
        reason=_one_line(text),
        asked_by=step.asked_by if step else (),
        log=str(log.relative_to(yard.workspace.root)) if log.is_file() and log.stat().st_size else None,
        again=f"doit {task.replace('_wheels:', 'platforms:', 1)}" if _in_graph(task) else "",
    )


def _in_graph(task: str) -> bool:
    """Whether this is part of the way to the tree; other commands have options, and their reasons say what to type."""
    return ":" in task or task == "index"


def _one_line(text: str) -> str:
    """What a person reads in a list: a bug's traceback stands above already, and ends with what it is."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if any(line.startswith("Traceback ") for line in lines):
        return lines[-1]
    if (more := len(lines) - _MOST_LINES) > 0:
        lines[_MOST_LINES // 2 : -_MOST_LINES // 2] = [f"and {more} more lines, which stand above"]
    return " ".join(line if line[-1] in ".,;:" else f"{line};" for line in lines).removesuffix(";")


def _step(plan: Plan | None, name: str) -> Step | None:
    return next((step for step in plan.steps if step.name == name), None) if plan else None


def summary(yard: Yard, run: Run, end: RunEnd, *, decisions: tuple[str, ...]) -> Summary:
    """A run's summary; `decisions` are the merged index's own sentences. To skip a platform is to do nothing.

    Where nothing on the way to the tree was tried, no platform came to anything.
    """
    progress = yard.progress
    failed = failures(yard, end, run.plans)
    if end.executed and not any(map(_in_graph, end.executed)):
        return Summary(seconds=progress.seconds(), failures=failed, executed=1, interrupted=end.interrupted)
    states = _platform_states(yard, end, run)
    published = (yard.workspace.root / "public" / "manifest.json").is_file()
    return Summary(
        platforms=states,
        fetched=progress.tally("fetched"),
        built=progress.tally("built"),
        reused=progress.tally("reused"),
        seconds=progress.seconds(),
        tree="public/" if published else None,
        install=_install_lines(yard, states) if published else (),
        decisions=decisions,
        failures=failed,
        executed=sum(_platform_of(task) not in run.skipped for task in end.executed),
        interrupted=end.interrupted,
    )


def _platform_states(yard: Yard, end: RunEnd, run: Run) -> tuple[PlatformState, ...]:
    """What each platform of this run came to; those that it did not touch are left out."""
    failed = dict(end.failed)
    unpublished = [task for task in end.executed if task.startswith("platforms:") and "index" in failed]
    troubled = {_platform_of(task) for task in (*failed, *end.blocked, *unpublished)}
    states = []
    for platform in yard.workspace.platforms:
        name = platform.name
        if name in run.skipped:
            states.append(PlatformState(name=name, state="skipped", reason=run.skipped[name]))
        elif name in troubled:
            stays = (
                "its last complete publication stays"
                if completed_platform(yard, name)
                else "nothing of it is published yet"
            )
            states.append(PlatformState(name=name, state="incomplete", reason=stays))
        elif run.is_complete(platform):
            states.append(PlatformState(name=name, state="complete"))
    return tuple(states)


def _platform_of(task: str) -> str:
    return task.partition(":")[2].partition("/")[0]


def _install_lines(yard: Yard, states: Sequence[PlatformState]) -> tuple[str, ...]:
    """For the first complete platform of the run: how to use it from here, set by set."""
    complete = [state.name for state in states if state.state == "complete"]
    for platform in yard.workspace.platforms:
        if complete and platform.name == complete[0]:
            folder = f"public/{platform.name}"
            return tuple(f"pip install --no-index -f {folder} -r {folder}/{one.name}.txt" for one in platform.sets)
    return ()
