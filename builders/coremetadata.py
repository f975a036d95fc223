"""METADATA and PKG-INFO, as far as this program needs them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name

from builders.archives import broken, control_in
from builders.filenames import normalised_version

_DECISIVE = ("name", "version", "requires-python", "requires-dist")
_FIELDS = frozenset((*_DECISIVE, "provides-extra", "summary", "license", "license-expression", "classifier"))
_HEADER = re.compile(rb"(?:([!-9;-~]*):|[ \t]|From )[^\r\n]*(?:\r\n?|\n|\Z)")
"""What email takes for a line of the head: a field, more of the one before, or the mark of an old mailbox."""
_MAX_HEAD = 1 << 20
"""Bytes before the description, or with it where it is a field, as old tools wrote it; a second to read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreMetadata:
    """The fields that decide something, as text; `version` normalised. Descriptions may be in any encoding."""

    project: NormalizedName
    version: str
    requires_python: str | None
    requires_dist: tuple[str, ...]
    summary: str
    license: str


def parse_metadata(data: bytes, *, archive: str, entry: str) -> CoreMetadata:
    """The fields; ArchiveError where one that decides is missing, said twice, not UTF-8 or has control characters."""
    from packaging.metadata import parse_email

    raw, unparsed = parse_email(_used_fields(data, archive, entry))
    for field in _DECISIVE:
        if field in unparsed:
            raise broken(archive, f"its {field} is said more than once, or is not UTF-8", entry=entry)
    version = normalised_version(raw.get("version", ""))
    if not raw.get("name") or not version:
        raise broken(archive, "its name or its version is missing, or is none", entry=entry)
    requires = tuple(_line(text) for text in raw.get("requires_dist", ()))
    python = _line(raw.get("requires_python", "")) or None
    if any(control_in(text) for text in (raw["name"], python or "", *requires)):
        raise broken(archive, "a field has control characters in it", entry=entry)
    license_ = raw.get("license_expression") or _shown(raw.get("license", "")).replace("UNKNOWN", "")
    license_ = license_ or _license_classifier(raw.get("classifiers", []))
    return CoreMetadata(
        project=canonicalize_name(raw["name"]), version=version, requires_python=python, requires_dist=requires,
        summary=_shown(raw.get("summary", "")), license=_shown(license_),
    )  # fmt: skip


def provided_extras(data: bytes) -> frozenset[str]:
    """The names of the extras that METADATA offers, normalised; of what `parse_metadata` has read."""
    from packaging.metadata import parse_email

    raw, _ = parse_email(_used_fields(data, "METADATA", ""))
    return frozenset(canonicalize_name(extra) for extra in raw.get("provides_extra", ()))


def _used_fields(data: bytes, archive: str, entry: str) -> bytes:
    """The lines of the fields that are used; email searches all for each name, and unpacks messages from the rest."""
    used: list[bytes] = []
    at, field = 0, ""
    while line := _HEADER.match(data, at):
        at = line.end()
        if at > _MAX_HEAD:
            raise broken(archive, f"its fields are longer than {_MAX_HEAD >> 20} MiB", entry=entry)
        text = line[0]
        if not text.startswith((b" ", b"\t")):
            field = (line[1] or b"").decode("ascii").lower()
            text = field.encode("ascii") + text[len(field) :]  # searched once, however many ways it is spelled
        if field in _FIELDS:
            used.append(text)
    return b"".join(used)


def _line(text: str) -> str:
    """A value that was folded over several lines, on one."""
    return " ".join(text.split())


def _shown(text: str) -> str:
    """The first line of a text for people, short and without control characters; some put a whole licence there."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in first)[:500]


def _license_classifier(classifiers: list[str]) -> str:
    names = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License :: ")]
    return ", ".join(sorted(set(names) - {"OSI Approved"}))
