"""What METADATA asks for, in a form that two spellings of the same have in common."""

from __future__ import annotations

_FIELDS = ("Requires-Dist", "Requires-Python", "Provides-Extra")

Needs = frozenset[tuple[str, str]]


def needs(metadata: bytes) -> Needs:
    """What of it changes what gets installed.

    Another version of a build tool writes other lines, and these in another way: `helper (>=1)`, `helper>=1`.
    """
    from email.parser import BytesHeaderParser

    headers = BytesHeaderParser().parsebytes(metadata)
    return frozenset((name, _plain(name, str(value))) for name in _FIELDS for value in headers.get_all(name, []))


def _plain(field: str, value: str) -> str:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    try:
        match field:
            case "Provides-Extra":
                return canonicalize_name(value.strip())
            case "Requires-Python":
                return str(SpecifierSet(value))
        one = Requirement(value)
        extras = ",".join(sorted(map(canonicalize_name, one.extras)))
        return f"{canonicalize_name(one.name)}[{extras}]{one.specifier}@{one.url or ''};{one.marker or ''}"
    except (ValueError, RecursionError):  # no requirement at all: the same only where it is spelled the same
        return "".join(value.split())
