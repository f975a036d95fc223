"""The main job on real input: real containers, a real index, real sdists with C code and system libraries."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from tests import proof
from tests.conftest import Bench
from tests.disk import snapshot
from tests.proof import MainJob

# The set `hard`: what is built here carries the glibc of its platform, what is fetched its upstream's tags.
HARD = {
    "debian-bullseye": {
        "cffi": "cffi-*-cp39-cp39-manylinux_2_31_x86_64.whl",
        "docopt": "docopt-0.6.2-py2.py3-none-any.whl",
        "markupsafe": "markupsafe-*-cp39-cp39-manylinux_2_31_x86_64.whl",
        "psycopg2": "psycopg2-*-cp39-cp39-manylinux_2_31_x86_64.whl",
        "pyyaml": "PyYAML-5.4.1-cp39-cp39-manylinux1_x86_64.whl",
    },
    "debian-trixie": {
        "cffi": "cffi-*-cp313-cp313-manylinux_2_41_x86_64.whl",
        "docopt": "docopt-0.6.2-py2.py3-none-any.whl",
        "markupsafe": "markupsafe-*-cp313-cp313-manylinux_2_41_x86_64.whl",
        "psycopg2": "psycopg2-*-cp313-cp313-manylinux_2_41_x86_64.whl",
        "pyyaml": "pyyaml-5.4.1-cp313-cp313-manylinux_2_41_x86_64.whl",
    },
}
FETCHED = {
    "debian-bullseye": "cryptography-*-cp3*-abi3-manylinux*_x86_64.whl",
    "debian-trixie": "cryptography-*-cp3*-abi3-manylinux*_x86_64.whl",
}
NO_ENGINE = "unix:///nonexistent.sock"


@pytest.mark.engine
@pytest.mark.network
def test_one_platform_of_three_is_made_alone(main_job: MainJob) -> None:
    """`doit platforms:debian-bullseye` in a fresh workspace locks, fetches, builds and publishes that one alone."""
    assert main_job.alone.code == 0, main_job.alone.text
    for other in ("debian-trixie", "debian-bookworm"):
        assert other not in main_job.alone.out
        assert [path for path in sorted(main_job.alone_left) if other in path] == []
    assert {"public/manifest.json", "public/debian-bullseye/hard.txt", "public/simple/psycopg2/index.html"} <= (
        main_job.alone_left
    )
    assert {f"locks/debian-bullseye/{name}.pylock.toml" for name in ("hard", "ansible")} <= main_job.alone_left


@pytest.mark.engine
@pytest.mark.network
@pytest.mark.parametrize("platform", proof.PLATFORMS)
def test_every_wheel_comes_out_right(main_job: MainJob, platform: str) -> None:
    """What is built is tagged with its platform's glibc, what is fetched stays as upstream has it."""
    assert main_job.both.code == 0, main_job.both.text
    folder = main_job.bench.root / "public" / platform
    for pattern in (*HARD[platform].values(), FETCHED[platform], "ansible-*-py3-none-any.whl"):
        assert list(folder.glob(pattern)), f"{pattern} in {main_job.bench.flat(platform)}"
    assert not [name for name in main_job.bench.flat(platform) if "linux_x86_64.whl" in name.split("-")[-1][:12]]


@pytest.mark.engine
@pytest.mark.network
@pytest.mark.parametrize("platform", proof.PLATFORMS)
@pytest.mark.parametrize(("project", "library"), [("psycopg2", "libpq"), ("cffi", "libffi")])
def test_a_library_of_the_image_is_grafted(main_job: MainJob, platform: str, project: str, library: str) -> None:
    """The library that a build was linked with is in its wheel, under a name of its own."""
    (wheel,) = (main_job.bench.root / "public" / platform).glob(HARD[platform][project])
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{project}.libs/{library}-")]
    assert names


@pytest.mark.engine
@pytest.mark.network
@pytest.mark.parametrize("platform", proof.PLATFORMS)
def test_locks_are_pep_751(main_job: MainJob, platform: str) -> None:
    """packaging reads each lock and each published lock; they name the same versions, and the published one only files.

    Of the two sets, which are resolved apart, one has PyYAML 5.4.1 and the other a newer one.
    """
    root = main_job.bench.root
    versions = {}
    for name in ("hard", "ansible"):
        lock = _read_lock(root / "locks" / platform / f"{name}.pylock.toml")
        published = _read_lock(root / "public" / platform / f"pylock.{name}.toml")
        versions[name] = {str(package.name): package.version for package in lock.packages}
        assert {str(package.name): package.version for package in published.packages} == versions[name]
        for package in published.packages:
            (wheel,) = package.wheels or ()
            assert wheel.path
            assert (root / "public" / platform / wheel.path).is_file()
            assert wheel.hashes["sha256"] in wheel.path
    assert str(versions["hard"]["pyyaml"]) == "5.4.1"
    assert str(versions["ansible"]["pyyaml"]) != "5.4.1"


def _read_lock(path: Path) -> Pylock:
    import tomllib

    return Pylock.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))


# --- the tree ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(main_job: MainJob, tmp_path: Path) -> Bench:
    """A copy of the finished workspace, to be harmed."""
    return main_job.bench.copied(tmp_path / "copy")


@pytest.mark.engine
@pytest.mark.network
def test_the_tree_is_the_same_under_two_hash_seeds(main_job: MainJob, copied: Bench) -> None:
    """Published anew from the store, elsewhere and under other hash seeds: the same bytes, and no engine asked."""
    before = snapshot(main_job.bench.root / "public")
    assert len(before) > 100
    for seed in ("1", "77"):
        shutil.rmtree(copied.root / "public")
        ran = copied.doit(
            *(f"platforms:{name}" for name in proof.PLATFORMS), PYTHONHASHSEED=seed, DOCKER_HOST=NO_ENGINE
        )
        assert ran.code == 0, ran.text
        assert snapshot(copied.root / "public") == before


@pytest.mark.engine
@pytest.mark.network
def test_the_merged_index_promises_nothing_it_cannot_keep(main_job: MainJob) -> None:
    """No linux_* wheel is in the merged index, and each project of both platforms is."""
    simple = main_job.bench.root / "public" / "simple"
    pages = {path.parent.name: path.read_text() for path in simple.glob("*/index.html")}
    assert {"ansible", "cffi", "cryptography", "docopt", "markupsafe", "psycopg2", "pyyaml"} <= pages.keys()
    assert [name for name, page in pages.items() if "-linux_" in page or ".linux_" in page] == []
    assert "manylinux_2_31" in pages["psycopg2"]
    assert "manylinux_2_41" in pages["psycopg2"]


@pytest.mark.engine
@pytest.mark.network
def test_verify_finds_one_flipped_bit(copied: Bench) -> None:
    """`doit verify` is content with a fresh tree; after one bit of one wheel was flipped it names that file."""
    sound = copied.doit("verify", DOCKER_HOST=NO_ENGINE)
    assert sound.code == 0, sound.text
    wheel = proof.wheel_of(copied, "docopt", platform="debian-bullseye")
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.unlink()
    wheel.write_bytes(content)
    ran = copied.doit("verify", DOCKER_HOST=NO_ENGINE)
    assert ran.code != 0
    assert wheel.name in ran.out + ran.errors
    assert "Traceback" not in ran.text


# --- killed runs ------------------------------------------------------------------------------------------------------

SLOW = f"""
{proof.GROUND}
upstream:
  - find-links: vendor
platforms:
  - image: debian:bullseye
    packages: [caller]
builds:
  caller: {{env: {{PEEK_ADDRESS: "GATE"}}, network: true}}
"""


@pytest.mark.engine
@pytest.mark.network
def test_the_container_of_a_killed_run_is_removed_by_the_next(bench: Bench) -> None:
    """doit is killed with SIGKILL in the middle of a build: its container lives on, and the next run removes it.

    A container of another workspace is left alone. The build is known to run: it waits for a server's answer.
    """
    proof.pack_sdist("peek", bench.root / "vendor", name="caller")
    with proof.gate() as gate, proof.bystander() as bystander:
        bench.write("platforms.yaml", SLOW.replace("GATE", gate.address))
        first = bench.start()
        assert gate.called.wait(300), _stopped(first)
        (running,) = proof.containers_of(bench)
        _stopped(first)
        assert [left.id for left in proof.containers_of(bench)] == [running.id]
        gate.open.set()
        second = bench.doit()
        assert second.code == 0, second.text
        assert proof.containers_of(bench) == []
        assert gate.callers == 2
        bystander.reload()
        assert bystander.status == "running"
    assert bench.flat("debian-bullseye") == ["caller-1.0-py3-none-any.whl"]


def _stopped(doit: subprocess.Popen[str]) -> str:
    """Kill it and all it started; returns what it had printed."""
    os.killpg(doit.pid, signal.SIGKILL)
    return doit.communicate()[0]


# --- no engine --------------------------------------------------------------------------------------------------------

ONE = """
platforms:
  - image: debian:bullseye
    packages: [docopt]
    optional: OPTIONAL
"""


def test_an_optional_platform_is_skipped_without_an_engine(bench: Bench) -> None:
    """No engine answers: an optional platform is skipped with the reason, and that is no failure."""
    bench.write("platforms.yaml", ONE.replace("OPTIONAL", "true"))
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert "debian-bullseye" in ran.out
    assert "skipped" in ran.out
    assert "engine" in ran.out
    assert not (bench.root / "locks").exists()
    assert not (bench.root / "public").exists()


def test_a_platform_that_is_wanted_fails_without_an_engine(bench: Bench) -> None:
    """No engine answers: a platform that is not optional is an error in words, with what to do, and no traceback."""
    bench.write("platforms.yaml", ONE.replace("OPTIONAL", "false"))
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code != 0
    assert "no container engine answers at unix:///nonexistent.sock" in ran.text
    assert "Traceback" not in ran.text
    assert not (bench.root / "locks").exists()
    assert not (bench.root / "public").exists()
