"""What a user types: `doit list` starts nothing and writes nothing, and the documents say what is so."""

from __future__ import annotations

import compileall
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from builders import keys
from builders.declarations import read_workspace
from builders.yaml_nodes import Key, Report, read_nodes
from tests.conftest import CHECKOUT, Bench
from tests.projects_maker import make_wheel

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
REFERENCE = (CHECKOUT / "docs" / "platforms-yaml.md").read_text(encoding="utf-8")
CONTRACT = {"image", "lock", "wheel", "platforms", "index", "upgrade", "verify"}
_SPY = """
import os, sys
said = open(sys.argv.pop(1), "w", buffering=1)
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "socket.connect")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate")
def hook(event, args):
    if event in STARTS + CHANGES:
        said.write(f"{event} {args!r}\\n")
    elif event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        if args[0] != os.devnull:
            said.write(f"open {args!r}\\n")
sys.dont_write_bytecode = True  # Python's own cache of compiled modules is not the program's doing
sys.addaudithook(hook)
from doit.__main__ import main
sys.exit(main())
"""


def spied(bench: Bench, *words: str) -> tuple[str, list[str]]:
    """What doit printed, and every process, connection and change on disk that it tried, from Python's audit hooks."""
    said = bench.root.parent / "audit.txt"
    command = [sys.executable, "-c", _SPY, str(said), *bench.command(*words)[3:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout, said.read_text().splitlines()


def on_disk(root: Path) -> dict[str, int]:
    """Every path below a folder with its time of change."""
    return {str(path): path.lstat().st_mtime_ns for path in sorted(root.rglob("*"))}


@pytest.fixture
def locked(bench: Bench) -> Bench:
    """A workspace whose one platform, this machine, is complete: two wheels from a folder."""
    make_wheel(bench.root / "vendor", "one")
    make_wheel(bench.root / "vendor", "two")
    bench.declare("one", "two", platform={"name": "here", "host": True, "prove": False})
    ran = bench.doit()
    assert ran.code == 0, ran.text
    return bench


def test_list_in_a_fresh_workspace(bench: Bench) -> None:
    """Before anything was run, `doit list` names each task with a line of help; it starts and writes nothing."""
    bench.write("platforms.yaml", "platforms: [{image: 'debian:bookworm', packages: [six]}]\n")
    before = on_disk(bench.root)
    out, tried = spied(bench, "list")
    tasks = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert set(tasks) >= CONTRACT
    assert all(line.isprintable() and len(line) <= 120 for line in out.splitlines())
    assert tried == []
    assert on_disk(bench.root) == before


@pytest.mark.parametrize("words", [["list", "--all"], ["info", "platforms"]])
def test_a_reader_that_goes_away_ends_what_only_prints(locked: Bench, words: list[str]) -> None:
    """`doit list | head -1`: by SIGPIPE and without a word, as it ends others. A run goes on (test_progress.py)."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(locked.command(*words), check=False, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize("words", [["list"], []])
def test_an_interrupt_before_the_run_shows_no_traceback(bench: Bench, words: list[str]) -> None:
    """Control-C while doit still imports what it needs."""
    folder = bench.root / "modules"
    bench.write(
        "modules/sitecustomize.py",
        """
import os, signal, sys
class Stopper:
    def find_spec(self, name, path=None, target=None):
        if name == "builders.declarations":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stopper())
""",
    )
    ran = bench.doit(*words, PYTHONPATH=str(folder))
    assert (ran.code, ran.out, ran.errors) == (-signal.SIGINT, "", "")


def test_list_where_all_is_locked(locked: Bench) -> None:
    """With locks and plans there, every platform is named, and still nothing is started or written."""
    before = on_disk(locked.root)
    out, tried = spied(locked, "list", "--all", "--quiet")
    assert {"image:here", "lock:here", "platforms:here"} <= set(out.split())
    assert tried == []
    assert on_disk(locked.root) == before


def test_the_spy_sees(locked: Bench) -> None:
    """The same spy on a real run does see processes and files, so that its silence means something."""
    locked.write("platforms.yaml", (locked.root / "platforms.yaml").read_text().replace("here", "there"))
    tried = spied(locked)[1]
    assert {"subprocess.Popen", "os.mkdir", "open"} <= {line.split()[0] for line in tried}


def test_list_is_quick(locked: Bench) -> None:
    """`doit list` takes less than 0.4 s: of the processor, as other things may run beside; the best of three.

    With bytecode, as every run but a checkout's first has it; where Python is told to write none, it is made here.
    """
    for room in ("builders", "index"):
        compileall.compile_dir(CHECKOUT / room, quiet=1)
    assert min(seconds(locked, "list") for _ in range(3)) < 0.4


def seconds(bench: Bench, *words: str) -> float:
    """The processor's time that a command took, its children's included."""
    before = os.times()
    assert bench.doit(*words).code == 0
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_second_run_says_so(locked: Bench) -> None:
    """A second run says in one line that there was nothing to do."""
    assert locked.doit().out == "nothing to do: 1 platform, 2 wheels, tree public/\n"


def test_second_run_with_a_skipped_platform(locked: Bench) -> None:
    """To skip an optional platform is not work: the second run still had nothing to do, and says what it left out."""
    declared = json.loads((locked.root / "platforms.yaml").read_text())
    declared["platforms"].append({"image": "debian:bookworm", "packages": ["one"], "optional": True})
    locked.write("platforms.yaml", json.dumps(declared))
    named = locked.doit(DOCKER_HOST=f"unix://{locked.root}/no.sock")  # the page for people names the new platform
    assert named.code == 0, named.text
    ran = locked.doit(DOCKER_HOST=f"unix://{locked.root}/no.sock")
    assert ran.code == 0, ran.text
    assert "nothing to do: 1 platform, 2 wheels, tree public/\nskipped: debian-bookworm (no container engine" in ran.out


# --- the documents ------------------------------------------------------------------------------------------------


def test_shipped_workspace() -> None:
    """The platforms.yaml of the checkout is the main job of the README: this machine, and three optional images."""
    workspace = read_workspace(CHECKOUT)
    here, *images = workspace.platforms
    assert (here.name, here.host, here.sandbox) == ("this-machine", True, "none")
    assert [one.image for one in images] == ["debian:bullseye", "debian:bookworm", "debian:trixie"]
    assert all(one.optional and one.pre_command for one in images)
    assert {one.name for platform in workspace.platforms for one in platform.sets} == {"ansible"}


@pytest.mark.parametrize("key", [*keys.PLATFORM_KEYS, *(keys.MEMORY, keys.TIME, keys.SILENCE, keys.PROCESSES)])
def test_keys_of_platforms_are_explained(key: Key[object]) -> None:
    """Each key of a platform and of its limits has a row or a heading in the reference."""
    assert re.search(rf"^(\| `{key.name}` \||#+ {key.name}$)", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("word", sorted(json.loads(keys.schema_text())["properties"]))
def test_sections_are_explained(word: str) -> None:
    """Each key at the top of the file has a chapter, and each key within it a row there."""
    chapter = re.search(rf"^## {word}\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert chapter
    inner = json.loads(keys.schema_text())["properties"][word]
    inner = inner.get("items") or inner.get("additionalProperties") or inner
    if word != "defaults":  # whose keys are those of a platform
        assert [key for key in inner["properties"] if f"| `{key}` |" not in chapter[1]] == []


@pytest.mark.parametrize("document", ["README.md", "docs/platforms-yaml.md", "docs/how-it-works.md"])
def test_examples_are_right(document: str) -> None:
    """Every example in YAML has keys that are there and values that are allowed."""
    blocks = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / document).read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        report = Report(file=document)
        node = read_nodes(block, report)
        if node and not node.missing:
            keys.FILE.read(node, "the example", report)
        assert report.mistakes == [], yaml.safe_load(block)


def test_commands_of_the_readme(locked: Bench) -> None:
    """Each command in the README's table is `list` or a task that is there, and each task but inner ones is in it."""
    named = set(re.findall(r"^\| `doit ([a-z]+)", README, re.MULTILINE))
    there = {line.split()[0] for line in locked.doit("list").out.splitlines()}
    assert named - there == {"list"}
    assert there - named == {"image", "index"}


@pytest.mark.parametrize("document", [*sorted(CHECKOUT.glob("docs/*.md")), CHECKOUT / "README.md"])
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document leads to a file of the checkout."""
    links = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []
