"""What is to be done on one platform: locks, facts and settings go in, steps come out. Nothing is read or run here.

A step's fingerprint is a hash over everything that shapes its wheel, and nothing else: no time, host, path, order.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from builders.errors import BuildError, ResolutionError
from builders.facts import Facts
from builders.lock import Lock, LockedFile, LockedPackage
from builders.platforms import BuildSettings, Platform
from builders.yard import SDISTS_PASSED_OVER, may_run_foreign_code

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

RECIPE = 1  # raised whenever the way in which wheels are made changes their bytes

Key = tuple["NormalizedName", str]  # name and version


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One wheel to get for one platform.

    `file` is the wheel to fetch or the sdist to build; `environment` holds the fingerprints of the wheels that a build
    needs. `sets` publish the wheel; a wheel without any is only needed for building. `asked_by` is one chain of names
    from a set's own requirement down to this project.
    """

    name: str
    platform: str
    project: NormalizedName
    version: str
    file: LockedFile
    built: bool
    network: bool  # whether what builds it could reach one; on a host nothing is confined
    environment: tuple[str, ...]
    fingerprint: str
    sets: tuple[str, ...]
    asked_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All steps of one platform, in an order in which each stands behind what it needs."""

    platform: str
    steps: tuple[Step, ...]
    statuses: tuple[tuple[str, str, str], ...] = ()  # (project, status, reason) of those that are not active

    def by_fingerprint(self) -> dict[str, Step]:
        """The steps by their fingerprints."""
        return {step.fingerprint: step for step in self.steps}


def moved(before: Plan, after: Plan) -> list[str]:
    """What a new lock changed, a line for each project, `cffi 1.17.1 → 2.0.0`, and what the index says by now."""
    old, new = _files(before), _files(after)
    lines = [
        f"{project} {_versions(old.get(project))} → {_versions(new.get(project))}"
        + ("  (another file)" if _versions(old.get(project)) == _versions(new.get(project)) else "")
        for project in sorted(old.keys() | new.keys())
        if old.get(project) != new.get(project)
    ]
    return lines + retold(_told(before), _told(after))


def retold(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What is said of things by now, in a line for each of which something else was said: `six is archived`."""
    return [
        f"{name} is {after[name]}" if name in after else f"{name} is no longer {before[name].partition(':')[0]}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def because(said: str, reason: str) -> str:
    """`yanked: broken`, or the word alone."""
    return f"{said}: {reason}" if reason else said


def _told(plan: Plan) -> dict[str, str]:
    """What the index says of files and projects that are asked for."""
    yanked = [(step, step.file.yanked) for step in plan.steps if step.sets and step.file.yanked is not None]
    return {
        **{f"{step.project} {step.version}": because("yanked", reason) for step, reason in yanked},
        **{project: because(status, reason) for project, status, reason in plan.statuses},
    }


def _files(plan: Plan) -> dict[str, set[tuple[str, str]]]:
    """(version, sha256) by project."""
    found: dict[str, set[tuple[str, str]]] = {}
    for step in plan.steps:
        found.setdefault(step.project, set()).add((step.version, step.file.sha256))
    return found


def _versions(files: set[tuple[str, str]] | None) -> str:
    return " ".join(sorted({version for version, _ in files or ()})) or "(none)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What every step of a platform stands on."""

    platform: Platform
    facts: Facts
    settings: Callable[[NormalizedName], BuildSettings]
    tools: str


def choose(package: LockedPackage, ground: Ground) -> LockedFile:
    """The best fitting wheel, else the sdist. ResolutionError names what was offered when neither serves."""
    settings = ground.settings(package.name)
    ranks = {tag: rank for rank, tag in enumerate(ground.facts.tags)}
    fitting = [] if settings.source == "sdist" else sorted(_ranked(package.wheels, ranks), key=lambda pair: pair[0])
    match fitting:
        case [(_, best), *_]:
            return best
        case _ if package.sdist is not None and settings.source != "wheel":
            return package.sdist
        case _:
            raise _nothing_fits(package, settings, may_build=may_run_foreign_code(ground.platform))


def _ranked(
    wheels: Iterable[LockedFile], ranks: Mapping[str, int]
) -> Iterable[tuple[tuple[int, tuple[int, str], str], LockedFile]]:
    from packaging.utils import parse_wheel_filename

    for wheel in wheels:
        _, _, build, tags = parse_wheel_filename(wheel.filename)
        rank = min((ranks[text] for tag in tags if (text := str(tag)) in ranks), default=None)
        if rank is not None:
            number, text = build or (0, "")
            yield (rank, (-number, text), wheel.filename), wheel


def _nothing_fits(package: LockedPackage, settings: BuildSettings, *, may_build: bool) -> ResolutionError:
    offered = ", ".join(sorted(wheel.filename for wheel in package.wheels)) or "no wheel"
    if settings.source == "any":
        return ResolutionError(
            f"{package.name} {package.version}: no file fits this platform; offered: {offered}, and no sdist",
            hint="ask for another version of it",
        )
    return ResolutionError(
        f"{package.name} {package.version}: `from: {settings.source}` leaves nothing; offered: {offered}"
        f"{' and an sdist' if package.sdist else ''}",
        hint=f"change `builds: {package.name}: from:` in platforms.yaml"
        if may_build or settings.source == "wheel"
        else SDISTS_PASSED_OVER,
    )


class Planner:
    """Steps from packages; each is made once. A package to be built needs its build lock in `build_locks`."""

    def __init__(self, ground: Ground, build_locks: Mapping[Key, Lock]) -> None:
        self._ground = ground
        self._build_locks = build_locks
        self._made: dict[tuple[Key, str], Step] = {}
        self._making: list[str] = []

    def to_build(self, package: LockedPackage) -> bool:
        """Whether a package has to be built here."""
        return self._choose(package) is package.sdist

    def step(self, package: LockedPackage) -> Step:
        """The step for a package; BuildError when its build requirements go round in a circle."""
        file = self._choose(package)
        key = (package.name, package.version), file.sha256
        if key not in self._made:
            self._made[key] = self._build(package, file) if file is package.sdist else self._fetch(package, file)
        return self._made[key]

    def environment(self, lock: Lock) -> tuple[Step, ...]:
        """The steps for a build lock's packages, by name."""
        return tuple(self.step(package) for package in lock.packages)

    def all_made(self) -> tuple[Step, ...]:
        """Every step made so far, each behind what it needs."""
        return tuple(self._made.values())

    def _choose(self, package: LockedPackage) -> LockedFile:
        return choose(package, self._ground)

    def _fetch(self, package: LockedPackage, file: LockedFile) -> Step:
        return self._new(package, file, fingerprint=fingerprint_of_fetched(file), environment=())

    def _build(self, package: LockedPackage, sdist: LockedFile) -> Step:
        name = f"{package.name}-{package.version}"
        if name in self._making:
            circle = " → ".join((*self._making[self._making.index(name) :], name))
            raise BuildError(
                f"to build {name}, {name} is needed first: {circle}",
                hint=f"let one of them come as a wheel: `builds: {package.name}: from: wheel`",
            )
        self._making.append(name)
        try:
            environment = self.environment(self._build_locks[package.name, package.version])
        finally:
            self._making.pop()
        fingerprints = tuple(sorted(step.fingerprint for step in environment))
        settings = self._ground.settings(package.name)
        fingerprint = fingerprint_of_built(sdist, fingerprints, settings, self._ground)
        return self._new(package, sdist, fingerprint=fingerprint, environment=fingerprints)

    def _new(self, package: LockedPackage, file: LockedFile, *, fingerprint: str, environment: tuple[str, ...]) -> Step:
        built = file is package.sdist
        return Step(
            name=f"{package.name}-{package.version}",
            platform=self._ground.platform.name,
            project=package.name,
            version=package.version,
            file=file,
            built=built,
            network=built and (self._ground.settings(package.name).network or self._ground.platform.host),
            environment=environment,
            fingerprint=fingerprint,
            sets=(),
            asked_by=(),
        )


def fingerprint_of_fetched(file: LockedFile) -> str:
    """Of a wheel taken as it is: its bytes and nothing of the platform, so that all platforms share the step."""
    return _digest(
        {"recipe": RECIPE, "fetched": file.sha256, "filename": file.filename, "upload-time": _uploaded(file)}
    )


def fingerprint_of_built(
    sdist: LockedFile, environment: tuple[str, ...], settings: BuildSettings, ground: Ground
) -> str:
    """Of a wheel built here: a hash over all that shapes its bytes."""
    facts = ground.facts
    return _digest(
        {
            "recipe": RECIPE,
            "sdist": sdist.sha256,
            "upload-time": _uploaded(sdist),
            "environment": environment,
            "pre-command": settings.pre_command,
            "env": [*ground.platform.env, *settings.env],
            "network": settings.network,
            "image": facts.image,
            "python": [facts.implementation, facts.python, facts.build],
            "platform": [facts.system, facts.machine, facts.libc, facts.libc_version],
            "tools": ground.tools,
        }
    )


def _uploaded(file: LockedFile) -> str | None:
    """In whole seconds, as locks had it once: a fraction is no reason to make a wheel again."""
    return file.upload_time and re.sub(r"\.\d+", "", file.upload_time)


def _digest(parts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def make_plan(ground: Ground, locks: Mapping[str, Lock], build_locks: Mapping[Key, Lock]) -> Plan:
    """The plan of a platform from the locks of its sets and the build locks of what they build."""
    planner = Planner(ground, build_locks)
    sets: dict[str, set[str]] = {}
    chains: dict[str, tuple[str, ...]] = {}
    statuses: dict[str, tuple[str, str]] = {}
    for name in sorted(locks):
        found = chains_of(locks[name])
        for package in locks[name].packages:
            step = planner.step(package)
            sets.setdefault(step.fingerprint, set()).add(name)
            chains.setdefault(step.fingerprint, found.get(package.name, (package.name,)))
            if package.status:
                statuses[package.name] = package.status
    steps = planner.all_made()
    _chain_environments(steps, chains)
    return Plan(
        platform=ground.platform.name,
        steps=tuple(
            replace(
                step,
                name=name,
                sets=tuple(sorted(sets.get(step.fingerprint, ()))),
                asked_by=chains.get(step.fingerprint, ()),
            )
            for name, step in zip(_names(steps), steps, strict=True)
        ),
        statuses=tuple((project, *status) for project, status in sorted(statuses.items())),
    )


def chains_of(lock: Lock) -> dict[str, tuple[str, ...]]:
    """For each package the shortest chain of names from a requirement of the set to it, both ends included."""
    wanted: dict[str, list[str]] = {}
    for package in lock.packages:
        for who in package.asked_by:
            wanted.setdefault(who, []).append(package.name)
    chains: dict[str, tuple[str, ...]] = {}
    row: list[tuple[str, ...]] = [(name,) for name in wanted.get("", [])]
    while row:
        fresh = [chain for chain in row if chain[-1] not in chains]
        for chain in fresh:
            chains.setdefault(chain[-1], chain)
        row = [(*chain, name) for chain in fresh for name in wanted.get(chain[-1], ())]
    return chains


def _chain_environments(steps: Iterable[Step], chains: dict[str, tuple[str, ...]]) -> None:
    """Wheels that only a build needs: asked for by what is built with them. Dependents stand last, so go from there."""
    ordered = list(steps)
    projects = {step.fingerprint: step.project for step in ordered}
    for step in reversed(ordered):
        for needed in step.environment:
            chains.setdefault(needed, (*chains.get(step.fingerprint, (step.project,)), projects[needed]))


def _names(steps: Iterable[Step]) -> Iterable[str]:
    """`project-version`, made unlike where two files of one version are in use (two sets locked at different times)."""
    seen: set[str] = set()
    for step in steps:
        name = step.name if step.name not in seen else f"{step.name}-{step.fingerprint[:8]}"
        seen.add(name)
        yield name


def plan_from(values: Mapping[str, Any]) -> Plan:
    """A plan from what its JSON says, which is `asdict` of it."""
    return Plan(
        platform=values["platform"],
        steps=tuple(_step_from(step) for step in values["steps"]),
        statuses=tuple((project, status, reason) for project, status, reason in values["statuses"]),
    )


def _step_from(values: dict[str, Any]) -> Step:
    lists = {name: tuple(values[name]) for name in ("environment", "sets", "asked_by")}
    return Step(**{**values, **lists, "file": LockedFile(**values["file"])})
