"""The import rule: builders and index know nothing of each other, doit stays at the edge, heavy libraries wait."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, Bench

ROOMS = ("builders", "index")
FOR_DOIT = {"dodo.py", "builders/bridge.py"}
HEAVY = {"auditwheel", "delocate", "docker", "pydantic", "requests", "rich", "urllib3"}
PLATFORMS = "platforms:\n  - {image: 'debian:bookworm', packages: [six]}\n"


def modules() -> list[str]:
    """The program's own modules, as paths from the checkout."""
    found = [path for room in ROOMS for path in sorted((CHECKOUT / room).rglob("*.py"))]
    return ["dodo.py", *(path.relative_to(CHECKOUT).as_posix() for path in found)]


def imports(text: str) -> Iterator[str]:
    """Every module that a source file imports anywhere: at its top, in functions, for type checkers."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            yield node.module or ""


def packages_of(module: str) -> set[str]:
    """The top-level packages that a module of the program imports."""
    return {name.partition(".")[0] for name in imports((CHECKOUT / module).read_text(encoding="utf-8"))}


@pytest.mark.parametrize(("room", "other"), [ROOMS, ROOMS[::-1]])
def test_no_room_imports_the_other(room: str, other: str) -> None:
    """No module of builders imports one of index, nor the other way round: dodo.py alone joins them."""
    own = [module for module in modules() if module.startswith(f"{room}/")]
    assert len(own) > 5
    assert [module for module in own if other in packages_of(module)] == []


def test_only_the_edge_imports_doit() -> None:
    """Doit is imported by dodo.py and builders/bridge.py, and by nothing else."""
    assert {module for module in modules() if "doit" in packages_of(module)} == FOR_DOIT


def test_dodo_is_imported_by_nobody() -> None:
    """The table of contents is read by doit; no module of the program leans on it, or on the tests."""
    assert [module for module in modules() if packages_of(module) & {"dodo", "tests", "benchmarks"}] == []


def test_the_verifier_stands_alone() -> None:
    """index/verify.py runs on the far side, where there is only a Python: it imports the standard library alone."""
    foreign = packages_of("index/verify.py") - sys.stdlib_module_names
    assert foreign == set()


def test_what_runs_on_a_platform_stands_alone() -> None:
    """The scripts of builders/inside run in images, where `packaging` is carried; pip is in every build environment."""
    inside = [module for module in modules() if module.startswith("builders/inside/")]
    assert set().union(*map(packages_of, inside)) - sys.stdlib_module_names <= {"packaging", "pip"}


@pytest.mark.parametrize("words", [["list"], ["list", "--all"], ["help", "index"]])
def test_heavy_libraries_wait(bench: Bench, words: list[str]) -> None:
    """To load the graph and to look at it imports no library that only real work needs."""
    bench.write("platforms.yaml", PLATFORMS)
    assert loaded_by(bench, words) & HEAVY == set()


def loaded_by(bench: Bench, words: list[str]) -> set[str]:
    """The top-level packages in a doit process when it ends."""
    said = bench.root.parent / "loaded.json"
    program = (
        "import atexit, json, pathlib, sys\n"
        f"write = pathlib.Path({str(said)!r}).write_text\n"
        "atexit.register(lambda: write(json.dumps(sorted({name.partition('.')[0] for name in sys.modules}))))\n"
        "from doit.__main__ import main\n"
        "sys.exit(main())\n"
    )
    command = [sys.executable, "-c", program, *bench.command(*words)[3:]]
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    found = set(json.loads(said.read_text()))
    assert {"doit", "builders"} <= found, "the graph was not loaded at all"
    return found


def test_the_packages_are_declared() -> None:
    """An installed checkout finds every folder that holds modules: setuptools is told of each."""
    import tomllib

    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert set(declared) == {Path(module).parent.as_posix().replace("/", ".") for module in modules()[1:]}
