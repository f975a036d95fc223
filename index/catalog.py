"""Who offers what of one project: a platform's own shelf, and the rules by which several become the merged index.

The one promise: no client is ever offered a wheel that does not run on it, or that asks for something else than its own
platform's does. What a tag says, clients check themselves; what no tag says is decided here, and every decision is a
sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache

from packaging.version import InvalidVersion, Version

from index.clients import taken
from index.model import Entry, PublishedPlatform, Wheel
from index.needs import Needs, needs

Metadata = Callable[[str], bytes]  # sha256 of a METADATA file → its bytes
NeedsOf = Callable[[str], Needs]  # sha256 of a METADATA file → what it asks for


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One choice that a person may wonder about; `text` is a whole sentence."""

    project: str
    filename: str
    text: str
    kept: tuple[tuple[str, str], ...] = ()  # (sha256, file name) of bytes that stay in the pool, on no index page


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """What one index offers of a project: one wheel for each file name, by version, file name."""

    wheels: tuple[Wheel, ...]
    decisions: tuple[Decision, ...] = ()
    kept: tuple[Wheel, ...] = ()  # what the decisions keep


def shelf(platform: str, wheels: Sequence[Wheel]) -> Shelf:
    """One platform's own, of wheels in the order in which they came: under one name the last build wins.

    So does the last word on the same bytes, as an index may take back that they are yanked. In the merged index, where
    nobody is last, they are yanked if any platform has heard so.
    """
    chosen: dict[str, Wheel] = {}
    replaced: dict[str, dict[str, Wheel]] = {}
    for wheel in wheels:
        before = chosen.get(wheel.filename)
        if before is not None and before.sha256 != wheel.sha256:
            replaced.setdefault(wheel.filename, {})[before.sha256] = before
            before = None
        chosen[wheel.filename] = _joined(before, wheel, yanked=wheel.yanked) if before else wheel
    ordered = tuple(in_order(chosen.values()))
    if not replaced:
        return Shelf(wheels=ordered)
    kept = {name: _without(chosen[name], replaced[name]) for name in sorted(replaced)}
    return Shelf(
        wheels=ordered,
        decisions=tuple(_replaced(platform, chosen[name], before) for name, before in kept.items()),
        kept=tuple(wheel for before in kept.values() for wheel in before),
    )


def merged(platforms: Sequence[PublishedPlatform], shelves: Sequence[Shelf], metadata: Metadata) -> Shelf:
    """What everybody is offered, made from each platform's shelf; METADATA is read only where it differs."""
    needs_of = cache(lambda sha256: needs(metadata(sha256)))
    offers: dict[str, list[tuple[PublishedPlatform, Wheel]]] = {}
    for platform, one in zip(platforms, shelves, strict=True):
        for wheel in one.wheels:
            offers.setdefault(wheel.filename, []).append((platform, wheel))
    chosen: list[Wheel] = []
    decisions: list[Decision] = []
    for candidates in offers.values():
        choice, decision = _decide(candidates, needs_of)
        chosen += [choice] if choice else []
        decisions += [decision] if decision else []
    if len(shelves) > 1 or len(chosen) < len(offers):
        surprises = _surprises(platforms, shelves, chosen, needs_of)
        chosen = in_order(wheel for wheel in chosen if wheel.filename not in surprises)
        decisions += surprises.values()
    decisions.sort(key=lambda one: one.filename)
    return Shelf(wheels=tuple(chosen), decisions=tuple(decisions))


def _surprises(
    platforms: Sequence[PublishedPlatform], shelves: Sequence[Shelf], chosen: Sequence[Wheel], needs_of: NeedsOf
) -> dict[str, Decision]:
    """What a platform's client would take here, and that asks for something else than what its own index gives it.

    By file name. One that goes may leave another as the first to be taken, so this is asked until nothing more goes.
    """
    found: dict[str, Decision] = {}
    everyone = [(platform, _by_version(one.wheels)) for platform, one in zip(platforms, shelves, strict=True)]
    for version, here in _by_version(chosen).items():
        having = [(platform, wheels[version]) for platform, wheels in everyone if version in wheels]
        if len({wheel.metadata_sha256 for _, wheels in having for wheel in wheels}) == 1:
            continue
        offered: Sequence[Wheel] = here
        while wrong := _wrong(having, offered, needs_of):
            found |= wrong
            offered = [wheel for wheel in offered if wheel.filename not in wrong]
    return found


def _wrong(
    having: Sequence[tuple[PublishedPlatform, Sequence[Wheel]]], offered: Sequence[Wheel], needs_of: NeedsOf
) -> dict[str, Decision]:
    found: dict[str, list[str]] = {}
    for platform, wheels in having:
        own = taken(platform, wheels)
        meant = {needs_of(wheel.metadata_sha256) for wheel in own}
        for wheel in taken(platform, offered) if own else ():
            if needs_of(wheel.metadata_sha256) not in meant:
                found.setdefault(wheel.filename, []).append(f"{platform.name} has {own[0].filename}")
    each = {wheel.filename: wheel for wheel in offered}
    return {
        name: _decision(
            each[name],
            f"is left out: {_and(instead)}, which requires something else, and would get this one in its place; each "
            "platform's own index holds its own",
        )
        for name, instead in found.items()
    }


def _by_version(wheels: Iterable[Wheel]) -> dict[Version | str, list[Wheel]]:
    found: dict[Version | str, list[Wheel]] = {}
    for wheel in wheels:
        is_one, version, text = _version_key(wheel.version)
        found.setdefault(version if is_one else text, []).append(wheel)
    return found


def in_order(wheels: Iterable[Wheel]) -> list[Wheel]:
    """By project, version, file name."""
    return sorted(wheels, key=lambda wheel: (wheel.project, _version_key(wheel.version), wheel.filename))


def is_prerelease(version: str) -> bool:
    """Whether installers pass over it as long as there is another."""
    return _version_key(version)[1].is_prerelease


def _decide(
    candidates: list[tuple[PublishedPlatform, Wheel]], needs_of: NeedsOf
) -> tuple[Wheel | None, Decision | None]:
    first = candidates[0][1]
    one_machine = _is_for_one_machine(first)
    if len(candidates) == 1 and not one_machine:
        return first, None
    names = ", ".join(platform.name for platform, _ in candidates)
    if one_machine:
        return None, _decision(first, f"is left out: its linux_* tag promises nothing to a machine unlike {names}")
    if all(wheel.sha256 == first.sha256 for _, wheel in candidates):
        return _all_joined([wheel for _, wheel in candidates]), None
    if owners := _with_other_needs(candidates, needs_of):
        return None, _decision(
            first,
            f"is left out: its METADATA requires one thing on {', another on '.join(owners)}, so either would be wrong "
            "somewhere; each platform's own index holds its own",
        )
    _, wheel = min(candidates, key=lambda one: _age(*one))
    same = [(platform, other) for platform, other in candidates if other.sha256 == wheel.sha256]
    whose = _and(f"{platform.name}'s" for platform, _ in same)
    text = f"was made with different bytes on {names}; the index for all offers {whose}, {_why(candidates)}"
    return _all_joined([other for _, other in same]), _decision(first, text)


def _with_other_needs(candidates: Sequence[tuple[PublishedPlatform, Wheel]], needs_of: NeedsOf) -> list[str]:
    """Names of the platforms that agree, for each opinion; none where all are of one."""
    if len({wheel.metadata_sha256 for _, wheel in candidates}) == 1:
        return []
    groups: dict[Needs, list[str]] = {}
    for platform, wheel in candidates:
        groups.setdefault(needs_of(wheel.metadata_sha256), []).append(platform.name)
    return [_and(names) for names in groups.values()] if len(groups) > 1 else []


def _and(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _is_for_one_machine(wheel: Wheel) -> bool:
    """Whether any tag is linux_*: such a wheel may need anything that the machine had on which it was built.

    https://packaging.python.org/specifications/platform-compatibility-tags/: a plain linux tag says nothing of the
    libraries that a wheel needs. One linux_ tag among several is enough: every Linux machine accepts it.
    """
    if "linux_" not in wheel.filename and not any("linux_" in tag for tag in wheel.tags):
        return False
    platforms = {tag.rpartition("-")[2] for tag in (*wheel.tags, wheel.filename.removesuffix(".whl"))}
    return any(part.startswith("linux_") for several in platforms for part in several.split("."))


def _age(platform: PublishedPlatform, wheel: Wheel) -> tuple[tuple[int, int], str, str]:
    return platform.libc or (999, 0), platform.name, wheel.sha256


def _why(candidates: list[tuple[PublishedPlatform, Wheel]]) -> str:
    versions = {platform.libc for platform, _ in candidates}
    if len(versions) == 1:
        return "the first by name"
    return "built on the oldest glibc and so good for the most machines"


def _all_joined(wheels: Sequence[Wheel]) -> Wheel:
    """Several platforms' records of the same bytes: yanked if any has heard so."""
    joined = wheels[0]
    for wheel in wheels[1:]:
        said = [one.yanked for one in (joined, wheel) if one.yanked is not None]
        joined = _joined(joined, wheel, yanked=max(said, default=None))
    return joined


def _joined(one: Wheel, other: Wheel, *, yanked: str | None) -> Wheel:
    """Two records of the same bytes: uploaded when it was first seen."""
    if one.yanked == yanked and one.upload_time == other.upload_time:
        return one
    values = {field.name: getattr(one, field.name) for field in fields(Entry)}
    times = [wheel.upload_time for wheel in (one, other) if wheel.upload_time is not None]
    values["upload_time"] = min(times, default=None)
    values["yanked"] = yanked
    return Entry(**values)


def _without(wheel: Wheel, before: dict[str, Wheel]) -> list[Wheel]:
    return [before[sha256] for sha256 in sorted(before) if sha256 != wheel.sha256]


def _replaced(platform: str, wheel: Wheel, before: Sequence[Wheel]) -> Decision:
    again = f"was built again on {platform}" if wheel.built else f"came again for {platform}, from its index,"
    text = f"{again} with other bytes; the earlier file stays for those who have pinned its hash"
    return _decision(wheel, text, tuple((one.sha256, one.filename) for one in before))


def _decision(wheel: Wheel, text: str, kept: tuple[tuple[str, str], ...] = ()) -> Decision:
    return Decision(project=wheel.project, filename=wheel.filename, text=f"{wheel.filename} {text}.", kept=kept)


@lru_cache(maxsize=65536)
def _version_key(text: str) -> tuple[bool, Version, str]:
    """What versions are sorted by; to parse one is slow, and many projects have the same."""
    try:
        return True, Version(text), text
    except InvalidVersion:
        return False, Version("0"), text
