"""What a file has to be before it may stand in a lock: the hashes that a set gives, and the bytes it had before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builders.errors import ResolutionError, StoreError
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


def fetched(store: Store) -> dict[str, set[str]]:
    """File name → each sha256 of what was ever fetched; what cannot be read any more says nothing."""
    found: dict[str, set[str]] = {}
    for fingerprint in store.finished():
        with suppress(StoreError):
            record = store.record(fingerprint)
            if record and not record.built:
                found.setdefault(record.filename, set()).add(record.sha256)
    return found


def locked(locks: Path) -> dict[str, set[str]]:
    """File name → each sha256 of what stands in a lock of any platform."""
    found: dict[str, set[str]] = {}
    for path in locks.glob("**/*.pylock.toml"):
        with suppress(OSError):  # another platform takes away what it does not need any more
            for name, sha256 in _named(path.read_text(encoding="utf-8", errors="replace")).items():
                found.setdefault(name, set()).add(sha256)
    return found


def refuse_replaced(text: str, seen: Sequence[Mapping[str, set[str]]], accepted: Iterable[str] = ()) -> None:
    """ResolutionError where a new lock has other bytes under a name that is known; `accepted` are projects' names.

    An index never changes a file under its name: whoever does it may want to do harm.
    """
    trusted = {canonicalize_name(name) for name in accepted}
    replaced, theirs = [], set()
    for name, sha256 in _named(text).items():
        known = set().union(*(one.get(name, ()) for one in seen))
        if known and sha256 not in known and trusted.isdisjoint(projects_of(name)):
            theirs.update(_packages(text).intersection(projects_of(name)))
            replaced.append(f"{name}\n    was sha256 {', '.join(sorted(known))}\n    now sha256 {sha256}")
    if replaced:
        raise ResolutionError(
            "other bytes stand upstream under a name that is known\n  " + "\n  ".join(replaced),
            hint="ours stay, and nothing was locked. If the new ones are meant: doit upgrade "
            + " ".join(f"--package {name}" for name in sorted(theirs)),
        )


def _packages(text: str) -> set[str]:
    return set(re.findall(r'^name = "([^"]+)"', text, re.MULTILINE))


def _named(text: str) -> dict[str, str]:
    return {unquote(where.rpartition("/")[2]): sha256 for where, sha256 in _FILES.findall(text)}
