"""Published means proven: what does not install or import on a clean copy of its platform is not published."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from builders.inside import imports
from tests.archive_makers import wheel_bytes
from tests.conftest import HERE, PREPARE, Bench, Ran
from tests.disk import on_disk, snapshot
from tests.loopback import Index, body, serving
from tests.projects_maker import make_wheel
from tests.test_failures import refused, told

PROVEN = {"name": "here", "host": True, "sandbox": "none"}
CRASH = "import ctypes\nctypes.string_at(0)\n"


def release(bench: Bench, name: str, version: str, **modules: str) -> Path:
    """Put a wheel with these modules, name → text, into vendor/."""
    files = {f"{module}.py": text.encode() for module, text in modules.items()}
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    path = bench.root / "vendor" / f"{name}-{version}-py3-none-any.whl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(wheel_bytes(files, info=f"{name}-{version}.dist-info", metadata=metadata))
    return path


def refused_by_proof(ran: Ran) -> str:
    """Why, of a run in which nothing but the proof of `here` failed."""
    assert list(told(refused(ran))) == ["here"], ran.text
    return told(ran)["here"].rows["why"]


# --- before it is published ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(make_bench: Callable[[str], Bench]) -> Bench:
    """A published workspace: fine-1.0 and beta-1.0. For reading only."""
    bench = make_bench("proving")
    release(bench, "fine", "1.0", fine="")
    make_wheel(bench.root / "vendor", "beta")
    bench.declare("fine", "beta", platform=PROVEN)
    ran = bench.doit()
    assert ran.code == 0, ran.text
    return bench


@pytest.fixture
def mine(good: Bench, tmp_path: Path) -> Bench:
    return good.copied(tmp_path / "workspace")


@pytest.fixture
def broken(mine: Bench) -> Bench:
    """The same, where the set now asks for fine-2.0, which raises on import."""
    release(mine, "fine", "2.0", fine="raise RuntimeError('no display here')\n")
    mine.declare("fine>=2", "beta", platform=PROVEN)
    return mine


def test_what_does_not_import_is_not_published(broken: Bench) -> None:
    """The last publication stays, byte for byte; module, how it failed, and log are named, by the next run again."""
    before = on_disk(broken.root / "public")
    ran = broken.doit()
    why = refused_by_proof(ran)
    assert "fine: RuntimeError: no display here" in why, ran.text
    assert "not-imported" in why
    assert "its last complete publication stays" in ran.out
    [log] = (broken.root / ".wheelyard/logs/here").glob("prove-*.log")
    assert str(log) in why
    assert "Traceback" in log.read_text()
    assert on_disk(broken.root / "public") == before
    assert broken.flat("here") == ["beta-1.0-py3-none-any.whl", "fine-1.0-py3-none-any.whl"]
    again = broken.doit()
    assert "RuntimeError" in refused_by_proof(again)
    assert "FETCH" not in again.out


def test_a_module_is_excused_by_its_name(broken: Bench) -> None:
    """`not-imported` of that project: published, and proven as far as it goes."""
    broken.declare("fine>=2", "beta", builds={"fine": {"not-imported": ["fine"]}}, platform=PROVEN)
    ran = broken.doit()
    assert ran.code == 0, ran.text
    assert "fine-2.0-py3-none-any.whl" in broken.flat("here")
    assert len(proofs(broken)) == 2


def test_a_namespace_proves_nothing_of_what_is_in_it(bench: Bench) -> None:
    """The first packages below it are imported; each is excused by its dotted name, or by that of what it is in."""
    release(bench, "deep", "1.0", **{"ns/deep/__init__": "raise ImportError('broken everywhere')\n", "ns/fine": ""})
    bench.declare("deep", platform=PROVEN)
    why = refused_by_proof(bench.doit())
    assert "ns.deep: ImportError: broken everywhere" in why
    assert "ns.fine" not in why
    for excuse in ("ns.dee", "ns.deep", "ns"):
        bench.declare("deep", builds={"deep": {"not-imported": [excuse]}}, platform=PROVEN)
        ran = bench.doit()
        assert (ran.code == 0) is (excuse != "ns.dee"), ran.text


def test_without_proof(broken: Bench) -> None:
    """`prove: false` publishes what does not import; switched on again, every run fails until it is mended."""
    broken.declare("fine>=2", "beta")
    ran = broken.doit()
    assert ran.code == 0, ran.text
    assert "fine-2.0-py3-none-any.whl" in broken.flat("here")
    assert "PROVE" not in ran.out
    broken.declare("fine>=2", "beta", platform=PROVEN)
    for _ in range(2):
        assert "fine: RuntimeError" in refused_by_proof(broken.doit())


def proofs(bench: Bench) -> list[str]:
    return list(json.loads((bench.root / ".wheelyard/proofs/here.json").read_bytes()))


def proof_log(bench: Bench) -> int:
    """When a proof last wrote its log."""
    return (bench.root / ".wheelyard/logs/here/prove-packages.log").stat().st_mtime_ns


def test_only_what_changed_is_proven(mine: Bench) -> None:
    """Nothing changed: no proof. Another set of wheels: one."""
    before = proof_log(mine), proofs(mine)
    ran = mine.doit()
    assert ran.out.startswith("nothing to do"), ran.text
    assert (proof_log(mine), proofs(mine)) == before
    mine.declare("beta", platform=PROVEN)
    assert mine.doit().code == 0
    assert proof_log(mine) > before[0]
    assert proofs(mine)[:1] == before[1]
    assert len(proofs(mine)) == 2


@pytest.mark.parametrize("folder", ["facts", "plans", "proofs"])
@pytest.mark.parametrize("content", [None, b"[]", b"[[]]", b"null", b"[" * 99_999, b'{"key": "'])
def test_what_is_lost_is_found_out_again(mine: Bench, folder: str, content: bytes | None) -> None:
    """Without what was kept for the next run, or with nonsense there, a run goes on; the tree stays, byte for byte."""
    before, path = snapshot(mine.root / "public"), mine.root / f".wheelyard/{folder}/here.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    ran = mine.doit()
    assert ran.code == 0, ran.text
    assert "Traceback" not in ran.text
    assert snapshot(mine.root / "public") == before
    assert mine.doit().out.startswith("nothing to do")


def test_one_set_fails_and_one_platform_fails(mine: Bench) -> None:
    """The set is named, its platform is not published, and the other platform gets its wheels all the same."""
    release(mine, "fine", "2.0", fine="import nowhere\n")
    mine.write("requirements/sound.txt", "beta\n")
    mine.write("requirements/sick.txt", "fine>=2\n")
    there = {**HERE, "name": "there", "packages": ["beta"]}
    mine.declare_all({**PROVEN, "requirements": ["sound", "sick"]}, there)
    before = snapshot(mine.root / "public/here")
    why = refused_by_proof(mine.doit())
    assert "set sick on here" in why
    assert "ModuleNotFoundError: No module named 'nowhere'" in why
    assert "set sound" not in why
    flat = {path: content for path, content in before.items() if path.endswith(".whl")}
    assert flat.items() <= snapshot(mine.root / "public/here").items()
    assert mine.flat("here") == ["beta-1.0-py3-none-any.whl", "fine-1.0-py3-none-any.whl"]
    assert mine.flat("there") == ["beta-1.0-py3-none-any.whl"]
    assert mine.doit("verify").code == 0


def test_an_index_that_hides_a_dependency_is_found_out(bench: Bench, tmp_path: Path) -> None:
    """PEP 658 metadata that leaves out what the wheel itself requires: refused, whoever notices first."""
    wheel = make_wheel(tmp_path, "liar", requires=["absent"])
    lie = b"Metadata-Version: 2.2\nName: liar\nVersion: 1.0\n"
    with serving() as server:
        index = Index(server=server)
        index.add("liar", wheel.name, wheel.read_bytes(), fields={"core-metadata": True})
        server.behaviours[f"/files/{wheel.name}.metadata"] = body(lie)
        bench.declare("liar", platform=PROVEN, upstream={"url": index.url})
        ran = refused(bench.doit())
    assert "absent" in ran.out, ran.text
    assert not (bench.root / "public").exists()


RUDE = {
    "writes the answer itself": "import os\nos.mkdir(os.environ['OUT'] + '/failed.json')\n",
    "leaves more than an answer": "import os\nos.symlink('/etc/passwd', os.environ['OUT'] + '/x')\n",
    "kills the one that asks": "import os\nos.kill(os.getppid(), 9)\n",
}


@pytest.mark.parametrize("rude", RUDE)
def test_what_a_module_does_to_the_proof_itself(bench: Bench, rude: str) -> None:
    """It fails in words, and nothing is published."""
    release(bench, "rude", "1.0", rude=RUDE[rude])
    bench.declare("rude", platform=PROVEN)
    refused_by_proof(bench.doit())
    assert not (bench.root / "public").exists()


@pytest.mark.engine
@pytest.mark.network
def test_a_clean_copy_is_not_the_image_that_built(bench: Bench) -> None:
    """What imports only with a file that a package's own pre-command made fails the proof, and imports with the file.

    The proof runs on the platform's own image, without the build's additions and without network.
    """
    text = "open('/opt/only-when-building').close()\n"
    release(bench, "needy", "1.0", needy=text)
    platform = {"name": "here", "image": "debian:bookworm", "pre-command": PREPARE}
    builds = {"needy": {"pre-command": "touch /opt/only-when-building"}}
    bench.declare("needy", platform=platform, builds=builds)
    ran = bench.doit()
    assert "needy: FileNotFoundError" in refused_by_proof(ran), ran.text
    assert not (bench.root / "public").exists()
    online = "import socket\nsocket.create_connection(('192.0.2.1', 80), 2)\n"
    release(bench, "needy", "2.0", needy=online)
    bench.declare("needy>=2", platform=platform)
    assert "Network is unreachable" in refused_by_proof(bench.doit())
    release(bench, "needy", "3.0", needy="")
    bench.declare("needy>=3", platform=platform)
    ran = bench.doit()
    assert ran.code == 0, ran.text


GROUNDS: Mapping[str, Mapping[str, Any]] = {
    "here": PROVEN,
    "bookworm": {"name": "here", "image": "debian:bookworm", "pre-command": PREPARE},
}


@pytest.mark.engine
@pytest.mark.network
@pytest.mark.parametrize("ground", GROUNDS)
def test_it_is_installed_as_people_install(bench: Bench, ground: str) -> None:
    """Nothing shadows the standard library, and a .pth file is heeded."""
    files = {
        "enum.py": b"raise RuntimeError('the standard library has a better one')\n",
        "outer.py": b"import inner\n",
        "outer.pth": b"outer-inside\n",
        "outer-inside/inner.py": b"",
    }
    wheel = bench.root / "vendor" / "outer-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    metadata = b"Metadata-Version: 2.1\nName: outer\nVersion: 1.0\n"
    wheel.write_bytes(wheel_bytes(files, info="outer-1.0.dist-info", metadata=metadata))
    bench.declare("outer", platform=GROUNDS[ground])
    ran = bench.doit()
    assert ran.code == 0, ran.text
    assert len(proofs(bench)) == 1


# --- imports.py -----------------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Write modules, name → text, where the Python of a proof finds them; gives their names in order."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def write(**modules: str) -> list[str]:
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        return list(modules)

    return write


WAYS = {
    "os-exit": ("import os\nos._exit(3)\n", "it ended the process with exit code 3"),
    "os-exit-0": ("import os\nos._exit(0)\n", "it ended the process with exit code 0"),
    "sys-exit": ("import sys\nsys.exit('usage: mid FILE')\n", "SystemExit: usage: mid FILE"),
    "sys-exit-0": ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    "interrupt": ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
    "crash": (CRASH, "it was ended by signal 11"),
    "syntax": ("def\n", "SyntaxError: invalid syntax"),
    "two-lines": ("raise ImportError('cannot load libX\\nsee the manual')\n", "cannot load libX see the manual"),
    "other-encoding": ("raise ValueError('\\udcff \\u2028')\n", "ValueError"),
    "hang": ("import time\ntime.sleep(60)\n", "it took longer than 2 s"),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_fail_is_named_and_the_others_are_tried(site: Callable[..., list[str]], way: str) -> None:
    """Whatever a module does, it is named with how it failed; the one before it counts, the ones after are tried."""
    text, words = WAYS[way]
    modules = site(first="", mid=text, last="raise RuntimeError('last was tried')\n", fine="")
    failed = imports.attempt(modules, 2)
    assert sorted(failed) == ["last", "mid"]
    assert words in failed["mid"]
    assert failed["last"] == "RuntimeError: last was tried"


def test_two_that_end_the_process_are_both_named(site: Callable[..., list[str]]) -> None:
    """One process each, until all were tried."""
    modules = site(a="import os\nos._exit(1)\n", b="", c=CRASH, d="", e="import os\nos._exit(0)\n")
    assert sorted(imports.attempt(modules, 20)) == ["a", "c", "e"]


QUIRKS = {
    "prints the name of another": "print('last', flush=True)\n",
    "prints what imports.py writes": 'print(\'["last", "broken"]\', flush=True)\n',
    "closes its output": "import sys\nsys.stdout.close()\nsys.stderr.close()\n",
    "closes every descriptor": "import os\nos.closerange(0, 100)\n",
    "goes elsewhere": "import os\nos.chdir('/')\n",
    "has no output": "import sys\nsys.stdout = sys.stderr = None\n",
    "leaves a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n",
    "leaves a process": "import subprocess\nsubprocess.Popen(['sleep', '5'])\n",
    "reads its arguments": "import sys\nassert sys.argv[1:] == [], sys.argv\n",
    "reads its input": "import sys\nassert sys.stdin.read() == ''\n",
    "replaces open": "import builtins, json\nbuiltins.open = json.dumps = None\n",
    "complains at its end": "import atexit, os\natexit.register(os._exit, 5)\n",
}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_what_a_module_may_do_and_pass(site: Callable[..., list[str]], quirk: str) -> None:
    """None of this is a failed import, nor hides the one after it."""
    modules = site(first="", mid=QUIRKS[quirk], last="raise RuntimeError\n")
    assert imports.attempt(modules, 4) == {"last": "RuntimeError"}


def test_the_listing_is_read_line_by_line(site: Callable[..., list[str]], tmp_path: Path) -> None:
    """`project module …`: a project's own name is not imported, one without modules is passed over."""
    site(one="", two="raise ValueError('two')\n", three="raise ValueError('three')\n", project="1 / 0\n")
    (tmp_path / "modules.txt").write_text("project one two\nnothing\nother three\n")
    imports.main(str(tmp_path / "modules.txt"), str(tmp_path / "failed.json"))
    said = json.loads((tmp_path / "failed.json").read_text())
    assert said == {"two": "ValueError: two", "three": "ValueError: three"}


def test_each_project_has_a_process_of_its_own(site: Callable[..., list[str]], tmp_path: Path) -> None:
    """What one project does to its interpreter, the next does not see."""
    site(one="import sys\nsys.modules['two'] = sys\n", two="raise ValueError('seen')\n")
    (tmp_path / "modules.txt").write_text("a one\nb two\n")
    imports.main(str(tmp_path / "modules.txt"), str(tmp_path / "failed.json"))
    assert json.loads((tmp_path / "failed.json").read_text()) == {"two": "ValueError: seen"}
    assert "two" not in sys.modules
