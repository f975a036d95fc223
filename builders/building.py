"""Building one wheel from its sdist: in the box, then repaired, strictly read and recorded.

    lock:   ask the backend ──> build at once ─┐
    wheel:                      build ─────────┴─> repair ─> check ─> record

A backend is asked what else it needs before its build lock is settled (PEP 517). If that is nothing, and the run goes
on to the wheels, the same container builds the wheel: starting another would take longer than many a build.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from builders import commands
from builders.certificates import ca_bundle
from builders.diagnose import diagnose
from builders.environments import environment_inputs
from builders.errors import BuildError, OutputError, WheelyardError
from builders.jobs import Input, Job, Network, Ran, run_job
from builders.plan import Ground, Step
from builders.requirements import parse_requirement
from builders.sdists import Sdist, read_sdist
from builders.store import Record
from builders.taking import checked, fetch_blob, record_of
from builders.wheels import read_wheel
from builders.yaml_nodes import quoted
from builders.yard import Yard, refuse_unconfined

_MOST_REQUIRED = 500  # projects; setuptools asks for two
_HOOK = Path(__file__).parent / "inside" / "hook.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class Building:
    """All that building one step takes. `environment` are the records of what it is built with."""

    yard: Yard
    ground: Ground
    step: Step
    sdist: Sdist
    environment: tuple[Record, ...]

    @property
    def label(self) -> str:
        """Its name in progress, in logs and on containers."""
        return f"{self.step.platform}/{self.step.name}"

    @property
    def size(self) -> int:
        """Of the sdist, in bytes."""
        return self.yard.store.blob(self.step.file.sha256).stat().st_size


def building_of(yard: Yard, ground: Ground, step: Step, environment: list[Record]) -> Building:
    """The sdist is fetched if it is not there, and strictly read."""
    blob = fetch_blob(yard, step.file, label=f"{step.platform}/{step.name}")
    sdist = read_sdist(blob, filename=step.file.filename)
    return Building(yard=yard, ground=ground, step=step, sdist=sdist, environment=tuple(environment))


def build(building: Building) -> Record:
    """The wheel's record, its bytes in the store. Raises BuildError with the likely cause, ArchiveError."""
    with building.yard.build_places.taken(building.size):
        building.yard.progress.begin(building.label, "BUILD", platform=building.step.platform)
        script = commands.wheel_script(building.step.file.filename, building.sdist.top)
        with _ran(building, script) as ran:
            return _finished(building, ran)


def ask(building: Building) -> tuple[str, ...]:
    """What the backend needs beyond its declaration. Where that is nothing and the run goes on, the wheel is made too.

    A backend that fails here says nothing. A build that fails is remembered in the yard for its own step to tell, and
    so is what nobody can take from $OUT.
    """
    yard, step = building.yard, building.step
    with yard.alone(step.fingerprint), yard.build_places.taken(building.size):
        go_on = yard.goes_on and yard.store.record(step.fingerprint) is None
        if go_on:
            yard.progress.begin(building.label, "BUILD", platform=step.platform)
        try:
            return _asked(building, go_on=go_on)
        except OutputError as error:
            _remember(building, error)
            return ()


def _asked(building: Building, *, go_on: bool) -> tuple[str, ...]:
    with _ran(building, _asking(building, commands.ask_and_build_script if go_on else commands.ask_script)) as ran:
        extra = _extra(building.step.name, ran.out / commands.REQUIRES)
        if go_on and extra:
            building.yard.progress.pause(building.label)
        elif go_on:
            _keep(building, ran)
        return extra


def _asking(building: Building, script: Callable[[str, str, str, tuple[str, ...]], str]) -> str:
    sdist = building.sdist
    return script(building.step.file.filename, sdist.top, sdist.build_backend, sdist.backend_path)


def _extra(step: str, said: Path) -> tuple[str, ...]:
    """What a stranger's code says: each line must be a requirement and nothing else, as a resolver will read it."""
    if not said.is_file():
        return ()
    text = said.read_text(encoding="utf-8", errors="replace")
    said.unlink()
    lines = sorted({line.strip() for line in text.splitlines() if line.strip()})
    for line in lines:
        if problem := _problem(line):
            raise BuildError(f"{step}: its build backend asks for {quoted(line)}: {problem}")
    if len(lines) > _MOST_REQUIRED:
        raise BuildError(f"{step}: its build backend asks for {len(lines)} projects; allowed: {_MOST_REQUIRED}")
    return tuple(lines)


def _problem(line: str) -> str:
    try:
        direct = parse_requirement(line).url
    except ValueError:
        return "that is no requirement"
    return "it may not say where a project comes from" if direct else ""


def _keep(building: Building, ran: Ran) -> None:
    yard = building.yard
    try:
        record = _finished(building, ran)
        yard.store.add(record)
    except WheelyardError as error:
        _remember(building, error)
    else:
        yard.progress.done(building.label, outcome="built", size=record.size)


def _remember(building: Building, error: WheelyardError) -> None:
    building.yard.failures[building.label] = error
    building.yard.progress.pause(building.label)


def _ran(building: Building, script: str) -> AbstractContextManager[Ran]:
    yard, ground, step = building.yard, building.ground, building.step
    refuse_unconfined(ground.platform)
    settings = ground.settings(step.project)
    executor = yard.executor(ground.platform, ground.facts, settings)
    log = yard.fresh_log(step.platform, step.name)
    job = Job(
        label=building.label,
        script=script,
        inputs=(
            Input(name=f"sdist/{step.file.filename}", content=yard.store.blob(step.file.sha256)),
            *environment_inputs(yard, ground, settings, executor, building.environment),
            Input(name="hook.py", content=_HOOK),
            *_certificates(settings.network),
        ),
        env=commands.build_environment(building.sdist.newest, ground.platform.env, settings.env),
        network=Network.OPEN if settings.network else Network.NONE,
        limits=settings.limits_on(ground.platform),
    )
    return run_job(executor, job, scratch=yard.store.scratch(), log=log)


def _certificates(network: bool) -> tuple[Input, ...]:
    bundle = ca_bundle() if network else None
    return (Input(name=commands.CERTIFICATES, content=bundle),) if bundle else ()


def _finished(building: Building, ran: Ran) -> Record:
    """From what a build left to the record; the bytes are in the store then."""
    yard, ground, step = building.yard, building.ground, building.step
    if not ran.outcome.ok:
        said = ran.log.read_text(errors="replace")
        limits = ground.settings(step.project).limits_on(ground.platform)
        cause = diagnose(step.project, ran.outcome, said, limits, host=ground.platform.host)
        raise BuildError(f"{step.name}: {cause.reason}", hint=cause.hint)
    built = _only_wheel(step, ran.out)
    yard.progress.begin(building.label, "REPAIR", platform=step.platform)
    path = _repaired(building, ran, built)
    wheel = checked(read_wheel(path), step, ground.facts)
    return record_of(
        yard,
        step,
        wheel,
        sha256=yard.store.keep(path),
        size=path.stat().st_size,
        seconds=round(ran.outcome.seconds, 1),
        log=ran.log,
        built_on=f"{ground.platform.image or 'this machine, not confined'}, Python {ground.facts.python}",
        built_with=tuple(sorted(f"{record.project} {record.version}" for record in building.environment)),
    )


def _only_wheel(step: Step, out: Path) -> Path:
    match sorted(out.iterdir()):
        case []:
            raise BuildError(f"{step.name}: no wheel produced, though the build said it had succeeded")
        case [one] if one.name.endswith(".whl"):
            return one
        case several:
            names = ", ".join(path.name for path in several)
            raise BuildError(f"{step.name}: one wheel was asked for, and the build left: {names}")


def _repaired(building: Building, ran: Ran, built: Path) -> Path:
    from builders.repair import RepairTarget, repair

    folder = ran.out.parent / "repaired"
    folder.mkdir()
    facts = building.ground.facts
    target = RepairTarget(system=facts.system, machine=facts.machine, libc=facts.libc, libc_version=facts.libc_numbers)
    read_wheel(built)  # what repair reads is the build's word until it was checked
    return repair(built, folder, target=target, libraries=ran.executor, log=ran.log, epoch=building.sdist.newest)
