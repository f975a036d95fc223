"""This machine as a platform: no engine, no box, and still nothing runs here that nobody agreed to."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.errors import EngineError
from builders.facts import facts_from, probe, values_of
from builders.hosts import find_python
from builders.jobs import Ending, Job, Outcome
from builders.platforms import Platform
from tests.conftest import Bench, Ran
from tests.disk import snapshot
from tests.projects_maker import make_sdist, make_wheel
from tests.test_failures import refused, told

HOST = {"name": "this-machine", "host": True}
NO_ENGINE = "unix:///nonexistent/engine.sock"


@pytest.fixture(scope="module")
def made(make_bench: Callable[[str], Bench]) -> tuple[Bench, Ran]:
    """A fresh workspace on a machine without an engine: an extension in C, and a pure project with a pre-command."""
    bench = make_bench("host")
    make_sdist(bench.root / "vendor", "change-ext", parts=("change-ext",))
    make_sdist(bench.root / "vendor", "pure", requires=["change-ext"])
    builds = {"pure": {"pre-command": f"touch {bench.root}/ran"}}
    bench.declare("pure", platform={**HOST, "sandbox": "none"}, builds=builds)
    return bench, bench.doit(DOCKER_HOST=NO_ENGINE)


@pytest.mark.network
@pytest.mark.compiler
def test_a_machine_without_an_engine_gets_its_mirror(made: tuple[Bench, Ran]) -> None:
    """A fresh workspace with a host platform alone: built, proven and published."""
    bench, ran = made
    assert ran.code == 0, ran.text
    assert re.search(r"(?m)^this-machine +complete$", ran.out), ran.text
    assert [name.partition("-")[0] for name in bench.flat("this-machine")] == ["change_ext", "pure"]
    assert bench.doit("verify").code == 0


@pytest.mark.network
@pytest.mark.compiler
@pytest.mark.skipif(sys.platform != "linux", reason="delocate repairs elsewhere")
def test_an_extension_is_repaired_for_this_machines_own_c_library(made: tuple[Bench, Ran]) -> None:
    """The extension leaves with a manylinux tag and no linux one."""
    [extension] = [name for name in made[0].flat("this-machine") if name.startswith("change_ext")]
    assert re.fullmatch(r"change_ext-1\.0-cp\d+-cp\d+-manylinux_2_\d+_\w+\.whl", extension)


@pytest.mark.network
@pytest.mark.compiler
def test_the_platforms_own_pip_installs_from_the_flat_folder(made: tuple[Bench, Ran], tmp_path: Path) -> None:
    """A new virtual environment of the same Python, no index: installed, and the C code answers."""
    python = tmp_path / "env/bin/python"
    subprocess.run([find_python(None), "-m", "venv", str(tmp_path / "env")], check=True)
    flat = made[0].root / "public/this-machine"
    install = [str(python), "-m", "pip", "install", "--no-index", "-f", str(flat), "pure"]
    subprocess.run(install, check=True, capture_output=True)
    code = "import change_ext, pure; print(change_ext.answer(0))"
    said = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert said.stdout == "1.0\n"


@pytest.mark.network
def test_a_pre_command_never_runs_on_the_host(made: tuple[Bench, Ran]) -> None:
    """`builds: X: pre-command:` is meant for images: here it is passed over, and the run says so."""
    bench, ran = made
    assert not (bench.root / "ran").exists()
    assert "pre-command of pure does not run on a host platform" in ran.out, ran.text


@pytest.mark.network
@pytest.mark.parametrize("folder", ["a#b", "a\nb", "a b;c%20[d]?'\"$x"], ids=["hash", "line", "marker"])
def test_a_workspace_may_stand_anywhere(tmp_path: Path, folder: str) -> None:
    """On a host a job's paths begin with the workspace's, whatever pip and uv would read into them."""
    bench = Bench(root=tmp_path / folder)
    make_sdist(bench.root / "vendor", "pure")
    bench.declare("pure", platform={**HOST, "sandbox": "none"})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert bench.flat("this-machine") == ["pure-1.0-py3-none-any.whl"]


def test_a_set_of_wheels_needs_no_leave(bench: Bench) -> None:
    """Without `sandbox: none`, wheels are taken as they are where nothing of theirs is to be run."""
    make_wheel(bench.root / "vendor", "good")
    bench.declare("good", platform={**HOST, "prove": False})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert bench.flat("this-machine") == ["good-1.0-py3-none-any.whl"]


@pytest.mark.network
def test_a_build_without_leave_is_refused(bench: Bench, tmp_path: Path) -> None:
    """Without `sandbox: none` no sdist runs here, not even to say what it needs; the reason names the key."""
    make_sdist(bench.root / "vendor", "gate", parts=("change-base", "change-gate"))
    builds = {"gate": {"env": {"CHANGE_GATE": str(tmp_path)}}}
    bench.declare("gate", platform={**HOST, "prove": False}, builds=builds)
    ran = refused(bench.doit(DOCKER_HOST=NO_ENGINE))
    assert "this-machine" in told(ran), ran.text
    assert "sandbox: none" in ran.out, ran.text
    assert bench.records() == {}
    assert "public" not in {path.partition("/")[0] for path in snapshot(bench.root)}


@pytest.mark.network
def test_an_sdist_that_may_not_run_is_not_said_to_be_missing(bench: Bench) -> None:
    """A project that is to come as an sdist takes leave, and that is what is said."""
    make_wheel(bench.root / "vendor", "good")
    make_sdist(bench.root / "vendor", "good")
    bench.declare("good", platform={**HOST, "prove": False}, builds={"good": {"from": "sdist"}})
    why = told(refused(bench.doit(DOCKER_HOST=NO_ENGINE)))["this-machine"].rows["why"]
    assert "`from: sdist` leaves nothing" in why
    assert "`sandbox: none` in platforms.yaml allows them" in why
    assert "change `builds" not in why


@pytest.mark.network
def test_an_extra_that_is_not_there_is_told(bench: Bench) -> None:
    """A name that nobody gave to anything adds nothing: the run says so, and which extras there are."""
    make_wheel(bench.root / "vendor", "good", requires=["more; extra == 'x-y'\nProvides-Extra: X.y"])
    make_wheel(bench.root / "vendor", "more")
    bench.declare("good[x_y]", "good[yx,x-y]", "more[z]; python_version < '3'", platform={**HOST, "prove": False})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    notes = [line for line in ran.out.splitlines() if line.startswith("note")]
    assert notes == ["note     this-machine: set packages: good[yx,x-y]: good 1.0 has no extra yx; it has x-y"]


@pytest.mark.network
def test_an_owned_name_that_its_owner_lacks_is_told_as_owned(bench: Bench) -> None:
    """Others were not asked for it, whatever they have."""
    make_wheel(bench.root / "vendor", "acme-x")
    (bench.root / "mine").mkdir()
    owner = {"find-links": "mine", "owns": ["acme-*"]}
    bench.declare("acme-x", platform={**HOST, "prove": False}, upstream=owner)
    declared = json.loads((bench.root / "platforms.yaml").read_text())
    declared["upstream"].append({"find-links": "vendor"})
    bench.write("platforms.yaml", json.dumps(declared))
    why = told(refused(bench.doit(DOCKER_HOST=NO_ENGINE)))["this-machine"].rows["why"]
    assert "for acme-x only this upstream was asked, because of `owns`: folder mine owns=acme-*" in why


@pytest.mark.network
def test_builds_of_what_no_lock_has_are_told(bench: Bench) -> None:
    """Once for all platforms, where something was locked; a project that one platform alone has is in use."""
    make_wheel(bench.root / "vendor", "good")
    make_wheel(bench.root / "vendor", "more")
    bench.declare_hosts({"a": ["good"], "b": ["more"]}, builds={"goood": {"from": "wheel"}, "more": {"from": "wheel"}})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert ran.out.count("note") == 1, ran.text
    assert "note  builds: goood: no lock has it; did you mean 'good'?" in ran.out.splitlines()


@pytest.mark.network
def test_the_newest_version_with_a_wheel_is_taken_where_no_sdist_may_run(bench: Bench) -> None:
    """Without leave, a newer version that is only an sdist is passed over."""
    make_wheel(bench.root / "vendor", "good", "1.0")
    make_sdist(bench.root / "vendor", "good", "2.0")
    bench.declare("good", platform={**HOST, "prove": False})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert bench.flat("this-machine") == ["good-1.0-py3-none-any.whl"]


@pytest.mark.network
def test_a_set_of_which_nothing_is_meant_for_here(bench: Bench) -> None:
    """It is complete, and it is said that it is empty."""
    make_wheel(bench.root / "vendor", "good", "1.0")
    bench.declare("good; python_version < '3'", platform={**HOST, "prove": False})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert "set packages asks for nothing here" in ran.out


@pytest.mark.network
def test_what_keeps_a_host_from_resolving_is_told_as_it_is(bench: Bench) -> None:
    """That sdists were passed over is said where that was it; a package may be asked for as a wheel there too."""
    make_sdist(bench.root / "vendor", "only")
    make_wheel(bench.root / "vendor", "good", "1.0")
    bench.declare("only", platform={**HOST, "prove": False})
    assert "sdists were passed over" in refused(bench.doit(DOCKER_HOST=NO_ENGINE)).out
    bench.declare("good>2", platform={**HOST, "prove": False})
    ran = refused(bench.doit(DOCKER_HOST=NO_ENGINE))
    assert "change the requirement" in ran.out
    assert "sandbox: none" not in ran.out, ran.text
    bench.declare("good", platform={**HOST, "prove": False}, builds={"good": {"from": "wheel"}})
    assert bench.doit(DOCKER_HOST=NO_ENGINE).code == 0


def test_a_python_that_this_machine_lacks_is_named(bench: Bench) -> None:
    """`python:` of one that is not here: which one, and what to write instead."""
    make_wheel(bench.root / "vendor", "good")
    bench.declare("good", platform={**HOST, "python": "/nonexistent/python3"})
    ran = refused(bench.doit(DOCKER_HOST=NO_ENGINE))
    assert "/nonexistent/python3" in told(ran)["this-machine"].rows["why"], ran.text


@pytest.mark.parametrize("optional", [False, True])
def test_a_python_that_has_gone_is_named(bench: Bench, optional: bool) -> None:
    """`doit list` goes on, and a run says which Python, and what to write instead; what was published stays."""
    python = bench.root / "python3"
    python.symlink_to(find_python(None))
    make_wheel(bench.root / "vendor", "good")
    bench.declare("good", platform={**HOST, "prove": False, "python": str(python), "optional": optional})
    assert bench.doit(DOCKER_HOST=NO_ENGINE).code == 0
    python.unlink()
    assert bench.doit("list", "--all").code == 0
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert "Traceback" not in ran.text
    assert f"this machine has no {python}" in ran.out, ran.text
    if optional:
        assert ran.code == 0, ran.text
    else:
        assert "python: /path/to/python3" in refused(ran).out
    assert bench.flat("this-machine") == ["good-1.0-py3-none-any.whl"]


def test_a_relative_python_is_seen_from_the_workspace(bench: Bench) -> None:
    """As other paths in platforms.yaml are; jobs run in folders of their own, where it would lead nowhere."""
    (bench.root / "pp").mkdir()
    (bench.root / "pp/python3").symlink_to(find_python(None))
    make_wheel(bench.root / "vendor", "good")
    bench.declare("good", platform={**HOST, "prove": False, "python": "pp/python3"})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert bench.flat("this-machine") == ["good-1.0-py3-none-any.whl"]


FACTS = {
    **dict.fromkeys(("python", "implementation", "executable", "build", "system", "machine"), "x"),
    "libc": "glibc", "libc_version": "2.36", "markers": {"os_name": "posix"}, "tags": ["py3-none-any"],
}  # fmt: skip


ODD: tuple[dict[str, object], ...] = (
    {"libc_version": "2.x"}, {"libc_version": 2.36}, {"markers": []}, {"markers": {"os_name": 1}}, {"tags": []},
    {"tags": [1]}, {"tags": "py3"}, {"python": None}, {"image": "x"}, {"more": "x"},
)  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    ["", "hello", "{}", "[]", "1", "[" * 100_000, "9" * 5000, *(json.dumps({**FACTS, **odd}) for odd in ODD)],
    ids=lambda answer: answer[:8] + answer[-30:],
)
def test_what_is_no_python_is_told(answer: str, tmp_path: Path) -> None:
    """`python:` may name any program, which prints anything or nothing when it is asked what it is."""
    with pytest.raises(EngineError, match=r"platform here: /bin/echo is no Python that can be used") as caught:
        probe(
            Prints(answer), Platform(name="here", python="/bin/echo"), image="", scratch=tmp_path, log=tmp_path / "log"
        )
    assert "name a Python 3.8 or newer" in caught.value.hint


@pytest.mark.parametrize(
    ("libc", "version", "numbers"),
    [("glibc", "2.36", (2, 36)), ("glibc", "2.20-2014.11", (2, 20)), ("", "", None), ("libc", "", None)],
)
def test_what_a_python_says_is_read(libc: str, version: str, numbers: object, tmp_path: Path) -> None:
    """Numbers of the C library where there are any."""
    answer = json.dumps({**FACTS, "libc": libc, "libc_version": version})
    facts = probe(Prints(answer), Platform(name="here"), image="x", scratch=tmp_path, log=tmp_path / "log")
    assert (facts.libc_numbers, facts.tags, facts.image) == (numbers, ("py3-none-any",), "x")
    assert facts_from(json.loads(json.dumps(values_of(facts))), image="x") == facts


class Prints:
    """An executor whose Python prints this, whatever it is asked."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def run(self, job: Job, *, out: Path, log: Path) -> Outcome:
        """Leave the answer where the job's script would."""
        assert job.script
        log.touch()
        (out / "facts.json").write_text(self._answer)
        return Outcome(ending=Ending.EXITED, code=0, seconds=0.0)

    def gateway_address(self) -> str:
        """Nothing here asks for one."""
        raise NotImplementedError

    def copy_libraries(self, sonames: tuple[str, ...], destination: Path) -> tuple[str, ...]:
        """Nothing here asks for any."""
        raise NotImplementedError


def test_a_python_that_only_explains_itself_is_quoted_from_the_start(bench: Bench) -> None:
    """What a shim prints begins with what is wrong and ends with advice; the rest of it is in the log."""
    shim = bench.write(
        "python", "#!/bin/sh\nprintf '\\npython3.8: command not found\\n\\nNote: see others\\n' >&2\nexit 127\n"
    )
    shim.chmod(0o755)
    bench.declare("good", platform={**HOST, "python": "./python"})
    (bench.root / "vendor").mkdir()
    why = told(refused(bench.doit(DOCKER_HOST=NO_ENGINE)))["this-machine"].rows["why"]
    assert "could not be asked what it is: python3.8: command not found" in why
    log = Path(re.findall(r"log: (\S+)", why)[0])
    assert "see others" in log.read_text()


@pytest.mark.parametrize("program", ["/bin/true", "/bin/echo", "/bin/false"])
def test_a_program_that_is_no_python_is_named(bench: Bench, program: str) -> None:
    """One sentence in the summary, and no traceback."""
    make_wheel(bench.root / "vendor", "good")
    bench.declare("good", platform={**HOST, "python": program})
    ran = refused(bench.doit(DOCKER_HOST=NO_ENGINE))
    assert "platform this-machine: " in told(ran)["this-machine"].rows["why"], ran.text


DEEP = """
import os
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
os.mkdir("closed", 0)
"""


@pytest.mark.network
def test_folders_too_deep_for_python_are_taken_away(bench: Bench) -> None:
    """What a build leaves behind costs nobody else anything; nor does what lies there since a run that was killed."""
    sdist = make_sdist(bench.root / "vendor", "deep", parts=("change-base", "change-deep"))
    make_wheel(bench.root / "vendor", "good")
    work = bench.root / ".wheelyard" / "work"
    bench.declare("deep", "good", platform={**HOST, "sandbox": "none", "prove": False})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert list(work.iterdir()) == []
    left = work / "job-of-a-dead-run"
    left.mkdir()
    subprocess.run([sys.executable, "-c", DEEP], cwd=left, check=True)
    sdist.unlink()
    bench.declare("good", platform={**HOST, "sandbox": "none", "prove": False})
    ran = bench.doit(DOCKER_HOST=NO_ENGINE)
    assert ran.code == 0, ran.text
    assert list(work.iterdir()) == []
