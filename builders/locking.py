"""Locks made and kept: one for each set, and one for the build requirements of each sdist that is built.

A lock whose inputs did not change is left as it is, whatever the index offers by now.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from os.path import relpath
from pathlib import Path

from packaging.utils import canonicalize_name

from builders.errors import FetchError, ResolutionError
from builders.lock import Lock, LockedPackage, parse_lock, read_lock, render_lock
from builders.pages import IndexFile
from builders.plan import Ground
from builders.promises import fetched, held_to_hashes, locked, refuse_replaced
from builders.requirements import RequirementSet
from builders.resolve import Place, Request, Resolved, resolve
from builders.sdists import Sdist
from builders.store import write_file
from builders.yard import Yard, may_run_foreign_code

Upgrade = bool | tuple[str, ...]

_NOT_FOUND = re.compile(r"(\S+)\s+was\s+not\s+found\s+in\s+the\s+package\s+registry")  # uv's words


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A lock to have: where it stands, what to resolve, and a hash over all that its answer depends on.

    What a backend asks for beyond its declaration (`extra_requires`) is resolved too, but is an answer, not an input.
    """

    path: Path
    request: Request
    inputs: str
    extra_requires: tuple[str, ...] = ()

    def kept(self) -> Lock | None:
        """The lock on disk if it was made from the same inputs."""
        lock = read_lock(self.path)
        return lock if lock and lock.inputs == self.inputs else None


class Locker:
    """Makes the locks of one platform."""

    def __init__(self, yard: Yard, ground: Ground, *, upgrade: Upgrade = False) -> None:
        self._yard = yard
        self._ground = ground
        self._upgrade = upgrade
        self.folder = yard.workspace.root / "locks" / ground.platform.name
        self._before: dict[Path, str | None] = {}  # texts of the sets' locks that were written anew

    @cached_property
    def _fetched(self) -> dict[str, set[str]]:
        return fetched(self._yard.store)

    @property
    def upgrading(self) -> bool:
        """Whether locks on disk are to be made anew even where they still hold."""
        return bool(self._upgrade)

    def lock_sets(self) -> dict[str, Lock]:
        """The locks of all the platform's sets; those that are stale are resolved anew and written."""
        wanted = {s.name: self._wanted_for_set(s) for s in self._ground.platform.sets}
        have = {} if self.upgrading else {name: lock for name, one in wanted.items() if (lock := one.kept())}
        stale = {name: one for name, one in wanted.items() if name not in have}
        texts = self.resolve(stale.values())
        have |= {name: parse_lock(texts[one.request.key], one.path) for name, one in stale.items()}
        held = {s.name: held_to_hashes(have[s.name], s) for s in self._ground.platform.sets}
        for one in stale.values():
            self._before[one.path] = _text(one.path)
            write_file(one.path, texts[one.request.key].encode())
        return held

    def take_back(self) -> None:
        """Let the sets' locks be what they were: a hash that stays in one would refuse what is made in its place."""
        for path, text in self._before.items():
            if text is None:
                path.unlink(missing_ok=True)
            else:
                write_file(path, text.encode())

    def _wanted_for_set(self, wanted: RequirementSet) -> Wanted:
        constraints = sorted({line for build in self._yard.workspace.builds for line in build.build_constraints})
        request = self._request(f"set {wanted.name}", wanted.requirements, wanted.constraints, tuple(constraints))
        path = self.folder / f"{wanted.name}.pylock.toml"
        return Wanted(path=path, request=request, inputs=self._inputs(request))

    def wanted_for_build(self, package: LockedPackage, sdist: Sdist, extra: tuple[str, ...] = ()) -> Wanted:
        """The build lock of an sdist: what it declares, what its backend asked for, and pip, which drives the build."""
        assert package.sdist is not None  # only sdists are built
        constraints = self._ground.settings(package.name).build_constraints
        key = f"what {package.name} {package.version} is built with"
        request = self._request(key, (*sdist.build_requires, "pip"), constraints, constraints)
        return Wanted(
            path=self.build_path(package),
            request=replace(request, requirements=(*request.requirements, *extra)),
            inputs=self._inputs(request, package.sdist.sha256),
            extra_requires=extra,
        )

    def build_path(self, package: LockedPackage) -> Path:
        """Where the build lock of an sdist stands."""
        return self.folder / "build" / f"{package.name}-{package.version}.pylock.toml"

    def _request(
        self, key: str, requirements: tuple[str, ...], constraints: tuple[str, ...], build_constraints: tuple[str, ...]
    ) -> Request:
        return Request(
            key=key,
            requirements=requirements,
            constraints=constraints,
            build_constraints=build_constraints,
            no_binary=self._projects_from("sdist"),
            only_binary=self._projects_from("wheel"),
            upgrade=self._upgrade,
            confined=may_run_foreign_code(self._ground.platform),
        )

    def _projects_from(self, source: str) -> tuple[str, ...]:
        return tuple(str(build.project) for build in self._yard.workspace.builds if build.source == source)

    def _inputs(self, request: Request, *more: str) -> str:
        lists = (
            request.requirements,
            request.constraints,
            request.build_constraints,
            request.no_binary,
            request.only_binary,
        )
        parts = [lists, request.confined, self._ground.facts.digest(), self._yard.upstreams.identity(), more]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def resolve(self, several: Iterable[Wanted]) -> dict[str, str]:
        """Lock texts for all of these by their requests' keys.

        ResolutionError with every reason when some have no solution.
        """
        wanted = {one.request.key: one for one in several}
        if not wanted:
            return {}
        self._yard.upstreams.expect(name for one in wanted.values() for name in one.request.projects())
        executor = self._yard.executor(self._ground.platform, self._ground.facts)
        name = self._ground.platform.name
        answers = resolve(
            executor,
            self._yard.gateway(executor.gateway_address(), self._ground.facts.python),
            [replace(one.request, previous=_text(one.path)) for one in wanted.values()],
            label=f"{name}/lock",
            limits=self._ground.platform.limits,
            places=self._yard.build_places,
            scratch=self._yard.store.scratch(),
            log=self._yard.fresh_log(name, "lock"),
            place=lambda request, file: self._place(file, wanted[request.key].path.parent),
        )
        failed = [answer for answer in answers.values() if isinstance(answer, ResolutionError)]
        if failed:
            reasons = dict.fromkeys(error.reason for error in failed)
            names = (name for reason in reasons for name in _NOT_FOUND.findall(reason))
            owned = {self._yard.upstreams.told_of(canonicalize_name(name)) for name in names} - {""}
            raise ResolutionError("\n".join([*reasons, *sorted(owned)]), hint=failed[0].hint)
        texts = {
            key: self._render(wanted[key], answer) for key, answer in answers.items() if isinstance(answer, Resolved)
        }
        seen = self._fetched, locked(self.folder.parent)
        for text in texts.values():
            refuse_replaced(text, seen, self._upgrade if isinstance(self._upgrade, tuple) else ())
        return texts

    def _render(self, wanted: Wanted, answer: Resolved) -> str:
        return render_lock(
            answer.pylock,
            inputs=wanted.inputs,
            asked_by=answer.asked_by,
            yanked=answer.yanked,
            statuses=answer.statuses,
            extra_requires=wanted.extra_requires,
        )

    def _place(self, file: IndexFile, folder: Path) -> Place:
        """How a file stands in a lock of that folder (PEP 751: a relative path starts at the lock file).

        Its hash is taken from its bytes where the index gives none.
        """
        sha256 = file.sha256 or self._first_seen(file)
        if file.url.scheme == "file":
            return Place(key="path", value=relpath(file.url.local_path(), folder), sha256=sha256)
        return Place(key="url", value=str(file.url), sha256=sha256)

    def _first_seen(self, file: IndexFile) -> str:
        with tempfile.TemporaryDirectory(dir=self._yard.store.scratch()) as folder:
            path = Path(folder, "file")
            fetched = self._yard.fetcher.fetch(file.url, path, sha256=None, size=file.size)
            _check_other_hash(file, path)
            return fetched.sha256


def _check_other_hash(file: IndexFile, path: Path) -> None:
    """Of bytes whose sha256 the index did not say: FetchError where they are not what it did say."""
    if file.other_hash is None:
        return
    name, expected = file.other_hash
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
    if actual != expected:
        raise FetchError(
            f"{file.url} is not what the index says\n  expected: {name} {expected}\n  actual:   {name} {actual}"
        )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
