"""What platforms.yaml may say, and that whatever else it says is answered with line, column and what is allowed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from builders import keys
from builders.errors import ConfigurationError
from builders.platforms import BuildSettings, Limits, Platform, Upstream, Workspace, read_workspace

CHECKOUT = Path(__file__).parent.parent
EVERYTHING = """\
publish:
  url: http://mirror.lan/pypi
upstream:
  - url: https://index.example/simple
    files-from: [files.index.example]
  - url: https://git.example/simple/
    owns: ["Acme_*"]
  - find-links: vendor/
defaults:
  requirements: [base]
  sandbox: none
  limits: {memory: 8GiB, silence: 5m}
platforms:
  - image: debian:bullseye
    pre-command: apt-get update && apt-get -y install python3-pip
    requirements: [ansible]
    limits: {time: 1h30m}
  - name: trixie-arm64
    image: debian:trixie
    arch: aarch64
    packages: ["ansible>=10", "six ; os_name == 'posix'"]
    optional: true
    prove: no
    env: {ZONE: 012, CFLAGS: -O2}
  - name: this-machine
    host: true
    python: 3.10
builds:
  Psycopg2_Binary:
    from: sdist
    pre-command: apt-get -y install libpq-dev
    env: {CFLAGS: -O2}
    build-constraints: ["Cython<3"]
    network: true
    limits: {processes: 64}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with two sets and a folder of files, but without platforms.yaml."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "ansible.txt").write_text("ansible\n")
    (tmp_path / "requirements" / "base.txt").write_text("six==1.16.0\n")
    (tmp_path / "vendor").mkdir()
    return tmp_path


def read(workspace: Path, text: str | bytes) -> Workspace:
    data = text if isinstance(text, bytes) else text.encode()
    (workspace / "platforms.yaml").write_bytes(data)
    return read_workspace(workspace)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mistakes(workspace: Path, text: str | bytes) -> list[str]:
    """The lines of reason; and the refusal left the workspace as it was."""
    data = text if isinstance(text, bytes) else text.encode()
    (workspace / "platforms.yaml").write_bytes(data)
    before = contents(workspace)
    with pytest.raises(ConfigurationError) as caught:
        read_workspace(workspace)
    assert contents(workspace) == before
    assert caught.value.hint
    return caught.value.reason.split("\n")


def in_platform(lines: str) -> str:
    return f"platforms:\n  - name: x\n    image: a:1\n    packages: [six]\n    {lines}\n"


def test_every_key_is_read(workspace: Path) -> None:
    """One file with every key of the contract gives these records, defaults filled in."""
    result = read(workspace, EVERYTHING)
    bullseye, trixie, host = result.platforms
    assert result.publish_url == "http://mirror.lan/pypi/"
    assert result.upstreams == (
        Upstream(url="https://index.example/simple/", files_from=("files.index.example",)),
        Upstream(url="https://git.example/simple/", owns=("acme-*",)),
        Upstream(find_links="vendor/"),
    )
    assert (bullseye.name, [one.name for one in bullseye.sets]) == ("debian-bullseye", ["ansible"])
    assert bullseye.limits == Limits(memory=8 * 2**30, seconds=5400, silence=300, processes=512)
    assert bullseye.sandbox == "box"  # the defaults' 'none' is for hosts
    assert (trixie.arch, trixie.optional, trixie.prove) == ("arm64", True, False)
    assert trixie.env == (("CFLAGS", "-O2"), ("ZONE", "012"))
    assert [(one.name, one.requirements) for one in trixie.sets] == [
        ("base", ("six==1.16.0",)),
        ("packages", ("ansible>=10", "six ; os_name == 'posix'")),
    ]
    assert (host.host, host.image, host.python, host.sandbox) == (True, None, "3.10", "none")
    assert result.builds == (
        BuildSettings(
            project=canonicalize_name("psycopg2-binary"),
            source="sdist",
            pre_command="apt-get -y install libpq-dev",
            env=(("CFLAGS", "-O2"),),
            build_constraints=("Cython<3",),
            network=True,
            limits=Limits(memory=8 * 2**30, silence=300, processes=64),
            limits_said=("processes",),
        ),
    )
    assert result.builds[0].limits_on(bullseye) == Limits(memory=8 * 2**30, seconds=5400, silence=300, processes=64)


def test_records_are_found_by_name(workspace: Path) -> None:
    """A project without settings gets the plain ones; an unknown platform is answered with those that there are."""
    result = read(workspace, EVERYTHING)
    assert result.platform("this-machine") is result.platforms[2]
    assert result.build_settings(canonicalize_name("six")) == BuildSettings(project=canonicalize_name("six"))
    assert result.build_settings(canonicalize_name("psycopg2.binary")) is result.builds[0]
    with pytest.raises(ConfigurationError, match="no platform 'trixie-amd64'; did you mean 'trixie-arm64'"):
        result.platform("trixie-amd64")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("debian:bookworm", "debian-bookworm"),
        ("registry.example:5000/team/Base:V1", "registry.example-5000-team-base-v1"),
        ("debian@sha256:1f2e", "debian-sha256-1f2e"),
    ],
)
def test_a_platform_is_named_after_its_image(workspace: Path, image: str, name: str) -> None:
    """Colons, slashes and the at sign become hyphens."""
    assert read(workspace, f"platforms: [{{image: '{image}', packages: [six]}}]").platforms[0].name == name


@pytest.mark.parametrize("python", ["3.10", "'3.10'", "3.9.2", "python3.11", "/usr/bin/python3", "venv/bin/python"])
def test_python_is_the_text_that_stands_there(workspace: Path, python: str) -> None:
    """P1: 3.10 without quotes is 3.10, not 3.1."""
    assert read(workspace, in_platform(f"python: {python}")).platforms[0].python == python.strip("'")


def test_what_a_platform_is_wins_over_the_defaults(workspace: Path) -> None:
    """Defaults for images do not stand in the way of a host, nor the other way round."""
    text = "defaults: {image: 'debian:trixie', arch: amd64, pre-command: 'true', packages: [six]}\n"
    image, host = read(workspace, text + "platforms: [{name: a}, {name: b, host: true}]").platforms
    assert (image.image, image.arch, image.pre_command) == ("debian:trixie", "amd64", "true")
    assert (host.host, host.image, host.arch, host.pre_command) == (True, None, "", None)
    (image,) = read(workspace, "defaults: {host: true, packages: [six]}\nplatforms: [{image: 'a:1'}]").platforms
    assert (image.host, image.image) == (False, "a:1")


def test_anchors_are_read(workspace: Path) -> None:
    """YAML's own way not to repeat oneself works."""
    text = "platforms:\n - {image: a, packages: &p [six, attrs]}\n - {image: b, packages: *p}\n"
    first, second = read(workspace, text).platforms
    assert first.sets == second.sets


def test_a_byte_order_mark_is_no_mistake(workspace: Path) -> None:
    """Editors on Windows begin a file with one."""
    assert read(workspace, b"\xef\xbb\xbf" + in_platform("").encode()).platforms[0].name == "x"


CASES = {
    "P2-platform": (
        "platforms: \n - {name: a, image: x, packages: [six]}\n - {name: a, image: y, packages: [six]}",
        "3:11: the platform name 'a' stands twice, here and in line 2",
    ),
    "P2-key": (in_platform("image: b:2"), "5:5: 'image' stands twice in platform 'x', here and in line 3"),
    "P2-set": (in_platform("requirements: [base, base]"), "5:26: the set 'base' stands twice, here and in line 5"),
    "P2-build": ("builds: {a-b: {from: any}, A_b: {from: any}}\n" + in_platform(""), "1:28: the project 'a-b'"),
    "P3": (
        "platforms: [{imge: 'a:1', packages: [six]}]",
        "1:14: unknown key 'imge' in the platform in line 1; allowed: name, image, arch, ",
    ),
    "P3-question": ("platforms: [{imge: 'a:1', packages: [six]}]", "did you mean 'image'?"),
    "P3-top": ("plattforms: []", "1:1: unknown key 'plattforms' in platforms.yaml; allowed: publish, upstream, "),
    "P4-tab": (
        "platforms:\n\t- image: a:1\n",
        r"2:1: found character that cannot start any token (indent with spaces",
    ),
    "P4-line": ("platforms:\n\t- image: a:1\n", r"in the line '\t- image: a:1'"),
    "P4-open": ("platforms: [{image: a:1\n", "in the line 'platforms: [{image: a:1'"),
    "P7-empty": ("", "1:1: is empty; it names at least one platform"),
    "P7-comment": ("# to do\n", "is empty"),
    "P7-list": ("- image: a:1\n", "1:1: platforms.yaml is a list; a mapping belongs here, with keys of: publish, "),
    "P7-none": ("platforms: []", "1:12: names no platform"),
    "P8": (
        in_platform("requirements: [ansibel]"),
        "5:20: there is no requirements/ansibel.txt; sets that there are: ansible, base; did you mean 'ansible'?",
    ),
    "P8-no-set": (
        "platforms:\n - image: a:1\n",
        "2:4: platform 'a:1' has no requirements; name a set (ansible, base)",
    ),
    "P9-path": (
        "platforms: [{name: ../x, image: a, packages: [six]}]",
        "1:20: 'name' of platform '../x' is '../x'; allow",
    ),
    "P9-blank": ("platforms: [{name: a b, image: a, packages: [six]}]", "'a b'; allowed: 1 to 64 of a-z, 0-9"),
    "P9-option": ("platforms: [{name: -rf, image: a, packages: [six]}]", "'-rf'; allowed: 1 to 64 of a-z, 0-9"),
    "P9-long": (f"platforms: [{{name: {'a' * 300}, image: a, packages: [six]}}]", "aaaa…'; allowed: 1 to 64 of"),
    "P9-simple": ("platforms: [{name: simple, image: a, packages: [six]}]", "and not simple, files, index"),
    "P9-files": ("platforms: [{image: files, packages: [six]}]", "1:21: the name made from this image"),
    "P10": (
        in_platform("arch: amd46"),
        "5:11: 'arch' of platform 'x' is 'amd46'; allowed: amd64, arm64, arm/v7, i386, ",
    ),
    "P11": (in_platform("privileged: true"), "5:5: unknown key 'privileged' in platform 'x'; a build runs in a box"),
    "P11-volumes": (in_platform("volumes: ['/:/host']"), "unknown key 'volumes'"),
    "P11-sandbox": (
        in_platform("sandbox: none"),
        "5:14: 'sandbox' of platform 'x' can be 'none' for 'host: true' only",
    ),
    "P14": (in_platform("host: true"), "5:11: platform 'x' has both 'image' and 'host'; keep one"),
    "P14-neither": ("platforms: [{name: x, packages: [six]}]", "1:13: platform 'x' has neither 'image' nor 'host'"),
    "P16": (
        in_platform("requirements: ansible"),
        "5:19: 'requirements' of platform 'x' is 'ansible'; a list belongs here, such as [ansible]",
    ),
    "nothing": (
        "platforms:\n - image:\n   packages: [six]",
        "2:10: 'image' of the platform in line 2 is nothing; allowed",
    ),
    "flag": (in_platform("optional: maybe"), "5:15: 'optional' of platform 'x' is 'maybe'; allowed: true, false"),
    "memory": (in_platform("limits: {memory: 4}"), "'memory' of 'limits' of platform 'x' is '4'; allowed: 16MiB to"),
    "time": (in_platform("limits: {time: 90}"), "is '90'; allowed: 1s to 720h with its unit"),
    "host-name": ("platforms: [{host: true, packages: [six]}]", "needs a 'name', such as this-machine"),
    "host-arch": ("platforms: [{name: x, host: true, arch: arm64, packages: [six]}]", "is for images"),
    "env": (in_platform("env: {A B: 1}"), "a name in 'env' of platform 'x' is 'A B'"),
    "packages": (
        in_platform("").replace("six", "'a=>1'"),
        "4:16: an entry of 'packages' of platform 'x' cannot be used",
    ),
    "packages-option": (
        in_platform("").replace("six", "-r base.txt"),
        "options stand in a file, requirements/SET.txt",
    ),
    "constraint": ("builds: {a: {build-constraints: ['b[c]<3']}}\n" + in_platform(""), "a constraint has no extras"),
    "upstream": ("upstream: [{url: 'http://a/', find-links: vendor}]\n" + in_platform(""), "has both 'url' and"),
    "upstream-none": ("upstream: [{owns: [a]}]\n" + in_platform(""), "has neither 'url' nor 'find-links'"),
    "find-links": (
        "upstream: [{find-links: gone}]\n" + in_platform(""),
        "1:25: 'find-links' is 'gone', which is no folder",
    ),
    "owns": (
        "upstream: [{url: 'http://a/', owns: [a_b]}, {url: 'http://b/', owns: [A-B]}]\n" + in_platform(""),
        "1:71: 'a-b' in 'owns' stands twice",
    ),
    "scheme": ("upstream: [{url: 'ftp://a/'}]\n" + in_platform(""), "allowed: http://… or https://…"),
    "tag": (in_platform("python: !!float 3.10"), "tags such as '!!float' are not read here"),
    "two": (in_platform("") + "---\nplatforms: []\n", "a second document begins here"),
    "deep": ("[" * 50_000, "1:13: nested too deeply"),
    "bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "more than 100,000 values",
    ),
    "circle": ("platforms: &p [*p]", "no '&p' ends before this '*p'"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_its_place(workspace: Path, case: str) -> None:
    """Families P and their kin: the file, the line and the column, what is wrong, and what is allowed."""
    text, expected = CASES[case]
    found = mistakes(workspace, text)
    assert all(line.startswith("platforms.yaml:") for line in found)
    assert any(expected in line for line in found), found


def test_one_mistake_is_told_once(workspace: Path) -> None:
    """A misspelt key is not also a missing one; a missing set that three platforms name is one line for each place."""
    assert len(mistakes(workspace, "platforms: [{imge: 'a:1', packages: [six]}]")) == 1
    text = "defaults: {requirements: [gone]}\nplatforms: [{image: a}, {image: b}, {image: c}]"
    assert len(mistakes(workspace, text)) == 1


def test_all_mistakes_are_told_at_once(workspace: Path) -> None:
    """Platforms, upstreams, builds and requirement sets: everything wrong comes out in one run, in the file's order."""
    (workspace / "requirements" / "bad.txt").write_text("six\na=>1\n")
    text = (
        "upstream: [{find-links: gone}]\nplatforms:\n - {imge: a, packages: [six]}\n"
        " - {image: b, requirements: [bad], arch: x}\nbuilds: {c: {from: source}}\n"
    )
    places = [line.split(": ")[0] for line in mistakes(workspace, text)]
    assert places == [
        "platforms.yaml:1:25",
        "platforms.yaml:3:5",
        "platforms.yaml:4:42",
        "platforms.yaml:5:18",
        "requirements/bad.txt:2:1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "upstream: [{url: 'https://user:CANARY@index.example/simple/'}]",
        "upstream: [{url: 'https://CANARY@index.example/simple/'}]",
        "upstream: [{url: 'https://user:CAN/ARY CANARY@index.example/'}]",
        "upstream: [{url: 'https://index.example/?token=CANARY'}]",
        "upstream: 'https://user:CANARY@index.example/'",
        "publish: {url: 'http://user:CANARY@mirror.lan/'}",
        "'https://user:CANARY@index.example/': 1",
        "upstream: [{url: 'https://user:CANARY@index.example/simple/}]",
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_shown(workspace: Path, text: str) -> None:
    """B10: the mistake says where the secret is, and netrc or the environment as its place; it does not say it."""
    found = mistakes(workspace, text + "\n" + in_platform(""))
    assert "CANARY" not in "\n".join(found)


def test_control_sequences_are_only_seen(workspace: Path) -> None:
    """An escape in a value reaches a terminal as four harmless characters, and never breaks a message's line."""
    found = mistakes(workspace, in_platform(r'arch: "\e[31mred\nblue\u202e"'))
    assert len(found) == 1
    assert r"\x1b[31mred\nblue\u202e" in found[0]
    assert found[0].isprintable()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A folder that is no workspace is told from a broken one."""
    with pytest.raises(ConfigurationError, match=r"there is no file platforms\.yaml in"):
        read_workspace(tmp_path)
    (tmp_path / "platforms.yaml").mkdir()
    with pytest.raises(ConfigurationError, match=r"there is no file platforms\.yaml in"):
        read_workspace(tmp_path)


def test_another_encoding_is_named_with_its_byte(workspace: Path) -> None:
    """Latin-1 is not guessed at: the byte and its place are shown."""
    assert mistakes(workspace, b"platforms:\n  - image: caf\xe9\n") == [
        "platforms.yaml:2:15: byte 0xe9 is not UTF-8; save the file as UTF-8"
    ]


def test_the_schema_is_the_one_in_docs() -> None:
    """docs/platforms.schema.json is made from the rows that the reader reads by."""
    assert (CHECKOUT / "docs" / "platforms.schema.json").read_text() == keys.schema_text(), keys.__doc__


def test_reading_imports_nothing_heavy(workspace: Path) -> None:
    """A run in which nothing changed reads the workspace; a plain one takes neither packaging nor pydantic for that."""
    (workspace / "platforms.yaml").write_text(EVERYTHING.replace(", \"six ; os_name == 'posix'\"", ""))
    code = (
        "import sys, pathlib; from builders.platforms import read_workspace; read_workspace(pathlib.Path(sys.argv[1]));"
        "print([name for name in ('packaging', 'pydantic', 'docker', 'urllib3', 'difflib') if name in sys.modules])"
    )
    argv = [sys.executable, "-c", code, str(workspace)]
    assert subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout == "[]\n"


def outcome(workspace: Path, data: bytes) -> Workspace | None:
    (workspace / "platforms.yaml").write_bytes(data)
    try:
        return read_workspace(workspace)
    except ConfigurationError as error:
        lines = error.reason.split("\n")
    assert lines == [line for line in lines if line.startswith("platforms.yaml:") and line.isprintable()]
    return None


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused(workspace: Path, data: bytes) -> None:
    """Whatever stands in the file, the answer is records or a ConfigurationError."""
    outcome(workspace, data)


WORDS = [
    *(key.name for key in keys.PLATFORM_KEYS),
    "url",
    "owns",
    "from",
    "platforms",
    "builds",
    "defaults",
    "upstream",
]
SCALARS = ["x", "../x", "~", "''", "true", "3.10", '"\\e"', "[a, b]", "{a: b}", "*a", "&a x", "12GiB", "five", "six>=1"]


@FUZZ
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "  ", "  - ", "    ", "    - "]), st.sampled_from(WORDS), st.sampled_from(SCALARS)
        ),
        max_size=12,
    )
)
def test_any_arrangement_of_the_words_is_read_or_refused(workspace: Path, rows: list[tuple[str, str, str]]) -> None:
    """The same for files that come close: real keys in wrong places, with wrong values."""
    outcome(workspace, b"platforms:\n" + "".join(f"{i}{k}: {v}\n" for i, k, v in rows).encode())


@FUZZ
@given(
    name=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True).filter(
        lambda text: text not in ("simple", "files")
    ),
    env=st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True),
        st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=12),
        max_size=4,
    ),
    optional=st.booleans(),
)
def test_what_is_written_is_what_is_read(workspace: Path, name: str, env: dict[str, str], *, optional: bool) -> None:
    """Printed as YAML and read back, a platform is the same, whatever its texts look like to YAML's own typing."""
    variables = ", ".join(f"{key}: '{value.replace(chr(39), chr(39) * 2)}'" for key, value in env.items())
    text = (
        f"platforms:\n - name: {name}\n   image: a:1\n   env: {{{variables}}}\n   optional: {str(optional).lower()}\n"
    )
    (platform,) = read(workspace, text + "   packages: [six]\n").platforms
    expected = Platform(
        name=name, image="a:1", env=tuple(sorted(env.items())), optional=optional, sets=platform.sets
    )  # fmt: skip
    assert platform == expected
