"""Taking in: the file that a lock names, into the store; a wheel, strictly read and held to what was asked for."""

from __future__ import annotations

from pathlib import Path

from packaging.utils import canonicalize_name

from builders.errors import ArchiveError
from builders.facts import Facts
from builders.lock import LockedFile
from builders.plan import Step
from builders.pythons import excludes
from builders.reading_apart import read_large_wheel
from builders.store import Record
from builders.urls import Url
from builders.wheels import WheelFile, check_identity, check_machine
from builders.yard import Yard


def fetch_blob(yard: Yard, file: LockedFile, *, label: str) -> Path:
    """A locked file's bytes in the store, fetched when they are not there: once for all platforms."""
    with yard.alone(f"blob {file.sha256}"):
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


def read_fetched(yard: Yard, file: LockedFile, *, label: str) -> WheelFile:
    """A locked wheel, fetched and strictly read: once in a run, however many steps and guesses ask for it."""
    with yard.alone(f"read {file.filename} {file.sha256}"):
        key = file.filename, file.sha256
        if key not in yard.readings:
            yard.readings[key] = read_large_wheel(fetch_blob(yard, file, label=label), filename=file.filename)
        return yard.readings[key]


def checked(wheel: WheelFile, step: Step, facts: Facts) -> WheelFile:
    """The wheel, if it is the one that was asked for and this platform's own pip would take it; else ArchiveError."""
    check_identity(wheel, project=canonicalize_name(step.project), version=step.version)
    check_machine(wheel, machine=facts.machine)
    if not set(wheel.tags) & set(facts.tags):
        raise ArchiveError(
            f"{wheel.filename}: it does not install on its own platform, which takes {facts.tags[0]} and the like"
        )
    if excludes(wheel.requires_python, facts.python):
        raise ArchiveError(
            f"{wheel.filename}: it requires Python {wheel.requires_python}, and its platform has {facts.python}",
            hint=f"Ask for another version of {wheel.project}: pip refuses this one there.",
        )
    return wheel


def record_of(
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
    """What the store is to know of a wheel whose bytes it has."""
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
