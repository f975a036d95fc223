"""What a requirement set may say: pip's format, without the options that platforms.yaml says once for all sets."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement

from builders.requirements import RequirementSet, read_requirement_set, requirement_problem

SHA256, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The requirements/ of a workspace."""
    (tmp_path / "requirements").mkdir()
    return tmp_path / "requirements"


def read(folder: Path, text: str | bytes) -> RequirementSet:
    path = folder / "set.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found, mistakes = read_requirement_set(path, root=folder.parent)
    assert not mistakes
    assert found is not None
    return found


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """The mistakes as text; and there is no set then."""
    path = folder / "set.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found, wrong = read_requirement_set(path, root=folder.parent)
    assert found is None
    return [str(mistake) for mistake in wrong]


def test_a_set_is_read_as_pip_reads_it(folder: Path) -> None:
    """Comments, continued lines, extras, markers and white space; order kept, a repeated line taken once."""
    text = (
        "# the mirror\n"
        "six==1.16.0   # pinned\n"
        "  Foo_Bar[a, b] >= 1.0 ,<2;   python_version < '3.12'\n"
        "url-like#not-a-comment-without-a-blank-before\n".replace("#", " # ")
        + "attrs \\\n   >=20, \\\n   <30\n"
        "six==1.16.0\n"
        "tail \\\n"
    )
    assert read(folder, text) == RequirementSet(
        name="set",
        path=folder / "set.txt",
        requirements=(
            "six==1.16.0",
            "Foo_Bar[a, b] >= 1.0 ,<2; python_version < '3.12'",
            "url-like",
            "attrs >=20, <30",
            "tail",
        ),
        constraints=(),
    )


def test_other_files_are_followed(folder: Path) -> None:
    """-r and -c are seen from the file that they stand in; what -c leads to are constraints; a file is taken once."""
    (folder / "deep").mkdir()
    (folder / "deep" / "more.txt").write_text("-c ../bounds.txt\n-r../base.txt\nattrs\n")
    (folder / "base.txt").write_text("six\n")
    (folder / "bounds.txt").write_text("six<2\ncffi!=1.5\n")
    (folder.parent / "with blank.txt").write_text("wheel\n")
    found = read(folder, '-r deep/more.txt\n--requirement=base.txt\n-r "../with blank.txt"\n--constraint bounds.txt\n')
    assert found.requirements == ("six", "attrs", "wheel")
    assert found.constraints == ("six<2", "cffi!=1.5")


def test_hashes_stay_with_their_lines(folder: Path) -> None:
    """As pip-compile writes them, with --require-hashes on top."""
    text = (
        f"--require-hashes\nsix==1.16.0 \\\n    --hash=sha256:{SHA256} \\\n    --hash=sha512:{'0' * 128}\n    # via x\n"
    )
    assert read(folder, text).requirements == (f"six==1.16.0 --hash=sha256:{SHA256} --hash=sha512:{'0' * 128}",)


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbfsix\n", b"six\r\n", b"six", b"# caf\xc3\xa9\nsix\n", b"\n\n  \nsix # x"]
)
def test_harmless_bytes_change_nothing(folder: Path, data: bytes) -> None:
    """A byte order mark, other line ends, comments in any language."""
    assert read(folder, data).requirements == ("six",)


CASES = {
    "R1-missing": (
        "six\n-r gone.txt",
        "requirements/set.txt:2:1: requirements/gone.txt is not a file; beside it are: a.txt",
    ),
    "R1-folder": ("-r no/gone.txt", ":1:1: requirements/no/gone.txt is not a file; its folder is not there either"),
    "R1-self": ("-r set.txt", "in a circle: requirements/set.txt → requirements/set.txt"),
    "R1-remote": ("-r https://index.example/x.txt", ":1:1: a file on another machine is not followed; copy it"),
    "R1-file-url": ("-c file:///etc/passwd", "a file on another machine is not followed"),
    "R1-outside": ("-r ../../x.txt", "'../../x.txt' is outside the workspace"),
    "R1-absolute": ("-c /etc/passwd", "'/etc/passwd' is outside the workspace"),
    "R1-nothing": ("-r", "-r names one file, such as -r base.txt"),
    "R2-index": (
        "\n--index-url https://index.example/simple",
        ":2:1: --index-url does not belong here; name the index in",
    ),
    "R2-index-short": (
        "-i https://index.example/simple",
        "-i does not belong here; name the index in platforms.yaml",
    ),
    "R2-extra": ("--extra-index-url=https://index.example/", "--extra-index-url does not belong here"),
    "R2-host": ("--trusted-host x", "--trusted-host does not belong here"),
    "R2-links": (
        "--find-links vendor",
        "--find-links does not belong here; name the folder in platforms.yaml: upstream",
    ),
    "R2-links-short": ("-fvendor", "-f does not belong here; name the folder"),
    "R4-editable": ("-e .", "-e does not belong here; a checkout cannot be mirrored"),
    "R4-reference": (
        "name @ file:///etc/passwd",
        "points at one file; put the file into a folder and name it in platforms",
    ),
    "R4-reference-extra": ("name[a]@https://x.example/n.whl ; os_name == 'nt'", "points at one file"),
    "R4-path": ("./vendor/a.whl", "'./vendor/a.whl' points at one file"),
    "R4-wheel": ("a-1-py3-none-any.whl", "points at one file"),
    "R4-vcs": ("git+https://git.example/a.git#egg=a", "a checkout cannot be mirrored; make an sdist of it"),
    "R4-vcs-user": ("git+ssh://git@git.example/a.git", "a checkout cannot be mirrored; make an sdist of it"),
    "R4-vcs-reference": ("a @ git+https://git.example/a.git@v1", "a checkout cannot be mirrored; make an sdist of it"),
    "R4-folder": ("./folder", "'./folder' is no file: a checkout cannot be mirrored; make an sdist"),
    "R6": ("a==${VERSION}", "'${VERSION}' is not expanded; write here what it stands for"),
    "R6-option": (
        "--index-url https://${TOKEN}@index.example/",
        "'${TOKEN}' is not expanded; secrets come from netrc or the environment",
    ),
    "R7": (
        f"a==1 --hash=sha256:{SHA256}\n b==1\n",
        ":2:2: 'b==1' has no --hash, but 'a==1 --hash=sha256:abababababa…' in line 1 of requirements/set.txt goes with",
    ),
    "R7-required": ("--require-hashes\na==1\n", ":2:1: 'a==1' has no --hash, but '--require-hashes' in line 1"),
    "R8-md5": (f"a==1 --hash=md5:{'0' * 32}", "is no hash that protects; allowed: --hash=sha256:…, sha384, sha512"),
    "R8-short": ("a==1 --hash=sha256:abcd", "a sha256 has 64 hexadecimal digits; 'abcd' has 4 characters"),
    "R8-letters": (f"a==1 --hash=sha256:{'g' * 64}", "a sha256 has 64 hexadecimal digits"),
    "R10-turned": ("a=>1", ":1:1: 'a=>1' is not a requirement: "),
    "R10-turned-hint": ("a=>1", "did you mean '>='?"),
    "R10-single": ("a=1", "did you mean '=='?"),
    "R10-triple": ("a===", "'a===' is not a requirement: a version has to follow; did you mean '==1.0'?"),
    "R10-two": ("a b", "'a b' is not a requirement"),
    "R10-marker": ("a; python_version <", "the marker 'python_version <' cannot be read"),
    "no-version": ("a===nonsense", "'a===nonsense' is not a requirement: 'nonsense' is no version"),
    "large-number": (f"a=={2**64 - 1}", f"is too large a number for a version; the largest is {2**64 - 2}"),
    "larger-number": ("a>=1." + "9" * 5000, "is too large a number for a version"),
    "many-zeros": ("a>=1." + "0" * 5000, "is no version"),
    "undefined-marker": ("a; os_name ~= 'x'", "only versions can be compared with ~= and ===; allowed for texts: =="),
    "constant-marker": ("a; 'x' == 'x'", "a comparison in it names no variable"),
    "R10-unknown-marker": ("a; phase == 'full'", "the marker 'phase == 'full'' cannot be read"),
    "pre": ("--pre", "--pre does not belong here; allow a pre-release where it is wanted"),
    "binary": ("--only-binary :all:", "builds: PROJECT: from: sdist or wheel"),
    "per-requirement": ("a --global-option=x", "--global-option does not belong here"),
    "option": ("--frobnicate", "option '--frobnicate' is not read here; allowed: -r FILE, -c FILE, --require-hashes"),
    "escape": ("a\x1b[31m", r"'a\x1b[31m' is not a requirement"),
    "empty": ("# nothing yet\n", ":1:1: no requirement stands in this set"),
    "nested-parentheses": ("a; " + "(" * 5000, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_its_place(folder: Path, case: str) -> None:
    """Families R: file, line and column, and what to do instead; nothing but the file that is read is touched."""
    (folder / "a.txt").write_text("six\n")
    text, expected = CASES[case]
    (found,) = mistakes(folder, text)
    assert found.startswith("requirements/set.txt:")
    assert expected in found
    assert found.isprintable()
    assert sorted(path.name for path in folder.parent.rglob("*")) == ["a.txt", "requirements", "set.txt"]


def test_all_mistakes_of_all_files_are_told(folder: Path) -> None:
    """A set and what it names are read to their ends, whatever is found on the way."""
    (folder / "b.txt").write_text("six\n-e .\n-r set.txt\n")
    assert [text.split(": ")[0] for text in mistakes(folder, "a=>1\n-r b.txt\n--pre\n")] == [
        "requirements/b.txt:2:1",
        "requirements/b.txt:3:1",
        "requirements/set.txt:1:1",
        "requirements/set.txt:3:1",
    ]


def test_a_circle_shows_its_way(folder: Path) -> None:
    """R1: the chain from the first file back to itself; a file named twice without a circle is none."""
    (folder / "b.txt").write_text("-c c.txt\n")
    (folder / "c.txt").write_text("-r b.txt\n")
    (found,) = mistakes(folder, "-r b.txt\nsix\n")
    assert found == (
        "requirements/c.txt:1:1: these files name each other in a circle: "
        "requirements/b.txt → requirements/c.txt → requirements/b.txt"
    )


def test_a_long_row_of_files_ends(folder: Path) -> None:
    """A thousand files that each name the next are a mistake, not an overflow."""
    for number in range(1000):
        (folder / f"{number}.txt").write_text(f"-r {number + 1}.txt\n")
    (found,) = mistakes(folder, "-r 0.txt\n")
    assert "more than 50 files name each other in a row" in found


def test_other_encodings_are_refused_with_their_line(folder: Path) -> None:
    """Neither a coding comment nor the machine's locale decides what a byte means."""
    assert mistakes(folder, b"# -*- coding: latin-1 -*-\nsix # caf\xe9\n") == [
        "requirements/set.txt:2:10: byte 0xe9 is not UTF-8; save the file as UTF-8"
    ]
    assert "byte 0xff is not UTF-8" in mistakes(folder, "six\n".encode("utf-16"))[0]


def test_secrets_are_not_shown(folder: Path) -> None:
    """B10: a line that is refused for its URL comes out without user and password."""
    for line in (
        "a @ https://user:CANARY@index.example/a.whl",
        "git+ssh://CANARY@git.example/a.git",
        "--index-url https://user:CANARY@index.example/",
        "-i https://user:CANARY@index.example/",
        "-r https://user:CANARY@index.example/x.txt",
        "--frob=https://user:CANARY@index.example/",
        "a b https://user:CAN@RY/CANARY@index.example/",
    ):
        assert "CANARY" not in mistakes(folder, line)[0]


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    """A named file that is no regular file is refused, not opened."""
    os.mkfifo(folder / "pipe.txt")
    assert "requirements/pipe.txt is not a file" in mistakes(folder, "-r pipe.txt")[0]


@pytest.mark.parametrize("line", ["six" + " " * 400_000 + "b#c", "six" + "${" * 200_000])
def test_a_long_line_takes_no_longer_than_its_length(folder: Path, line: str) -> None:
    """And not the square of it: these two would take a quarter of an hour, at each command."""
    assert mistakes(folder, line)


def test_ten_thousand_lines_are_read_quickly(folder: Path) -> None:
    """Plain pins, and lines with markers and hashes such as other tools write, take well under half a second each."""
    plain = "".join(f"project-{n}==1.{n}\n" for n in range(10_000))
    hashes = f"--hash=sha256:{SHA256} \\\n    --hash=sha256:{OTHER}"
    marked = "".join(
        f"project-{n}==1.{n} ; python_version >= '3.{n % 5 + 8}' \\\n    {hashes}\n" for n in range(10_000)
    )
    for text in (plain, marked):
        begin = time.perf_counter()
        assert len(read(folder, text).requirements) == 10_000
        assert time.perf_counter() - begin < 1.5  # 0.1 s and 0.2 s on two quiet cores


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?", fullmatch=True)
BOUNDS = st.tuples(st.sampled_from(["==", ">=", "<=", "<", ">", "!=", "~=", "===", "=", "=>", "=="]), VERSIONS)
NEARLY = st.text("ab1.[]=<>!~,; -_*'\"()@/#\\$", max_size=14)


def accepted(text: str) -> bool:
    try:
        return Requirement(text).url is None
    except InvalidRequirement:
        return False


@QUICK
@given(
    name=NAMES,
    extras=st.lists(NAMES, max_size=2),
    bounds=st.lists(BOUNDS, max_size=3),
    star=st.sampled_from(["", ".*"]),
)
def test_our_grammar_is_that_of_packaging(
    name: str, extras: list[str], bounds: list[tuple[str, str]], star: str
) -> None:
    """The quick way through for common shapes lets in what packaging lets in, and refuses what it refuses."""
    text = (
        name
        + (f"[{','.join(extras)}]" if extras else "")
        + ",".join(a + b for a, b in bounds)
        + (star if bounds else "")
    )
    assert (requirement_problem(text) == "") == accepted(text)


@QUICK
@given(NEARLY)
def test_nothing_passes_that_packaging_refuses(text: str) -> None:
    """The same for texts that are nearly requirements."""
    line = " ".join(text.split())
    if line and not line.startswith("-") and requirement_problem(line) == "":
        assert accepted(line)


@QUICK
@given(
    st.binary(max_size=80) | st.lists(NEARLY | st.sampled_from(["-r set.txt", "-c a", "--pre", "six"])).map("\n".join)
)
def test_any_text_is_read_or_refused(folder: Path, text: bytes | str) -> None:
    """Whatever stands in the file: a set or mistakes, one of the two."""
    path = folder / "set.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found, wrong = read_requirement_set(path, root=folder.parent)
    assert (found is None) == bool(wrong)
    assert all(str(mistake).isprintable() for mistake in wrong)


@QUICK
@given(st.lists(st.tuples(NAMES, VERSIONS, st.sampled_from(["", "  # why", " \\\n"])), min_size=1, max_size=8))
def test_what_is_written_is_what_is_read(folder: Path, rows: list[tuple[str, str, str]]) -> None:
    """Printed with comments and continued lines, and read back, the requirements are the same."""
    text = "".join(f"{name}=={version}{end}\n\n" for name, version, end in rows)
    expected = tuple(dict.fromkeys(f"{name}=={version}" for name, version, _ in rows))
    assert read(folder, text).requirements == expected
