"""Fetching ahead: a file that the resolver reads metadata of is most likely the one that the lock will name.

While it still resolves, such a file is fetched, and a wheel strictly read, so that its step finds both done. A guess
that was wrong costs one download; what a step needs is always asked for again, with the lock's own hash.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from queue import SimpleQueue

from builders.errors import WheelyardError
from builders.lock import LockedFile
from builders.pages import IndexFile, projects_of
from builders.plan import fingerprint_of_fetched
from builders.taking import fetch_blob, read_fetched
from builders.yard import Yard

WORKERS = 4
MOST = 1_000  # files in a run
LARGEST = 1024**3  # bytes, where the index says how many


class Ahead:
    """Takes the gateway's word for what is wanted; each project is guessed once for each platform and no oftener."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self._guesses: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._fetching = threading.Lock()
        self._queue: SimpleQueue[IndexFile] = SimpleQueue()
        for _ in range(WORKERS):  # daemons: nobody waits for a guess at the end of a run
            threading.Thread(target=self._work, name="wheelyard-ahead", daemon=True).start()

    def wanted(self, file: IndexFile) -> None:
        """The resolver looks at this file. Returns at once; called from the gateway's threads."""
        project = projects_of(file.filename)[0]
        with self._yard.alone("ahead"):
            if file.filename in self._seen or not self._worthwhile(file, project):
                return
            self._seen.add(file.filename)
            self._guesses[project] += 1
        self._queue.put(file)

    def _worthwhile(self, file: IndexFile, project: str) -> bool:
        return (
            file.sha256 is not None
            and (file.size or 0) <= LARGEST
            and len(self._seen) < MOST
            and self._guesses[project] < len(self._yard.workspace.platforms)
        )

    def _work(self) -> None:
        while True:
            self._fetch(self._queue.get())

    def _fetch(self, file: IndexFile) -> None:
        assert file.sha256 is not None  # as _worthwhile saw
        locked = LockedFile(
            filename=file.filename, url=str(file.url), sha256=file.sha256, size=file.size, upload_time=file.upload_time
        )
        with suppress(WheelyardError, OSError):  # the step, if there will be one, meets the same and says so
            if self._yard.store.record(fingerprint_of_fetched(locked)) is not None:
                return
            with self._fetching:  # one after another: the first is being read while the second still comes
                fetch_blob(self._yard, locked, label="")
            if file.filename.endswith(".whl"):
                read_fetched(self._yard, locked, label="")
