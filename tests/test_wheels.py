"""The strict reading of wheels: what PyPI refuses is refused, what projects ship is read, and nothing else happens."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import ArchiveError
from builders.filenames import parse_wheel_name
from builders.terminal import visible
from builders.wheels import WheelFile, check_identity, check_machine, read_wheel
from index.model import Entry
from index.names import checked_wheels
from tests import archive_makers as made
from tests.archive_cases import ACCEPTED_BY_PYPI, BAD_NAMES, BAD_ZIPS, REFUSED_BY_PYPI
from tests.disk import snapshot


def refusal(folder: Path, data: bytes, filename: str = made.WHEEL_NAME) -> str:
    """The reason with which these bytes are refused; the folder is the same afterwards."""
    path = folder / "blob"
    path.write_bytes(data)
    before = snapshot(folder)
    with pytest.raises(ArchiveError) as caught:
        read_wheel(path, filename=filename)
    assert snapshot(folder) == before
    assert caught.value.hint
    assert caught.value.reason.replace("\n  ", "").isprintable()
    return caught.value.reason


def reading(folder: Path, data: bytes, filename: str = made.WHEEL_NAME) -> WheelFile:
    """What these bytes are read as."""
    path = folder / "blob"
    path.write_bytes(data)
    return read_wheel(path, filename=filename)


def test_a_good_wheel_is_read_whole(tmp_path: Path) -> None:
    """Every field of the reading comes out of the wheel, byte for byte where it says so."""
    wheel = reading(tmp_path, made.wheel_bytes())
    assert wheel == WheelFile(
        filename=made.WHEEL_NAME, project=wheel.project, version="1.0", tags=("py3-none-any",),
        metadata=made.METADATA, requires_python=">=3.8", requires_dist=("six>=1.10",), summary="a demonstration",
        license="MIT", modules=("demo",), binaries=(),
    )  # fmt: skip
    assert wheel.project == "demo"


@pytest.mark.parametrize("case", [*REFUSED_BY_PYPI, *BAD_ZIPS], ids=lambda case: case.id)
def test_a_zip_with_two_meanings_is_refused(case: made.Case, tmp_path: Path) -> None:
    """Each of these is a good wheel but for one lie in the zip; it is refused by that rule, under the file's name."""
    reason = refusal(tmp_path, case.make())
    assert reason.startswith(f"{made.WHEEL_NAME}: ")
    assert case.says in reason


def test_all_35_that_pypi_refuses_are_here() -> None:
    """The list is as long as PyPI's, and each id stands in it once."""
    assert len({case.id for case in REFUSED_BY_PYPI}) == len(REFUSED_BY_PYPI) == 35


@pytest.mark.parametrize("key", ACCEPTED_BY_PYPI)
def test_an_unusual_zip_with_one_meaning_is_read(key: str, tmp_path: Path) -> None:
    """Folders, comments, ZIP64, time stamps, any order: the wheel is the same."""
    plain = reading(tmp_path, made.wheel_bytes())
    assert reading(tmp_path, ACCEPTED_BY_PYPI[key]()) == plain


@pytest.mark.parametrize("key", BAD_NAMES)
def test_an_entry_with_a_dangerous_name_is_refused(key: str, tmp_path: Path) -> None:
    """W3, W11: the refusal names the entry, with its control characters made visible."""
    name = BAD_NAMES[key]
    reason = refusal(tmp_path, made.wheel_bytes({"demo/__init__.py": b"", name: b"x"}))
    assert "its path" in reason or "its name" in reason
    assert f": {visible(name)[:40]}" in reason


@pytest.mark.parametrize(
    "filename",
    [
        "demo-1.0-1/../../e-py3-none-any.whl", 'demo"-1.0-py3-none-any.whl', "demo\n-1.0-py3-none-any.whl",
        "demo-1.0-py3-none-any.whl\n", "\x1b[2Jdemo-1.0-py3-none-any.whl", "demo-1.0.whl", "demo-one-py3-none-any.whl",
        "demo-1.0-py3..py2-none-any.whl", "demo-1.0-x1-py3-none-any.whl", "../demo-1.0-py3-none-any.whl",
        "-1.0-py3-none-any.whl",
        "demo-1.0-py3-none-any.zip", "d\u0435mo-1.0-py3-none-any.whl", f"{'d' * 226}-1.0-py3-none-any.whl",
        f"demo-1.0-{'.'.join('abcdefghijklmno')}-{'.'.join('abcdefghijklmno')}-{'.'.join('abcdefghijklmno')}.whl",
    ],
)  # fmt: skip
def test_a_file_name_that_is_none_is_refused(filename: str, tmp_path: Path) -> None:
    """W11: quotes, newlines, escapes and paths do not get past the file name, whatever the archive holds."""
    assert "file name" in refusal(tmp_path, made.wheel_bytes(), filename)


def test_the_longest_file_name_is_one_that_the_tree_can_hold() -> None:
    """With `.metadata` behind it, it has 255 bytes: one more would stop the publication of all that is complete."""
    name = f"{'d' * 225}-1.0-py3-none-any.whl"
    assert len(f"{name}.metadata") == 255
    assert parse_wheel_name(name).version == "1.0"
    zeros = "0" * 64
    checked_wheels([Entry(filename=name, project="d", version="1.0", sha256=zeros, size=1, metadata_sha256=zeros)])
    with pytest.raises(ArchiveError, match="file name"):
        parse_wheel_name(f"d{name}")


@pytest.mark.parametrize("name", ["RECORD", "WHEEL", "METADATA"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    """W8, W9, W10: a wheel without one of its three files."""
    assert f"{made.INFO}/{name}: every wheel has this file" in refusal(tmp_path, made.wheel_with(**{name: None}))


def record(text: str) -> bytes:
    """A wheel whose RECORD begins with this text, and whose other lines are right."""
    lines = made.wheel_files()[f"{made.INFO}/RECORD"].decode().split("\n")[1:]
    return made.wheel_with(RECORD="\n".join([text, *lines]).encode())


FIRST = f"demo/__init__.py,{made.recorded(b'x = 1' + chr(10).encode())}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "demo/__init__.py: RECORD does not list it"),
        (FIRST.replace("=", "=A", 1), "its hash is not RECORD's"),
        (FIRST.rpartition(",")[0] + ",7", "RECORD says '7' bytes, it has 6"),
        ("demo/__init__.py,,", "RECORD has no sha256"),
        ("demo/__init__.py,md5=XrY7u-Ae7tCTyyK7j1rNww,6", "RECORD has no sha256"),
        (f"{FIRST}\n../../etc/passwd,,", "leads upwards"),
        (f"{FIRST}\n/etc/passwd,,", "absolute"),
        (f"{FIRST}\ndemo/gone.py,sha256=x,1", "demo/gone.py: RECORD lists it, and it is not there"),
        (f"{FIRST}\n{FIRST[:-1]}7", "with two hashes"),
        (f"{FIRST}\ndemo/__init__.py", "has 1 columns"),
        (f'{FIRST}\n"demo', "not a table"),
        ("demo/__init__.py,,\n" * 200_001, "it has more than 200000 lines"),
        ("\n" * 200_001, "it has more than 200000 lines"),
    ],
)
def test_a_record_that_lies_is_refused(text: str, says: str, tmp_path: Path) -> None:
    """W8: RECORD incomplete, wrong in hash or size, leading out, or no table at all."""
    assert says in refusal(tmp_path, record(text))


@pytest.mark.parametrize(
    "text",
    [FIRST, f"{FIRST}\n{FIRST}", FIRST.rpartition(",")[0] + ",", f"{FIRST}\r",
     f'"demo/__init__.py",{FIRST.partition(",")[2]}',
     f"demo/__init__.py,{made.recorded(b'x = 1' + bytes([10]), 'sha512')}", f"{FIRST}\n{made.INFO}/RECORD.jws,,"],
)  # fmt: skip
def test_a_record_as_builders_write_it_is_read(text: str, tmp_path: Path) -> None:
    """A line twice, no size, CRLF, quotes, sha512, the name of a signature: all of these are shipped."""
    assert reading(tmp_path, record(text)).modules == ("demo",)


@pytest.mark.parametrize(
    ("wheel", "says"),
    [
        (
            made.WHEEL.replace(b"py3-none-any", b"py2-none-any"),
            "its tags (py2-none-any) are not those of the file name",
        ),
        (b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n", "its tags (none)"),
        (made.WHEEL + b"Tag: cp311-cp311-linux_x86_64\n", "are not those of the file name"),
        (made.WHEEL.replace(b"1.0", b"2.0"), "is not 1.x"),
        (b"", "Wheel-Version is missing"),
        (made.WHEEL + b"Tag: a.b.c-none-any\n", "its tags (a-none-any and 2 more) are not"),
        (made.WHEEL + b"Tag: py3-none-any\n" * 1000, "WHEEL: it says more than 1000 tags"),
        (made.WHEEL + b"\n" * (1 << 19), "WHEEL: it is larger than 512 KiB"),
    ],
)
def test_a_wheel_file_unlike_the_file_name_is_refused(wheel: bytes, says: str, tmp_path: Path) -> None:
    """W9: WHEEL's version and tags."""
    assert says in refusal(tmp_path, made.wheel_bytes(wheel=wheel))


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (made.METADATA.replace(b"Name: demo", b"Name: requests"), "it says requests 1.0, unlike the file name"),
        (made.METADATA.replace(b"Version: 1.0", b"Version: 99"), "it says demo 99, unlike the file name"),
        (b"Metadata-Version: 2.1\nName: demo\n", "version is missing"),
        (b"Name: demo\n" + made.METADATA, "name is said more than once"),
        (made.METADATA.replace(b">=3.8", b">=3.8\x1b[2J"), "control characters"),
        (made.METADATA.replace(b">=3.8", b">=3.8\nRequires-Python: >=3"), "requires-python is said more than once"),
        (made.METADATA.replace(b"six", b"s\xeex"), "not UTF-8"),
        (made.METADATA.replace(b"Version: 1.0", b"Version: " + b"9" * 5000), "version is missing, or is none"),
        (b"Content-Type: message/rfc822\n\n" * 3000 + made.METADATA, "its name or its version is missing"),
        (b"x: y\n" * 300_000 + made.METADATA, "METADATA: its fields are longer than 1 MiB"),
    ],
)
def test_metadata_unlike_the_file_name_is_refused(metadata: bytes, says: str, tmp_path: Path) -> None:
    """W10, and the threat of an sdist that makes another project's wheel."""
    assert says in refusal(tmp_path, made.wheel_bytes(metadata=metadata))


def test_descriptions_may_be_in_any_encoding(tmp_path: Path) -> None:
    """Only fields that decide something have to be UTF-8; a summary in Latin-1 does not stop a wheel."""
    metadata = made.METADATA.replace(b"a demonstration", b"une d\xe9monstration \x1b[2J") + b"\xff\xfe"
    wheel = reading(tmp_path, made.wheel_bytes(metadata=metadata))
    assert wheel.metadata == metadata
    assert wheel.summary.isprintable()


@pytest.mark.parametrize(
    "more",
    [
        b"".join(b"x%d:\n" % i for i in range(100_000)),
        b"".join(b"%c%c%c%c%c%cy:\n" % letters for letters in product(*zip(b"SUMMAR", b"summar", strict=True))) * 1_500,
        b"Content-Type: message/delivery-status\n" + b"\n" * (20 << 20),
        b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n" * (5 << 20),
    ],
)
def test_what_no_one_reads_of_metadata_costs_nothing(more: bytes, tmp_path: Path) -> None:
    """Names by the hundred thousand, and descriptions that are millions of messages: a wheel of some kilobytes."""
    head = made.METADATA.partition(b"\n\n")[0].rstrip() + b"\n"
    assert reading(tmp_path, made.wheel_bytes(metadata=head + more)).requires_dist == ("six>=1.10",)


def test_two_info_folders_are_refused(tmp_path: Path) -> None:
    """W9: which of the two would count is anybody's guess."""
    files = {"demo/__init__.py": b"", "other-1.0.dist-info/METADATA": b"x"}
    assert "it has 2 .dist-info folders" in refusal(tmp_path, made.wheel_bytes(files))


def test_an_info_folder_of_another_project_is_refused(tmp_path: Path) -> None:
    """W9: pip would refuse it too, but on the far side."""
    assert "named after another project" in refusal(tmp_path, made.wheel_bytes(info="other-1.0.dist-info"))


def with_entry_points(text: str) -> bytes:
    """A good wheel but for its entry points."""
    return made.wheel_bytes({"demo/__init__.py": b"", f"{made.INFO}/entry_points.txt": text.encode()})


@pytest.mark.parametrize(
    "group",
    [
        "[console_scripts]", "[gui_scripts]", "\ufeff[ Console_Scripts ]", "[x]\n [gui_scripts]",
        "[console_scripts]\ndemo = demo:main\n [x]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["../../demo", "/bin/sh", "a/b", "..\\demo", "a\tb", ".."])
def test_a_script_with_a_path_for_a_name_is_refused(group: str, name: str, tmp_path: Path) -> None:
    """W3: what an installer would make of it depends on the installer."""
    reason = refusal(tmp_path, with_entry_points(f"{group}\n# scripts\ngood = demo:main\n{name} = demo:main\n"))
    assert f"{made.INFO}/entry_points.txt: a script in it is called {name!r}; allowed: " in reason


@pytest.mark.parametrize("control", ["\x1b", "\x00", "\r", "\x1c", "\x85", "\u2028"])
def test_entry_points_with_control_characters_are_refused(control: str, tmp_path: Path) -> None:
    """W11: some of them end a line for some installers, so that what follows is another entry."""
    text = f"[x]{control}[console_scripts]{control}../demo = demo:main\n"
    assert "entry_points.txt: it has control characters in it" in refusal(tmp_path, with_entry_points(text))


def test_entry_points_have_an_end(tmp_path: Path) -> None:
    """A few kilobytes would unpack to millions of lines."""
    assert "entry_points.txt: it is larger than 512 KiB" in refusal(tmp_path, with_entry_points("\n" * (1 << 20)))


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "[console_scripts]\ndemo-1.x = demo:main\n", "[console_scripts]\r\ndemo=demo:main [extra]\r\n\r\n",
        "[demo.types]\ntext/plain = demo:Text\n[console_scripts]\n; a/b\n# a/b\n\tdemo\t= demo:main ; a/b\n",
        "[console_scripts]\n[demo.paths]\n/a = demo:a\n", "[gui_scripts]\nd\u00e9mo = demo:main\n",
    ],
)  # fmt: skip
def test_entry_points_as_projects_ship_them_are_read(text: str, tmp_path: Path) -> None:
    """Only those that become files need a file's name."""
    assert reading(tmp_path, with_entry_points(text)).project == "demo"


@pytest.mark.parametrize(
    "name", ["demo-1.0.data/lib/x", "demo-1.0.data/x", "demo-1.0.data/PURELIB/x", "x-1.0.data/data/x"]
)
def test_an_unknown_data_scheme_is_refused(name: str, tmp_path: Path) -> None:
    """W13: five schemes exist, in one folder."""
    assert name.partition("/")[0] in refusal(tmp_path, made.wheel_bytes({"demo/__init__.py": b"", name: b"x"}))


@pytest.mark.parametrize("name", ["purelib/evil-9.dist-info/METADATA", "platlib/evil.Egg-Info", "purelib/e.egg-info/x"])
def test_a_second_project_below_data_is_refused(name: str, tmp_path: Path) -> None:
    """W9: pip would lay it beside the wheel's own, and everybody would take it for installed."""
    data = made.wheel_bytes({"demo/__init__.py": b"", f"demo-1.0.data/{name}": b"x"})
    assert f"demo-1.0.data/{name}: it would be installed as a second project" in refusal(tmp_path, data)


def test_files_about_a_project_may_lie_elsewhere(tmp_path: Path) -> None:
    """Tests bring such folders along, and data may be called as it likes."""
    names = ["demo/x.dist-info/METADATA", "demo-1.0.data/data/x.egg-info", "demo-1.0.data/purelib/demo/x.egg-info"]
    assert reading(tmp_path, made.wheel_bytes(dict.fromkeys(["demo/__init__.py", *names], b""))).project == "demo"


@pytest.mark.parametrize(
    ("filename", "info"),
    [
        ("PyYAML-5.4.1-py3-none-any.whl", "PyYAML-5.4.1.dist-info"),
        ("MarkupSafe-2.0-1-py3-none-any.whl", "MarkupSafe-2.0.dist-info"),
        ("zope.interface-5.4.0-py3-none-any.whl", "zope.interface-5.4.0.dist-info"),
        ("zope_interface-5.4.0-py3-none-any.whl", "zope.interface-5.4.0.dist-info"),
        ("foo_bar-1.0.0.post1-py3-none-any.whl", "Foo-Bar-1.0.0-1.dist-info"),
        ("foo-1.0_1-py3-none-any.whl", "foo-1.0_1.dist-info"),
        ("foo-1!2.0+local.7-py3-none-any.whl", "foo-1!2.0+local.7.dist-info"),
        ("foo-2.0.0rc1-py3-none-any.whl", "foo-2.0.0.rc1.dist-info"),
    ],
)
def test_names_may_be_spelled_freely(filename: str, info: str, tmp_path: Path) -> None:
    """Case, dots, dashes, versions not normalised: real wheels have them all, and mean one project and version."""
    name, version = filename.split("-")[:2]
    metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version.replace('_', '-')}\n".encode()
    files = made.wheel_files({"m.py": b""}, info=info, metadata=metadata)
    wheel = reading(tmp_path, made.body(made.parts_of(files)).ended(), filename)
    assert wheel.modules == ("m",)
    check_identity(wheel, project=wheel.project, version=version.replace("_", "-"))


def test_check_identity_refuses_another_project_and_another_version(tmp_path: Path) -> None:
    """S18: what was asked for is compared with what the wheel is, by normalised name and version."""
    wheel = reading(tmp_path, made.wheel_bytes())
    check_identity(wheel, project=wheel.project, version="1")
    other = parse_wheel_name("requests-1.0-py3-none-any.whl").project
    with pytest.raises(ArchiveError, match=r"where requests 1\.0 was asked for"):
        check_identity(wheel, project=other, version="1.0")
    with pytest.raises(ArchiveError, match=r"where demo 2\.0 was asked for"):
        check_identity(wheel, project=wheel.project, version="2.0")


def compiled(files: dict[str, bytes], tag: str) -> tuple[bytes, str]:
    """A wheel with these files and this tag, and its file name."""
    wheel = f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    return made.wheel_bytes({"demo/__init__.py": b"", **files}, wheel=wheel), f"demo-1.0-{tag}.whl"


@pytest.mark.parametrize(
    ("head", "machine"),
    [
        (made.elf(62), "x86_64"), (made.elf(183), "aarch64"), (made.elf(3, bits=1), "i386"),
        (made.elf(40, bits=1), "armv7l"),
        (made.elf(21), "ppc64le"), (made.elf(22, order=2), "s390x"), (made.elf(243), "riscv64"),
        (made.elf(258), "loongarch64"),
        (made.mach_o(), "macho-arm64"), (made.mach_o(0x01000007), "macho-x86_64"), (made.pe(), "pe-amd64"),
        (made.fat(0x01000007, 0x0100000C), "macho-universal2"),
    ],
)  # fmt: skip
def test_the_machine_is_read_from_the_header(head: bytes, machine: str, tmp_path: Path) -> None:
    """The name of a file proves nothing: a program is found by its first bytes."""
    data, name = compiled({"demo/x.dat": head}, "cp311-cp311-linux_x86_64")
    wheel = reading(tmp_path, data, name)
    assert wheel.binaries == (("demo/x.dat", machine),)


@pytest.mark.parametrize(
    "head", [b"\xca\xfe\xba\xbe\0\0\0\x34" + b"\0" * 99, made.elf(62, kind=1), b"MZ", b"\x7fELF", b"MZ" + b"\xff" * 99]
)
def test_what_only_looks_like_a_program_is_none(head: bytes, tmp_path: Path) -> None:
    """A Java class, an object file, a short or a broken header: data, and no traceback."""
    assert reading(tmp_path, made.wheel_bytes({"demo/__init__.py": b"", "demo/x": head})).binaries == ()


@pytest.mark.parametrize(
    ("machine", "theirs", "fits"),
    [
        ("x86_64", made.elf(62), True), ("AMD64", made.elf(62), True), ("x86_64", made.elf(183), False),
        ("arm64", made.elf(183), True),
        ("aarch64", made.elf(62), False), ("i686", made.elf(3, bits=1), True), ("x86_64", made.elf(3, bits=1), False),
        ("arm64", made.mach_o(), True), ("x86_64", made.mach_o(), False),
        ("x86_64", made.fat(0x01000007, 0x0100000C), True),
        ("x86_64", made.elf(190), True), ("x86_64", made.elf(4711), False),
    ],
)  # fmt: skip
def test_a_program_for_another_machine_is_refused(machine: str, theirs: bytes, fits: bool, tmp_path: Path) -> None:
    """W17: every program in the wheel is for the platform's machine, whatever the tag says; GPU code does not count."""
    data, name = compiled({"demo/x.so": theirs}, f"cp311-cp311-linux_{machine.lower()}")
    wheel = reading(tmp_path, data, name)
    if fits:
        check_machine(wheel, machine=machine)
        return
    with pytest.raises(ArchiveError, match=r"demo/x\.so: it is compiled for "):
        check_machine(wheel, machine=machine)


def test_a_compiled_wheel_tagged_for_any_platform_is_refused(tmp_path: Path) -> None:
    """W18: a shared object in a wheel that says it is pure."""
    reason = refusal(tmp_path, made.wheel_bytes({"demo/__init__.py": b"", "demo/x.so": made.elf()}))
    assert "demo/x.so: it is compiled for x86_64, and the wheel is tagged for any platform" in reason


def test_a_wheel_for_any_platform_may_bring_programs_for_several(tmp_path: Path) -> None:
    """Selenium and debugpy do: that is a choice, not a mistake. Such a wheel fits every machine."""
    files = {"demo/__init__.py": b"", "demo/linux": made.elf(), "demo/mac": made.mach_o(), "demo/win.exe": made.pe()}
    check_machine(reading(tmp_path, made.wheel_bytes(files)), machine="aarch64")


def test_launchers_for_windows_may_lie_in_any_wheel(tmp_path: Path) -> None:
    """Pip and setuptools carry *.exe as data; a .pyd would be another thing."""
    reading(tmp_path, made.wheel_bytes({"demo/__init__.py": b"", "demo/t64.exe": made.pe()}))
    reason = refusal(tmp_path, made.wheel_bytes({"demo/__init__.py": b"", "demo/t64.pyd": made.pe()}))
    assert "compiled for pe-amd64" in reason


@pytest.mark.parametrize(
    ("names", "modules"),
    [
        (["a/__init__.py", "b.py", "_c.py"], ("a", "b")),
        (["_c.py", "_d/__init__.py"], ("_c", "_d")),
        (["_cffi.cpython-39-x86_64-linux-gnu.so", "y.abi3.so", "z.pyd"], ("y", "z")),
        (["ns/inner/x.py", "ns/data.txt", "docs/readme.txt", "a.libs/libz.so.1"], ("ns.inner.x",)),
        (
            ["demo-1.0.data/purelib/p.py", "demo-1.0.data/platlib/q/__init__.py", "demo-1.0.data/scripts/r.py"],
            ("p", "q"),
        ),
        (["not-a-name.py", "x.pth"], ()),
        (["google/protobuf/x.py", "google/_upb/_m.abi3.so"], ("google.protobuf.x",)),
        (["zope/interface/__init__.py", "zope/interface/tests/t.py", "zope/_x.py"], ("zope.interface",)),
        (["demo-1.0.data/purelib/zc/lock/__init__.py", "zc/_a/__init__.py", "b.py"], ("b", "zc.lock")),
        (["ns/_only/__init__.abi3.so"], ("ns._only",)),
        (["six.py", "six/data.py", "a/b.py", "a/b/c.py"], ("a.b", "six")),
        (["ns/not-a-name/x.py", "ns/data/x.json", "lib/libx.so", "lib/y.so"], ("lib.y",)),
        (["tests/t.py", "ns/tests/__init__.py", "ns/docs/conf.py", "ns/__main__.py"], ("ns", "tests")),
        (["a/b/c/d/e.py", "a/b/c/__init__.py"], ("a.b.c",)),
        (["a/b/c/d/e.py"], ("a.b.c",)),
        ([f"n/m{number}.py" for number in range(100, 400)], tuple(f"n.m{number}" for number in range(100, 200))),
    ],
)
def test_modules_are_what_an_import_finds(names: list[str], modules: tuple[str, ...], tmp_path: Path) -> None:
    """Packages, modules, extensions, namespaces and what .data installs beside them; private names only alone."""
    assert reading(tmp_path, made.wheel_bytes(dict.fromkeys(names, b""))).modules == modules


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    """W7: 65 MiB of zeros in some kilobytes, and an entry that lies about its 64 MiB: at once, in little memory."""
    for data, says in ((made.zeros_wheel(), "a compression bomb"), (made.liar_wheel(), "more than the 6 bytes")):
        tracemalloc.start()
        start = time.perf_counter()
        assert says in refusal(tmp_path, data)
        assert time.perf_counter() - start < 5
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


def test_zeros_within_the_limit_are_read(tmp_path: Path) -> None:
    """The ratio counts only beyond 64 MiB: small files may be as dense as they like."""
    assert reading(tmp_path, made.zeros_wheel(3)).modules == ("demo",)


@pytest.mark.parametrize(
    "size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (1 << 20) + 257, (1 << 20) + 600, 2 << 20]
)
def test_entries_around_the_size_of_a_piece_are_read(size: int, tmp_path: Path) -> None:
    """Zlib may hold back output when it has taken all input; nothing is lost at the edges of our pieces of 1 MiB."""
    for fill in (b"\0", b"ab"):
        data = (fill * size)[:size]
        assert reading(tmp_path, made.wheel_bytes({"demo/__init__.py": b"", "demo/x": data})).modules == ("demo",)


def test_every_cut_and_every_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    """A good wheel cut anywhere is refused; with one bit flipped it is refused, or read as the very same wheel.

    Harmless are bits that no reader acts on: time stamps, 'version made by', attributes that mean nothing.
    """
    data = made.wheel_bytes()
    plain = reading(tmp_path, data)
    for length in range(0, len(data), 3):
        refusal(tmp_path, data[:length])
    harmless = 0
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        try:
            assert reading(tmp_path, bytes(changed)) == plain
            harmless += 1
        except ArchiveError:
            pass
    assert harmless < len(data) / 8


@given(st.text(), st.text(), st.text())
def test_no_file_name_makes_a_traceback(name: str, version: str, rest: str) -> None:
    """Whatever the name: a reading with safe parts, or ArchiveError."""
    try:
        read = parse_wheel_name(f"{name}-{version}-{rest}.whl")
    except ArchiveError:
        return
    assert (read.build + "".join(read.tags)).replace("-", "").replace("_", "").replace(".", "").isalnum()


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """No traceback for what is no file: the reason names it."""
    for path in (tmp_path / made.WHEEL_NAME, tmp_path):
        with pytest.raises(ArchiveError, match="no regular file"):
            read_wheel(path, filename=made.WHEEL_NAME)


@pytest.fixture(scope="module")
def real_wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three small real wheels, fetched with pip."""
    folder = tmp_path_factory.mktemp("real")
    wanted = ["markupsafe", "six", "pip"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
    ]
    subprocess.run([*command, *wanted], check=True)
    return sorted(folder.glob("*.whl"))


@pytest.mark.network
def test_real_wheels_are_read(real_wheels: list[Path]) -> None:
    """What real projects ship is accepted: compiled, pure, and pure with launchers for Windows in it."""
    wheels = {wheel.project: wheel for wheel in map(read_wheel, real_wheels)}
    assert {str(project): wheel.modules for project, wheel in wheels.items()} == {
        "markupsafe": ("markupsafe",), "pip": ("pip",), "six": ("six",),
    }  # fmt: skip
