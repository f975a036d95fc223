"""What a workspace asks for: platforms.yaml and its requirement sets as records, or every mistake in them at once.

The records hold what was said, with the defaults filled in; what a platform turns out to be (its Python, its tags) is
found by facts.py. Nothing here starts a program, reaches a network or writes a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from builders import keys
from builders.errors import ConfigurationError
from builders.requirements import RequirementSet
from builders.yaml_nodes import Node, Report, did_you_mean, quoted, read_nodes

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

FILE = "platforms.yaml"
_LARGEST = 2**20
_HINT = "Nothing was started. Mend these lines and run the same command again."


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

    def platform(self, name: str) -> Platform:
        """The platform of this name; ConfigurationError names those that there are."""
        found = next((platform for platform in self.platforms if platform.name == name), None)
        if found is None:
            names = [platform.name for platform in self.platforms]
            raise ConfigurationError(
                f"{FILE} has no platform {quoted(name)}{did_you_mean(name, names)}", hint=f"It has: {', '.join(names)}"
            )
        return found


def read_workspace(root: Path) -> Workspace:
    """Read platforms.yaml and every set it names. Raises one ConfigurationError, a line of reason for each mistake."""
    from builders.declarations import workspace_from  # it builds the records above

    root = Path(normpath(root.absolute()))
    report = Report(file=FILE)
    node = _read_file(root / FILE, report)
    said = keys.FILE.read(node, FILE, report) if node else None
    workspace = workspace_from(said, root, report) if said else None
    if report.mistakes or workspace is None:
        raise ConfigurationError("\n".join(str(mistake) for mistake in sorted(set(report.mistakes))), hint=_HINT)
    return workspace


def _read_file(path: Path, report: Report) -> Node | None:
    start = Node(shape="text", line=1, column=1)
    try:
        if not path.is_file():
            report.add(start, f"there is no file {FILE} in {path.parent}; name its folder: doit -f dodo.py -d FOLDER")
            return None
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        report.add(start, f"cannot be read: {error.strerror}")
        return None
    if len(data) > _LARGEST:
        report.add(start, f"is larger than {_LARGEST // 1024} KiB")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Node(
            shape="text",
            line=data.count(b"\n", 0, error.start) + 1,
            column=error.start - data.rfind(b"\n", 0, error.start),
        )
        report.add(place, f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8")
        return None
    node = read_nodes(text, report)
    if node and node.missing:
        report.add(node, "is empty; it names at least one platform: 'platforms: [{image: …, requirements: […]}]'")
        return None
    return node
