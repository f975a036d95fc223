"""Generations: what was published, publication by publication, so that one can go back, and throw away on purpose.

    generations/000007.json   when, and every platform as it was complete then; written before the tree is

A rollback is a generation too, one that says which earlier one it is `like`: the next goes back from there.
Publishing only ever adds. `prune` is the one way in which wheels leave the tree and the store.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from builders.errors import StoreError
from builders.pipeline import (
    Completed,
    all_completed,
    completed_from,
    completed_names,
    completed_platform,
    forget_completed,
    keep_completed,
    kept_plan,
)
from builders.plan import because, retold
from builders.store import UNLIKE, Record, write_file
from builders.yard import Yard


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """One publication: its number, when it was made (seconds since 1970), and every platform as it was then.

    `like` is the number of the one that a rollback brought back, or 0.
    """

    number: int
    at: float
    platforms: tuple[Completed, ...]
    like: int = 0

    def wheels(self) -> frozenset[str]:
        """Fingerprints of everything that it published."""
        return frozenset(fingerprint for platform in self.platforms for fingerprint in platform.wheels)

    def asked_for(self) -> frozenset[str]:
        """Fingerprints of what its sets asked for."""
        return frozenset(f for platform in self.platforms for _, fingerprints in platform.sets for f in fingerprints)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What a prune takes away. `lines` tell a person of each wheel: since when nobody asks for it, and its size.

    `completed` and `generations` are what stays of either.
    """

    lines: tuple[str, ...]
    fingerprints: frozenset[str]
    blobs: tuple[Path, ...]
    bytes: int
    completed: tuple[Completed, ...]
    generations: tuple[Generation, ...]


def generations(yard: Yard) -> tuple[Generation, ...]:
    """All generations, oldest first."""
    return tuple(map(_read, _paths(yard)))


def _paths(yard: Yard) -> list[Path]:
    return sorted((yard.folder / "generations").glob("*.json"))


@contextmanager
def remembered(yard: Yard, platforms: Sequence[Completed]) -> Iterator[None]:
    """A generation is written, unless the newest one says the same; what cannot be published was none."""
    paths = _paths(yard)
    newest = _read(paths[-1]) if paths else None
    if newest and newest.platforms == tuple(platforms):
        yield
        return
    one = _next(newest, platforms)
    _write(yard, one)
    try:
        yield
    except BaseException:
        _path(yard, one.number).unlink()
        raise


def _next(newest: Generation | None, platforms: Sequence[Completed], like: int = 0) -> Generation:
    number = newest.number + 1 if newest else 1
    return Generation(number=number, at=round(time.time(), 3), platforms=tuple(platforms), like=like)


def _write(yard: Yard, one: Generation) -> None:
    content: dict[str, Any] = {"at": one.at, "platforms": [asdict(platform) for platform in one.platforms]}
    if one.like:
        content["like"] = one.like
    write_file(_path(yard, one.number), json.dumps(content, sort_keys=True).encode())


def roll_back(yard: Yard, number: int | None) -> Generation:
    """Make an earlier generation what is complete, by default the one before the present; the caller publishes it."""
    known = generations(yard)
    wanted = [one for one in known if one.number == number] if number is not None else _before(known)
    if not wanted:
        numbers = ", ".join(str(one.number) for one in known) or "none"
        which = "before this one" if number is None else number
        raise StoreError(f"there is no generation {which}", hint=f"there are: {numbers}")
    missing = (wanted[0].wheels() | wanted[0].asked_for()) - yard.store.finished()
    if missing:
        raise StoreError(
            f"generation {wanted[0].number} cannot come back: {len(missing)} of its wheels have left the store"
        )
    if wanted[0].platforms != known[-1].platforms:
        _write(yard, _next(known[-1], wanted[0].platforms, like=wanted[0].like or wanted[0].number))
    _restore(yard, wanted[0])
    return wanted[0]


def _before(known: Sequence[Generation]) -> list[Generation]:
    """The one to go back to, if there is one: going back twice goes back by two."""
    present = (known[-1].like or known[-1].number) if known else 0
    return [one for one in known if one.number < present][-1:]


def _restore(yard: Yard, generation: Generation) -> None:
    for platform in generation.platforms:
        keep_completed(yard, platform)
    kept = {platform.name for platform in generation.platforms}
    for path in sorted((yard.folder / "completed").glob("*.json")):
        if path.stem not in kept:
            forget_completed(yard, path.stem)


def differences(before: Generation | None, after: Generation, yard: Yard) -> list[str]:
    """What changed between two generations, a line for each wheel: `+ debian-trixie cffi-2.0.0-….whl`.

    And what the indexes say by now of a file or a project: `! debian-trixie cffi is archived`.
    """
    lines = []
    old = {platform.name: set(_asked(platform)) for platform in before.platforms} if before else {}
    new = {platform.name: set(_asked(platform)) for platform in after.platforms}
    for name in sorted(old.keys() | new.keys()):
        for sign, these in (
            ("+", new.get(name, set()) - old.get(name, set())),
            ("-", old.get(name, set()) - new.get(name, set())),
        ):
            lines += [f"{sign} {name} {filename}" for filename in sorted(_filename(yard, one) for one in these)]
        lines += [f"! {name} {line}" for line in retold(_told(before, name, yard), _told(after, name, yard))]
    return lines


def _told(generation: Generation | None, name: str, yard: Yard) -> dict[str, str]:
    """What was said of a platform's files and projects."""
    mine = [one for one in (generation.platforms if generation else ()) if one.name == name]
    return {
        what: because(*said)
        for one in mine
        for what, said in (
            *((_filename(yard, fingerprint), ("yanked", reason)) for fingerprint, reason in one.yanked),
            *((project, (status, reason)) for project, status, reason in one.statuses),
        )
    }


def what_to_prune(yard: Yard, *, keep: int) -> Pruned:
    """What neither the platforms of platforms.yaml, nor the newest `keep` generations, nor a plan asks for."""
    if keep < 1:
        raise StoreError(
            f"{keep} generations cannot be kept", hint="say --keep 1 to keep what is published now, or more"
        )
    known, before = generations(yard), all_completed(yard)
    declared = {platform.name for platform in yard.workspace.platforms}
    present = [platform for platform in before if platform.name in declared]
    recent = _recent(known, keep, declared)
    asked: dict[str, set[str]] = {}
    for platform in (*present, *(platform for one in recent for platform in one.platforms)):
        asked.setdefault(platform.name, set()).update(_asked(platform))
    plans = [plan for platform in yard.workspace.platforms if (plan := kept_plan(yard, platform))]
    wanted = set().union(*asked.values(), (step.fingerprint for plan in plans for step in plan.steps))
    gone = [record for one in sorted(yard.store.finished() - wanted) if (record := yard.store.record(one))]
    kept = [record for one in sorted(wanted) if (record := yard.store.record(one))]
    blobs = _unused_blobs(yard, kept, {step.file.sha256 for plan in plans for step in plan.steps})
    return Pruned(
        lines=(
            *_left_behind(known, recent),
            *_unlisted(yard, before, asked, wanted),
            *(f"{one.filename}  {one.size} bytes  {_since(one, known)}" for one in sorted(gone, key=_by_file)),
        ),
        fingerprints=frozenset(record.fingerprint for record in gone),
        blobs=blobs,
        bytes=sum(path.stat().st_size for path in blobs),
        completed=tuple(_only(platform, asked) for platform in present),
        generations=tuple(replace(one, platforms=tuple(_only(p, asked) for p in one.platforms)) for one in recent),
    )


def _recent(known: Sequence[Generation], keep: int, declared: set[str]) -> tuple[Generation, ...]:
    """The generations that stay. The newest is the present, and loses the platforms that nobody declares any more."""
    return tuple(
        replace(one, platforms=tuple(platform for platform in one.platforms if platform.name in declared))
        if one is known[-1]
        else one
        for one in known[-max(keep, 1) :]
    )


def _left_behind(known: Sequence[Generation], recent: Sequence[Generation]) -> Iterator[str]:
    numbers = [one.number for one in known[: len(known) - len(recent)]]
    if numbers:
        which = f"generation {numbers[0]}" if len(numbers) == 1 else f"generations {numbers[0]} to {numbers[-1]}"
        yield f"{which}  no rollback to there any more"


def _unlisted(
    yard: Yard, before: Sequence[Completed], asked: Mapping[str, set[str]], wanted: set[str]
) -> Iterator[str]:
    """What leaves a platform's pages and stays in the store: others, builds or kept generations ask for it."""
    declared = {platform.name for platform in yard.workspace.platforms}
    for platform in before:
        if platform.name not in declared:
            yield f"platform {platform.name}  platforms.yaml does not name it any more"
        else:
            others = wanted.intersection(platform.wheels) - asked[platform.name]
            for filename in sorted(_filename(yard, one) for one in others):
                yield f"{filename}  from {platform.name} alone: something else asks for it"


def forget(yard: Yard, pruned: Pruned) -> None:
    """Take what is to go out of what is complete, and out of the generations that stay; the caller publishes then."""
    for platform in pruned.completed:
        keep_completed(yard, platform)
    names = {platform.name for platform in pruned.completed}
    for platform in all_completed(yard):
        if platform.name not in names:
            forget_completed(yard, platform.name)
    for one in pruned.generations:
        _write(yard, one)
    numbers = {one.number for one in pruned.generations}
    for one in generations(yard):
        if one.number not in numbers:
            _path(yard, one.number).unlink()


def remove(yard: Yard, pruned: Pruned) -> None:
    """Take it out of the store, records before bytes; nothing that is published points there any more."""
    for fingerprint in sorted(pruned.fingerprints):
        yard.store.drop_record(fingerprint)
    for path in pruned.blobs:
        path.unlink(missing_ok=True)


def unreadable(yard: Yard) -> list[str]:
    """What is wrong with the files that say what is published, and what was."""
    readings: list[Callable[[], object]] = [partial(_read, path) for path in _paths(yard)]
    readings += [partial(completed_platform, yard, name) for name in completed_names(yard)]
    found = []
    for read in readings:
        try:
            read()
        except StoreError as error:
            found.append(error.reason)
    return found


def let_go(yard: Yard) -> list[str]:
    """Take out of what is complete all that has no record any more and no plan makes again; a line for each platform.

    Without it, what was damaged and is asked for by nobody would keep every platform from being published. What a
    published set asks for stays: a set is whole, or it is not published.
    """
    plans = [plan for platform in yard.workspace.platforms if (plan := kept_plan(yard, platform))]
    there = yard.store.finished().union(step.fingerprint for plan in plans for step in plan.steps)
    lines = []
    for name in completed_names(yard):
        with suppress(StoreError):  # `unreadable` says so
            platform = completed_platform(yard, name)
            gone = set(platform.wheels).difference(there, _asked(platform)) if platform else set()
            if platform and gone:
                lines.append(f"{name}: {len(gone)} of its wheels are lost, asked for by nobody, and leave the tree")
                keep_completed(yard, replace(platform, wheels=tuple(f for f in platform.wheels if f not in gone)))
    return lines


def _only(platform: Completed, asked: Mapping[str, set[str]]) -> Completed:
    return replace(platform, wheels=tuple(one for one in platform.wheels if one in asked[platform.name]))


def _unused_blobs(yard: Yard, kept: Iterable[Record], more: set[str]) -> tuple[Path, ...]:
    used = more | {sha256 for record in kept for sha256 in (record.sha256, record.metadata_sha256)}
    return tuple(path for path in yard.store.blobs() if path.name not in used)


def _since(record: Record, known: Sequence[Generation]) -> str:
    """The time of the first generation after the last that asked for it."""
    asked = [index for index, one in enumerate(known) if record.fingerprint in one.asked_for()]
    if not asked:
        return "in no generation that is left"
    after = known[asked[-1] + 1 :]
    return f"not asked for since {_day(after[0].at)}" if after else "not asked for any more"


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _by_file(record: Record) -> tuple[str, str]:
    return record.filename, record.fingerprint


def _asked(platform: Completed) -> tuple[str, ...]:
    return tuple(fingerprint for _, fingerprints in platform.sets for fingerprint in fingerprints)


def _filename(yard: Yard, fingerprint: str) -> str:
    record = yard.store.record(fingerprint)
    return record.filename if record else f"{fingerprint[:12]} (pruned)"


def _read(path: Path) -> Generation:
    try:
        values = json.loads(path.read_bytes())
        platforms = tuple(completed_from(one) for one in values["platforms"])
        at, like = float(values["at"]), int(values.get("like", 0))
        time.gmtime(at)
        return Generation(number=int(path.stem), at=at, platforms=platforms, like=like)
    except (OSError, OverflowError, *UNLIKE) as error:
        raise StoreError(
            f"{path} is not a generation: {error}", hint="delete that file; the tree is not touched"
        ) from error


def _path(yard: Yard, number: int) -> Path:
    return yard.folder / "generations" / f"{number:06}.json"
