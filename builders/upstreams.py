"""Which upstream is asked for a project, and what it offers.

Each project belongs to one upstream. One with `owns` patterns is asked for those names alone, and those names are asked
nowhere else: not even the name of a private project reaches a public index. All other names go to the upstreams without
`owns`, in order, and the first that has the project is the only one that counts. An upstream that fails is an error,
never a reason to go on to the next.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from builders.connections import Failure
from builders.errors import ArchiveError, UpstreamError, WheelyardError
from builders.filenames import parse_sdist_name
from builders.machine_index import machine_index
from builders.pages import ACCEPT, IndexFile, LinkRule, Listing, parse_page, projects_of
from builders.store import opened_plainly
from builders.urls import Url

if TYPE_CHECKING:
    from builders.fetch import Fetcher
    from builders.platforms import Upstream

MACHINE = "machine"
EXPECTED_AT_ONCE = 4
_RENAME = "Give it the name that its build tool gave it, or take it out of this folder."


class _Source(Protocol):
    """One place to ask."""

    owns: tuple[str, ...]
    shown: str

    def files(self, project: NormalizedName) -> tuple[IndexFile, ...] | None:
        """What it offers; None where it does not know the project."""


class Upstreams:
    """All upstreams of a workspace, as one; thread-safe. Each project is asked for once in a run.

    The passwords in the URLs go to the fetcher, so that files can be fetched later with no page read first.
    """

    def __init__(
        self, upstreams: Sequence[Upstream], *, root: Path, environ: Mapping[str, str], fetcher: Fetcher | None = None
    ) -> None:
        from builders.fetch import Fetcher

        self.fetcher = fetcher or Fetcher(environ)
        self._sources: list[_Source] = [self._source(upstream, root) for upstream in upstreams]
        if all(upstream.url is None for upstream in upstreams):
            self._sources.append(_Index(None, self.fetcher, environ))
        self._lock = threading.Lock()
        self._answers: dict[NormalizedName, Future[tuple[IndexFile, ...]]] = {}

    def files(self, project: NormalizedName) -> tuple[IndexFile, ...]:
        """What the owner of this name offers; () where nobody has it. Threads that ask at once share one answer.

        A failure that lasts is an answer too: wrong credentials are not sent twice.
        """
        with self._lock:
            answer = self._answers.get(project)
            mine = answer is None
            if answer is None:
                answer = self._answers[project] = Future()
        if mine:
            try:
                answer.set_result(self._ask(project))
            except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
                if not is_lasting(error):
                    with self._lock:
                        del self._answers[project]
                answer.set_exception(error)
        return answer.result()

    def expect(self, projects: Iterable[NormalizedName]) -> None:
        """Begin to ask for these. Returns at once; whoever needs one asks again where a failure may pass."""
        waiting: SimpleQueue[NormalizedName] = SimpleQueue()
        for project in sorted(set(projects)):
            waiting.put(project)
        for _ in range(min(waiting.qsize(), EXPECTED_AT_ONCE)):
            threading.Thread(target=self._ask_for_all, args=(waiting,), name="wheelyard-expect", daemon=True).start()

    def _ask_for_all(self, waiting: SimpleQueue[NormalizedName]) -> None:
        with suppress(Empty):
            while True:
                project = waiting.get_nowait()
                with suppress(WheelyardError):
                    self.files(project)

    def identity(self) -> str:
        """What is asked, as stable text: it goes into the lock's digest. Starts nothing, reads nothing."""
        return "\n".join(source.shown for source in self._sources)

    def _ask(self, project: NormalizedName) -> tuple[IndexFile, ...]:
        for source in self._asked_for(project):
            files = source.files(project)
            if files is not None:
                return files
        return ()

    def _asked_for(self, project: NormalizedName) -> list[_Source]:
        owners = [
            source for source in self._sources if any(fnmatch.fnmatchcase(project, pattern) for pattern in source.owns)
        ]
        return owners or [source for source in self._sources if not source.owns]

    def told_of(self, project: NormalizedName) -> str:
        """Who alone was asked for this name, in a sentence; empty where it was nobody's own."""
        owners = [source.shown for source in self._asked_for(project) if source.owns]
        return f"for {project} only this upstream was asked, because of `owns`: {'; '.join(owners)}" if owners else ""

    def _source(self, upstream: Upstream, root: Path) -> _Source:
        if upstream.find_links is not None:
            return _Folder(root / upstream.find_links, upstream.find_links, upstream.owns)
        url = Url.parse(upstream.url or "").folder()
        self.fetcher.credentials.remember(url)
        return _Index(url, self.fetcher, {}, owns=upstream.owns, files_from=upstream.files_from)


def is_lasting(error: BaseException) -> bool:
    """Whether asking again would bring the same: all but an attempt that failed for a reason that may pass."""
    failure = error.__context__
    return isinstance(error, WheelyardError) and not (isinstance(failure, Failure) and failure.again)


def with_sdists(project: NormalizedName, files: Sequence[IndexFile]) -> tuple[IndexFile, ...]:
    """Less the wheels of versions that have no sdist: a resolver then chooses among the others, and need build none."""
    versions = {version for file in files if (version := _version_of_sdist(project, file.filename))}
    return tuple(file for file in files if not file.filename.endswith(".whl") or _version_of_wheel(file) in versions)


def sdist_of(project: NormalizedName, wheel: IndexFile, files: Iterable[IndexFile]) -> IndexFile | None:
    """The sdist of that wheel's version, the first of several."""
    version = _version_of_wheel(wheel)
    return next((file for file in files if _version_of_sdist(project, file.filename) == version), None)


def _version_of_sdist(project: NormalizedName, filename: str) -> Version | None:
    if filename.endswith(".whl"):
        return None
    with suppress(ArchiveError):
        return next((_version(text) for name, text in parse_sdist_name(filename).readings if name == project), None)
    return None


def _version_of_wheel(wheel: IndexFile) -> Version:
    """A page had it, so its name is a good one: what stands between the first two dashes is the version."""
    return _version(wheel.filename.split("-", 2)[1].replace("_", "-"))


@lru_cache(maxsize=4096)
def _version(text: str) -> Version:
    return Version(text)


class _Index:
    """A simple index: a declared one, or (url None) the one that this machine is set to, found when first needed."""

    def __init__(
        self,
        url: Url | None,
        fetcher: Fetcher,
        environ: Mapping[str, str],
        *,
        owns: tuple[str, ...] = (),
        files_from: tuple[str, ...] = (),
    ) -> None:
        self.owns = owns
        self.shown = MACHINE if url is None else _shown("index", str(url), owns, files_from)
        self._url = url
        self._fetcher = fetcher
        self._environ = environ
        self._files_from = frozenset(files_from)
        self._declared = url is not None
        self._lock = threading.Lock()

    def files(self, project: NormalizedName) -> tuple[IndexFile, ...] | None:
        """Read the project's page. One without any link counts as none: some servers answer so for unknown names."""
        url = self._address()
        page = self._fetcher.get_page(url.join(f"{project}/"), ACCEPT)
        if page is None:
            return None
        rule = LinkRule(sites=self._files_from | {url.site}, any_https=not self._declared)
        if page.url.site != url.site and not rule.allows(page.url.scheme, page.url.site, page=page.url):
            raise _elsewhere(url, project, (page.url.site,), "is answered from")
        listing = parse_page(page.body, page.content_type, page.url, project=project, rule=rule)
        if listing.status and listing.status[0] == "quarantined":  # PEP 792: no index may offer what it has of it
            raise _quarantined(url, project, listing.status[1])
        if listing.foreign:
            raise _no_list(page.url, listing.links, project)
        return self._judged(listing, url, project)

    def _judged(self, listing: Listing, url: Url, project: NormalizedName) -> tuple[IndexFile, ...] | None:
        if listing.refused and not listing.files:
            raise _elsewhere(url, project, listing.refused, "has all its files at")
        if listing.broken and not listing.files:
            raise UpstreamError(
                f"{url.public()}: {project} has no file that can be used: {listing.broken}",
                hint="The index is broken, or tampered with: ask whoever runs it.",
            )
        return listing.files if listing.links else None

    def _address(self) -> Url:
        with self._lock:
            if self._url is None:
                self._url = machine_index(self._environ).folder()
                self._fetcher.credentials.remember(self._url)
            return self._url


def _quarantined(url: Url, project: str, reason: str) -> UpstreamError:
    return UpstreamError(
        f"{url.public()}: {project} is quarantined: {reason or 'no reason is given'}",
        hint="Its index holds it to be unsafe, so nothing of it is taken: do without it and what requires it.",
    )


def _no_list(page: Url, links: int, project: str) -> UpstreamError:
    found = f"{links} link{'s' * (links > 1)}, none of them a file of {project}" if links else "a page without any link"
    return UpstreamError(
        f"{page.public()} answers with {found}: a login page?",
        hint="Open it in a browser on this machine: log in where it asks for that; if it is no simple index, "
        "correct the url of this upstream.",
    )


def _elsewhere(url: Url, project: str, sites: Sequence[str], verb: str) -> UpstreamError:
    """A place without a host, like `file:`, is none that files-from could allow."""
    hosts = ", ".join(site for site in sites if not site.endswith(":"))
    meant = f"If these hosts are meant, say so in platforms.yaml, beside this upstream's url: files-from: [{hosts}]"
    return UpstreamError(
        f"{url.public()}: {project} {verb} {', '.join(sites)}, which this index may not lead to",
        hint=meant if hosts else "No index may lead to files of this machine: ask whoever runs it.",
    )


class _Folder:
    """A folder of wheels and sdists: regular files only, links are not followed; hashed when asked for."""

    def __init__(self, folder: Path, shown: str, owns: tuple[str, ...]) -> None:
        self.owns = owns
        self.shown = _shown("folder", shown, owns, ())
        self._folder = folder
        self._lock = threading.Lock()
        self._names: dict[NormalizedName, list[str]] | None = None
        self._broken: dict[str, ArchiveError] = {}  # wheels by whose names nobody can tell what they are
        self._hashes: dict[tuple[str, int, int, int], str] = {}

    def files(self, project: NormalizedName) -> tuple[IndexFile, ...] | None:
        """Hash what the folder has of this project."""
        with self._lock:
            if self._names is None:
                self._names = self._scan()
            names = self._names.get(project)
        if names is not None:
            return tuple(self._file(name) for name in names)
        for name, error in self._broken.items():
            if canonicalize_name(name.partition("-")[0]) == project:  # or another upstream would be asked for it
                raise UpstreamError(f"{self._folder}: {error.reason}", hint=_RENAME)
        return None

    def _scan(self) -> dict[NormalizedName, list[str]]:
        found: dict[NormalizedName, list[str]] = {}
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        except OSError as error:
            raise UpstreamError(f"the find-links folder {self._folder} cannot be read: {error.strerror}") from None
        for name in names:
            try:
                for project in projects_of(name):
                    found.setdefault(project, []).append(name)
            except ArchiveError as error:
                if name.lower().endswith(".whl"):
                    self._broken[name] = error
        return found

    def _file(self, name: str) -> IndexFile:
        path = self._folder.resolve() / name
        try:
            stream = opened_plainly(path)
            if stream is None:
                raise UpstreamError(f"{path} is not a regular file any more")
            with stream:
                status = os.fstat(stream.fileno())
                key = (str(path), status.st_mtime_ns, status.st_size, status.st_ino)
                if key not in self._hashes:
                    self._hashes[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise UpstreamError(f"{path} cannot be read: {error.strerror}") from None
        return IndexFile(filename=name, url=Url.of_file(path), sha256=self._hashes[key], size=status.st_size)


def _shown(kind: str, where: str, owns: tuple[str, ...], files_from: Sequence[str]) -> str:
    lists = [
        f"{name}={','.join(sorted(items))}" for name, items in (("owns", owns), ("files-from", files_from)) if items
    ]
    return " ".join([kind, where, *lists])
