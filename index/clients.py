"""Which of several wheels of one version a platform's client takes.

pip and uv pass over what is for other Pythons, and take what is yanked only where there is nothing else; then they go
by the tag, and at last by the build number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from index.model import PublishedPlatform, Wheel

_BUILD = re.compile(r"[^-]+-[^-]+-(\d+)([^-]*)-[^-]+-[^-]+-[^-]+\.whl")
Rank = tuple[bool, int, int, str]  # the larger, the sooner it is taken


def taken(platform: PublishedPlatform, wheels: Iterable[Wheel]) -> list[Wheel]:
    """The one that it takes, or all between which nothing decides; none where none runs there."""
    best: Rank | None = None
    found: list[Wheel] = []
    for wheel in wheels:
        rank = _rank(platform, wheel)
        if rank is None or (best is not None and rank < best):
            continue
        found = [*found, wheel] if rank == best else [wheel]
        best = rank
    return found


def _rank(platform: PublishedPlatform, wheel: Wheel) -> Rank | None:
    places = _places(platform.tags)
    found = [places[tag] for tag in wheel.tags or _tags(wheel.filename) if tag in places]
    if not found or not _is_for(platform.python, wheel.requires_python or ""):
        return None
    number, rest = match.groups() if (match := _BUILD.fullmatch(wheel.filename)) else ("-1", "")
    return wheel.yanked is None, -min(found), int(number), rest


@lru_cache(maxsize=4096)
def _is_for(python: str, required: str) -> bool:
    """As pip has it, which compares three numbers: a pre-release counts as its release."""
    from packaging.specifiers import SpecifierSet

    numbers = re.match(r"\d+(\.\d+){0,2}", python)
    try:
        return numbers is None or SpecifierSet(required).contains(numbers[0])
    except ValueError:  # InvalidSpecifier, or a number with more digits than Python reads: no word on any Python
        return True


@lru_cache(maxsize=256)
def _places(tags: tuple[str, ...]) -> Mapping[str, int]:
    return {tag: place for place, tag in enumerate(tags)}


def _tags(filename: str) -> list[str]:
    from packaging.tags import parse_tag

    return list(map(str, parse_tag("-".join(filename.removesuffix(".whl").split("-")[-3:]))))
