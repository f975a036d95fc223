"""Files that are not what was promised: by a set's own hashes, by what was seen before, by a backend's word."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

import pytest

from builders.closure import lacking
from builders.store import Store
from tests.archive_makers import wheel_bytes
from tests.conftest import Bench
from tests.disk import sha256_of, snapshot
from tests.loopback import Index, file, serving
from tests.projects_maker import make_sdist, make_wheel
from tests.test_failures import refused
from tests.test_store import record

ZEROS = "0" * 64


# --- a set's own hashes -----------------------------------------------------------------------------------------------


def test_a_set_gets_just_the_files_whose_hashes_it_gives(bench: Bench) -> None:
    """Of two files of a project the one that is named, in whatever case its hash is written."""
    wheel = make_wheel(bench.root / "vendor", "demo")
    sdist = make_sdist(bench.root / "vendor", "demo")
    bench.declare(f"demo==1.0 --hash=sha512:{ZEROS * 2} --hash=sha256:{sha256_of(wheel).upper()}")
    ran = bench.doit()
    assert ran.code == 0, ran.text
    assert sha256_of(wheel) in (bench.root / "public/here/packages.txt").read_text()
    bench.declare(f"demo==1.0 --hash=sha256:{sha256_of(sdist)}")
    assert bench.doit("lock:here").code == 0
    plan = json.loads((bench.root / ".wheelyard/plans/here.json").read_bytes())["plan"]
    [step] = [one for one in plan["steps"] if one["project"] == "demo"]
    assert (step["built"], step["file"]["sha256"]) == (True, sha256_of(sdist))


@pytest.mark.parametrize(
    ("hashes", "words"),
    [
        (f"--hash=sha256:{ZEROS}", f"allowed sha256:{ZEROS}; there is demo-1.0-py3-none-any.whl sha256:"),
        (f"--hash=sha512:{ZEROS * 2}", "only a sha256 can be compared"),
    ],
)
def test_another_file_than_the_set_wants(bench: Bench, hashes: str, words: str) -> None:
    """Both hashes are shown, and there is no lock; nor does one that was made before help."""
    make_wheel(bench.root / "vendor", "demo")
    bench.declare(f"demo==1.0 {hashes}")
    assert words in refused(bench.doit()).out
    assert not (bench.root / "public").exists()
    assert not list(bench.root.glob("locks/**/*.toml"))


def test_what_a_hashed_set_does_not_name(bench: Bench) -> None:
    """pip would refuse it as well: a dependency that nobody has given a hash for."""
    wheel = make_wheel(bench.root / "vendor", "demo", requires=["other"])
    make_wheel(bench.root / "vendor", "other")
    bench.declare(f"demo==1.0 --hash=sha256:{sha256_of(wheel)}")
    assert "other 1.0: the set gives no hash for it" in refused(bench.doit()).out


# --- what was seen before ---------------------------------------------------------------------------------------------


def test_other_bytes_under_a_known_name(bench: Bench, tmp_path: Path) -> None:
    """Whatever moves the lock: ours stay, both hashes are shown; only who names the project gets the new ones."""
    before, after = make_wheel(tmp_path / "a", "demo"), make_wheel(tmp_path / "b", "demo", requires=["other"])
    other = make_wheel(tmp_path, "other")
    with serving() as server:
        index = Index(server=server)
        index.add("demo", before.name, before.read_bytes())
        index.add("other", other.name, other.read_bytes())
        bench.declare("demo", upstream={"url": index.url})
        assert bench.doit().code == 0
        kept = snapshot(bench.root / "locks"), snapshot(bench.root / "public")
        first = (bench.root / "locks/here/packages.pylock.toml").read_text()
        del index.pages["demo"]
        index.add("demo", after.name, after.read_bytes())
        bench.declare("demo", "other", upstream={"url": index.url})
        for words in ((), ("upgrade",)):
            ran = refused(bench.doit(*words))
            assert f"was sha256 {sha256_of(before)}" in ran.out, ran.text
            assert f"now sha256 {sha256_of(after)}" in ran.out, ran.text
            assert "doit upgrade --package demo" in ran.out, ran.text
            assert (snapshot(bench.root / "locks"), snapshot(bench.root / "public")) == kept
        ran = bench.doit("upgrade", "--package", "demo")
        assert ran.code == 0, ran.text
        assert "here  demo 1.0 → 1.0  (another file)" in ran.out, ran.text
        (bench.root / "locks/aa/packages.pylock.toml").parent.mkdir()
        (bench.root / "locks/aa/packages.pylock.toml").write_text(first)  # of a platform that is no more
        bench.declare("other", "demo", upstream={"url": index.url})
        ran = bench.doit()
    assert ran.code == 0, ran.text
    assert sha256_of(after) in (bench.root / "public/here/packages.txt").read_text()
    assert "was built again" not in ran.out


@pytest.mark.network
def test_an_sdist_that_was_refused_is_made_again(bench: Bench) -> None:
    """No lock remembers its hash, as nothing can be made from it; the one before comes back."""
    make_wheel(bench.root / "vendor", "other")
    bench.declare("other")
    assert bench.doit().code == 0
    before = snapshot(bench.root / "locks")
    path = make_sdist(bench.root / "vendor", "acme-tool")
    good = path.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(good)) as archive, tarfile.open(path, "w:gz") as bad:
        for member in archive:
            if not member.name.endswith("/PKG-INFO"):
                bad.addfile(member, archive.extractfile(member))
    bench.declare("other", "acme-tool")
    assert "Nothing of this file was kept" in refused(bench.doit()).out
    assert snapshot(bench.root / "locks") == before
    path.write_bytes(good)
    ran = bench.doit()
    assert ran.code == 0, ran.text


# --- what an index says of a file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha512"])
def test_a_hash_of_another_kind_is_compared_too(bench: Bench, kind: str) -> None:
    """The lock has the sha256 of what came, and that is no other file than the one the index vouches for."""
    wheel = make_wheel(bench.root / "elsewhere", "demo")
    said = hashlib.new(kind, wheel.read_bytes()).hexdigest()
    wrong = "0" * len(said)
    with serving() as server:
        for digest in (wrong, said.upper()):
            index = Index(server=server)
            index.add("demo", wheel.name, wheel.read_bytes(), fields={"hashes": {kind: digest}})
            bench.declare("demo", upstream={"url": index.url})
            ran = bench.doit("lock:here")
            if digest == wrong:
                assert f"  expected: {kind} {wrong}\n  actual:   {kind} {said}" in refused(ran).out, ran.text
                assert not list(bench.root.glob("locks/**/*.toml"))
    assert ran.code == 0, ran.text
    assert sha256_of(wheel) in (bench.root / "locks/here/packages.pylock.toml").read_text()


# --- what METADATA says elsewhere -------------------------------------------------------------------------------------


def test_a_wheel_that_requires_more_than_its_index_said(bench: Bench) -> None:
    """Where nothing is proven either: what is in the wheel counts on the far side, so the platform is not complete."""
    wheel = make_wheel(
        bench.root / "elsewhere", "demo", requires=["other>=1", "never; python_version<'3'", "a; " + "(" * 3000]
    )
    other = make_wheel(bench.root / "elsewhere", "other")
    said = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
    with serving() as server:
        index = Index(server=server)
        fields = {"core-metadata": {"sha256": hashlib.sha256(said).hexdigest()}}
        index.add("demo", wheel.name, wheel.read_bytes(), fields=fields)
        index.add("other", other.name, other.read_bytes())
        server.behaviours[f"/files/{wheel.name}.metadata"] = file(said)
        bench.declare("demo", upstream={"url": index.url})
        ran = refused(bench.doit())
        assert "set packages: demo 1.0 requires other>=1, and there is none" in ran.out, ran.text
        assert not list(bench.root.glob("public/here/*.whl"))
        bench.declare("demo", "other", upstream={"url": index.url})
        ran = bench.doit()
    assert ran.code == 0, ran.text


@pytest.mark.parametrize("python", ["<3", ">=2,<3.1", "<3.9.*"])
def test_a_wheel_that_pip_would_refuse_for_its_python(bench: Bench, python: str) -> None:
    """A folder has no page that says so, and uv does not mind; what is no specifier to pip excludes nobody."""
    metadata = f"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: {python}\n".encode()
    content = wheel_bytes({"demo.py": b""}, info="demo-1.0.dist-info", metadata=metadata)
    (bench.root / "vendor").mkdir()
    (bench.root / "vendor/demo-1.0-py3-none-any.whl").write_bytes(content)
    bench.declare("demo")
    ran = bench.doit()
    if python == "<3.9.*":
        assert ran.code == 0, ran.text
    else:
        line = (
            f"demo-1.0-py3-none-any.whl: it requires Python {python}, and its platform has {platform.python_version()}"
        )
        assert line in refused(ran).out
        assert not list(bench.root.glob("public/here/*.whl"))


def test_a_wheel_that_another_platform_took_meets_this_python(tmp_path: Path) -> None:
    """Its step is done, so that nobody takes it anew."""
    took = record(Store(tmp_path), "a1")._replace(requires_python="<3.10", requires_dist=())
    assert lacking([took], {"python_full_version": "3.9.2"}) == []
    said = lacking([took], {"python_full_version": "3.11.7"})
    assert said == ["foo 1.0 requires Python <3.10, and there is only 3.11.7"]


@pytest.mark.network
def test_an_sdist_whose_wheel_requires_more_than_it_said(bench: Bench) -> None:
    """Its static metadata names nothing, so that nobody builds it to resolve; and then its wheel does."""
    make_sdist(bench.root / "vendor", "demo", parts=("change-base", "change-requires"))
    make_wheel(bench.root / "vendor", "other")
    bench.declare("demo")
    ran = refused(bench.doit())
    assert "set packages: demo 1.0 requires other, and there is none" in ran.out, ran.text


# --- a backend's word -------------------------------------------------------------------------------------------------


@pytest.mark.network
@pytest.mark.parametrize(
    "line",
    [
        "--find-links /tmp",
        "-r /etc/passwd",
        "--extra-index-url http://127.0.0.1:9/",
        "evil @ file:///tmp/evil-1.0-py3-none-any.whl",
        "evil @ git+https://index.example/evil",
        "a b c",
        "a; " + "(" * 3000,
    ],
)
def test_a_backend_asks_for_what_is_no_requirement(bench: Bench, line: str) -> None:
    """It is refused before a resolver reads it, with the sdist's name and what it said."""
    make_sdist(bench.root / "vendor", "demo", parts=("change-base", "change-asks"))
    bench.declare("demo", builds={"demo": {"env": {"CHANGE_ASKS": line}}})
    ran = refused(bench.doit())
    assert f"demo-1.0: its build backend asks for '{line[:20]}" in ran.out, ran.text


# --- the store's own --------------------------------------------------------------------------------------------------


def test_each_flipped_bit_of_a_record_is_found(bench: Bench) -> None:
    """Also one that leaves a record which can be read."""
    make_wheel(bench.root / "vendor", "demo")
    bench.declare("demo")
    assert bench.doit().code == 0
    store = Store(bench.root / ".wheelyard")
    assert list(store.damaged()) == []
    [path] = (bench.root / ".wheelyard/records").iterdir()
    text = path.read_bytes()
    for place in range(0, 8 * len(text), 7):
        damaged = bytearray(text)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert [one.fingerprints for one in store.damaged()] == [(path.stem,)], place
