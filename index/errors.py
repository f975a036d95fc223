"""Everything that can go wrong between a stored wheel and the published tree, on one page.

Each error carries what a person needs: a reason (what happened, where) and a hint (what to do about it).
None of them is a bug: a bug is any other exception.
"""

from __future__ import annotations


class TreeError(Exception):
    """The root, and what is raised where a tree cannot be made of what was given: a name that would leave the tree."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.reason}\n  {self.hint}" if self.hint else self.reason


class PublishError(TreeError):
    """The tree could not be written; what was published before still stands."""
