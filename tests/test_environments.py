"""Build environments, one archive for all builds with the same wheels; and projects built from their sdists."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builders import commands
from builders.declarations import read_workspace
from builders.environments import environment_inputs, environment_key
from builders.jobs import Job
from builders.pipeline import ground_of
from builders.platforms import Limits
from builders.progress import Progress
from builders.yard import Yard
from tests.conftest import HERE, PREPARE, Bench, Ran, absent, why_no_engine
from tests.projects_maker import make_sdist, make_wheel

pytestmark = pytest.mark.network  # pip, which drives every build, comes from the machine's index

BOX = {"name": "box", "image": "debian:trixie", "pre-command": PREPARE, "prove": False}
_LOOK_ROUND = f"""{commands.ENVIRONMENT}
if [ -e "$WORK/env/planted" ]; then echo planted; fi
echo something > "$WORK/env/planted"
if echo more 2> /dev/null >> "$IN/{commands.PACKED}"; then echo written; fi
"$WORK/env/bin/python" -v -c 'import pip._internal.commands.wheel' 2>&1 | grep '^# wrote.*/pip/' || echo compiled
"""
_WITHOUT_TAR = """
mkdir "$WORK/few"
for name in mkdir grep; do ln -s "$(command -v $name)" "$WORK/few/$name"; done
export PATH="$WORK/few" PYTHON="$(command -v "$PYTHON")"
"""


@pytest.fixture(scope="module")
def made(make_bench: Callable[[str], Bench]) -> Bench:
    """A finished workspace of one image; alpha and gamma were built with the same wheels."""
    bench = make_bench("environments")
    for name in ("alpha", "gamma"):
        make_sdist(bench.root / "vendor", name)
    bench.declare("alpha", "gamma", platform=BOX)
    ran = bench.doit()
    assert ran.code == 0, ran.text
    assert [name.partition("-")[0] for name in bench.flat("box")] == ["alpha", "gamma"]
    return bench


@pytest.mark.engine
def test_two_builds_share_one_environment(made: Bench) -> None:
    """It was made once; whichever run comes next takes it away."""
    assert len(list((made.root / ".wheelyard/logs/box").glob("environment-*.log"))) == 1
    assert len(list((made.root / ".wheelyard").rglob("*.tar"))) == 1
    assert made.doit("prune").code == 0
    assert not list((made.root / ".wheelyard").rglob("*.tar"))


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # docker leaves sockets to the collector: it comes at the end
@pytest.mark.parametrize("first", ["", _WITHOUT_TAR], ids=["tar", "no tar"])
def test_each_job_has_a_copy_of_its_own(made: Bench, tmp_path: Path, first: str) -> None:
    """Twice in a row: what one job plants the next does not see, the archive is read-only, the bytecode is there."""
    yard = Yard(read_workspace(made.root), Progress())
    try:
        platform = yard.workspace.platforms[0]
        ground = ground_of(yard, platform)
        found = (yard.store.record(one) for one in sorted(yard.store.finished()))
        records = [record for record in found if record and not record.built]
        executor = yard.executor(platform, ground.facts)
        settings = ground.settings(platform.sets[0].name)  # type: ignore[arg-type]  # nothing was said of such a project
        inputs = environment_inputs(yard, ground, settings, executor, records)
        assert [item.name for item in inputs] == [commands.PACKED]
        other = replace(settings, pre_command="true")
        assert environment_key(ground, other, records) != environment_key(ground, settings, records)
        assert environment_key(ground, settings, records[1:]) != environment_key(ground, settings, records)
        job = Job(label="test", script=first + _LOOK_ROUND, inputs=inputs, limits=Limits())
        for number in range(2):
            out, log = tmp_path / f"out{number}", tmp_path / f"log{number}"
            out.mkdir()
            outcome = executor.run(job, out=out, log=log)
            assert (outcome.code, log.read_text()) == (0, "compiled\n")
    finally:
        yard.stop()
        yard.engine.client.close()
        gc.collect()


@pytest.fixture(scope="module", params=["box", "here"])
def asking(make_bench: Callable[[str], Bench], request: pytest.FixtureRequest) -> tuple[Bench, Ran]:
    """A finished workspace of two sdists: one's backend asks for what its environment holds, one's for helper."""
    if request.param == "box" and (reason := why_no_engine()):
        absent(reason)
    bench = make_bench("asking")
    for name in ("content", "demanding"):
        make_sdist(bench.root / "vendor", name, parts=("change-base", "change-asks"))
    make_wheel(bench.root / "vendor", "helper")
    builds = {"content": {"env": {"CHANGE_ASKS": "pip>=1|nothing; python_version < '3'"}}}
    builds["demanding"] = {"env": {"CHANGE_ASKS": "helper>=1|pip"}}
    platform = {**(BOX if request.param == "box" else HERE), "name": "it"}
    bench.declare("content", "demanding", platform=platform, builds=builds)
    ran = bench.doit()
    assert ran.code == 0, ran.text
    assert [name.partition("-")[0] for name in bench.flat("it")] == ["content", "demanding"]
    return bench, ran


def test_what_a_backend_asks_for_is_locked_with_the_rest(asking: tuple[Bench, Ran]) -> None:
    """helper was in nobody's declaration; it is in the build lock of who asked, and was there to be imported."""
    lock = (asking[0].root / "locks/it/build/demanding-1.0.pylock.toml").read_text()
    assert 'extra-requires = ["helper>=1"]' in lock
    assert 'name = "helper"' in lock
    assert "Building wheel" in (asking[0].root / ".wheelyard/logs/it/demanding-1.0.log").read_text()


def test_what_the_environment_holds_is_not_locked_again(asking: tuple[Bench, Ran]) -> None:
    """The first lock stands: pip is in it, and the other line is for another Python."""
    lock = (asking[0].root / "locks/it/build/content-1.0.pylock.toml").read_text()
    assert "extra-requires" not in lock
    assert "helper" not in lock


def test_a_build_that_was_made_while_locking_is_not_made_again(asking: tuple[Bench, Ran]) -> None:
    """The container that asked built it as well; its own step found the record."""
    bench, ran = asking
    assert ran.out.count("BUILD    it/content-1.0") == 1, ran.text
    assert re.search(r"built +it/content-1\.0[^\n]*\n(.*\n)*lock +it", ran.out), ran.text
    assert "BUILD" not in bench.doit().out


def test_from_sdist_takes_a_version_that_has_one(bench: Bench) -> None:
    """Of 2.0 there is only a wheel, so 1.0 is built although it has a wheel too; one with sdists alone resolves."""
    vendor = bench.root / "vendor"
    for name in ("alpha", "gamma"):
        make_sdist(vendor, name, "1.0")
    make_wheel(vendor, "alpha", "1.0")
    make_wheel(vendor, "alpha", "2.0")
    bench.declare("alpha", "gamma", builds={"alpha": {"from": "sdist"}, "gamma": {"from": "sdist"}})
    ran = bench.doit()
    assert ran.code == 0, ran.text
    assert bench.flat("here") == ["alpha-1.0-py3-none-any.whl", "gamma-1.0-py3-none-any.whl"]
    records = [json.loads(path.read_text()) for path in (bench.root / ".wheelyard/records").glob("*.json")]
    assert {one["project"] for one in records if one["built"]} == {"alpha", "gamma"}
