"""The end of a run in words: what every platform came to, what failed and why, and how to use the tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from builders.terminal import duration, size_of, visible

_Paint = Callable[[str, str], str]
_COLOURS = {"complete": "32", "incomplete": "1;31", "skipped": "33", "failed": "1;31", "bold": "1", "faint": "2"}
_MOST_NAMES = 10  # in one chain


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnd:
    """What doit told of a run, by task name, in the order of names."""

    failed: tuple[tuple[str, str], ...]  # (task, text)
    blocked: tuple[str, ...]  # never tried, because something before them failed
    interrupted: bool
    executed: tuple[str, ...]  # tasks whose actions ran


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedStep:
    """One step that did not work out, with all that its reader needs to go on."""

    step: str  # debian-bullseye/cffi-2.0.0; debian-bullseye alone for its image or its lock
    platform: str
    project: str
    version: str
    reason: str  # one line
    asked_by: tuple[str, ...] = ()  # from the requirement down: ansible, cryptography, cffi
    log: str | None = None  # relative to the workspace
    again: str = ""  # the command that tries it again


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformState:
    """What one platform came to."""

    name: str
    state: Literal["complete", "incomplete", "skipped"]
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """A number of wheels, and their bytes together."""

    wheels: int = 0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Everything the last page of a run says."""

    platforms: tuple[PlatformState, ...] = ()
    fetched: Tally = Tally()
    built: Tally = Tally()
    reused: Tally = Tally()
    seconds: float = 0.0
    tree: str | None = None  # public/, once there is one
    install: tuple[str, ...] = ()  # lines to paste
    decisions: tuple[str, ...] = ()  # what the merged index chose, and why
    failures: tuple[FailedStep, ...] = ()
    executed: int = 0  # actions that ran: with none, there was nothing to do
    interrupted: bool = False


def render_summary(summary: Summary, *, colour: bool) -> str:
    """Return the summary as text that ends in a line break; one or two lines where nothing had to be done."""
    paint = _paint if colour else _leave
    lines = _short(summary) if _nothing_happened(summary) else _long(summary, paint)
    return "".join(f"{line}\n" for line in lines)


def _nothing_happened(summary: Summary) -> bool:
    unfinished = any(platform.state == "incomplete" for platform in summary.platforms)
    moved = (
        summary.fetched.wheels or summary.built.wheels or summary.failures or summary.executed or summary.interrupted
    )
    return not (moved or unfinished)


def _short(summary: Summary) -> Iterator[str]:
    complete = sum(platform.state == "complete" for platform in summary.platforms)
    tree = f", tree {visible(summary.tree)}" if summary.tree else ""
    what = f": {counted(complete, 'platform')}, {counted(summary.reused.wheels, 'wheel')}{tree}" if complete else ""
    yield f"nothing to do{what}"
    skipped = [platform for platform in summary.platforms if platform.state == "skipped"]
    if skipped:
        yield "skipped: " + ", ".join(f"{visible(one.name)} ({visible(one.reason)})" for one in skipped)


def _long(summary: Summary, paint: _Paint) -> Iterator[str]:
    yield ""
    yield from _platforms(summary.platforms, paint)
    yield _amounts(summary)
    yield from (f"{paint('note', 'faint')}  {visible(line)}" for line in summary.decisions)
    if summary.tree:
        yield f"tree  {paint(visible(summary.tree), 'bold')}"
    yield from (f"  {visible(line)}" for line in summary.install)
    yield from _failures(summary.failures, paint)
    if summary.interrupted:
        yield "interrupted: finished steps are kept, and the next run goes on from there"


def _platforms(platforms: tuple[PlatformState, ...], paint: _Paint) -> Iterator[str]:
    width = max((len(visible(platform.name)) for platform in platforms), default=0)
    for platform in platforms:
        reason = f"  {visible(platform.reason)}" if platform.reason else ""
        state = paint(f"{platform.state:<10}", platform.state) if reason else paint(platform.state, platform.state)
        yield f"{visible(platform.name):<{width}}  {state}{reason}"


def _amounts(summary: Summary) -> str:
    """Say `57 wheels: 40 fetched (312.0 MB), 5 built (3.1 MB), 12 reused, in 92 s`."""
    named = (("fetched", summary.fetched), ("built", summary.built), ("reused", summary.reused))
    parts = [f"{tally.wheels} {name}{_bytes(tally)}" for name, tally in named if tally.wheels]
    total = sum(tally.wheels for _, tally in named)
    wheels = f"{counted(total, 'wheel')}: {', '.join(parts)}, in" if total else "took"
    return f"{wheels} {duration(summary.seconds)}"


def _failures(failures: tuple[FailedStep, ...], paint: _Paint) -> Iterator[str]:
    if failures:
        yield ""
        yield paint(f"{counted(len(failures), 'step')} failed", "failed")
    for failure in sorted(failures, key=lambda one: one.step):
        yield ""
        yield from _failure(failure, paint)


def _failure(failure: FailedStep, paint: _Paint) -> Iterator[str]:
    what = f"{failure.project} {failure.version} on {failure.platform}" if failure.project else failure.step
    yield paint(visible(what), "bold")
    rows = (
        ("why", failure.reason),
        ("asked by", " → ".join(_short_chain(failure.asked_by))),
        ("log", failure.log or ""),
        ("again", failure.again),
    )
    yield from (f"  {paint(f'{name:<8}', 'faint')}  {visible(text)}" for name, text in rows if text)


def _short_chain(names: tuple[str, ...]) -> tuple[str, ...]:
    """Both its ends alone, where it has more names than anybody reads."""
    return names if len(names) <= _MOST_NAMES else (*names[: _MOST_NAMES // 2], "…", *names[-_MOST_NAMES // 2 :])


def _bytes(tally: Tally) -> str:
    return f" ({size_of(tally.bytes)})" if tally.bytes else ""


def counted(number: int, noun: str) -> str:
    """So many of them, in words: `1 wheel`, `2 wheels`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _paint(text: str, style: str) -> str:
    return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m"


def _leave(text: str, style: str) -> str:  # noqa: ARG001 - the same shape as _paint
    return text
