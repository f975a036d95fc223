"""METADATA and PKG-INFO, as far as this program needs them."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name

from builders.archives import broken, control_in
from builders.filenames import normalised_version

_DECISIVE = ("name", "version", "requires-python", "requires-dist")


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

    try:
        raw, unparsed = parse_email(data)
    except RecursionError as error:  # a description that claims to be a message in a message in a message…
        raise broken(archive, "it is nested too deeply", entry=entry) from error
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
