"""The proof: what was published installs where there is no network, and what was built was built in a box."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from builders import commands
from tests import proof
from tests.conftest import Bench, Ran
from tests.proof import MainJob

pytestmark = [pytest.mark.engine, pytest.mark.network]

# Each way is pip's or uv's options; {here} is the platform's folder of the tree, {set} the set's name.
WAYS = {
    "flat": "--no-index -f {here} {names}",
    "flat-by-hash": "--no-index -f {here} -r {here}/{set}.txt",
    "own-index": "--index-url file://{here}/simple/ {names}",
    "merged-index": "--index-url file:///srv/pypi/simple/ {names}",
}
NAMES = {"hard": proof.HARD, "ansible": ("ansible",)}
ASKED = (
    *(("hard", way) for way in WAYS),
    *(("ansible", way) for way in ("flat", "merged-index")),
)
IMPORTS = {
    "hard": """
import docopt, markupsafe._speedups, psycopg2, yaml, cffi, _cffi_backend
assert yaml.__version__ == "5.4.1" and yaml.safe_load("a: [1, 2]") == {"a": [1, 2]}
assert docopt.docopt("usage: x [--fast]", ["--fast"])["--fast"] is True
assert cffi.FFI().new("int *", 7)[0] == 7
assert psycopg2.__libpq_version__ > 130000
loaded = {line.split()[-1] for line in open("/proc/self/maps") if "/libpq" in line}
assert loaded and all(path.startswith("/tmp/site/") for path in loaded), loaded
""",
    "ansible": """
import ansible.release, ansible.cli, ansible_collections, jinja2, yaml, markupsafe._speedups, _cffi_backend
import cryptography.hazmat.bindings._rust
""",
}


def _imported(bench: Bench, platform: str, name: str, install: str) -> Ran:
    """Install by that command in a clean container, and import what was installed."""
    script = "\n".join(
        [
            "! /sbin/ldconfig -p | grep libpq",
            install,
            f"PYTHONPATH=/tmp/site python3 -c {shlex.quote(IMPORTS[name])}",
            "echo all imported",
        ]
    )
    return proof.in_clean_container(bench, platform, script)


@pytest.mark.parametrize(("name", "way"), ASKED)
@pytest.mark.parametrize("platform", proof.PLATFORMS)
def test_installs_and_imports_with_no_network(main_job: MainJob, platform: str, name: str, way: str) -> None:
    """The platform's own pip installs a set from the tree alone, and all that has C code in it imports.

    The image has no libpq: the one that psycopg2 loads came in its wheel.
    """
    here = f"/srv/pypi/{platform}"
    options = WAYS[way].format(here=here, set=name, names=shlex.join(NAMES[name]))
    ran = _imported(main_job.bench, platform, name, f"python3 -m pip install --no-compile --target /tmp/site {options}")
    assert ran.code == 0, ran.text
    assert "all imported" in ran.out
    assert "Successfully installed" in ran.out
    assert "http" not in ran.out


@pytest.mark.parametrize("platform", proof.PLATFORMS)
def test_uv_installs_from_the_published_lock(main_job: MainJob, platform: str) -> None:
    """A second client: uv reads the published pylock.toml and installs what it names, offline."""
    sync = "/tools/uv* pip sync --offline --no-config --no-python-downloads --preview-features pylock --link-mode copy"
    lock = f"/srv/pypi/{platform}/pylock.hard.toml"
    ran = _imported(main_job.bench, platform, "hard", f"{sync} --python /usr/bin/python3 --target /tmp/site {lock}")
    assert ran.code == 0, ran.text
    assert "all imported" in ran.out


# --- the box ----------------------------------------------------------------------------------------------------------

VIRTUAL = {"overlay", "proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"}
ENGINES_OWN = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/sbin/docker-init", "/usr/sbin/docker-init"}
BACKENDS = {"_PYPROJECT_HOOKS_BUILD_BACKEND", "PLAT"}  # set by pip and setuptools for their own children
TUNNELS = {
    "tunl0",
    "sit0",
    "ip6tnl0",
    "gre0",
    "gretap0",
    "erspan0",
    "ip_vti0",
    "ip6_vti0",
    "ip6gre0",
}  # the kernel's own
CANARY = "canary-4b1f7c"
BOX = f"""
{proof.GROUND}
upstream:
  - find-links: vendor
platforms:
  - image: debian:bullseye
    packages: [peek, caller, chain-a]
builds:
  peek: {{env: {{PEEK_ADDRESS: "GATE"}}}}
  caller: {{env: {{PEEK_ADDRESS: "GATE"}}, network: true}}
"""


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """A workspace of three little sdists after its run, and how often its builds reached a server of this machine."""

    bench: Bench
    ran: Ran
    callers: int

    def seen_by(self, project: str) -> dict[str, Any]:
        """What the build of a project saw, out of its wheel."""
        return dict(json.loads(proof.member(proof.wheel_of(self.bench, project), "peek/seen.json")))


@pytest.fixture(scope="session")
def boxes(make_bench: Callable[[str], Bench]) -> Iterator[Boxes]:
    """One run that builds all of our own sdists."""
    bench = make_bench("boxes")
    vendor = bench.root / "vendor"
    for name in ("peek", "caller"):
        proof.pack_sdist("peek", vendor, name=name)
    proof.pack_sdist("chain-a", vendor)
    proof.pack_sdist("chain-b", vendor, requires=("chain-c",))
    proof.pack_sdist("chain-c", vendor)
    with proof.gate() as gate:
        gate.open.set()
        bench.write("platforms.yaml", BOX.replace("GATE", gate.address))
        ran = bench.doit(AWS_SECRET_ACCESS_KEY=CANARY, PEEK_CANARY=CANARY, PIP_CANARY=CANARY, UV_CANARY=CANARY)
        assert ran.code == 0, ran.text
        yield Boxes(bench=bench, ran=ran, callers=gate.callers)


def test_a_build_is_a_plain_user_without_powers(boxes: Boxes) -> None:
    """A build runs as nobody, in no other group, with no capability and no way to gain one."""
    seen = boxes.seen_by("peek")
    assert (seen["uid"], seen["gid"]) == (65534, 65534)
    assert set(seen["groups"]) <= {65534}
    assert {seen["status"][f"Cap{which}"].strip("0\t ") for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}
    assert seen["status"]["NoNewPrivs"].strip() == "1"
    assert not seen["become_root"]


def test_a_build_can_write_nowhere_but_in_its_own_folders(boxes: Boxes) -> None:
    """The root is read-only, and so are the inputs; nothing of this machine is mounted, least of all the workspace."""
    seen = boxes.seen_by("peek")
    assert seen["writable"] == []
    mounts = {mount["at"]: mount for mount in seen["mounts"]}
    assert "ro" in mounts["/"]["options"]
    text = json.dumps(seen["mounts"])
    assert str(boxes.bench.root) not in text
    on_disk = {at for at, mount in mounts.items() if mount["kind"] not in VIRTUAL}
    assert on_disk <= {"/wheelyard"} | ENGINES_OWN
    assert seen["sockets"] == []


def test_a_build_sees_no_variable_of_this_machine(boxes: Boxes) -> None:
    """A build's variables are ours, the image's and those of platforms.yaml: no canary, in any name or value."""
    environment = boxes.seen_by("peek")["environment"]
    assert CANARY not in json.dumps(boxes.seen_by("peek"))
    assert environment["PEEK_ADDRESS"]
    assert environment["HOME"] == "/tmp/home"
    assert environment["SOURCE_DATE_EPOCH"] == "1700000000"
    ours = {"HOME", "TMPDIR", "LANG", "IN", "OUT", "WORK", "PYTHON", "UV", "PATH", "VIRTUAL_ENV", "HOSTNAME"}
    settled = {name for name, _ in commands.build_environment(0, (("PEEK_ADDRESS", ""),))}
    by_the_way = {"PWD", "OLDPWD", "SHLVL", "_", "PIP_BUILD_TRACKER", "PIP_NO_INPUT", *BACKENDS}
    assert set(environment) - ours - settled - by_the_way == set()


def test_a_build_has_no_network(boxes: Boxes) -> None:
    """No interface but its own loop, no name resolved, and a server of this machine is not reached."""
    seen = boxes.seen_by("peek")
    assert [name for name in seen["interfaces"] if name not in TUNNELS] == ["lo"]
    assert seen["heard"].startswith("error:")
    assert seen["resolved"] == []
    assert not proof.record_of(boxes.bench, "peek")["network"]


def test_network_true_reaches_a_server_and_is_recorded(boxes: Boxes) -> None:
    """With `network: true` a build reaches what this machine does, and its record says so; all else is as closed."""
    seen = boxes.seen_by("caller")
    assert seen["heard"] == "welcome"
    assert boxes.callers == 1
    assert proof.record_of(boxes.bench, "caller")["network"] is True
    assert seen["uid"] == 65534
    assert seen["writable"] == []
    assert CANARY not in json.dumps(seen)


def test_build_requirements_that_are_sdists_are_built_first(boxes: Boxes) -> None:
    """chain-a is built by chain-b, which is built by chain-c, and none of them is a wheel before."""
    built_by = {
        project: proof.member(proof.wheel_of(boxes.bench, "chain-a"), "chain_a_built_by.txt").decode()
        for project in ("chain-a",)
    }
    assert built_by == {"chain-a": "chain_b"}
    order = [boxes.ran.out.index(f"built    debian-bullseye/chain-{one}-1.0") for one in "cba"]
    assert order == sorted(order)
    assert all(proof.record_of(boxes.bench, f"chain-{one}")["built"] for one in "abc")
    assert boxes.bench.flat("debian-bullseye") == sorted(
        ["caller-1.0-py3-none-any.whl", "chain_a-1.0-py3-none-any.whl", "peek-1.0-py3-none-any.whl"]
    )
