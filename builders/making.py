"""One step, from its plan to its record in the store: fetched as it is, or built (building.py); checked, and kept."""

from __future__ import annotations

from collections.abc import Mapping

from builders.building import build, building_of
from builders.facts import Facts
from builders.plan import Ground, Step
from builders.store import Record
from builders.taking import checked, read_fetched, record_of
from builders.yard import Yard


def obtain(yard: Yard, ground: Ground, step: Step, others: Mapping[str, Step]) -> Record:
    """The record of a step, made now if the store has none. `others`: by fingerprint, the steps it builds with."""
    with yard.alone(step.fingerprint):
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
        record = _build(yard, ground, step, environment) if step.built else _fetch(yard, step, ground.facts, label)
        yard.store.add(record)
    except BaseException:
        yard.progress.done(label, outcome="failed")
        raise
    yard.progress.done(label, outcome="built" if step.built else "fetched", size=record.size)
    return record


def _fetch(yard: Yard, step: Step, facts: Facts, label: str) -> Record:
    wheel = checked(read_fetched(yard, step.file, label=label), step, facts)
    return record_of(yard, step, wheel, sha256=step.file.sha256, size=yard.store.blob(step.file.sha256).stat().st_size)


def _build(yard: Yard, ground: Ground, step: Step, environment: list[Record]) -> Record:
    if failure := yard.failures.pop(f"{step.platform}/{step.name}", None):
        raise failure  # met while it was locked
    return build(building_of(yard, ground, step, environment))
