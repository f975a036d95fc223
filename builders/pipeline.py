"""The verbs of one platform, in order: know it, lock it, plan it, make its wheels, say what is to be published.

know_platform ─> lock_platform ─> make_step … ─> complete_platform
(image, facts)   (locks, plan)    (the store)    (what the index is told)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders import proving
from builders.errors import BuildError, StoreError
from builders.facts import Facts, keep_facts, kept_facts, probe
from builders.plan import RECIPE, Ground, Plan, Step, make_plan, plan_from
from builders.platforms import Platform
from builders.store import UNLIKE, Record, write_file
from builders.yard import Yard, may_run_foreign_code

if TYPE_CHECKING:
    from builders.locking import Upgrade


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A platform as it was last complete: fingerprints by set, and of all ever published, oldest first.

    What an index says of a file or a project may change while its bytes do not: `yanked` has the reasons by
    fingerprint, `statuses` (project, status, reason), both for the sets alone.
    """

    name: str
    python: str
    tags: tuple[str, ...]
    libc: tuple[int, int] | None
    sets: tuple[tuple[str, tuple[str, ...]], ...]
    wheels: tuple[str, ...]
    yanked: tuple[tuple[str, str], ...] = ()
    statuses: tuple[tuple[str, str, str], ...] = ()

    def fingerprints(self) -> Iterator[str]:
        """Of all that is its own."""
        yield from self.wheels
        for _, fingerprints in self.sets:
            yield from fingerprints


def know_platform(yard: Yard, platform: Platform) -> Facts:
    """Prepare the platform's image if it has one, and probe it; what was known before is looked up again."""
    with yard.progress.during(platform.name, "IMAGE"):
        facts = _probe_host(yard, platform) if platform.host else _probe_image(yard, platform)
        keep_facts(yard.folder, platform, facts)
    return facts


def _probe_host(yard: Yard, platform: Platform) -> Facts:
    from builders.hosts import find_python

    executor = yard.host_executor(find_python(platform.python))
    return probe(executor, platform, image="", scratch=yard.store.scratch(), log=yard.fresh_log(platform.name, "probe"))


def _probe_image(yard: Yard, platform: Platform) -> Facts:
    from builders.containers import ContainerExecutor
    from builders.images import base_image, prepared_image

    assert platform.image is not None  # a platform has an image or is a host
    with yard.alone(f"image {platform.image} {platform.arch} {platform.pre_command}"):
        base = base_image(yard.engine, platform.image, platform.arch)
        log = yard.log(platform.name, "pre-command")
        image = prepared_image(yard.engine, base, platform.pre_command, platform.env, log=log)
    python = platform.python or "python3"
    executor = ContainerExecutor(yard.engine, image, f"python{python}" if python[0].isdigit() else python)
    return probe(
        executor, platform, image=image, scratch=yard.store.scratch(), log=yard.fresh_log(platform.name, "probe")
    )


def lock_platform(yard: Yard, platform: Platform, *, upgrade: Upgrade = False) -> Plan:
    """Lock every set and every build of a platform, and plan what follows. Locks that still hold are left alone."""
    from builders.buildlocks import lock_builds
    from builders.locking import Locker

    with yard.progress.during(platform.name, "LOCK"):
        ground = ground_of(yard, platform)
        locker = Locker(yard, ground, upgrade=upgrade)
        locks = locker.lock_sets()
        build_locks = lock_builds(yard, ground, locker, locks.values())
        plan = make_plan(ground, locks, build_locks)
        for name in sorted({one.name for one in platform.sets} - {name for step in plan.steps for name in step.sets}):
            yard.progress.note(platform.name, f"set {name} asks for nothing here")
        kept = {"key": _plan_key(yard, ground), "plan": asdict(plan)}
        write_file(_plan_file(yard, platform), json.dumps(kept, sort_keys=True).encode())
    return plan


def current_plan(yard: Yard, platform: Platform) -> Plan | None:
    """The plan as it was kept, if everything that it was made from is as it was. Reads files and nothing else."""
    kept = _kept(yard, platform)
    if kept is None or kept_facts(yard.folder, platform) is None:
        return None
    key, plan = kept
    return plan if key == _plan_key(yard, ground_of(yard, platform)) else None


def kept_plan(yard: Yard, platform: Platform) -> Plan | None:
    """The plan as it was kept, whether or not it still holds."""
    kept = _kept(yard, platform)
    return kept[1] if kept else None


def _kept(yard: Yard, platform: Platform) -> tuple[str, Plan] | None:
    """The hash over what the plan was made from, and the plan."""
    try:
        kept = json.loads(_plan_file(yard, platform).read_bytes())
        return kept["key"], plan_from(kept["plan"])
    except (FileNotFoundError, *UNLIKE):
        return None


def make_step(yard: Yard, platform: Platform, step: Step, plan: Plan) -> Record:
    """One wheel into the store."""
    from builders.making import obtain

    return obtain(yard, ground_of(yard, platform), step, plan.by_fingerprint())


def prove_platform(yard: Yard, platform: Platform, plan: Plan) -> None:
    """Install and import every set that is not proven yet, on a clean copy of the platform."""
    with yard.progress.during(platform.name, "PROVE"):
        proving.prove(yard, ground_of(yard, platform), plan)


def is_proven(yard: Yard, platform: Platform, plan: Plan) -> bool:
    """Whether prove_platform would find nothing to do. Reads files and nothing else."""
    sets = [[step for step in plan.steps if one.name in step.sets] for one in platform.sets]
    return not may_run_foreign_code(platform) or proving.is_proven(yard, ground_of(yard, platform), sets)


def refuse_lacking(yard: Yard, platform: Platform, plan: Plan) -> None:
    """BuildError where a wheel requires what its set does not have, whatever was said of it when that was resolved."""
    from builders import closure  # only here is METADATA read again

    markers = dict(ground_of(yard, platform).facts.markers)
    lines: list[str] = []
    for one in platform.sets:
        mine = yard.store.needed_records(step.fingerprint for step in plan.steps if one.name in step.sets)
        lines += [f"set {one.name}: {line}" for line in closure.lacking(mine.values(), markers)]
    if lines:
        raise BuildError(
            "\n".join(lines),
            hint="its index or its sdist said something else when the set was resolved: tell whoever publishes it; "
            "until then, write what is required into the set",
        )


def note_unknown_extras(yard: Yard, platform: Platform, plan: Plan) -> None:
    """Say which extras the sets ask for that their wheels lack: most likely they are misspelt."""
    from builders import closure

    markers = dict(ground_of(yard, platform).facts.markers)
    for one in platform.sets:
        mine = yard.store.needed_records(step.fingerprint for step in plan.steps if one.name in step.sets)
        for line in closure.unknown_extras(
            one.requirements, mine.values(), markers, metadata=lambda sha256: yard.store.blob(sha256).read_bytes()
        ):
            yard.progress.note(platform.name, f"set {one.name}: {line}")


def complete_platform(yard: Yard, platform: Platform, plan: Plan) -> Completed:
    """State that a platform is complete: from now on the index has it. What was published before stays."""
    finished = yard.store.finished()
    missing = [step.name for step in plan.steps if step.sets and step.fingerprint not in finished]
    if missing:
        raise BuildError(f"platform {platform.name} lacks {', '.join(missing)}")
    facts = ground_of(yard, platform).facts
    before = completed_platform(yard, platform.name)
    wheels = sorted({step.fingerprint for step in plan.steps if step.sets})
    older = before.wheels if before else ()
    completed = Completed(
        name=platform.name,
        python=facts.python,
        tags=facts.tags,
        libc=facts.libc_numbers if facts.libc == "glibc" else None,
        wheels=(*older, *(fingerprint for fingerprint in wheels if fingerprint not in set(older))),
        **_asked_for(platform, plan),
    )
    if completed != before:
        keep_completed(yard, completed)
    return completed


def keep_completed(yard: Yard, completed: Completed) -> None:
    """Write a platform's completed state."""
    write_file(_completed_file(yard, completed.name), json.dumps(asdict(completed), sort_keys=True).encode())


def forget_completed(yard: Yard, name: str) -> None:
    """A platform is no longer published."""
    _completed_file(yard, name).unlink(missing_ok=True)


def is_complete(yard: Yard, platform: Platform, plan: Plan) -> bool:
    """Whether complete_platform would change nothing."""
    completed = completed_platform(yard, platform.name)
    asked = _asked_for(platform, plan)
    return completed is not None and all(getattr(completed, name) == value for name, value in asked.items())


def _asked_for(platform: Platform, plan: Plan) -> dict[str, Any]:
    """The part of what is complete that a plan decides."""
    sets = {
        s.name: tuple(sorted(step.fingerprint for step in plan.steps if s.name in step.sets)) for s in platform.sets
    }
    yanked = {step.fingerprint: step.file.yanked for step in plan.steps if step.sets and step.file.yanked is not None}
    return {
        "sets": tuple(sorted(sets.items())),
        "yanked": tuple(sorted(yanked.items())),
        "statuses": plan.statuses,
    }


def completed_platform(yard: Yard, name: str) -> Completed | None:
    """A platform as it was last complete, or None; StoreError where that cannot be read any more."""
    path = _completed_file(yard, name)
    try:
        return completed_from(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except UNLIKE as error:
        raise StoreError(
            f"{path} cannot be read: {error}",
            hint="bring it back with `doit rollback --to NUMBER` (`doit generations` lists them); or delete it and run "
            "`doit`: the platform is completed anew, and what no set asks for any more leaves the tree",
        ) from error


def completed_from(values: Mapping[str, Any]) -> Completed:
    """A platform's completed state from what its JSON says."""
    return Completed(
        name=values["name"],
        python=values["python"],
        tags=tuple(values["tags"]),
        libc=tuple(values["libc"]) if values["libc"] else None,
        sets=tuple((name, tuple(fingerprints)) for name, fingerprints in values["sets"]),
        wheels=tuple(values["wheels"]),
        yanked=tuple((fingerprint, reason) for fingerprint, reason in values["yanked"]),
        statuses=tuple((project, status, reason) for project, status, reason in values["statuses"]),
    )


def all_completed(yard: Yard) -> tuple[Completed, ...]:
    """Every platform that was ever complete, by name: what is no longer asked for stays published."""
    return tuple(one for name in completed_names(yard) if (one := completed_platform(yard, name)))


def completed_names(yard: Yard) -> list[str]:
    """Their names alone."""
    return sorted(path.stem for path in (yard.folder / "completed").glob("*.json"))


def ground_of(yard: Yard, platform: Platform) -> Ground:
    """What a platform's steps stand on; BuildError where it was never probed."""
    facts = kept_facts(yard.folder, platform)
    if facts is None:
        raise BuildError(f"platform {platform.name} was not probed yet", hint=f"run: doit image:{platform.name}")
    return Ground(
        platform=platform,
        facts=facts,
        settings=yard.workspace.build_settings,
        tools=_tools(facts.system),
    )


@cache
def _tools(system: str) -> str:
    from builders.repair import repair_tools

    return repair_tools(system)


def _plan_key(yard: Yard, ground: Ground) -> str:
    """A hash over everything a plan is made from, locks and declarations by their bytes."""
    digest = hashlib.sha256()
    workspace = yard.workspace
    parts = [RECIPE, ground.platform, ground.facts, workspace.builds, workspace.upstreams, ground.tools]
    digest.update(repr(parts).encode())
    folder = workspace.root / "locks" / ground.platform.name
    for path in sorted(folder.glob("**/*.pylock.toml")):
        digest.update(f"{path.relative_to(folder)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _plan_file(yard: Yard, platform: Platform) -> Path:
    return yard.folder / "plans" / f"{platform.name}.json"


def _completed_file(yard: Yard, name: str) -> Path:
    return yard.folder / "completed" / f"{name}.json"
