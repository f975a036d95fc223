"""What a workspace asks for: platforms.yaml and its requirement sets as records; declarations.py reads them.

The records hold what was said, with the defaults filled in; what a platform turns out to be (its Python, its tags) is
found by facts.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from builders.requirements import RequirementSet

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

FILE = "platforms.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one build may use: bytes of memory, seconds in all, seconds without a word, processes and threads."""

    memory: int = 4 * 2**30
    seconds: int = 3600
    silence: int = 1200
    processes: int = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """One place that sdists and wheels come from: an index (`url`, ending in '/') or a folder (`find_links`).

    `find_links` is as written: absolute, or seen from the workspace. `owns` are fnmatch patterns over normalised names.
    `files_from` are the hosts besides its own that its pages may link to.
    """

    url: str | None = None
    find_links: str | None = None
    owns: tuple[str, ...] = ()
    files_from: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSettings:
    """How one project is built. `limits` is None where nothing was said; `limits_on` adds a platform's to it."""

    project: NormalizedName
    source: Literal["sdist", "wheel", "any"] = "any"
    pre_command: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    build_constraints: tuple[str, ...] = ()
    network: bool = False
    not_imported: tuple[str, ...] = ()
    limits: Limits | None = None
    limits_said: tuple[str, ...] = ()  # the fields of `limits` that were written down; the others are the defaults'

    def limits_on(self, platform: Platform) -> Limits:
        """The platform's limits, but for those that were said for this project."""
        return replace(platform.limits, **{name: getattr(self.limits, name) for name in self.limits_said})


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """One target: an image, or this machine (`host`). `arch` "" is the engine's own; sets are sorted by name."""

    name: str
    image: str | None = None
    host: bool = False
    arch: str = ""
    pre_command: str | None = None
    python: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    sets: tuple[RequirementSet, ...] = ()
    optional: bool = False
    sandbox: Literal["box", "none"] = "box"
    prove: bool = True
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """Everything that was asked for. Platforms and upstreams stand in the order of the file, builds by name."""

    root: Path
    platforms: tuple[Platform, ...]
    upstreams: tuple[Upstream, ...] = ()
    builds: tuple[BuildSettings, ...] = ()
    publish_url: str | None = None

    def build_settings(self, project: NormalizedName) -> BuildSettings:
        """What was said about this project, or that nothing was."""
        return next((build for build in self.builds if build.project == project), BuildSettings(project=project))
