"""Resolving over a real gateway: with a real uv on this machine, or with an answer that uv should never give."""

from __future__ import annotations

from pathlib import Path

import pytest
from uv import find_uv_bin

from builders.build_places import Places
from builders.gateway import Gateway
from builders.hosts import HostExecutor, find_python
from builders.platforms import Limits, Upstream
from builders.resolve import Answers, Place, Request, Resolved, resolve
from tests import loopback
from tests.archive_makers import SDIST_NAME, TOP, member, sdist_bytes
from tests.loopback import Index
from tests.test_gateway import wheel
from tests.upstream_makers import open_gateway


def ask(gateway: Gateway, folder: Path, *requirements: str, uv: Path | None = None) -> Resolved | tuple[str, str]:
    """The answer, or reason and hint of there being none."""
    answer = ask_for_all(gateway, folder, Request(key="set main", requirements=requirements), uv=uv)["set main"]
    return answer if isinstance(answer, Resolved) else (answer.reason, answer.hint)


def ask_for_all(gateway: Gateway, folder: Path, *requests: Request, uv: Path | None = None) -> Answers:
    """The answers of a host to several requests."""
    return resolve(
        HostExecutor(find_python(None), uv or Path(find_uv_bin()), folder),
        gateway,
        requests,
        label="here/lock",
        limits=Limits(seconds=60),
        places=Places(1),
        scratch=folder,
        log=folder / "log",
        place=lambda _, file: Place(key="url", value=str(file.url), sha256=file.sha256 or ""),
    )


def locked(*packages: str) -> str:
    """A lock as uv writes it."""
    return "\n".join(['lock-version = "1.0"', 'created-by = "uv"', *(f"\n[[packages]]\n{text}" for text in packages)])


def uv_that_says(folder: Path, *, error: str = "", lock: str = "") -> Path:
    """A program in the place of uv: it writes this lock, or fails with these words."""
    (folder / "error").write_text(error)
    (folder / "lock").write_text(lock)
    program = folder / "uv"
    script = f"cat {folder}/error >&2; cp {folder}/lock pylock.toml; : > pins.txt; test ! -s {folder}/error"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def refused(answer: Resolved | tuple[str, str]) -> tuple[str, str]:
    """Reason and hint."""
    assert not isinstance(answer, Resolved), answer.pylock
    return answer


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Failed to fetch: {index}demo/\n", "Failed to fetch: the index's page of demo"),
        ("status (424) for url ({index}Demo_x/)", "status (424) for url (the index's page of Demo_x)"),
        ("Failed to fetch: `{files}/demo/demo-1%2B2.zip`", "Failed to fetch: `the index's file demo-1%2B2.zip`"),
        ("An index URL ({index}) could not be queried", "An index URL (the index) could not be queried"),
    ],
)
def test_uv_is_quoted_without_the_gateways_addresses(gateway: Gateway, tmp_path: Path, said: str, shown: str) -> None:
    """Pages and files are named as what they are; nobody could open the address, and its token is secret."""
    text = said.format(index=gateway.index_url, files=gateway.index_url.replace("/simple/", "/files"))
    reason, _ = refused(ask(gateway, tmp_path, "demo", uv=uv_that_says(tmp_path, error=text)))
    assert reason == f"set main: {shown}"


@pytest.mark.parametrize(
    ("behaviour", "reason", "hint"),
    [
        (loopback.status(401), "answers 401: it wants credentials that it did not get", "Put them into netrc"),
        (loopback.body(b"", "image/png"), "answers with image/png, which is not a page", "nothing was changed"),
        (loopback.body(b'<a href="/accept">x</a>'), "answers with 1 link, none of them a file of demo", "Open it in"),
    ],
)
def test_a_failure_that_lasts_is_told_by_itself(
    index: Index, gateway: Gateway, tmp_path: Path, behaviour: loopback.Behaviour, reason: str, hint: str
) -> None:
    """A real uv asks once; what is shown is the upstream's failure with its own hint, without the resolver's."""
    index.server.behaviours["/simple/demo/"] = behaviour
    said, advice = refused(ask(gateway, tmp_path, "demo"))
    assert said.startswith(f"set main: the index could not be read: {index.url}demo/")
    assert reason in said
    assert "Failed to fetch" not in said
    assert "424" not in said
    assert advice.startswith(hint)
    assert index.server.paths == ["/simple/demo/"]


@pytest.mark.parametrize("code", [404, 410])
def test_a_file_that_is_offered_and_not_there(index: Index, gateway: Gateway, tmp_path: Path, code: int) -> None:
    """Its own address is told, where uv would name that of the gateway."""
    index.add("demo", "demo-1.0-py3-none-any.whl")
    index.server.behaviours["/files/demo-1.0-py3-none-any.whl"] = loopback.status(code)
    said, advice = refused(ask(gateway, tmp_path, "demo"))
    files = index.url.replace("/simple/", "/files/")
    assert said == f"set main: the index could not be read: {files}demo-1.0-py3-none-any.whl: is not there"
    assert advice.startswith("The index offers a file that it does not have")


def test_what_was_left_out_for_its_python_is_told(index: Index, tmp_path: Path) -> None:
    """Where there is no other file, a real uv knows of none; an older one that fits is taken without a word."""
    for version, python in (("1.0", ">=3.8"), ("2.0", "<3"), ("3.0", "<3"), ("4.0", "!=3.*")):
        fields = {"requires-python": python}
        index.add("demo", f"demo-{version}-py3-none-any.whl", wheel("demo", version), fields=fields)
        index.add("demo-other", f"demo_other-{version}-py3-none-any.whl", wheel("demo-other", version), fields=fields)
    with open_gateway(tmp_path, Upstream(url=index.url), python="3.11.7") as gateway:
        assert isinstance(ask(gateway, tmp_path, "demo-other"), Resolved)
        said, _ = refused(ask(gateway, tmp_path, "demo>1"))
    line = "    of demo, 3 files left out for requiring Python !=3.* or <3; the platform has 3.11.7"
    assert said.splitlines()[-1] == line
    assert "demo-other" not in said


def test_metadata_of_another_hash_is_asked_for_once(index: Index, gateway: Gateway, tmp_path: Path) -> None:
    """What the index vouches for and what it sends are shown side by side."""
    index.add("demo", "demo-1.0-py3-none-any.whl", fields={"core-metadata": {"sha256": "b" * 64}})
    path = "/files/demo-1.0-py3-none-any.whl.metadata"
    index.server.behaviours[path] = loopback.body(b"other")
    reason, _ = refused(ask(gateway, tmp_path, "demo"))
    assert f"{path} is not what the index says\n  expected: sha256 {'b' * 64}" in reason
    assert index.server.paths == ["/simple/demo/", path]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (locked('name = "demo"\nwheels = [{ upload-time = 2024-02-30T00:00:00Z }]'), "Invalid date"),
        (locked('name = "demo"\nversion = 7'), "in 'packages[0].version'"),
        ("Resolved 1 package", "at line 1"),
        ("", "Missing required"),
    ],
)
def test_an_answer_that_is_no_lock_is_called_that(gateway: Gateway, tmp_path: Path, said: str, why: str) -> None:
    """No lock was written yet, so none has to be brought back: it is what uv just said that cannot be read."""
    reason, hint = refused(ask(gateway, tmp_path, "demo", uv=uv_that_says(tmp_path, lock=said)))
    assert reason.startswith("uv's answer for set main cannot be read: ")
    assert why in reason
    assert hint.startswith("nothing was changed")


def test_what_uv_took_from_elsewhere_is_refused(index: Index, gateway: Gateway, tmp_path: Path) -> None:
    """A real uv takes a file of this machine, or of any server it reaches, where a requirement names it."""
    path = tmp_path / "other-1.0-py3-none-any.whl"
    path.write_bytes(wheel("other", "1.0"))
    index.server.behaviours[f"/{path.name}"] = loopback.file(path.read_bytes())
    index.add("demo", "demo-1.0-py3-none-any.whl", wheel("demo", "1.0"))
    for where in (path.as_uri(), f"{index.server.url}{path.name}"):
        reason, hint = refused(ask(gateway, tmp_path, "demo", f"other @ {where}"))
        assert reason.startswith("set main: other would come from ")
        assert reason.endswith(path.name)
        assert "demo" not in reason
        assert hint.startswith("nothing was changed; files come from the upstreams")


HASHES = f'hashes = {{ sha256 = "{"a" * 64}" }}'
ELSEWHERE = {
    "vcs = { type = 'git', url = 'https://user:pw@evil.example/x', commit-id = 'abc' }": "https://***@evil.example/x",
    "directory = { path = '/etc' }": "/etc",
    f"archive = {{ url = 'https://evil.example/x.zip', {HASHES} }}": "https://evil.example/x.zip",
    f"archive = {{ path = 'x.zip', {HASHES} }}": "x.zip",
    f"wheels = [{{ url = 'https://evil.example/demo-1-py3-none-any.whl', {HASHES} }}]": "evil.example/demo-1",
    f'wheels = [{{ url = "http://evil.example/demo-1-py3-none-any.whl", {HASHES} }}]': "evil.example/demo-1",
    f'sdist = {{ url = "file:///tmp/demo-1.zip", {HASHES} }}': "file:///tmp/demo-1.zip",
    f'sdist = {{ path = "../demo-1.zip", {HASHES} }}': "../demo-1.zip",
    f'sdist = {{ url = "{{gateway}}demo-1.zip", path = "../demo-1.zip", {HASHES} }}': "../demo-1.zip",
}


@pytest.mark.parametrize("entry", ELSEWHERE)
def test_a_lock_names_nothing_but_files_of_the_gateway(
    index: Index, gateway: Gateway, tmp_path: Path, entry: str
) -> None:
    """In whatever spelling: project and place are told, and no password."""
    index.add("demo", "demo-1.zip")
    files = gateway.index_url.replace("/simple/", "/files/demo/")
    lock = locked(f'name = "demo"\nversion = "1"\n{entry.replace("{gateway}", files)}')
    reason, _ = refused(ask(gateway, tmp_path, "demo", uv=uv_that_says(tmp_path, lock=lock)))
    assert reason.startswith("set main: demo would come from ")
    assert ELSEWHERE[entry] in reason


def test_files_of_the_gateway_stand_in_the_lock_as_they_are_upstream(
    index: Index, gateway: Gateway, tmp_path: Path
) -> None:
    """A real uv's lock, with nothing of the gateway left in it, and the whole upload time, which uv cuts."""
    said = {"upload-time": "2024-05-06T07:08:05.678901Z"}
    index.add("demo", "demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), fields=said)
    answer = ask(gateway, tmp_path, "demo")
    assert isinstance(answer, Resolved)
    assert "upload-time = 2024-05-06T07:08:05.678901Z" in answer.pylock
    assert f'url = "{index.server.url}files/demo-1.0-py3-none-any.whl"' in answer.pylock
    assert gateway.index_url.split("/")[3] not in answer.pylock


PLANTS = b"""
import os, pathlib

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    neighbour = pathlib.Path(os.environ["WORK"], "r1")
    neighbour.mkdir()
    (neighbour / "pylock.toml").write_text(LOCK)
    info = pathlib.Path(directory, "demo-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n")
    return info.name

LOCK = """
BACKEND = b"[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"


def test_a_set_whose_sdist_writes_into_its_neighbour(index: Index, gateway: Gateway, tmp_path: Path) -> None:
    """What an sdist leaves where the next set will be resolved, here a lock to stay close to, moves nothing there."""
    hook = member(f"{TOP}/backend.py", PLANTS + repr(locked('name = "good"\nversion = "1.0"\n')).encode())
    index.add("demo", SDIST_NAME, sdist_bytes(hook, pyproject=BACKEND))
    for version in ("1.0", "2.0"):
        index.add("good", f"good-{version}-py3-none-any.whl", wheel("good", version))
    answers = ask_for_all(gateway, tmp_path, *(Request(key=name, requirements=(name,)) for name in ("demo", "good")))
    demo, good = answers["demo"], answers["good"]
    assert isinstance(demo, Resolved)
    assert isinstance(good, Resolved)
    assert f"files/{SDIST_NAME}" in demo.pylock
    assert "files/good-2.0-py3-none-any.whl" in good.pylock


def test_sets_of_wheels_share_a_job(index: Index, gateway: Gateway, tmp_path: Path) -> None:
    """Where no sdist was handed out nothing foreign ran: there is the log of one job."""
    index.add("good", "good-1.0-py3-none-any.whl", wheel("good", "1.0"))
    answers = ask_for_all(gateway, tmp_path, *(Request(key=text, requirements=(text,)) for text in ("good", "good<2")))
    assert [isinstance(one, Resolved) for one in answers.values()] == [True, True]
    assert [path.name for path in tmp_path.glob("log*")] == ["log"]


def test_a_uv_that_is_killed_is_no_fault_of_the_requirement(gateway: Gateway, tmp_path: Path) -> None:
    """It said nothing, so nothing is known but that it ended."""
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\nkill -KILL $$\n")
    program.chmod(0o755)
    reason, hint = refused(ask(gateway, tmp_path, "demo", uv=program))
    assert reason.startswith("resolving for here/lock ended early (exited): ")
    assert hint == f"log: {tmp_path / 'log'}"
