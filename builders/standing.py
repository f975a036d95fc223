"""How each platform stands, as the page for people tells it: its image, whether it is proven, when it last changed.

Read from what the workspace keeps: declarations, facts, proofs and generations. Starts nothing, writes nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from builders.facts import kept_facts
from builders.generations import Generation, generations
from builders.pipeline import Completed, completed_platform, ground_of
from builders.platforms import Platform
from builders.proving import is_proven, proofs_file
from builders.store import Record
from builders.yard import Yard, may_run_foreign_code

_OFF = "proving is switched off for it (prove: false)"
_HOST = "on a host, proving takes sandbox: none"
_NO_PROOF = "there is no proof of these wheels on the image as it is now"
_UNDECLARED = "platforms.yaml does not name it any more; what was published stays"


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a person wants to know of a published platform; `unproven` says why it is not proven, "" where it is."""

    image: str
    unproven: str
    changed: str | None

    @property
    def proven(self) -> bool:
        """Whether each of its sets was installed and imported as it is now."""
        return not self.unproven


def standings(yard: Yard, completed: Iterable[Completed], records: Callable[[str], Record]) -> dict[str, Standing]:
    """How each of these platforms stands, by name; `records` gives a finished step by its fingerprint."""
    declared = {one.name: one for one in yard.workspace.platforms}
    known = generations(yard)
    return {
        one.name: Standing(
            image=_image(declared[one.name]) if one.name in declared else "",
            unproven=_unproven(yard, declared[one.name], one, records) if one.name in declared else _UNDECLARED,
            changed=_changed(known, one),
        )
        for one in completed
    }


def incomplete(yard: Yard) -> tuple[str, ...]:
    """The platforms that are declared and were never complete, by name."""
    return tuple(sorted(p.name for p in yard.workspace.platforms if completed_platform(yard, p.name) is None))


def digest(yard: Yard) -> str:
    """A hash over what these two go by, besides what is complete; quick enough to be asked at every start."""
    parts = []
    for platform in yard.workspace.platforms:
        facts = kept_facts(yard.folder, platform)
        said = (platform.name, _image(platform), platform.prove, may_run_foreign_code(platform))
        parts.append(repr((said, facts and (facts.image, facts.python), _bytes_of_proofs(yard, platform))))
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def _image(platform: Platform) -> str:
    image = platform.image or ("this machine, not confined" if may_run_foreign_code(platform) else "this machine")
    return f"{image} ({platform.arch})" if platform.arch else image


def _unproven(yard: Yard, platform: Platform, completed: Completed, records: Callable[[str], Record]) -> str:
    if not platform.prove:
        return _OFF
    if not may_run_foreign_code(platform):
        return _HOST
    if kept_facts(yard.folder, platform) is None:
        return _NO_PROOF
    sets = [[records(fingerprint) for fingerprint in wheels] for _, wheels in completed.sets]
    return "" if is_proven(yard, ground_of(yard, platform), sets) else _NO_PROOF


def _changed(known: Sequence[Generation], completed: Completed) -> str | None:
    """When the platform was first published as it stands now. A rollback brings that time back with the rest."""
    at = next((one.at for one in known if completed in one.platforms), None)
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _bytes_of_proofs(yard: Yard, platform: Platform) -> bytes:
    try:
        return proofs_file(yard, platform.name).read_bytes()
    except OSError:
        return b""
