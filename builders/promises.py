"""What a file has to be before it may stand in a lock: the hashes that a set gives, and the bytes it had before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builders.errors import ResolutionError
from builders.lock import Lock, LockedFile, LockedPackage
from builders.pages import projects_of
from builders.requirements import RequirementSet
from builders.store import Store

_HASHES = re.compile(r"--hash[= ]\s*(\w+):([0-9A-Fa-f]+)")
_FILES = re.compile(r'(?:url|path) = "([^"]+)"[^{}]*hashes = \{ sha256 = "([0-9a-f]{64})"')  # as uv writes them


def held_to_hashes(lock: Lock, wanted: RequirementSet) -> Lock:
    """The lock with just the files that the set's own hashes allow; ResolutionError where a project has none of them.

    pip's hash-checking mode, https://pip.pypa.io/en/stable/topics/secure-installs/: one hash, and every project of the
    set needs its own.
    """
    allowed = _allowed((*wanted.requirements, *wanted.constraints))
    if not any(allowed.values()):
        return lock
    findings = [finding for package in lock.packages if (finding := _unlike(package, allowed))]
    if findings:
        raise ResolutionError(
            f"set {wanted.name}: the hashes that it gives are not those of the files\n  " + "\n  ".join(findings),
            hint="nothing was locked; correct the hashes, or find out who changed the files",
        )
    return replace(lock, packages=tuple(_only(package, allowed[package.name]) for package in lock.packages))


def _allowed(lines: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in lines:
        try:
            name = canonicalize_name(Requirement(line.partition(" --hash")[0]).name)
        except InvalidRequirement:  # an option, on a line of its own
            continue
        found.setdefault(name, set()).update(f"{kind}:{digits.lower()}" for kind, digits in _HASHES.findall(line))
    return found


def _unlike(package: LockedPackage, allowed: Mapping[str, set[str]]) -> str:
    hashes = allowed.get(package.name, set())
    files = _files(package)
    if any(f"sha256:{file.sha256}" in hashes for file in files):
        return ""
    what = f"{package.name} {package.version}"
    if not hashes:
        return f"{what}: the set gives no hash for it, and one for others"
    if not any(one.startswith("sha256:") for one in hashes):
        return f"{what}: only a sha256 can be compared with what an index says; give that too"
    offered = ", ".join(f"{file.filename} sha256:{file.sha256}" for file in files)
    return f"{what}: allowed {', '.join(sorted(hashes))}; there is {offered}"


def _only(package: LockedPackage, hashes: set[str]) -> LockedPackage:
    def fits(file: LockedFile) -> bool:
        return f"sha256:{file.sha256}" in hashes

    sdist = package.sdist if package.sdist and fits(package.sdist) else None
    return replace(package, sdist=sdist, wheels=tuple(filter(fits, package.wheels)))


def _files(package: LockedPackage) -> list[LockedFile]:
    return [*([package.sdist] if package.sdist else []), *package.wheels]


def first_seen(store: Store, locks: Path) -> dict[str, str]:
    """File name → sha256 of all that stands in a lock, or was fetched."""
    found = {file.filename: file.sha256 for file in store.needed_records(store.finished()).values() if not file.built}
    for path in sorted(locks.glob("**/*.pylock.toml")):
        found.update(_named(path.read_text(encoding="utf-8", errors="replace")))
    return found


def refuse_replaced(text: str, seen: Mapping[str, str], accepted: Iterable[str] = ()) -> None:
    """ResolutionError where a new lock has other bytes under a name that is known; `accepted` are projects' names.

    An index never changes a file under its name: whoever does it may want to do harm.
    """
    trusted = {canonicalize_name(name) for name in accepted}
    replaced = [
        f"{name}\n    was sha256 {seen[name]}\n    now sha256 {sha256}"
        for name, sha256 in _named(text).items()
        if seen.get(name, sha256) != sha256 and trusted.isdisjoint(projects_of(name))
    ]
    if replaced:
        raise ResolutionError(
            "other bytes stand upstream under a name that is known\n  " + "\n  ".join(replaced),
            hint="ours stay, and nothing was locked. If the new ones are meant: doit upgrade --package NAME",
        )


def _named(text: str) -> dict[str, str]:
    return {unquote(where.rpartition("/")[2]): sha256 for where, sha256 in _FILES.findall(text)}
