"""One step, from its plan to its record in the store: fetched as it is, or built in the box, repaired, checked, kept.

fetch ─> check ─────────────────────────────┐
fetch sdist ─> build ─> repair ─> check ────┴─> keep
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from builders import commands
from builders.apart import read_large_wheel
from builders.diagnose import diagnose
from builders.environments import environment_inputs
from builders.errors import ArchiveError, BuildError
from builders.facts import Facts
from builders.jobs import Executor, Input, Job, Network
from builders.lock import LockedFile
from builders.plan import Ground, Step
from builders.sdists import Sdist, read_sdist
from builders.store import Record
from builders.urls import Url
from builders.wheels import WheelFile, check_identity, check_machine, read_wheel
from builders.yard import Yard, refuse_unconfined


def obtain(yard: Yard, ground: Ground, step: Step, others: Mapping[str, Step]) -> Record:
    """The record of a step, made now if the store has none. `others`: by fingerprint, the steps it builds with."""
    with yard.once(step.fingerprint):
        record = yard.store.record(step.fingerprint)
        if record is not None:
            yard.progress.done(f"{step.platform}/{step.name}", outcome="reused", size=record.size)
        else:
            environment = [obtain(yard, ground, others[fingerprint], others) for fingerprint in step.environment]
            record = _make(yard, ground, step, environment)
        return record


def _make(yard: Yard, ground: Ground, step: Step, environment: list[Record]) -> Record:
    label = f"{step.platform}/{step.name}"
    yard.progress.begin(label, "FETCH", platform=step.platform, total_bytes=step.file.size)
    try:
        if step.built:
            with yard.build_places:
                yard.progress.begin(label, "BUILD", platform=step.platform)
                record = _build(yard, ground, step, environment)
        else:
            record = _fetch(yard, step, ground.facts, label)
        yard.store.add(record)
    except BaseException:
        yard.progress.done(label, outcome="failed")
        raise
    yard.progress.done(label, outcome="built" if step.built else "fetched", size=record.size)
    return record


def fetch_blob(yard: Yard, file: LockedFile, *, label: str) -> Path:
    """A locked file's bytes in the store, fetched when they are not there: once for all platforms."""
    with yard.once(f"blob {file.sha256}"):
        blob = yard.store.blob(file.sha256)
        if not blob.is_file():
            incoming = yard.store.scratch() / f"{file.sha256}.fetch"
            yard.fetcher.fetch(
                locate(file),
                incoming,
                sha256=file.sha256,
                size=file.size,
                on_bytes=lambda n: yard.progress.bytes(label, n),
            )
            yard.store.adopt(incoming, file.sha256)
        return blob


def locate(file: LockedFile) -> Url:
    """Where a locked file is fetched: its URL, or the file itself where it stands in a find-links folder."""
    return Url.parse(file.url) if "://" in file.url else Url.of_file(Path(file.url))


def read_locked_sdist(yard: Yard, file: LockedFile, *, label: str) -> Sdist:
    """An sdist of the lock, fetched and strictly read."""
    return read_sdist(fetch_blob(yard, file, label=label), filename=file.filename)


def read_fetched(yard: Yard, file: LockedFile, *, label: str) -> WheelFile:
    """A locked wheel, fetched and strictly read: once in a run, however many steps and guesses ask for it."""
    with yard.once(f"read {file.filename} {file.sha256}"):
        key = file.filename, file.sha256
        if key not in yard.readings:
            yard.readings[key] = read_large_wheel(fetch_blob(yard, file, label=label), filename=file.filename)
        return yard.readings[key]


def _fetch(yard: Yard, step: Step, facts: Facts, label: str) -> Record:
    wheel = read_fetched(yard, step.file, label=label)
    _check(wheel, step, facts)
    return _record(yard, step, wheel, sha256=step.file.sha256, size=yard.store.blob(step.file.sha256).stat().st_size)


def _build(yard: Yard, ground: Ground, step: Step, environment: list[Record]) -> Record:
    refuse_unconfined(ground.platform)
    settings = ground.settings(step.project)
    limits = settings.limits_on(ground.platform)
    label = f"{step.platform}/{step.name}"
    sdist = read_locked_sdist(yard, step.file, label=label)
    executor = yard.executor(ground.platform, ground.facts, settings)
    log = yard.fresh_log(step.platform, step.name)
    epoch = sdist.newest
    job = Job(
        label=label,
        script=commands.wheel_script(step.file.filename, sdist.top),
        inputs=(
            sdist_input(yard, step.file),
            *environment_inputs(yard, ground, settings, executor, environment),
            *_certificates(settings.network),
        ),
        env=commands.build_environment(epoch, ground.platform.env, settings.env),
        network=Network.OPEN if settings.network else Network.NONE,
        limits=limits,
    )
    with tempfile.TemporaryDirectory(dir=yard.store.scratch()) as folder:
        out = Path(folder, "out")
        out.mkdir()
        outcome = executor.run(job, out=out, log=log)
        if not outcome.ok:
            said = log.read_text(errors="replace")
            cause = diagnose(step.project, outcome, said, limits, host=ground.platform.host)
            raise BuildError(f"{step.name}: {cause.reason}", hint=cause.hint)
        built = _only_wheel(step, out)
        yard.progress.begin(label, "REPAIR", platform=step.platform)
        wheel_path = _repair(ground.facts, executor, built, Path(folder), log, epoch)
        wheel = read_wheel(wheel_path)
        _check(wheel, step, ground.facts)
        sha256 = yard.store.keep(wheel_path)
        size = wheel_path.stat().st_size
    return _record(
        yard,
        step,
        wheel,
        sha256=sha256,
        size=size,
        seconds=round(outcome.seconds, 1),
        log=log,
        built_on=f"{ground.platform.image or 'this machine'}, Python {ground.facts.python}",
        built_with=tuple(sorted(f"{record.project} {record.version}" for record in environment)),
    )


def sdist_input(yard: Yard, sdist: LockedFile) -> Input:
    """An sdist as a job sees it."""
    return Input(name=f"sdist/{sdist.filename}", content=yard.store.blob(sdist.sha256))


def _certificates(network: bool) -> tuple[Input, ...]:
    from builders.certificates import ca_bundle

    bundle = ca_bundle() if network else None
    return (Input(name=commands.CERTIFICATES, content=bundle),) if bundle else ()


def _only_wheel(step: Step, out: Path) -> Path:
    match sorted(out.iterdir()):
        case []:
            raise BuildError(f"{step.name}: no wheel produced, though the build said it had succeeded")
        case [one] if one.name.endswith(".whl"):
            return one
        case several:
            names = ", ".join(path.name for path in several)
            raise BuildError(f"{step.name}: one wheel was asked for, and the build left: {names}")


def _repair(facts: Facts, executor: Executor, built: Path, folder: Path, log: Path, epoch: int) -> Path:
    from builders.repair import RepairTarget, repair

    repaired = folder / "repaired"
    repaired.mkdir()
    target = RepairTarget(system=facts.system, machine=facts.machine, libc=facts.libc, libc_version=facts.libc_numbers)
    read_wheel(built)  # what repair reads is the build's word until it was checked
    return repair(built, repaired, target=target, libraries=executor, log=log, epoch=epoch)


def _check(wheel: WheelFile, step: Step, facts: Facts) -> None:
    """The wheel is the one that was asked for, and this platform's own pip would take it."""
    check_identity(wheel, project=canonicalize_name(step.project), version=step.version)
    check_machine(wheel, machine=facts.machine)
    if not set(wheel.tags) & set(facts.tags):
        raise ArchiveError(
            f"{wheel.filename}: it does not install on its own platform, which takes {facts.tags[0]} and the like"
        )


def _record(
    yard: Yard,
    step: Step,
    wheel: WheelFile,
    *,
    sha256: str,
    size: int,
    seconds: float = 0.0,
    log: Path | None = None,
    built_on: str = "",
    built_with: tuple[str, ...] = (),
) -> Record:
    return Record(
        fingerprint=step.fingerprint,
        filename=wheel.filename,
        project=str(wheel.project),
        version=wheel.version,
        sha256=sha256,
        size=size,
        tags=wheel.tags,
        requires_python=wheel.requires_python,
        requires_dist=wheel.requires_dist,
        metadata_sha256=yard.store.keep_bytes(wheel.metadata),
        modules=wheel.modules,
        summary=wheel.summary,
        license=wheel.license,
        upload_time=step.file.upload_time,
        yanked=step.file.yanked,
        source=f"built from {step.file.filename}" if step.built else "fetched",
        built=step.built,
        built_on=built_on,
        built_with=built_with,
        network=step.network,
        log=str(log.relative_to(yard.workspace.root)) if log else None,
        seconds=seconds,
    )
