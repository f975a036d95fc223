"""Requirement sets: files in pip's format in; the requirements and constraints of one set out, or its mistakes.

A set is read as pip reads it: comments, lines continued with a backslash, `-r` and `-c` seen from the file in which
they stand. Markers, extras and hashes stay as they were written. What a file could say about *where* packages come from
is not taken from here: platforms.yaml says that, once for all sets.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING

from builders.yaml_nodes import Mistake, quoted

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.requirements import Requirement

_LARGEST = 16 * 2**20
_DEEPEST = 50  # files that lead to one another by -r and -c
_COMMENT = re.compile(r"(^|(?<!\s)\s+)#.*$")
_OPTION = re.compile(r"\s+(?=--?[A-Za-z])")
_VARIABLE = re.compile(r"\$\{[^{}]*\}")
_HASH = re.compile(r"--hash[= ]\s*(\S+)")
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}

# The shape of nine lines out of ten; whatever else there is goes to packaging, which takes 40 ms to be imported.
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_LARGEST_NUMBER = 2**64 - 2  # in a version: uv reads no larger one
_DIGITS_OF_LARGEST = 20
_NUMBER = "[0-9]{1,19}"
_RELEASE = rf"{_NUMBER}(?:\.{_NUMBER})*"
_VERSION = rf"{_RELEASE}(?:(?:a|b|rc){_NUMBER})?(?:\.post{_NUMBER})?(?:\.dev{_NUMBER})?"
_BOUND = rf"(?:(?:>=|<=|==|!=|<|>) ?{_VERSION}|(?:==|!=) ?{_RELEASE}\.\*)"
_COMMON = re.compile(rf"({_NAME}) ?(\[ ?{_NAME}(?: ?, ?{_NAME})* ?\])? ?(?:{_BOUND}(?: ?, ?{_BOUND})*)?")
_ARCHIVES = (".whl", ".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")  # pip takes these for files, not names

_FOLDER = "put the file into a folder and name it in platforms.yaml: upstream: - find-links: FOLDER"
_INDEX = "name the index in platforms.yaml: upstream: - url: URL"
_BUILDS = "say it for each package in platforms.yaml: builds: PROJECT: from: sdist or wheel"
_ELSEWHERE = {
    **dict.fromkeys(("-i", "--index-url", "--extra-index-url", "--pypi-url", "--no-index"), _INDEX),
    **dict.fromkeys(("-f", "--find-links"), "name the folder in platforms.yaml: upstream: - find-links: FOLDER"),
    "--trusted-host": f"{_INDEX}, and let SSL_CERT_FILE name the authority that signs its certificate",
    **dict.fromkeys(("-e", "--editable"), f"a checkout cannot be mirrored; make an sdist of it, then {_FOLDER}"),
    **dict.fromkeys(("--no-binary", "--only-binary", "--prefer-binary"), _BUILDS),
    "--pre": "allow a pre-release where it is wanted, by naming one: project>=2.0rc1",
    **dict.fromkeys(
        ("--config-settings", "--config-setting", "-C", "--global-option", "--install-option", "--build-option"),
        "how a package is built is said in platforms.yaml: builds: PROJECT: env",
    ),
}
_ALLOWED_OPTIONS = "-r FILE, -c FILE, --require-hashes, and --hash=sha256:… after a requirement"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementSet:
    """What is resolved together. Lines are as given but for white space, in order, each once. `path`: None in line."""

    name: str
    path: Path | None
    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """A logical line: comments gone, continuations joined, white space made single; placed at its first character."""

    file: str
    line: int
    column: int
    text: str

    def wrong(self, text: str) -> Mistake:
        return Mistake(file=self.file, line=self.line, column=self.column, text=text)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """One set while it is read. Each dict keeps the first line that said something, so that the order is the file's."""

    root: Path
    mistakes: list[Mistake] = field(default_factory=list)
    requirements: dict[str, _Line] = field(default_factory=dict)
    constraints: dict[str, _Line] = field(default_factory=dict)
    required: list[_Line] = field(default_factory=list)  # the lines that ask for hashes
    seen: set[tuple[str, bool]] = field(default_factory=set)


def read_requirement_set(path: Path, *, root: Path) -> tuple[RequirementSet | None, list[Mistake]]:
    """The set in this file and in the files that it names, all inside `root`; None when there is any mistake."""
    root, path = Path(normpath(root.absolute())), Path(normpath(path.absolute()))
    reading = _Reading(root=root)
    start = _Line(file=_shown(path, root), line=1, column=1, text="")
    _read_file(str(path), start, (), False, reading)
    reading.mistakes.extend(_half_hashed(reading))
    if not reading.requirements and not reading.mistakes:
        reading.mistakes.append(
            Mistake(file=_shown(path, root), line=1, column=1, text="no requirement stands in this set")
        )
    if reading.mistakes:
        return None, sorted(set(reading.mistakes))
    lines = RequirementSet(
        name=path.name.removesuffix(".txt"),
        path=path,
        requirements=tuple(reading.requirements),
        constraints=tuple(reading.constraints),
    )
    return lines, []


def _read_file(path: str, named_by: _Line, above: tuple[str, ...], constraint: bool, reading: _Reading) -> None:
    if len(above) > _DEEPEST:
        reading.mistakes.append(named_by.wrong(f"more than {_DEEPEST} files name each other in a row"))
        return
    if path in above:
        chain = " → ".join(_shown(Path(name), reading.root) for name in (*above[above.index(path) :], path))
        reading.mistakes.append(named_by.wrong(f"these files name each other in a circle: {chain}"))
        return
    if (path, constraint) in reading.seen:
        return
    reading.seen.add((path, constraint))
    text = _read_text(Path(path), named_by, reading)
    for line in logical_lines(text, _shown(Path(path), reading.root)):
        if line.text.startswith("-"):
            _read_option(line, Path(path), (*above, path), reading)
        elif problem := requirement_problem(line.text, constraint=constraint):
            reading.mistakes.append(line.wrong(problem))
        else:
            (reading.constraints if constraint else reading.requirements).setdefault(line.text, line)


def _read_text(path: Path, named_by: _Line, reading: _Reading) -> str:
    """The file's text; empty, and the mistake noted, where there is none to be had."""
    shown = _shown(path, reading.root)
    try:
        if not path.is_file():
            reading.mistakes.append(named_by.wrong(f"{shown} is not a file; {_beside(path)}"))
            return ""
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reading.mistakes.append(named_by.wrong(f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}"))
        return ""
    place = Mistake(file=shown, line=1, column=1, text=f"this file is larger than {_LARGEST // 2**20} MiB")
    if len(data) > _LARGEST:
        reading.mistakes.append(place)
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        text = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        reading.mistakes.append(Mistake(file=shown, line=line, column=column, text=text))
        return ""


def _beside(path: Path) -> str:
    """The files of the folder in which this one was looked for."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix in (".txt", ".in"))
    except (OSError, ValueError):
        return "its folder is not there either"
    return f"beside it are: {', '.join(names[:20])}" if names else "no file of requirements is beside it"


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def logical_lines(text: str, file: str) -> Iterator[_Line]:
    """The lines of a requirements file in pip's order of work: join, then drop comments, then strip.

    A comment ends a continued line, and a line that is only a comment continues nothing.
    """
    parts: list[str] = []
    first = 1
    for number, raw in enumerate(text.splitlines(), start=1):
        comment = _COMMENT.match(raw) is not None
        if not parts:
            first = number
        if raw.endswith("\\") and not comment:
            parts.append(raw.strip("\\"))
            continue
        whole = "".join([*parts, " " + raw if comment else raw])
        parts = []
        yield from _line(whole, first, file)
    if parts:
        yield from _line("".join(parts), first, file)


def _line(whole: str, number: int, file: str) -> Iterator[_Line]:
    text = " ".join((_COMMENT.sub("", whole) if "#" in whole else whole).split())
    if text:
        yield _Line(file=file, line=number, column=len(whole) - len(whole.lstrip()) + 1, text=text)


# -- options --------------------------------------------------------------------------------------------------------


def _read_option(line: _Line, path: Path, above: tuple[str, ...], reading: _Reading) -> None:
    match = re.match(r"(-[rc])=? ?(.*)|(--requirement|--constraint)(?:[= ](.*))?$", line.text)
    if _VARIABLE.search(line.text) or not match:
        if line.text == "--require-hashes":
            reading.required.append(line)
        else:
            reading.mistakes.append(line.wrong(_expanded(line.text) or _misplaced(line.text)))
        return
    named = _unquoted(match[2] or match[4] or "")
    if not named:
        problem = f"{match[1] or match[3]} names one file, such as {match[1] or match[3]} base.txt"
    elif "://" in named or named.startswith("file:"):
        problem = "a file on another machine is not followed; copy it into the workspace and name it here"
    else:
        target = normpath(path.parent / named)
        if Path(target).is_relative_to(reading.root):
            # As in pip, what a file named by -r holds are requirements, even where a constraints file names it.
            _read_file(target, line, above, (match[1] or match[3]) in ("-c", "--constraint"), reading)
            return
        problem = f"{quoted(named)} is outside the workspace; copy it into it and name the copy"
    reading.mistakes.append(line.wrong(problem))


def _unquoted(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        return ""
    return words[0] if len(words) == 1 else ""


def _expanded(text: str) -> str:
    found = _VARIABLE.search(text)
    what = "secrets come from netrc or the environment" if "://" in text else "write here what it stands for"
    return f"{quoted(found[0])} is not expanded; {what}" if found else ""


def _misplaced(text: str) -> str:
    option = re.split(r"[= ]", text, maxsplit=1)[0]
    if option in _ELSEWHERE:
        return f"{option} does not belong here; {_ELSEWHERE[option]}"
    if not option.startswith("--") and option[:2] in _ELSEWHERE:
        return f"{option[:2]} does not belong here; {_ELSEWHERE[option[:2]]}"
    return f"option {quoted(option)} is not read here; allowed: {_ALLOWED_OPTIONS}"


# -- one requirement ------------------------------------------------------------------------------------------------


def requirement_problem(text: str, *, constraint: bool = False, hashes: bool = True) -> str:
    """What is wrong with one requirement, its --hash options included; empty when nothing is."""
    match = _COMMON.fullmatch(text)
    if match and not (constraint and match[2]) and not text.lower().endswith(_ARCHIVES):
        return ""
    if problem := _expanded(text):
        return problem
    bare, *options = _OPTION.split(text)
    for option in options:
        if problem := _hash_problem(option) if hashes and option.startswith("--hash") else _misplaced(option):
            return problem
    return _bare_problem(bare, constraint)


def _hash_problem(option: str) -> str:
    match = _HASH.fullmatch(option)
    name, _, digest = match[1].partition(":") if match else ("", "", "")
    if name not in _DIGITS:
        return f"{quoted(option)} is no hash that protects; allowed: --hash=sha256:…, sha384, sha512"
    if not re.fullmatch(rf"[0-9a-fA-F]{{{_DIGITS[name]}}}", digest):
        return f"a {name} has {_DIGITS[name]} hexadecimal digits; {quoted(digest)} has {len(digest)} characters"
    return ""


def _bare_problem(bare: str, constraint: bool) -> str:
    head, semicolon, marker = bare.partition(";")
    head = head.strip()
    if _direct(head):
        if _is_checkout(head):
            return f"{quoted(head)} is no file: {_ELSEWHERE['-e']}, and ask for the project by name"
        return f"{quoted(head)} points at one file; {_FOLDER}, then ask for the project by name"
    match = _COMMON.fullmatch(head)
    extras = match[2] if match else "[" in head
    if head.endswith("==="):
        return f"{quoted(head)} is not a requirement: a version has to follow{_suggestion(head)}"
    if not match and (problem := _packaging_problem(head)):
        return f"{quoted(head)} is not a requirement: {problem}{_suggestion(head)}"
    if extras and constraint:
        return f"{quoted(head)} is a constraint; a constraint has no extras"
    if semicolon and (problem := _packaging_problem(f"x; {marker}")):
        return f"the marker {quoted(marker.strip())} cannot be read: {problem}"
    return ""


def _direct(head: str) -> bool:
    return bool(
        "://" in head
        or "/" in head
        or "\\" in head
        or head.startswith(".")
        or re.match(rf"({_NAME})? ?(\[.*\])? ?@", head)
        or head.lower().endswith(_ARCHIVES)
    )


def _is_checkout(head: str) -> bool:
    """Whether this is a version control system's, or a folder of this machine."""
    place = head.partition("@")[2] if re.match(rf"({_NAME})? ?(\[.*\])? ?@", head) else head
    return "+" in place.partition("://")[0] or not ("://" in place or place.lower().endswith(_ARCHIVES))


def _suggestion(head: str) -> str:
    if found := re.search(r"=[<>]", head):
        return f"; did you mean '{found[0][::-1]}'?"
    if re.search(r"===\s*$", head):
        return "; did you mean '==1.0'?"
    if re.search(r"[^=!<>~]=[^=]", head):
        return "; did you mean '=='?"
    return "; allowed: project[extra]>=1.0,<2; marker"


@lru_cache(maxsize=4096)
def _packaging_problem(text: str) -> str:
    try:
        requirement = parse_requirement(text)
    except ValueError as error:
        return str(error).split("\n", 1)[0]
    if requirement.marker and (problem := _marker_problem(requirement.marker)):
        return problem
    return next(filter(None, (_version_problem(one.version) for one in requirement.specifier)), "")


def _version_problem(text: str) -> str:
    """What the specification allows and no resolver takes: `===` of something else, a number beyond 64 bits."""
    from packaging.version import Version

    numbers = [digits.lstrip("0") for digits in re.findall("[0-9]+", text.partition("+")[0])]
    for digits in numbers:
        if len(digits) > _DIGITS_OF_LARGEST or (digits and int(digits) > _LARGEST_NUMBER):
            return f"{quoted(digits, limit=30)} is too large a number for a version; the largest is {_LARGEST_NUMBER}"
    try:
        Version(text.removesuffix(".*"))
    except ValueError:  # InvalidVersion, or thousands of digits
        return f"{quoted(text, limit=30)} is no version"
    return ""


def _marker_problem(marker: Marker) -> str:
    """A comparison that no machine has an answer to: a resolver would take it for true and go on."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    try:
        marker.evaluate({"platform_release": "1.0", "platform_version": "1.0"})
    except UndefinedComparison:
        return "only versions can be compared with ~= and ===; allowed for texts: ==, !=, in, not in"
    except UndefinedEnvironmentName:
        return "a comparison in it names no variable; allowed: python_version, sys_platform, platform_machine, …"
    return ""


def parse_requirement(text: str) -> Requirement:
    """One requirement without options, which may have a URL; ValueError says why it is none."""
    from packaging.requirements import Requirement

    try:
        return Requirement(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _half_hashed(reading: _Reading) -> Iterator[Mistake]:
    """Hashes for some lines and none for others: pip would refuse to install from such a file, and so do we."""
    lines = reading.requirements.values()
    asking = [line for line in lines if "--hash" in line.text] or reading.required
    bare = [line for line in lines if "--hash" not in line.text]
    if asking and bare:
        other = f"{quoted(asking[0].text, limit=30)} in line {asking[0].line} of {asking[0].file} goes with hashes"
        more = f" ({len(bare)} lines have none)" if len(bare) > 1 else ""
        yield bare[0].wrong(f"{quoted(bare[0].text)} has no --hash, but {other}; give every line one, or none{more}")
