"""The index for everybody, in real images: of what several platforms built under one project, each gets what runs."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests import proof
from tests.conftest import PREPARE, Bench
from tests.projects_maker import make_sdist, make_wheel

pytestmark = [pytest.mark.engine, pytest.mark.network]

IMAGES = {"debian-bullseye": "2_31", "debian-bookworm": "2_36", "debian-trixie": "2_41"}
IMPORTS = """
import merge_abi3, merge_noabi, merge_words
assert merge_abi3.number("7") == merge_noabi.number(b"7") == 7
print("runs", merge_words.WORD)
"""


@pytest.fixture(scope="module")
def mirror(make_bench: Callable[[str], Bench]) -> Bench:
    """Three platforms built the same four sdists: abi3, no ABI, pure with other bytes, pure with other METADATA."""
    bench = make_bench("merged")
    vendor = bench.root / "vendor"
    make_sdist(vendor, "merge-abi3", parts=("merge-abi3",))
    make_sdist(vendor, "merge-noabi", parts=("merge-noabi",))
    make_sdist(vendor, "merge-words")
    make_sdist(vendor, "merge-needs", parts=("change-base", "merge-needs"))
    make_wheel(vendor, "helper")
    packages = ["merge-abi3", "merge-noabi", "merge-words", "merge-needs", "helper"]
    platforms = [
        {"image": name.replace("-", ":"), "env": {"CHANGE_WORD": name}, "pre-command": PREPARE, "packages": packages}
        for name in IMAGES
    ]
    bench.declare_all(*platforms)
    ran = bench.doit()
    assert ran.code == 0, ran.text
    return bench


def offered(bench: Bench, project: str) -> list[str]:
    page = json.loads((bench.root / "public/simple" / project / "index.v1_json").read_bytes())
    return [file["filename"] for file in page["files"]]


@pytest.mark.parametrize("platform", IMAGES)
def test_each_platform_installs_what_runs_on_it(mirror: Bench, platform: str) -> None:
    """From the index for all, by the platform's own pip, with no network: imported, and the C code answers."""
    names = "merge-abi3 merge-noabi merge-words"
    install = f"python3 -m pip install --target /tmp/site --index-url file:///srv/pypi/simple/ {names}"
    script = f"{install}\nPYTHONPATH=/tmp/site python3 -c '{IMPORTS}'"
    ran = proof.in_clean_container(mirror, platform, script)
    assert ran.code == 0, ran.text
    assert "runs debian-bullseye" in ran.out, "of wheels with other bytes the one of the oldest glibc is for all"


def test_what_was_built_on_a_newer_glibc_says_so(mirror: Bench) -> None:
    """One abi3 and one none-ABI wheel from each platform, told apart by the glibc that they need."""
    glibcs = sorted(IMAGES.values())
    assert offered(mirror, "merge-abi3") == [f"merge_abi3-1.0-cp39-abi3-manylinux_{one}_x86_64.whl" for one in glibcs]
    assert offered(mirror, "merge-noabi") == [f"merge_noabi-1.0-py3-none-manylinux_{one}_x86_64.whl" for one in glibcs]


def test_other_requirements_are_offered_to_nobody_else(mirror: Bench) -> None:
    """Each platform's own index has its own; the one for all has neither, and the page for people says why."""
    assert not (mirror.root / "public/simple/merge-needs").exists()
    for name in IMAGES:
        assert (mirror.root / f"public/{name}/simple/merge-needs/index.html").exists()
    page = (mirror.root / "public/index.html").read_text()
    assert "merge_needs-1.0-py3-none-any.whl is left out" in page
    assert "merge_words-1.0-py3-none-any.whl was made with different bytes" in page


def test_a_wheel_of_another_glibc_does_not_run(mirror: Bench) -> None:
    """The promise is worth something: trixie's file, forced upon bullseye, is one that cannot be loaded there."""
    [path] = (mirror.root / "public/debian-trixie").glob("merge_noabi-*2_41*.whl")
    wheel = f"/srv/pypi/debian-trixie/{path.name}"
    script = (
        f"cd /tmp && python3 -m zipfile -e {wheel} /tmp/site && PYTHONPATH=/tmp/site python3 -c 'import merge_noabi'"
    )
    ran = proof.in_clean_container(mirror, "debian-bullseye", script)
    assert ran.code != 0
    assert "GLIBC_2.3" in ran.text, ran.text
