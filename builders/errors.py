"""Everything that can go wrong on the way from a declaration to a stored wheel, on one page.

Each error carries what a person needs: a reason (what happened, where) and a hint (what to do about it).
None of them is a bug: a bug is any other exception.
"""

from __future__ import annotations


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


class RepairError(WheelyardError):
    """A wheel needs libraries that cannot be grafted, or symbols newer than its platform has."""


class ProofError(WheelyardError):
    """What was made does not install or import on a clean copy of its platform."""


class StoreError(WheelyardError):
    """The store cannot be read or written, or holds something that it should not."""


class PublishError(WheelyardError):
    """The published tree could not be written."""
