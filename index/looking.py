"""Which projects are no longer as the last publication left them: asked by a copy of this process, in good time.

To look at 60,000 folders takes as long as to see what the records say; a second core does it meanwhile. What somebody
removes in just these seconds is for `verify` to find, like bytes that were changed in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.disk import Root, seen
from index.known import Known
from index.memo import Memo
from index.sharing import Answer, Copies, Names, copies

_MANY = 2_000  # projects; fewer are looked at in the time that a copy takes to be made


class Looked:
    """What a copy will have seen."""

    def __init__(self, at_work: Copies | None = None) -> None:
        self._at_work = at_work

    def touched(self, known: Known) -> frozenset[str] | None:
        """Names of those that are not as they were; None: nobody has looked, or not at what is known now."""
        answer = next(self._at_work.answers(), None) if self._at_work and known.trusted else None
        if answer is None or answer[:3] != (known.digest, known.since, known.trusted):
            return None
        return frozenset(answer[3:])


@contextmanager
def looking(public: Path, memo: Memo) -> Iterator[Looked]:
    """A copy looks in this block at all that the memo knows, if that is much."""
    if len(memo.records) < _MANY:
        yield Looked()
        return

    def look(names: Names) -> Answer:
        with seen(public) as root:
            known = Known.read(root, memo, thorough=False)
            return known.digest, known.since, known.trusted, *_touched(root, known, memo, names)

    with copies(look, [tuple(memo.records)]) as at_work:
        yield Looked(at_work)


def _touched(root: Root, known: Known, memo: Memo, names: Names) -> Iterator[str]:
    if memo.manifest == known.digest and not known.interrupted:
        yield from (name for name in names if not known.untouched(root, memo.before(name)))
    else:
        yield from names
