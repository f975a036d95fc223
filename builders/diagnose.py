"""Why a build failed, in one line: what a person would look for in its log. Pure: text in, sentence and hint out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from builders.jobs import LOG_BYTES, Ending, Outcome
from builders.outputs import MOST_BYTES
from builders.platforms import Limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A sentence for the summary and what to do about it."""

    reason: str
    hint: str = ""


# Pattern, reason, hint: from the most telling to the least; the first that is found anywhere in the log speaks. `what`
# is what its group found, or all of it; `here` is where to install what a build lacks.
_SIGNS = (
    (
        r"fatal error: ([\w./+-]+\.h\w*): No such file",
        "missing header {what}",
        "install the -dev package that has it {here}",
    ),
    (
        r"(\w+[-_]config)(?: executable)?:? (?:command )?(?:is required|not found)",
        "missing program {what}",
        "install the -dev package that has it {here}",
    ),
    (
        r"(?:unable to execute|error: command|No such file or directory:) '?([\w+.-]*(?:gcc|g\+\+|cc|clang|c\+\+))'?"
        r"(?:: No such file| failed: No such file|\s*$)",
        "missing program {what}",
        "install a compiler (gcc, python3-dev) {here}",
    ),
    (
        r"(?:can't find Rust compiler|requires Rust|[Cc]argo[^\n]{0,40}(?:not found|not installed|No such file))",
        "missing program rustc (the package is written in Rust)",
        "install rustc, cargo {here}",
    ),
    (
        r"([\w+.-]+): (?:command )?not found|No such file or directory: '([\w+.-]+)'",
        "missing program {what}",
        "install it {here}",
    ),
    (
        r"Temporary failure in name resolution|Name or service not known|Network is unreachable|NewConnectionError|"
        r"urlopen error|Could not resolve host",
        "no network: the build tried to reach one",
        "install what it wants {here}, or allow it: `builds: {project}: network: true`",
    ),
    (
        r"ModuleNotFoundError: No module named '([\w.]+)'",
        "missing Python module {what} while building",
        "{for_module}",
    ),
    (r"No space left on device", "no space left", "raise `limits: memory:`: scratch space counts in"),
    # pip's own words about what a backend handed over:
    (
        r"(?m)Building wheel for \S+ failed: \[Errno 2\] No such file or directory: '[^'\n]*\.whl'$",
        "no wheel produced, though the build backend said that there was one",
        "",
    ),
    (r"(?m)Built wheel for \S+ is invalid: (.{1,200})$", "not the wheel that was asked for: {what}", ""),
    (r"(?m)^\s*(\w*Error: .{1,200})$", "{what}", ""),
    (r"(?m)^.*?(error: .{1,200})$", "{what}", ""),
)


def diagnose(project: str, outcome: Outcome, log: str, limits: Limits, *, host: bool) -> Cause:
    """The likely cause of a job's failure; `host`: it ran on this machine and not in an image."""
    match outcome.ending:
        case Ending.TIME_LIMIT:
            return Cause(reason=f"time limit of {limits.seconds} s", hint="raise it: `limits: time:`")
        case Ending.SILENCE_LIMIT:
            return Cause(reason=f"no output for {limits.silence} s", hint="raise it: `limits: silence:`")
        case Ending.LOG_LIMIT:
            return Cause(reason=f"it wrote more than {LOG_BYTES // 1024**2} MiB of log")
        case Ending.OUTPUT_LIMIT:
            return Cause(reason=f"its output grew beyond {MOST_BYTES // 1024**3} GiB, or it hid what is in it")
        case Ending.OUT_OF_MEMORY:
            return out_of_memory(limits)
        case Ending.EXITED:
            return _from_log(project, outcome, log, host=host)


def out_of_memory(limits: Limits) -> Cause:
    """Where a process was ended for that, the limit is what can be changed."""
    return Cause(reason=f"out of memory at {limits.memory // 1024**2} MiB", hint="raise it: `limits: memory:`")


def _from_log(project: str, outcome: Outcome, log: str, *, host: bool) -> Cause:
    for pattern, reason, hint in _SIGNS:
        if match := re.search(pattern, log):
            what = match[match.lastindex or 0].strip()
            here, for_module = _here(project, host=host), _for_module(project, what)
            words = {"what": what, "project": project, "here": here, "for_module": for_module}
            return Cause(reason=reason.format(**words), hint=hint.format(**words))
    return Cause(reason=f"it ended with code {outcome.code}")


def _here(project: str, *, host: bool) -> str:
    """On a host no pre-command runs."""
    return "on this machine" if host else f"for this build: `builds: {project}: pre-command: apt-get -y install …`"


def _for_module(project: str, module: str) -> str:
    if module.partition(".")[0] in {"pkg_resources", "distutils", "imp"}:
        return f"an old sdist: try `builds: {project}: build-constraints: ['setuptools<82']`"
    return f"the sdist does not declare it; `builds: {project}: from: wheel`, or another version"
