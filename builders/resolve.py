"""Resolving: uv inside the platform, over the gateway, in the box.

Several requests run in one job, because they share uv's cache; those that ask for the same are one. For each, uv writes
the lock and then, from the same cache, the plain list whose comments say who asked for what.

An sdist's code may run there, to say what the sdist needs, and it could write the answers of its neighbours. uv has to
get the sdist first: where the gateway handed one out while such a job ran, whoever asked for it, the job's answers are
not looked at, and each request is made again in a job of its own.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from builders.build_places import Places
from builders.diagnose import out_of_memory
from builders.errors import FetchError, ResolutionError, WheelyardError
from builders.gateway import Gateway
from builders.jobs import Executor, Input, Job, Network, Ran, last_line, run_job
from builders.page_forms import Status
from builders.pages import IndexFile
from builders.platforms import Limits
from builders.terminal import visible
from builders.upstreams import is_lasting
from builders.urls import hide
from builders.yard import SDISTS_PASSED_OVER

if TYPE_CHECKING:
    from packaging.pylock import Pylock

_ALWAYS = "--quiet --no-config --no-python-downloads --no-header --no-progress --color never"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One set to resolve. `previous` is the lock to stay close to; `upgrade`: True for all, names for these.

    `no_binary` names what is built from its sdist; the gateway sees to it that there is one, uv need not know.
    Not `confined`: no sdist may run code to say what it needs, so that versions without a wheel are passed over.
    """

    key: str
    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    build_constraints: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    previous: str | None = None
    upgrade: bool | tuple[str, ...] = False
    confined: bool = True

    def projects(self) -> frozenset[NormalizedName]:
        """Whose pages will be asked for whatever comes out; what a marker may leave out is not among them."""
        found = set()
        for text in self.requirements:
            with suppress(InvalidRequirement, RecursionError):  # uv says what is wrong with it
                asked = Requirement(text)
                if not (asked.marker or asked.url):
                    found.add(canonicalize_name(asked.name))
        return frozenset(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """How a file stands in a lock: under `url` or `path`, and with which sha256."""

    key: str
    value: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """uv's answer: the lock with the real URLs, who asked for what ("" is the set itself), and what the index says.

    `yanked` are reasons by file name, `statuses` those of projects that are not active.
    """

    pylock: str
    asked_by: dict[str, tuple[str, ...]]
    yanked: dict[str, str]
    statuses: dict[str, Status]


Answers = dict[str, Resolved | ResolutionError]


def resolve(
    executor: Executor,
    gateway: Gateway,
    requests: Sequence[Request],
    *,
    label: str,
    limits: Limits,
    places: Places,
    scratch: Path,
    log: Path,
    place: Callable[[Request, IndexFile], Place],
) -> Answers:
    """Resolve every request on one platform; a request without solution is an error in the answer, not an exception.

    `place` says how a file of the index stands in a lock. A job of a request's own waits for one of `places`, where it
    goes before all builds.
    """
    groups = _alike(requests)
    job = _job(groups, gateway, label, limits)
    given = gateway.sdists_given
    with run_job(executor, job, scratch=scratch, log=log) as ran:
        if len(groups) == 1 or gateway.sdists_given == given:
            return _answers(ran, job, groups, gateway, place)

    def alone(number: int, same: Sequence[Request]) -> Answers:
        job = _job([same], gateway, f"{label}, {same[0].key}", limits)
        own_log = log.with_suffix(f".{number}.log")
        own_log.write_bytes(b"")
        with places.taken(sys.maxsize), run_job(executor, job, scratch=scratch, log=own_log) as ran:
            return _answers(ran, job, [same], gateway, place)

    with ThreadPoolExecutor(max_workers=32) as pool:
        return {key: answer for some in pool.map(alone, count(1), groups) for key, answer in some.items()}


def _alike(requests: Iterable[Request]) -> list[list[Request]]:
    """Those that ask for the same are together: many builds need the same."""
    groups: dict[Request, list[Request]] = {}
    for request in requests:
        groups.setdefault(replace(request, key=""), []).append(request)
    return list(groups.values())


def _job(groups: Sequence[Sequence[Request]], gateway: Gateway, label: str, limits: Limits) -> Job:
    firsts = [(f"r{number}", same[0]) for number, same in enumerate(groups)]
    return Job(
        label=label,
        script="".join(_script(name, request, gateway.index_url) for name, request in firsts),
        inputs=tuple(item for name, request in firsts for item in _inputs(name, request)),
        env=(("UV_HTTP_TIMEOUT", "300"),),
        network=Network.GATEWAY,
        limits=limits,
    )


def _answers(
    ran: Ran,
    job: Job,
    groups: Sequence[Sequence[Request]],
    gateway: Gateway,
    place: Callable[[Request, IndexFile], Place],
) -> Answers:
    early = _early_end(ran, job)
    return {
        request.key: early or _answer(f"r{number}", request, ran.out, gateway, place)
        for number, same in enumerate(groups)
        for request in same
    }


def _early_end(ran: Ran, job: Job) -> ResolutionError | None:
    """Why uv could not do its work. A uv that goes on without a backend that was killed blames the package for it."""
    refused = not ran.outcome.ok or any(ran.out.glob("*.error.txt"))
    if refused and ran.outcome.memory_ran_out:
        cause = out_of_memory(job.limits)
        return ResolutionError(f"resolving for {job.label}: {cause.reason}", hint=cause.hint)
    if not ran.outcome.ok:
        how, said = ran.outcome.ending.value, last_line(ran.log)
        return ResolutionError(f"resolving for {job.label} ended early ({how}): {said}", hint=f"log: {ran.log}")
    return None


def _inputs(name: str, request: Request) -> list[Input]:
    def lines(texts: Sequence[str]) -> bytes:
        return "".join(f"{text}\n" for text in texts).encode()

    items = [
        Input(name=f"{name}/requirements.txt", content=lines(request.requirements)),
        Input(name=f"{name}/constraints.txt", content=lines(request.constraints)),
        Input(name=f"{name}/build-constraints.txt", content=lines(request.build_constraints)),
    ]
    if request.previous is not None:
        items.append(Input(name=f"{name}/pylock.toml", content=request.previous.encode()))
        pins = re.findall(r'^name = "([^"]+)"\nversion = "([^"]+)"', request.previous, re.MULTILINE)
        items.append(
            Input(name=f"{name}/pins.txt", content=lines([f"{project}=={version}" for project, version in pins]))
        )
    return items


def _script(name: str, request: Request, index_url: str) -> str:
    flags = [f"--index-url={index_url}", "--constraints=constraints.txt", "--build-constraints=build-constraints.txt"]
    flags += [f"--only-binary={project}" for project in request.only_binary] if request.confined else ["--no-build"]
    if request.upgrade is True:
        flags.append("--upgrade")
    elif request.upgrade:
        flags += [f"--upgrade-package={project}" for project in request.upgrade]
    options = shlex.join(flags)
    uv = f'"$UV" pip compile {_ALWAYS} --python "$PYTHON" --cache-dir "$WORK/uv-cache" {options} requirements.txt'
    return f"""
        mkdir -p "$WORK/{name}" && cp "$IN/{name}"/* "$WORK/{name}/" && chmod u+w "$WORK/{name}"/* && cd "$WORK/{name}"
        if {uv} --format pylock.toml -o pylock.toml > /dev/null 2> error.txt &&
           {uv} --annotation-style line --no-strip-markers -o pins.txt > /dev/null 2>> error.txt
        then cp pylock.toml "$OUT/{name}.pylock.toml"; cp pins.txt "$OUT/{name}.pins.txt"
        else code=$?; cat error.txt; cp error.txt "$OUT/{name}.error.txt"; [ $code -lt 128 ] || exit $code; fi
    """


def _answer(
    name: str, request: Request, out: Path, gateway: Gateway, place: Callable[[Request, IndexFile], Place]
) -> Resolved | ResolutionError:
    lock = out / f"{name}.pylock.toml"
    if not lock.is_file():
        said = (out / f"{name}.error.txt").read_text(errors="replace")
        words = "\n    ".join((_in_our_words(said, gateway.index_url).rstrip(), *gateway.left_out(said)))
        return _no_solution(request, words, gateway.failure_behind(said))
    told = _Told()
    text = _with_real_urls(lock.read_text(errors="replace"), gateway, partial(place, request), told)
    try:
        pylock = _read_answer(text)
    except ValueError as error:
        return ResolutionError(
            f"uv's answer for {request.key} cannot be read: {visible(str(error))[:300]}",
            hint="nothing was changed; the index may have given uv a field that no lock can hold",
        )
    if smuggled := sorted(_from_elsewhere(pylock, told.places)):
        return ResolutionError(
            "\n".join(f"{request.key}: {project} would come from {hide(where)}" for project, where in smuggled),
            hint="nothing was changed; files come from the upstreams in platforms.yaml alone, and a package asked for "
            "another place: leave that package out, or ask for another version of it",
        )
    asked_by = _asked_by((out / f"{name}.pins.txt").read_text())
    return Resolved(pylock=text, asked_by=asked_by, yanked=told.yanked, statuses=told.statuses)


def _read_answer(text: str) -> Pylock:
    """The lock that a text of uv is; ValueError where it is none."""
    import tomllib

    from packaging.pylock import Pylock, PylockValidationError

    try:
        return Pylock.from_dict(tomllib.loads(text))
    except PylockValidationError as error:
        raise ValueError(str(error)) from None


def _from_elsewhere(pylock: Pylock, places: Collection[str]) -> Iterator[tuple[str, str]]:
    """Project and place of all that is in a lock and did not come from the gateway.

    No requirement of ours names a place, so it was one that a package brought along.
    """
    for package in pylock.packages:
        if package.directory:
            yield package.name, package.directory.path
        for source in (package.vcs, package.archive):
            if source:
                yield package.name, source.url or source.path or ""
        for file in (*(package.wheels or ()), *([package.sdist] if package.sdist else ())):
            yield from ((package.name, where) for where in (file.url, file.path) if where and where not in places)


def _in_our_words(said: str, index_url: str) -> str:
    """What uv said, without the addresses of the gateway: they are secret, and nobody could open them."""
    base = re.escape(index_url.removesuffix("/simple/"))
    said = re.sub(rf"{base}/simple/([A-Za-z0-9._-]+)/?", r"the index's page of \1", said)
    said = re.sub(rf"{base}/files/[a-z0-9-]+/([A-Za-z0-9._~%!+-]+)", r"the index's file \1", said)
    return re.sub(rf"{base}(/simple)?/?", "the index", said)


def _no_solution(request: Request, said: str, failure: WheelyardError | None) -> ResolutionError:
    reason = said.strip().removeprefix("error: ") or "uv gave no reason"
    reason = reason.replace("\n  cause: ", "\n    ")
    if failure and is_lasting(failure):
        return ResolutionError(
            f"{request.key}: the index could not be read: {failure.reason}",
            hint=failure.hint or "nothing was changed; it will be the same until this upstream is mended",
        )
    if failure:
        return ResolutionError(
            f"{request.key}: the index could not be read: {failure}\n    {reason}",
            hint="nothing was changed; try again later",
        )
    if "No space left on device" in reason:
        return ResolutionError(
            f"{request.key}: No space left on device, while it was resolved",
            hint="nothing was lost: make room (in an image, `limits: memory:` bounds it), and run again",
        )
    if "--no-build" in reason:
        return ResolutionError(
            f"{request.key}: {reason}",
            hint=SDISTS_PASSED_OVER,
        )
    return ResolutionError(
        f"{request.key}: {reason}",
        hint="change the requirement, or `builds: NAME: from:` if wheels or sdists were ruled out",
    )


@dataclass(slots=True)
class _Told:
    """What the index says of the files in a lock, which uv does not write down; `places` is where they really are."""

    yanked: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, Status] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)

    def hear(self, url: str, file: IndexFile) -> None:
        """Note what is to be known of a file that uv names by a URL of the gateway: …/<project>/<file>."""
        if file.yanked is not None:
            self.yanked[file.filename] = file.yanked
        if file.status is not None:
            self.statuses[url.split("/")[-2]] = file.status


def _with_real_urls(text: str, gateway: Gateway, place: Callable[[IndexFile], Place], told: _Told) -> str:
    """uv's lock with where the files really are for the gateway's URLs, and with hashes where the index gave none."""

    def replace(match: re.Match[str]) -> str:
        file = gateway.original(match["url"])
        told.hear(match["url"], file)
        where = place(file)
        if '"' in where.value or "\\" in where.value or not where.value.isprintable():
            raise FetchError(f"the index names a file by an address that no lock can hold: {where.value!r}")
        told.places.add(where.value)
        hashes = f'{{ sha256 = "{where.sha256}" }}' if match["hashes"] == "{}" else match["hashes"]
        between = re.sub(r"(?<=upload-time = )[^\s,]+", file.upload_time or r"\g<0>", match["between"])  # uv cuts it
        return f'{where.key} = "{where.value}"{between}hashes = {hashes}'

    link = rf'\burl = "(?P<url>{re.escape(gateway.index_url.removesuffix("simple/"))}[^"]*)"'
    return re.sub(rf"{link}(?P<between>[^{{}}]*)hashes = (?P<hashes>\{{[^{{}}]*\}})", replace, text)


def _asked_by(pins: str) -> dict[str, tuple[str, ...]]:
    """From uv's one-line annotations: `cffi==2.0.0  # via cryptography, -r requirements.txt`."""
    found: dict[str, tuple[str, ...]] = {}
    for line in pins.splitlines():
        pin, _, via = line.partition("# via ")
        name = canonicalize_name(re.split(r"[ =;\[]", pin.strip(), maxsplit=1)[0])
        if name:
            wanted = (who.strip() for who in via.split(","))
            found[name] = tuple(
                sorted({"" if who.startswith("-") else str(canonicalize_name(who)) for who in wanted if who})
            )
    return found
