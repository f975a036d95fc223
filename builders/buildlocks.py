"""Build locks: what each sdist that is built here is built with, all the way down.

locks ─> which sdists? ─> their [build-system] requires ─> build locks ─> which sdists? ─> …
         then, innermost first, each backend is asked what else it needs (PEP 517), and that is locked with it
         (building.py: where it needs nothing more, the same container goes on and builds)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builders.building import Building, ask
from builders.errors import ArchiveError, BuildError
from builders.lock import Lock, LockedFile, LockedPackage, parse_lock
from builders.locking import Locker, Wanted
from builders.making import obtain
from builders.plan import Ground, Key, Planner
from builders.sdists import Sdist, read_sdist
from builders.store import write_file
from builders.taking import fetch_blob
from builders.yard import Yard


def lock_builds(yard: Yard, ground: Ground, locker: Locker, locks: Iterable[Lock]) -> dict[Key, Lock]:
    """The build locks of everything that these locks make us build, and of what building those takes."""
    found = _Builds(yard, ground, locker).settle(locks)
    _forget_others(locker.folder / "build", found)
    return found


def _forget_others(folder: Path, found: Mapping[Key, Lock]) -> None:
    """Build locks of what is no longer built are in nobody's way, but would mislead a reader."""
    used = {f"{name}-{version}.pylock.toml" for name, version in found}
    for path in sorted(folder.glob("*.pylock.*")):
        if path.name not in used:
            path.unlink()


class _Builds:
    """The loop that ends when every sdist has a build lock that its backend has agreed to."""

    def __init__(self, yard: Yard, ground: Ground, locker: Locker) -> None:
        self._yard = yard
        self._ground = ground
        self._locker = locker
        self._packages: dict[Key, LockedPackage] = {}
        self._sdists: dict[Key, Sdist] = {}
        self._drafts: dict[Key, Lock] = {}
        self._settled: dict[Key, Lock] = {}

    def settle(self, locks: Iterable[Lock]) -> dict[Key, Lock]:
        """Go on until every sdist that was discovered is settled."""
        locks = tuple(locks)
        fresh = self._discover(locks)
        try:
            self._read(fresh)
        except ArchiveError:
            self._locker.take_back()
            raise
        while fresh or len(self._settled) < len(self._packages):
            while fresh:
                fresh = self._discover(self._draft(fresh))
            ready = self._ready()
            if ready:
                self._tell(locks)
                fresh = self._discover(self._ask(ready))
        return self._settled

    def _tell(self, locks: Iterable[Lock]) -> None:
        """Say how many steps there will be, as far as one knows by now: where builds begin, somebody watches."""
        if self._yard.goes_on:
            known = {(one.name, one.version) for lock in (*locks, *self._drafts.values()) for one in lock.packages}
            self._yard.progress.plan(self._ground.platform.name, len(known))

    def _discover(self, locks: Iterable[Lock]) -> list[Key]:
        """Packages of these locks that have to be built and were not known so far."""
        planner = Planner(self._ground, self._drafts)
        fresh = []
        for package in (package for lock in locks for package in lock.packages):
            key = package.name, package.version
            if key not in self._packages and planner.to_build(package):
                self._packages[key] = package
                fresh.append(key)
        return fresh

    def _draft(self, keys: Sequence[Key]) -> list[Lock]:
        """A build lock for each: the kept one where it still holds, else a first one from what the sdist declares."""
        self._read(keys)
        wanted = {}
        for key in keys:
            one = self._locker.wanted_for_build(self._packages[key], self._sdists[key])
            kept = None if self._locker.upgrading else one.kept()
            if kept:
                self._drafts[key] = self._settled[key] = kept
            else:
                wanted[key] = one
        self._drafted(wanted)
        return [self._drafts[key] for key in keys]

    def _read(self, keys: Sequence[Key]) -> None:
        unread = [key for key in keys if key not in self._sdists]
        with ThreadPoolExecutor(max_workers=8) as pool:
            self._sdists |= dict(zip(unread, pool.map(self._read_sdist, unread), strict=True))

    def _read_sdist(self, key: Key) -> Sdist:
        label, file = f"{self._ground.platform.name}/{key[0]}-{key[1]}", _sdist(self._packages[key])
        return read_sdist(fetch_blob(self._yard, file, label=label), filename=file.filename)

    def _drafted(self, wanted: Mapping[Key, Wanted]) -> None:
        texts = self._locker.resolve(wanted.values())
        for key, one in wanted.items():
            text = texts[one.request.key]
            self._drafts[key] = parse_lock(text, one.path)
            write_file(_draft_path(one.path), text.encode())

    def _ready(self) -> list[Key]:
        """Those not settled yet whose own build requirements all are."""
        planner = Planner(self._ground, self._drafts)
        waiting = [key for key in self._packages if key not in self._settled]
        ready = []
        for key in waiting:
            needed = [package for package in self._drafts[key].packages if planner.to_build(package)]
            if all((package.name, package.version) in self._settled for package in needed):
                ready.append(key)
        if waiting and not ready:
            planner.step(self._packages[waiting[0]])  # finds the circle and names it
            raise BuildError(f"the build requirements of {waiting[0][0]} go round in a circle")
        return ready

    def _ask(self, keys: Sequence[Key]) -> list[Lock]:
        """Ask each backend, and settle it: its draft stands, or is made again with what it wants on top."""
        buildings = sorted(self._buildings(keys), key=lambda one: -one.size)  # who comes first finds a free place
        with ThreadPoolExecutor(max_workers=32) as pool:
            answers = zip(buildings, pool.map(ask, buildings), strict=True)
        extra = {(one.step.project, one.step.version): lines for one, lines in answers}
        wanted = {
            key: self._locker.wanted_for_build(self._packages[key], self._sdists[key], extra[key])
            for key in keys
            if extra[key]
        }
        self._drafted(wanted)
        for key in keys:
            path = self._locker.build_path(self._packages[key])
            _draft_path(path).replace(path)
            self._settled[key] = self._drafts[key]
        return [self._drafts[key] for key in keys]

    def _buildings(self, keys: Sequence[Key]) -> list[Building]:
        """What these are built with, as their drafts have it: made or fetched, each wheel once."""
        planner = Planner(self._ground, self._drafts)
        steps = {key: planner.step(self._packages[key]) for key in keys}
        others = {step.fingerprint: step for step in planner.all_made()}
        needed = sorted({one for step in steps.values() for one in step.environment})
        with ThreadPoolExecutor(max_workers=8) as pool:
            records = pool.map(lambda one: obtain(self._yard, self._ground, others[one], others), needed)
        have = dict(zip(needed, records, strict=True))
        return [
            Building(
                yard=self._yard,
                ground=self._ground,
                step=step,
                sdist=self._sdists[key],
                environment=tuple(have[one] for one in step.environment),
            )
            for key, step in steps.items()
        ]


def _draft_path(path: Path) -> Path:
    """Where a build lock waits until its backend has agreed: a run that was killed starts over from the declaration."""
    return path.with_suffix(".draft")


def _sdist(package: LockedPackage) -> LockedFile:
    assert package.sdist is not None  # only what has one is built
    return package.sdist
