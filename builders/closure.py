"""Whether a set of wheels is whole: what each of them requires, on its platform, is among them.

A set is resolved by what its index and its sdists say of each project; what is installed goes by what is in the wheels.
Where these two differ, nobody would notice before the far side, as nothing else compares them without installing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builders.coremetadata import provided_extras
from builders.pythons import excludes
from builders.requirements import parse_requirement
from builders.store import Record


def lacking(records: Iterable[Record], markers: Mapping[str, str]) -> list[str]:
    """A line for each requirement that no wheel of a set answers, nor the Python; what an extra asks for is left out.

    A wheel that another platform took is not taken anew, so that this is where it meets this one's Python.
    """
    wheels = sorted(records, key=lambda record: record.project)
    there = {project: [one.version for one in same] for project, same in groupby(wheels, lambda one: one.project)}
    lines = []
    python = markers["python_full_version"]
    for wheel in wheels:
        if excludes(wheel.requires_python, python):
            wanted = f"Python {wheel.requires_python}"
            lines.append(f"{wheel.project} {wheel.version} requires {wanted}, and there is only {python}")
        for required in _required(wheel, markers):
            versions = there.get(canonicalize_name(required.name), [])
            if not any(required.specifier.contains(version, prereleases=True) for version in versions):
                found = f"only {', '.join(versions)}" if versions else "none"
                lines.append(f"{wheel.project} {wheel.version} requires {required}, and there is {found}")
    return lines


def unknown_extras(
    asked: Iterable[str], records: Iterable[Record], markers: Mapping[str, str], metadata: Callable[[str], bytes]
) -> list[str]:
    """A line for each extra of these requirements that their wheel lacks: it adds nothing, as if it were not there.

    `metadata` gives METADATA by its hash.
    """
    wheels = {record.project: record for record in records}
    lines = []
    for text in (line.partition(" --hash")[0] for line in asked if "[" in line):
        required = parse_requirement(text)
        wheel = wheels.get(canonicalize_name(required.name))
        if wheel and (required.marker is None or required.marker.evaluate(dict(markers))):
            known = provided_extras(metadata(wheel.metadata_sha256))
            there = ", ".join(sorted(known)) or "none"
            unknown = sorted(extra for extra in required.extras if canonicalize_name(extra) not in known)
            lines += [f"{text}: {wheel.project} {wheel.version} has no extra {one}; it has {there}" for one in unknown]
    return lines


def _required(wheel: Record, markers: Mapping[str, str]) -> Iterator[Requirement]:
    """What it asks for there; old METADATA has lines that are no requirements: nobody can answer them."""
    for text in wheel.requires_dist:
        try:
            required = parse_requirement(text)
            is_asked = required.marker is None or required.marker.evaluate({**markers, "extra": ""})
        except ValueError:
            continue
        if is_asked:
            yield required
