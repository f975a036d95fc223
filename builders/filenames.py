"""The names that wheels and sdists go by, read at the door: what does not parse here gets no further.

`packaging.utils.parse_wheel_filename` lets quotes, newlines and a path in the build tag through; these names end up in
paths, pages and terminals.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from packaging.tags import parse_tag
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from builders.archives import broken

_WHEEL = re.compile(
    r"(?P<name>[a-z0-9](?:[a-z0-9._]*[a-z0-9])?)-(?P<version>[a-z0-9._+!]+)(?:-(?P<build>[0-9][a-z0-9_.]*))?"
    r"-(?P<tag>[a-z0-9_.]+-[a-z0-9_.]+-[a-z0-9_.]+)\.whl",
    re.IGNORECASE | re.ASCII,
)
_SDIST = re.compile(
    r"(?P<stem>[a-z0-9][a-z0-9._+!-]*)(?P<suffix>\.tar\.gz|\.tgz|\.tar\.bz2|\.tar\.xz|\.zip)", re.IGNORECASE | re.ASCII
)
# 255 bytes are a name's limit on every usual file system, less `.metadata`, which the tree puts behind a wheel's name
# (PEP 658). It is the tree's limit too, said here again: builders and index never import each other.
_MAX_NAME, MAX_TAGS = 246, 1000
_NO_WHEEL = "this is no file name of a wheel (name-version[-build]-python-abi-platform.whl)"


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelName:
    """What a wheel's file name says; `version` normalised, `tags` expanded and sorted."""

    project: NormalizedName
    version: str
    build: str
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SdistName:
    """What an sdist's file name may say: `foo-1.0-1` is version 1.0.post1 of foo, or version 1 of foo-1.0."""

    readings: tuple[tuple[NormalizedName, str], ...]
    suffix: str


def parse_wheel_name(filename: str) -> WheelName:
    """Project, version, build and tags; ArchiveError for any name that the specification does not allow."""
    name, version, build, tags = _wheel_parts(filename)
    return WheelName(project=_canonical(name), version=version, build=build, tags=tags)


def project_of_wheel(filename: str) -> NormalizedName:
    """The same, as strictly, where only the project is asked for: pages have thousands of names."""
    return _canonical(_wheel_parts(filename)[0])


def _wheel_parts(filename: str) -> tuple[str, str, str, tuple[str, ...]]:
    match = _WHEEL.fullmatch(filename)
    if not match or len(filename) > _MAX_NAME:
        raise broken(filename, _NO_WHEEL)
    name, version, build, tag = match.groups("")
    tags = expand_tag(tag)
    if not (version := normalised_version(version.replace("_", "-"))):
        raise broken(filename, _NO_WHEEL)
    if not tags:
        raise broken(filename, "the tags in its file name have empty parts, or are too many")
    return name, version, build, tags


def parse_sdist_name(filename: str) -> SdistName:
    """Every reading of an sdist's file name, the likeliest (split at the last dash) first."""
    match = _SDIST.fullmatch(filename)
    readings = split_name(match["stem"]) if match and len(filename) <= _MAX_NAME else ()
    if not match or not readings:
        raise broken(
            filename, "this is no file name of an sdist (name-version.tar.gz, .tgz, .tar.bz2, .tar.xz or .zip)"
        )
    return SdistName(readings=readings, suffix=match["suffix"].lower())


def split_name(stem: str) -> tuple[tuple[NormalizedName, str], ...]:
    """All ways to read `name-version` where both halves are valid; names of folders are written rather freely."""
    dashes = [i for i, c in enumerate(stem) if c == "-"][-4:]
    halves = [(stem[:i], normalised_version(stem[i + 1 :].replace("_", "-"))) for i in reversed(dashes)]
    return tuple((canonicalize_name(name), version) for name, version in halves if name and version)


def same_release(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two pairs of project and version mean one release; 1.0 and 1.0.0 are one version in two spellings."""
    return one[0] == other[0] and (one[1] == other[1] or Version(one[1]) == Version(other[1]))


@functools.lru_cache(maxsize=4096)
def _canonical(name: str) -> NormalizedName:
    return canonicalize_name(name)


@functools.lru_cache(maxsize=4096)  # a page of an index repeats few versions and tags in thousands of names
def normalised_version(text: str) -> str:
    """The version in its one spelling, empty when it is none."""
    try:
        return str(Version(text))
    except ValueError:  # InvalidVersion, or a number with more digits than Python reads
        return ""


@functools.lru_cache(maxsize=4096)
def expand_tag(tag: str) -> tuple[str, ...]:
    """`py2.py3-none-any` as its single tags, sorted; empty when a part is empty or there are more than 1000."""
    parts = [part.split(".") for part in tag.split("-")]
    if len(parts) != 3 or not all(piece for part in parts for piece in part):
        return ()
    if len(parts[0]) * len(parts[1]) * len(parts[2]) > MAX_TAGS:
        return ()
    return tuple(sorted(str(one) for one in parse_tag(tag)))
