"""Everything that can go wrong on the way from a declaration to a stored wheel, on one page.

Each error carries what a person needs: a reason (what happened, where) and a hint (what to do about it).
None of them is a bug: a bug is any other exception.
"""

from __future__ import annotations

import errno
import os


class WheelyardError(Exception):
    """The root: str(error) is the reason, followed by the hint on lines of its own."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.reason}\n  {self.hint}" if self.hint else self.reason


class ConfigurationError(WheelyardError):
    """platforms.yaml or a requirements file says something that cannot be meant; holds every mistake found."""


class EngineError(WheelyardError):
    """The container engine is missing, refuses, or broke."""


class SandboxError(WheelyardError):
    """A build cannot be confined here, so it does not run."""


class ResolutionError(WheelyardError):
    """The requirements of a set have no solution on this platform."""


class UpstreamError(WheelyardError):
    """An index or a file server answered with something that cannot be used, or not at all."""


class FetchError(WheelyardError):
    """One file could not be fetched, or is not the file that the lock names."""


class ArchiveError(WheelyardError):
    """A wheel or an sdist breaks a rule: the file, the entry and the rule are in the reason."""


class BuildError(WheelyardError):
    """An sdist did not become a wheel."""


class OutputError(BuildError):
    """What a job left behind is not what may be taken from it: the job's doing, whatever it said of itself."""


class RepairError(WheelyardError):
    """A wheel needs libraries that cannot be grafted, or symbols newer than its platform has."""


class ProofError(WheelyardError):
    """What was made does not install or import on a clean copy of its platform."""


class StoreError(WheelyardError):
    """The store cannot be read or written, or holds something that it should not."""


class PublishError(WheelyardError):
    """The published tree could not be written."""


# What a full, read-only or forbidding disk answers: not a bug of ours, and nothing that a traceback explains.
_DISK_ERRORS = {
    errno.ENOSPC: "make room, and run again: nothing finished is lost",
    errno.EDQUOT: "make room within the quota, and run again: nothing finished is lost",
    errno.EROFS: "this file system can only be read: choose a workspace that can be written",
    errno.EACCES: "give the user who runs doit the right to write there",
    errno.EPERM: "give the user who runs doit the right to write there",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or run fewer steps at once (doit -n 2)",
    errno.ENOTDIR: "a file stands where a folder has to be: move it away",
    errno.EISDIR: "a folder stands where a file has to be: move it away",
    errno.EEXIST: "it stands in the way of a folder: move it away",
    errno.ENOLCK: "this file system has no locks: choose a workspace on another one",
    errno.EIO: "the disk itself answers with an error: check it before anything else",
}


def sentence(error: WheelyardError | OSError) -> str:
    """Return what a person reads; raises the error again where it is a bug."""
    if isinstance(error, WheelyardError):
        return str(error)
    hint = _DISK_ERRORS.get(error.errno or 0)
    if hint is None:
        raise error
    where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
    return f"{error.strerror}{where}\n  {hint}"
