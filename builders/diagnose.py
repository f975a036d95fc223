"""Why a build failed, in one line: what a person would look for in its log. Pure: text in, sentence and hint out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from builders.jobs import LOG_BYTES, Ending, Outcome
from builders.platforms import Limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """A sentence for the summary and what to do about it."""

    reason: str
    hint: str = ""


_Explain = Callable[[re.Match[str]], Cause]


def _installing(project: str, *, host: bool) -> Callable[[str], str]:
    """How to come by what a build lacks; on a host no pre-command runs."""
    if host:
        return lambda what: f"install {what} on this machine"
    return lambda what: f"install {what} for this build: `builds: {project}: pre-command: apt-get -y install …`"


def _patterns(project: str, install: Callable[[str], str]) -> tuple[tuple[str, _Explain], ...]:
    """From the most telling to the least; the first that is found anywhere in the log speaks."""
    return (
        (
            r"fatal error: (?P<header>[\w./+-]+\.h\w*): No such file",
            lambda m: Cause(reason=f"missing header {m['header']}", hint=install("the -dev package that has it")),
        ),
        (
            r"(?:pg_config|mysql_config|\w+[-_]config) (?:executable )?(?:is required|not found)|"
            r"(?P<tool>\w+[-_]config)(?: executable)?:? (?:command )?not found",
            lambda m: Cause(reason=f"missing program {m[0].split()[0]}", hint=install("the -dev package that has it")),
        ),
        (
            r"(?:unable to execute|error: command|No such file or directory:) "
            r"'?(?P<tool>[\w+.-]*(?:gcc|g\+\+|cc|clang|c\+\+))'?"
            r"(?:: No such file| failed: No such file|\s*$)",
            lambda m: Cause(reason=f"missing program {m['tool']}", hint=install("a compiler (gcc, python3-dev)")),
        ),
        (
            r"(?:can't find Rust compiler|requires Rust|[Cc]argo[^\n]{0,40}(?:not found|not installed|No such file))",
            lambda _: Cause(
                reason="missing program rustc (the package is written in Rust)", hint=install("rustc, cargo")
            ),
        ),
        (
            r"(?P<tool>[\w+.-]+): (?:command )?not found|No such file or directory: '(?P<program>[\w+.-]+)'",
            lambda m: Cause(reason=f"missing program {m['tool'] or m['program']}", hint=install("it")),
        ),
        (
            r"Temporary failure in name resolution|Name or service not known|Network is unreachable|NewConnectionError|"
            r"urlopen error|Could not resolve host",
            lambda _: Cause(
                reason="no network: the build tried to reach one",
                hint=f"{install('what it wants')}, or allow it: `builds: {project}: network: true`",
            ),
        ),
        (
            r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'",
            lambda m: Cause(
                reason=f"missing Python module {m['module']} while building",
                hint=_module_hint(project, m["module"]),
            ),
        ),
        (
            r"No space left on device",
            lambda _: Cause(reason="no space left", hint="raise `limits: memory:`: scratch space counts in"),
        ),
        # pip's own words about what a backend handed over:
        (
            r"(?m)Building wheel for \S+ failed: \[Errno 2\] No such file or directory: '[^'\n]*\.whl'$",
            lambda _: Cause(reason="no wheel produced, though the build backend said that there was one"),
        ),
        (
            r"(?m)Built wheel for \S+ is invalid: (?P<line>.{1,200})$",
            lambda m: Cause(reason=f"not the wheel that was asked for: {m['line'].strip()}"),
        ),
        (r"(?m)^\s*(?P<line>\w*Error: .{1,200})$", lambda m: Cause(reason=m["line"].strip())),
        (r"(?m)^.*?(?P<line>error: .{1,200})$", lambda m: Cause(reason=m["line"].strip())),
    )


def _module_hint(project: str, module: str) -> str:
    if module.partition(".")[0] in {"pkg_resources", "distutils", "imp"}:
        return f"an old sdist: try `builds: {project}: build-constraints: ['setuptools<82']`"
    return f"the sdist does not declare it; `builds: {project}: from: wheel`, or another version"


def diagnose(project: str, outcome: Outcome, log: str, limits: Limits, *, host: bool) -> Cause:
    """The likely cause of a job's failure; `host`: it ran on this machine and not in an image."""
    match outcome.ending:
        case Ending.TIME_LIMIT:
            return Cause(reason=f"time limit of {limits.seconds} s", hint="raise it: `limits: time:`")
        case Ending.SILENCE_LIMIT:
            return Cause(reason=f"no output for {limits.silence} s", hint="raise it: `limits: silence:`")
        case Ending.LOG_LIMIT:
            return Cause(reason=f"it wrote more than {LOG_BYTES // 1024**2} MiB of log")
        case Ending.OUT_OF_MEMORY:
            return Cause(reason=f"out of memory at {limits.memory // 1024**2} MiB", hint="raise it: `limits: memory:`")
        case Ending.EXITED:
            return _from_log(project, outcome, log, host=host)


def _from_log(project: str, outcome: Outcome, log: str, *, host: bool) -> Cause:
    for pattern, explain in _patterns(project, _installing(project, host=host)):
        if match := re.search(pattern, log):
            return explain(match)
    return Cause(reason=f"it ended with code {outcome.code}")
