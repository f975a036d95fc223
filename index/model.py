"""What the index must know of a wheel, a set and a platform: no more than this, and from whoever has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

Status = tuple[str, str]  # PEP 792's "status" and "reason"; the reason may be empty


class Wheel(Protocol):
    """One stored wheel, as the pages need it. The bytes stay where they are: pages are made from these fields alone."""

    @property
    def filename(self) -> str:
        """The file's name; JSON's `filename` and the text of the HTML link are this, letter for letter."""

    @property
    def project(self) -> str:
        """PEP 503: the name in lower case, "with all runs of the characters ., -, or _ replaced with a single -"."""

    @property
    def version(self) -> str:
        """As the wheel's METADATA spells it; PEP 700 lists it under `versions`."""

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits in lower case; it is the file's place in the pool as well."""

    @property
    def size(self) -> int:
        """PEP 700: `size`, "mandatory", "the file size in bytes"."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Expanded tags, "cp39-cp39-manylinux_2_31_x86_64"; empty: they are read off the file name."""

    @property
    def requires_python(self) -> str | None:
        """PEP 503: what METADATA says under Requires-Python, for `data-requires-python`."""

    @property
    def metadata_sha256(self) -> str:
        """PEP 658/714: hash of the METADATA file, served as <file>.metadata; None of our wheels is without."""

    @property
    def upload_time(self) -> str | None:
        """PEP 700: "yyyy-mm-ddThh:mm:ss.ffffffZ", fraction optional; of the upstream file, or the sdist's."""

    @property
    def yanked(self) -> str | None:
        """PEP 592: None is not yanked, text is the reason, which may be empty."""

    @property
    def source(self) -> str:
        """One line for people: "fetched", "built from foo-1.0.tar.gz"."""

    @property
    def requires_dist(self) -> tuple[str, ...]:
        """METADATA's Requires-Dist, a line each: what the pages for people turn round into "who needs it"."""

    @property
    def summary(self) -> str:
        """METADATA's Summary: free text from outside, as are the licence and the versions of what it was built with."""

    @property
    def license(self) -> str:
        """METADATA's License-Expression or License, which some fill with all of its text; "" where it says nothing."""

    @property
    def built(self) -> bool:
        """Whether this mirror built it; the four below say something only then."""

    @property
    def built_on(self) -> str:
        """The image (or "this machine") with its Python."""

    @property
    def built_with(self) -> tuple[str, ...]:
        """The build requirements, `name version` each."""

    @property
    def network(self) -> bool:
        """Whether the build could reach the network."""

    @property
    def log(self) -> str | None:
        """Where the build's log is in the workspace; pages tell its name and no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A Wheel that is nothing but its fields: what merging makes of two records of the same bytes."""

    filename: str
    project: str
    version: str
    sha256: str
    size: int
    metadata_sha256: str
    tags: tuple[str, ...] = ()
    requires_python: str | None = None
    upload_time: str | None = None
    yanked: str | None = None
    source: str = "fetched"
    requires_dist: tuple[str, ...] = ()
    summary: str = ""
    license: str = ""
    built: bool = False
    built_on: str = ""
    built_with: tuple[str, ...] = ()
    network: bool = False
    log: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedSet:
    """One requirement set on one platform: `wheels` is exactly what installing it takes."""

    name: str
    wheels: tuple[Wheel, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedPlatform:
    """One platform's whole publication: `wheels` is everything ever published for it and not pruned, oldest first.

    `python` is the full version ("3.9.2"), `tags` what its pip accepts (best first), `libc` glibc's version or None,
    `sets` the current ones; their wheels need not be repeated in `wheels`. `statuses` (project, status, reason) are
    PEP 792's for projects that are not active. For people alone: `image` it stands for, whether its sets are `proven`
    and, if not, why they are `unproven`, and when it last `changed` (RFC 3339, UTC).
    """

    name: str
    python: str
    tags: tuple[str, ...]
    libc: tuple[int, int] | None
    wheels: tuple[Wheel, ...]
    sets: tuple[PublishedSet, ...] = ()
    statuses: tuple[tuple[str, str, str], ...] = ()
    image: str = ""
    proven: bool = False
    unproven: str = ""
    changed: str | None = None
