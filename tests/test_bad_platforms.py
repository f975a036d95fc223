"""Whatever platforms.yaml says wrong is answered with file, line, column and what is allowed; nothing is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.declarations import read_workspace
from builders.errors import ConfigurationError
from tests.disk import snapshot


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with two sets and a folder of files, but without platforms.yaml."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "ansible.txt").write_text("ansible\n")
    (tmp_path / "requirements" / "base.txt").write_text("six==1.16.0\n")
    (tmp_path / "vendor").mkdir()
    return tmp_path


def mistakes(workspace: Path, text: str | bytes) -> list[str]:
    """The lines of reason; and the refusal left the workspace as it was."""
    data = text if isinstance(text, bytes) else text.encode()
    (workspace / "platforms.yaml").write_bytes(data)
    before = snapshot(workspace)
    with pytest.raises(ConfigurationError) as caught:
        read_workspace(workspace)
    assert snapshot(workspace) == before
    assert caught.value.hint
    return caught.value.reason.split("\n")


def in_platform(lines: str) -> str:
    return f"platforms:\n  - name: x\n    image: a:1\n    packages: [six]\n    {lines}\n"


CASES = {
    "P2-platform": (
        "platforms: \n - {name: a, image: x, packages: [six]}\n - {name: a, image: y, packages: [six]}",
        "3:11: the platform name 'a' stands twice, here and in line 2",
    ),
    "P2-key": (in_platform("image: b:2"), "5:5: 'image' stands twice in platform 'x', here and in line 3"),
    "P2-set": (in_platform("requirements: [base, base]"), "5:26: the set 'base' stands twice, here and in line 5"),
    "P2-set-dot": (
        in_platform("requirements: [base, base.x, base-x]"),
        "5:34: the set 'base-x' stands twice, here and as 'base.x' in line 5; keep one",
    ),
    "P2-set-case": (
        in_platform("requirements: [base, Packages]"),
        "4:15: the set 'packages' stands twice, here and as 'Packages' in line 5; keep one",
    ),
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
    "P9-dot": ("platforms: [{name: x., image: a, packages: [six]}]", "1:20: 'name' of platform 'x.' is 'x.'; allow"),
    "P9-dot-in-tag": ("platforms: [{image: 'a:1.', packages: [six]}]", "1:21: the name made from this image"),
    "P9-long": (f"platforms: [{{name: {'a' * 300}, image: a, packages: [six]}}]", "aaaa…'; allowed: 1 to 64 of"),
    "P9-simple": ("platforms: [{name: simple, image: a, packages: [six]}]", "and not simple, files, index"),
    "P9-files": ("platforms: [{image: files, packages: [six]}]", "1:21: the name made from this image"),
    "P10": (
        in_platform("arch: amd46"),
        "5:11: 'arch' of platform 'x' is 'amd46'; allowed: amd64, arm64, arm/v7, i386, ",
    ),
    "P11": (in_platform("privileged: true"), "5:5: unknown key 'privileged' in platform 'x'; a build runs in a box"),
    "P11-merge": (in_platform("<<: {arch: amd64}"), "unknown key '<<' in platform 'x'; merge keys are not read; what"),
    "P11-environment": (in_platform("environment: {A: b}"), "unknown key 'environment' in platform 'x'; variables"),
    "P11-volumes": (in_platform("volumes: ['/:/host']"), "unknown key 'volumes'"),
    "P11-sandbox": (
        in_platform("sandbox: none"),
        "5:14: 'sandbox' of platform 'x' can be 'none' for 'host: true' only",
    ),
    "P14": (in_platform("host: true"), "5:11: platform 'x' has both 'image' and 'host'; keep one"),
    "P14-neither": ("platforms: [{name: x, packages: [six]}]", "1:13: platform 'x' has neither 'image' nor 'host'"),
    "publish-root": (
        f"publish: {{url: 'file:///'}}\n{in_platform('')}",
        "1:16: 'url' of 'publish' of platforms.yaml is the root of all files; allowed: file:// with the path",
    ),
    "P1-old": (in_platform('python: "3.7"'), 'a version from "3.8" on, such as "3.11"'),
    "P16": (
        in_platform("requirements: ansible"),
        "5:19: 'requirements' of platform 'x' is 'ansible'; a list belongs here, such as [ansible]",
    ),
    "nothing": (
        "platforms:\n - image:\n   packages: [six]",
        "2:10: 'image' of the platform in line 2 is nothing; allowed",
    ),
    **{
        f"image-{key}": (
            f"platforms: [{{name: x, image: '{image}', packages: [six]}}]",
            f"1:30: 'image' of platform 'x' is '{image}'; allowed: an image as the engine names it, such as debian:bo",
        )
        for key, image in (
            ("no-tag", "a:"), ("two-tags", "x:y:z"), ("no-part", "a//b"), ("capitals", "DEBIAN:x"), ("slash", "a/"),
            ("digest", "r/a@sha256:abc"), ("no-digest", "a@"), ("tag-dot", "a:.x"), ("part-dot", "a./b"),
            ("dots", "a..b"), ("capitals-in-path", "Host.example/A"), ("port", "r.example:x/a"), ("blank", "a b"),
            ("option", "-a"), ("url", "https://r.example/a"),
        )
    },
    "flag": (in_platform("optional: maybe"), "5:15: 'optional' of platform 'x' is 'maybe'; allowed: true, false"),
    "memory": (in_platform("limits: {memory: 4}"), "'memory' of 'limits' of platform 'x' is '4'; allowed: 16MiB to"),
    "not-imported": (
        "builds: {a: {not-imported: [a..b]}}\n" + in_platform(""),
        "is 'a..b'; allowed: a module's name, such as google.protobuf",
    ),
    "time": (in_platform("limits: {time: 90}"), "is '90'; allowed: 1s to 720h with its unit"),
    "host-name": ("platforms: [{host: true, packages: [six]}]", "needs a 'name', such as this-machine"),
    "host-arch": ("platforms: [{name: x, host: true, arch: arm64, packages: [six]}]", "is for images"),
    "env": (in_platform("env: {A B: 1}"), "a name in 'env' of platform 'x' is 'A B'"),
    "env-own": (
        in_platform("env: {OUT: /tmp}"),
        "5:11: a name in 'env' of platform 'x' is 'OUT'; allowed: letters, digits and '_', such as CFLAGS, and not the "
        "job's own: HOME, IN, OUT, WORK, PYTHON, UV, TMPDIR",
    ),
    "env-own-defaults": ("defaults: {env: {HOME: /root}}\n" + in_platform(""), "1:18: a name in 'env' of 'defaults'"),
    "env-own-build": ("builds: {a: {env: {CFLAGS: -O2, UV: x}}}\n" + in_platform(""), "1:33: a name in 'env' of "),
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
    **{
        f"url-{key}": (
            f"upstream: [{{url: '{url}'}}]\n" + in_platform(""),
            f"1:18: 'url' of an entry of 'upstream' of platforms.yaml {says}; allowed: ",
        )
        for key, url, says in (
            ("port-0", "http://index.example:0/", "has a port that no host has"),
            ("port-large", "http://index.example:65536/", "has a port that no host has"),
            ("port-long", "http://[::1]:999999999999/", "has a port that no host has"),
            ("port-empty", "http://index.example:/", "names no host that can be asked"),
            ("ipv6", "http://[1:2:3]/", "names no host that can be asked"),
            ("ipv6-digits", "http://[::12345]:80/", "names no host that can be asked"),
            ("dots", "http://index..example/", "names no host that can be asked"),
            ("dash", "http://-/", "names no host that can be asked"),
            ("label", f"http://{'a' * 64}.example/", "names no host that can be asked"),
        )
    },
    "publish-port": ("publish: {url: 'http://mirror.lan:70000/'}\n" + in_platform(""), "1:16: 'url' "),
    "publish-ipv6": ("publish: {url: 'https://[::g]/'}\n" + in_platform(""), "1:16: 'url' "),
    "packages-hash": (
        in_platform("").replace("six", "'a --hash=sha256:" + "0" * 64 + "', b"),
        "has no --hash, and others have",
    ),
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


def test_a_set_is_named_without_its_suffix(workspace: Path) -> None:
    """P8: however short its name is."""
    (workspace / "requirements" / "a.txt").write_text("six\n")
    (line,) = mistakes(workspace, in_platform("requirements: [a.txt]"))
    assert line.endswith("there is no requirements/a.txt.txt; sets that there are: a, ansible, base; did you mean 'a'?")


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.name), lambda path: path.symlink_to("nowhere")],
    ids=["folder", "fifo", "loop", "dangling"],
)
def test_a_set_is_a_regular_file(workspace: Path, make: Callable[[Path], None]) -> None:
    """What stands there is told, rather than that nothing does."""
    make(workspace / "requirements" / "odd.txt")
    (line,) = mistakes(workspace, in_platform("requirements: [odd]"))
    assert line.startswith("platforms.yaml:5:20: requirements/odd.txt is not a regular file")


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
        "platforms.yaml:5:20",
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
