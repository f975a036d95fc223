"""What a Requires-Python says of one Python, read as pip reads it: what is no specifier excludes none.

A pre-release counts as its release: pip compares three numbers, https://pip.pypa.io (check_requires_python).
"""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.specifiers import SpecifierSet
from packaging.version import Version

_LOWER_BOUNDS = frozenset({">", ">="})


def excludes(requires: str | None, python: str) -> bool:
    """Whether that Python's pip refuses what says so of itself."""
    return bool(_against(requires, python))


def excludes_unseen(requires: str | None, python: str) -> bool:
    """The same, by more than a lower bound: a resolver that is uv looks at nothing else, and takes the file."""
    return bool(_against(requires, python) - _LOWER_BOUNDS)


@lru_cache(maxsize=1024)  # a page repeats few of them
def _against(requires: str | None, python: str) -> frozenset[str]:
    """The operators of all clauses that exclude it."""
    numbers = re.match(r"\d+(\.\d+){0,2}", python)
    if numbers is None:
        return frozenset()
    version = Version(numbers[0])
    try:
        return frozenset(one.operator for one in SpecifierSet(requires or "") if not one.contains(version))
    except ValueError:  # InvalidSpecifier, or a number with more digits than Python reads
        return frozenset()
