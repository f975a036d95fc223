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
from builders.declarations import read_workspace
from builders.errors import ConfigurationError
from builders.platforms import BuildSettings, Limits, Platform, Upstream, Workspace

CHECKOUT = Path(__file__).parent.parent
EVERYTHING = """\
publish:
  url: http://mirror.lan/pypi
upstream:
  - url: https://index.example/simple
    files-from: [Files.Index.Example]
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


def test_build_settings_are_found_by_name(workspace: Path) -> None:
    """A project without settings gets the plain ones."""
    result = read(workspace, EVERYTHING)
    assert result.build_settings(canonicalize_name("six")) == BuildSettings(project=canonicalize_name("six"))
    assert result.build_settings(canonicalize_name("psycopg2.binary")) is result.builds[0]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("debian:bookworm", "debian-bookworm"),
        ("Registry.example:5000/team/base:V1", "registry.example-5000-team-base-v1"),
        ("localhost/a__b-c.d/e--f", "localhost-a__b-c.d-e--f"),
    ],
)
def test_a_platform_is_named_after_its_image(workspace: Path, image: str, name: str) -> None:
    """Colons, slashes and the at sign become hyphens."""
    assert read(workspace, f"platforms: [{{image: '{image}', packages: [six]}}]").platforms[0].name == name


def test_an_image_may_be_named_by_its_digest(workspace: Path) -> None:
    """With or without a tag; and by its id, as `docker images --no-trunc` has it."""
    digest = "sha256:" + "1f" * 32
    for image in (f"debian@{digest}", f"index.example/debian:bookworm@{digest}", digest, "0123456789ab"):
        text = f"platforms: [{{name: x, image: '{image}', packages: [six]}}]"
        assert read(workspace, text).platforms[0].image == image


@pytest.mark.parametrize(
    "url", ["http://[::1]:65535/", "http://127.0.0.1:1/a/", "https://A-b.index_1.example/", "http://mirror/"]
)
def test_hosts_and_ports_are_read(workspace: Path, url: str) -> None:
    """IPv4, IPv6, names of one label and of several."""
    assert read(workspace, f"publish: {{url: '{url}'}}\n" + in_platform("")).publish_url == url


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


def test_the_schema_is_the_one_in_docs() -> None:
    """docs/platforms.schema.json is made from the rows that the reader reads by."""
    assert (CHECKOUT / "docs" / "platforms.schema.json").read_text() == keys.schema_text(), keys.__doc__


def test_reading_imports_nothing_heavy(workspace: Path) -> None:
    """A run in which nothing changed reads the workspace; a plain one takes neither packaging nor pydantic for that."""
    (workspace / "platforms.yaml").write_text(EVERYTHING.replace(", \"six ; os_name == 'posix'\"", ""))
    code = (
        "import sys, pathlib; from builders.declarations import read_workspace;"
        "read_workspace(pathlib.Path(sys.argv[1]));"
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
        lambda text: text not in ("simple", "files") and not text.endswith(".")
    ),
    env=st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True).filter(lambda text: text not in keys.OWN_VARIABLES),
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
