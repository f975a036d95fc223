"""From platforms.yaml to the records of a workspace: defaults filled in, and what takes several keys judged.

Each function reports what cannot be meant at the place where it stands and goes on, so that one run shows all of it.
Nothing here starts a program, reaches a network or writes a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from os.path import lexists, normpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from builders import keys
from builders.errors import ConfigurationError
from builders.platforms import FILE, BuildSettings, Limits, Platform, Upstream, Workspace
from builders.requirements import RequirementSet, read_requirement_set, requirement_problem
from builders.yaml_nodes import Key, Node, Report, Section, did_you_mean, quoted, read_nodes

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

_LARGEST = 2**20
_HINT = "Nothing was started. Mend these lines and run the same command again."
_NOTHING = Section(node=Node(shape="mapping", line=1, column=1), values={}, nodes={})
_NOT_FOR_HOSTS: tuple[tuple[Key[Any], str], ...] = (
    (keys.ARCH, "is for images; a host has the architecture that it has"),
    (keys.PRE_COMMAND, "is for images; what a host needs is installed by its owner"),
)
_NOT_FOR_IMAGES: tuple[tuple[Key[Any], str], ...] = (
    (keys.SANDBOX, "can be 'none' for 'host: true' only; in an image the box is always there"),
)


def read_workspace(root: Path) -> Workspace:
    """Read platforms.yaml and every set it names. Raises one ConfigurationError, a line of reason for each mistake."""
    root = Path(normpath(root.absolute()))
    report = Report(file=FILE)
    node = _read_file(root / FILE, report)
    said = keys.FILE.read(node, FILE, report) if node else None
    workspace = _workspace_from(said, root, report) if said else None
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


def _workspace_from(said: Section, root: Path, report: Report) -> Workspace:
    """The workspace, as far as it can be meant; what cannot is in the report."""
    sets = _Sets(root=root, report=report)
    defaults = said.get(keys.DEFAULTS) or _NOTHING
    entries = said.get(keys.PLATFORMS) or ()
    if not entries and not (said.has(keys.PLATFORMS) and report.mistakes):
        place = said.nodes.get(keys.PLATFORMS.name, said.node)
        report.add(place, "names no platform; write at least one: 'platforms: [{image: …, requirements: […]}]'")
    platforms = [_platform(section, defaults, sets, report) for _, section in entries]
    _once([(place, name) for place, name, _ in platforms if name], "the platform name {}", report)
    publish = said.get(keys.PUBLISH)
    return Workspace(
        root=root,
        platforms=tuple(platform for _, _, platform in platforms if platform),
        upstreams=_upstreams(said.get(keys.UPSTREAMS) or (), root, report),
        builds=_builds(said.get(keys.BUILDS) or (), defaults, report),
        publish_url=publish.get(keys.PUBLISH_URL) if publish else None,
    )


def _once(
    names: list[tuple[Node, str]], what: str, report: Report, *, folded: Callable[[str], str] = str.lower
) -> None:
    """Report each name that is there already, whatever its case: two such folders are one on some file systems."""
    first: dict[str, tuple[Node, str]] = {}
    for place, name in names:
        earlier, spelled = first.setdefault(folded(name), (place, name))
        if earlier is not place:
            other = "" if name == spelled else f"as {quoted(spelled)} "
            report.add(
                place, f"{what.format(quoted(name))} stands twice, here and {other}in line {earlier.line}; keep one"
            )


def _as_in_tree(name: str) -> str:
    """How the tree spells a set: pylock.<name>.toml has no '.' in its name (PEP 751)."""
    return name.casefold().replace(".", "-")


# -- platforms --


def _platform(own: Section, defaults: Section, sets: _Sets, report: Report) -> tuple[Node, str, Platform | None]:
    """The place of its name, its name, and the platform itself unless it cannot be meant."""
    said = own.over(defaults.without(_not_from_defaults(own)))
    host = said.get(keys.HOST) or False
    label = _label(said, own)
    if host and said.has(keys.IMAGE):
        report.add(said.nodes[keys.HOST.name], f"{label} has both 'image' and 'host'; keep one")
    elif not host and not said.has(keys.IMAGE) and (said.get(keys.HOST) is False or not said.has(keys.HOST)):
        report.add(own.node, f"{label} has neither 'image' nor 'host'; write 'image: debian:bookworm' or 'host: true'")
    said = _fitting(said, own, host=host, label=label, report=report)
    place, name = _named(said, own, host=host, report=report)
    before = len(report.mistakes)
    found = sets.of(said, label, own.node)
    if name is None or len(report.mistakes) > before:
        return place, name or "", None
    return place, name, Platform(
        name=name,
        image=said.get(keys.IMAGE),
        host=host,
        arch=said.get(keys.ARCH) or "",
        pre_command=said.get(keys.PRE_COMMAND),
        python=said.get(keys.PYTHON),
        env=_env(said),
        sets=found,
        optional=said.get(keys.OPTIONAL) or False,
        sandbox=cast("Literal['box', 'none']", said.get(keys.SANDBOX) or "box"),
        prove=said.get(keys.PROVE) is not False,
        limits=replace(Limits(), **{**_limits(defaults), **_limits(own)}),
    )  # fmt: skip


def _not_from_defaults(own: Section) -> tuple[Key[Any], ...]:
    """A platform that says what it is takes nothing from the defaults that is for the other sort."""
    if own.get(keys.HOST):
        return (keys.IMAGE,)
    return (keys.HOST,) if own.has(keys.IMAGE) else ()


def _fitting(said: Section, own: Section, *, host: bool, label: str, report: Report) -> Section:
    """Without the keys that are for the other sort of platform: a mistake where the platform itself says them."""
    unfit = _NOT_FOR_HOSTS if host else _NOT_FOR_IMAGES if said.get(keys.SANDBOX) == "none" else ()
    for key, reason in unfit:
        if own.has(key):
            report.add(own.nodes[key.name], f"'{key.name}' of {label} {reason}; leave it out")
    return said.without(key for key, _ in unfit)


def _label(said: Section, own: Section) -> str:
    name = said.get(keys.NAME) or said.get(keys.IMAGE)
    return f"platform {quoted(name)}" if name else f"the platform in line {own.node.line}"


def _named(said: Section, own: Section, *, host: bool, report: Report) -> tuple[Node, str | None]:
    """The name and its place: as written, or the image with what a folder's name cannot hold as '-'."""
    if said.has(keys.NAME):
        return own.nodes.get(keys.NAME.name, own.node), said.get(keys.NAME)
    image = said.get(keys.IMAGE)
    if image is None:
        if host:
            report.add(own.node, "a platform with 'host: true' needs a 'name', such as this-machine")
        return own.node, None
    place = own.nodes.get(keys.IMAGE.name, own.node)
    name = replace(place, shape="text", text=image.lower().translate(str.maketrans(":/@", "---")), plain=False)
    return place, keys.PLATFORM_NAME.read(name, "the name made from this image (write a 'name' beside it)", report)


def _env(section: Section) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for _, name, value in section.get(keys.ENV) or ()))


def _limits(section: Section) -> Mapping[str, int]:
    """The fields of Limits that were written down here."""
    said = section.get(keys.LIMITS)
    rows = {"memory": keys.MEMORY, "seconds": keys.TIME, "silence": keys.SILENCE, "processes": keys.PROCESSES}
    found = {name: said.get(key) for name, key in rows.items()} if said else {}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sets:
    """The requirement sets of a workspace, each read once however many platforms name it."""

    root: Path
    report: Report
    read: dict[str, RequirementSet | None] = field(default_factory=dict)

    def of(self, said: Section, label: str, place: Node) -> tuple[RequirementSet, ...]:
        """The sets of one platform, sorted by name."""
        named = said.get(keys.REQUIREMENTS) or ()
        inline = said.get(keys.PACKAGES) or ()
        known = [(node, name) for node, name in named]
        every = [*known, (said.nodes[keys.PACKAGES.name], "packages")] if inline else known
        _once(every, "the set {}", self.report, folded=_as_in_tree)
        if not known and not inline and not self._wrong(said):
            there = ", ".join(self._there()) or "none yet"
            self.report.add(place, f"{label} has no requirements; name a set ({there}) or write 'packages: […]'")
        found = [self._named(node, name) for node, name in known] + [self._in_line(inline, label)]
        return tuple(sorted((one for one in found if one), key=lambda one: one.name))

    def _wrong(self, said: Section) -> bool:
        """Whether a list of sets is there but not as it should be, which has been reported."""
        return any(
            said.has(key) and (said.get(key) is None or len(said.nodes[key.name].items) > 0)
            for key in (keys.REQUIREMENTS, keys.PACKAGES)
        )

    def _there(self) -> list[str]:
        try:
            return sorted(path.stem for path in (self.root / "requirements").iterdir() if path.suffix == ".txt")
        except OSError:
            return []

    def _named(self, node: Node, name: str) -> RequirementSet | None:
        if name not in self.read:
            path = self.root / "requirements" / f"{name}.txt"
            if not _may_be_read(path):
                self.report.add(node, self._absent(name, path))
                return None
            self.read[name], mistakes = read_requirement_set(path, root=self.root)
            self.report.mistakes.extend(mistakes)
        return self.read[name]

    def _absent(self, name: str, path: Path) -> str:
        """What is wrong with a set that cannot be read."""
        if lexists(path):
            return f"requirements/{name}.txt is not a regular file, nor a link to one; put the set in its place"
        there = self._there()
        known = f"sets that there are: {', '.join(there)}" if there else "no set is there yet"
        return f"there is no requirements/{name}.txt; {known}{did_you_mean(name.removesuffix('.txt'), there)}"

    def _in_line(self, entries: tuple[tuple[Node, str], ...], label: str) -> RequirementSet | None:
        lines = _requirements(entries, f"'packages' of {label}", self.report)
        bare = [node for node, text in entries if "--hash" not in text]
        if 0 < len(bare) < len(entries):
            self.report.add(bare[0], f"an entry of 'packages' of {label} has no --hash, and others have; all, or none")
        return RequirementSet(name="packages", path=None, requirements=lines) if lines else None


def _may_be_read(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that cannot be entered: reading the file will say so
        return True


def _requirements(
    entries: tuple[tuple[Node, str], ...], label: str, report: Report, *, constraint: bool = False
) -> tuple[str, ...]:
    """Requirements that stand in platforms.yaml, held to the rules of a file but for options, which only a file has."""
    lines: dict[str, None] = {}
    for node, text in entries:
        line = " ".join(text.split())
        problem = requirement_problem(line, constraint=constraint, hashes=not constraint)
        if line.startswith("-"):
            problem = "options stand in a file, requirements/SET.txt, not here"
        if problem:
            report.add(node, f"an entry of {label} cannot be used: {problem}")
        lines[line] = None
    return tuple(lines)


# -- upstreams and builds --


def _upstreams(entries: tuple[tuple[Node, Section], ...], root: Path, report: Report) -> tuple[Upstream, ...]:
    found = [_upstream(section, root, report) for _, section in entries]
    for key in (keys.URL, keys.FIND_LINKS):
        said = [(section.nodes[key.name], section.get(key) or "") for _, section in entries if section.get(key)]
        _once(said, "the " + key.name + " {} of an upstream", report)
    owned = [pair for _, section in entries for pair in section.get(keys.OWNS) or ()]
    _once(owned, "{} in 'owns'", report)
    return tuple(found)


def _upstream(section: Section, root: Path, report: Report) -> Upstream:
    if section.has(keys.URL) == section.has(keys.FIND_LINKS):
        count = "both 'url' and 'find-links'" if section.has(keys.URL) else "neither 'url' nor 'find-links'"
        report.add(section.node, f"this upstream has {count}; give it one: 'url: URL' or 'find-links: FOLDER'")
    elif section.has(keys.FILES_FROM) and section.has(keys.FIND_LINKS):
        report.add(
            section.nodes[keys.FILES_FROM.name], "'files-from' is for an index with a 'url'; a folder links to no host"
        )
    folder = section.get(keys.FIND_LINKS)
    if folder is not None and not _is_folder(root / folder):
        report.add(
            section.nodes[keys.FIND_LINKS.name],
            f"'find-links' is {quoted(folder)}, which is no folder seen from the workspace",
        )
    return Upstream(
        url=section.get(keys.URL),
        find_links=folder,
        owns=tuple(pattern for _, pattern in section.get(keys.OWNS) or ()),
        files_from=tuple(host for _, host in section.get(keys.FILES_FROM) or ()),
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name too long, or with a character that no file system has
        return False


def _builds(
    entries: tuple[tuple[Node, str, Section], ...], defaults: Section, report: Report
) -> tuple[BuildSettings, ...]:
    _once([(place, project) for place, project, _ in entries], "the project {} in 'builds'", report)
    found = [_build(project, section, defaults, report) for _, project, section in entries]
    return tuple(sorted(found, key=lambda build: build.project))


def _build(project: str, section: Section, defaults: Section, report: Report) -> BuildSettings:
    constraints = section.get(keys.BUILD_CONSTRAINTS) or ()
    label = f"'build-constraints' of {quoted(project)}"
    own = _limits(section)
    return BuildSettings(
        project=cast("NormalizedName", project),
        source=cast("Literal['sdist', 'wheel', 'any']", section.get(keys.FROM) or "any"),
        pre_command=section.get(keys.PRE_COMMAND),
        env=_env(section),
        build_constraints=_requirements(constraints, label, report, constraint=True),
        network=section.get(keys.NETWORK) or False,
        not_imported=tuple(sorted(module for _, module in section.get(keys.NOT_IMPORTED) or ())),
        limits=replace(Limits(), **{**_limits(defaults), **own}) if own else None,
        limits_said=tuple(own),
    )
