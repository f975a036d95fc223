"""Who offers what of one project: a platform's own shelf, and the rules by which several become the merged index.

The one promise: no client is ever offered a wheel that does not run on it. What a tag says, clients check themselves;
what no tag says is decided here, and every decision is a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from index.model import Entry, PublishedPlatform, Wheel

Metadata = Callable[[str], bytes]  # sha256 of a METADATA file → its bytes


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
    """What everybody is offered, made from each platform's shelf; METADATA is read only where bytes differ."""
    offers: dict[str, list[tuple[PublishedPlatform, Wheel]]] = {}
    for platform, one in zip(platforms, shelves, strict=True):
        for wheel in one.wheels:
            offers.setdefault(wheel.filename, []).append((platform, wheel))
    chosen: list[Wheel] = []
    decisions: list[Decision] = []
    for candidates in offers.values():
        choice, decision = _decide(candidates, metadata)
        chosen += [choice] if choice else []
        decisions += [decision] if decision else []
    decisions.sort(key=lambda one: one.filename)
    return Shelf(wheels=tuple(chosen if len(shelves) == 1 else in_order(chosen)), decisions=tuple(decisions))


def in_order(wheels: Iterable[Wheel]) -> list[Wheel]:
    """By project, version, file name."""
    return sorted(wheels, key=lambda wheel: (wheel.project, _version_key(wheel.version), wheel.filename))


def _decide(
    candidates: list[tuple[PublishedPlatform, Wheel]], metadata: Metadata
) -> tuple[Wheel | None, Decision | None]:
    first = candidates[0][1]
    one_machine = _is_for_one_machine(first)
    if len(candidates) == 1 and not one_machine:
        return first, None
    names = ", ".join(platform.name for platform, _ in candidates)
    if one_machine:
        return None, _decision(first, f"is left out: its linux_* tag promises nothing to a machine unlike {names}")
    if all(wheel.sha256 == first.sha256 for _, wheel in candidates):
        joined = first
        for _, wheel in candidates[1:]:
            said = [one.yanked for one in (joined, wheel) if one.yanked is not None]
            joined = _joined(joined, wheel, yanked=max(said, default=None))
        return joined, None
    if not _same_needs([wheel for _, wheel in candidates], metadata):
        return None, _decision(
            first,
            f"is left out: {names} each built it with other requirements in its METADATA, so either would be wrong "
            "somewhere; each platform's own index holds its own",
        )
    _, wheel = min(candidates, key=lambda one: _age(*one))
    whose = " and ".join(f"{one.name}'s" for one, same in candidates if same.sha256 == wheel.sha256)
    return wheel, _decision(first, f"was made with different bytes on {names}; this is {whose}, {_why(candidates)}")


def _is_for_one_machine(wheel: Wheel) -> bool:
    """Whether any tag is linux_*: such a wheel may need anything that the machine had on which it was built.

    https://packaging.python.org/specifications/platform-compatibility-tags/: a plain linux tag says nothing of the
    libraries that a wheel needs. One linux_ tag among several is enough: every Linux machine accepts it.
    """
    if "linux_" not in wheel.filename and not any("linux_" in tag for tag in wheel.tags):
        return False
    platforms = {tag.rpartition("-")[2] for tag in (*wheel.tags, wheel.filename.removesuffix(".whl"))}
    return any(part.startswith("linux_") for several in platforms for part in several.split("."))


def _same_needs(wheels: list[Wheel], metadata: Metadata) -> bool:
    hashes = sorted({wheel.metadata_sha256 for wheel in wheels})
    return len(hashes) == 1 or len({_needs(metadata(sha256)) for sha256 in hashes}) == 1


def _needs(metadata: bytes) -> frozenset[tuple[str, str]]:
    """What of METADATA changes what gets installed; a newer setuptools changes other lines, and those do no harm."""
    from email.parser import BytesHeaderParser

    headers = BytesHeaderParser().parsebytes(metadata)
    return frozenset(
        (name, "".join(str(value).split()))
        for name in ("Requires-Dist", "Requires-Python", "Provides-Extra")
        for value in headers.get_all(name, [])
    )


def _age(platform: PublishedPlatform, wheel: Wheel) -> tuple[tuple[int, int], str, str]:
    return platform.libc or (999, 0), platform.name, wheel.sha256


def _why(candidates: list[tuple[PublishedPlatform, Wheel]]) -> str:
    versions = {platform.libc for platform, _ in candidates}
    if len(versions) == 1:
        return "the first by name"
    return "built on the oldest glibc and so good for the most machines"


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
