"""Names on their way into the tree: checked once at the door, quoted and cleaned at one place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from urllib.parse import quote

from index.errors import TreeError
from index.model import PublishedPlatform, Wheel

POOL = "files"
ABOUT = "about"  # the projects' pages for people
RESERVED = frozenset({"simple", POOL, ABOUT, "index.html", "manifest.json"})  # the tree's own, beside platforms'

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PROJECT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSAFE_IN_FILENAME = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NEEDS_NO_QUOTING = re.compile(r"[A-Za-z0-9._-]+")
_USUAL = re.compile(  # what nearly all wheels are like: their fields, a line each
    rf"[A-Za-z0-9_][A-Za-z0-9._+-]{{0,240}}\.whl\n{_PROJECT.pattern}\n{_SHA256.pattern}\n{_SHA256.pattern}"
    r"\n[A-Za-z0-9.!+-]+"
)
_LONGEST = 255 - len(".metadata")  # bytes of a name on every usual file system, less what PEP 658 puts behind it


def pool_folder(sha256: str) -> str:
    """Where bytes live for ever: the hash is in the path, so one URL never means two files."""
    return f"{POOL}/{sha256[:2]}/{sha256}"


def pool_path(wheel: Wheel) -> str:
    """A wheel's place in the pool."""
    return f"{POOL}/{wheel.sha256[:2]}/{wheel.sha256}/{wheel.filename}"


def pool_url(wheel: Wheel) -> str:
    """The same place as part of a URL, without the way to the tree's root."""
    return f"{POOL}/{wheel.sha256[:2]}/{wheel.sha256}/{quoted(wheel.filename)}"


def page_of(project: str) -> str:
    """A project's page for people, seen from the tree's root; the names of projects need no quoting."""
    return f"{ABOUT}/{project}.html"


def is_for_people(path: str) -> bool:
    """Whether a page is one that only people read."""
    return path == "index.html" or path.startswith(f"{ABOUT}/")


@lru_cache(maxsize=16384)
def quoted(name: str) -> str:
    """One path segment for a URL: the `+` of a local version becomes %2B, as some servers take `+` for a space."""
    return name if _NEEDS_NO_QUOTING.fullmatch(name) else quote(name, safe="")


def cleaned(text: str) -> str:
    """Free text from outside without control characters, so that HTML and JSON can say the same of it."""
    return text if text.isprintable() else _CONTROL.sub(" ", text)


def checked_platforms(platforms: tuple[PublishedPlatform, ...]) -> None:
    """Refuse platforms whose names collide with each other, with the tree's own, or leave the tree; all at once."""
    findings: list[str] = []
    seen: dict[str, str] = {}
    for platform in platforms:
        findings += _platform_findings(platform)
        if other := seen.get(platform.name.casefold()):
            findings.append(f"platforms {other!r} and {platform.name!r} would share one folder")
        seen[platform.name.casefold()] = platform.name
    _raise(findings)


def unshared_names(platforms: Iterable[PublishedPlatform]) -> None:
    """Refuse a file name that stands for two projects: what one has must never depend on what the other has."""
    owners: dict[str, str] = {}
    _raise(
        [
            f"{wheel.filename!r} is given for {owners[wheel.filename]!r} and {wheel.project!r}"
            for platform in platforms
            for wheel in chain(platform.wheels, *(one.wheels for one in platform.sets))
            if owners.setdefault(wheel.filename, wheel.project) != wheel.project
        ]
    )


def checked_wheels(wheels: Iterable[Wheel]) -> None:
    """Refuse wheels whose fields cannot stand in a path or on a page as they are; all at once."""
    findings: list[str] = []
    for wheel in wheels:
        fields = f"{wheel.filename}\n{wheel.project}\n{wheel.sha256}\n{wheel.metadata_sha256}\n{wheel.version}"
        if not _USUAL.fullmatch(fields) or (
            wheel.upload_time is not None and not _UPLOAD_TIME.fullmatch(wheel.upload_time)
        ):
            findings += _wheel_findings(wheel)
    _raise(findings)


def _wheel_findings(wheel: Wheel) -> Iterator[str]:
    if (
        _UNSAFE_IN_FILENAME.search(wheel.filename)
        or not wheel.filename.endswith(".whl")
        or wheel.filename[0] in ".-"
        or len(wheel.filename.encode()) > _LONGEST
    ):
        yield f"{wheel.filename!r} cannot be a wheel's file name"
    if not _PROJECT.fullmatch(wheel.project):
        yield f"{wheel.filename!r}: {wheel.project!r} is not a normalised project name"
    if not (_SHA256.fullmatch(wheel.sha256) and _SHA256.fullmatch(wheel.metadata_sha256)):
        yield f"{wheel.filename!r}: a hash is not a sha256 in lower-case hexadecimal"
    if wheel.upload_time is not None and not _UPLOAD_TIME.fullmatch(wheel.upload_time):
        yield f"{wheel.filename!r}: upload time {wheel.upload_time!r} is not yyyy-mm-ddThh:mm:ss.ffffffZ"
    if not wheel.version or _CONTROL.search(wheel.version):
        yield f"{wheel.filename!r}: {wheel.version!r} cannot be a version"


def checked_path(path: str) -> str:
    """The path as given, if it is relative, plain, and stays below the tree's root; the last door before the disk."""
    if not is_inside(path):
        raise TreeError(f"{path!r} is no path inside the published tree")
    return path


def is_inside(path: str) -> bool:
    """Whether a path is relative, plain, and stays below the root that it is relative to."""
    framed = f"/{path}/"
    if "//" in framed or "/./" in framed or "/../" in framed or "\\" in path:
        return False
    return (path.isascii() and path.isprintable()) or not _CONTROL.search(path)


def _platform_findings(platform: PublishedPlatform) -> list[str]:
    names = [("platform", platform.name), *(("requirement set", one.name) for one in platform.sets)]
    findings = [f"{kind} name {name!r} is not letters, digits, '.', '_', '-'" for kind, name in names
                if not _PLAIN_NAME.fullmatch(name)]  # fmt: skip
    if platform.name.casefold() in RESERVED:
        findings.append(f"platform name {platform.name!r} is a name of the tree's own")
    sets = [one.name.casefold().replace(".", "-") for one in platform.sets]  # as in pylock.<name>.toml
    findings += [f"{platform.name}: two sets are called {name!r}" for name in sorted(set(sets)) if sets.count(name) > 1]
    return findings


def _raise(findings: list[str]) -> None:
    if findings:
        shown = "\n  ".join(findings[:20])
        raise TreeError(f"the tree cannot hold what was given:\n  {shown}", hint="nothing was published")
