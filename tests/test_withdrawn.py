"""What an index says of a file or a project after the file was fetched: it is published as it is said now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from builders.pages import JSON_TYPE
from tests import loopback
from tests.conftest import Bench
from tests.disk import snapshot
from tests.projects_maker import make_wheel


@pytest.fixture
def index(tmp_path: Path) -> Iterator[loopback.Index]:
    """An index with two wheels."""
    with loopback.serving() as server:
        index = loopback.Index(server=server)
        for name in ("alpha", "beta"):
            made = make_wheel(tmp_path / "made", name)
            index.add(name, made.name, made.read_bytes())
        yield index


def withdraw(index: loopback.Index, project: str) -> None:
    page = index.pages[project]
    page["files"][0]["yanked"] = "eats <files>"
    page["project-status"] = {"status": "archived", "reason": 'see "beta"'}
    index.server.behaviours[f"/simple/{project}/"] = loopback.body(json.dumps(page).encode(), JSON_TYPE)


class Metas(HTMLParser):
    """The meta elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One of them."""
        if tag == "meta":
            said = dict(attrs)
            self.said[said.get("name") or ""] = said.get("content") or ""


def page(bench: Bench, project: str, index: str = "simple") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bench.root / f"public/{index}/{project}/index.v1_json").read_bytes())
    return found


def test_a_yank_and_a_status_are_published_when_the_lock_has_heard_of_them(bench: Bench, index: loopback.Index) -> None:
    """Locks move by `upgrade` alone; then both stand on every page, and the bytes stay where the set asks for them."""
    bench.declare("alpha==1.0", "beta", upstream={"url": index.url})
    assert bench.doit().code == 0
    assert page(bench, "alpha")["project-status"] == {"status": "active"}
    withdraw(index, "alpha")
    assert bench.doit().code == 0
    assert "yanked" not in page(bench, "alpha")["files"][0]
    told = bench.doit("upgrade")
    assert told.code == 0
    assert told.out.splitlines()[-3:] == [
        'here  alpha is archived: see "beta"',
        "here  alpha 1.0 is yanked: eats <files>",
        "run doit to get what moved",
    ]
    ran = bench.doit()
    assert ran.code == 0, ran.text
    said = bench.doit("generations").out
    assert '! here alpha is archived: see "beta"' in said
    assert "! here alpha-1.0-py3-none-any.whl is yanked: eats <files>" in said
    for folder in ("simple", "here/simple"):
        assert page(bench, "alpha", folder)["files"][0]["yanked"] == "eats <files>"
        assert page(bench, "alpha", folder)["project-status"] == {"status": "archived", "reason": 'see "beta"'}
        assert page(bench, "beta", folder)["project-status"] == {"status": "active"}
        metas = Metas((bench.root / f"public/{folder}/alpha/index.html").read_text()).said
        assert metas["pypi:project-status"] == "archived"
        assert metas["pypi:project-status-reason"] == 'see "beta"'
    assert "archived" in (bench.root / "public/about/alpha.html").read_text()
    assert bench.flat("here") == ["alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"]
    assert bench.doit("verify").code == 0
    assert "PUBLISH" not in bench.doit().out


@pytest.mark.parametrize("reason", ["steals <keys>\x1b[2J", None])
@pytest.mark.parametrize("offers_files", [True, False])
def test_what_is_quarantined_is_not_taken(
    bench: Bench, index: loopback.Index, offers_files: bool, reason: str | None
) -> None:
    """PEP 792: nothing of it may be offered, whether its index obeys that or not. What was published before stays."""
    bench.declare("alpha==1.0", "beta", upstream={"url": index.url})
    assert bench.doit().code == 0
    page_there = index.pages["beta"]
    page_there["project-status"] = {"status": "quarantined"} | ({"reason": reason} if reason else {})
    page_there["files"] = page_there["files"] if offers_files else []
    index.server.behaviours["/simple/beta/"] = loopback.body(json.dumps(page_there).encode(), JSON_TYPE)
    before = snapshot(bench.root / "public")
    assert bench.doit().code == 0
    told = bench.doit("upgrade")
    assert told.code != 0
    said = "steals <keys>\\x1b[2J" if reason else "no reason is given"
    assert f"/simple/: beta is quarantined: {said}" in told.text
    assert "Traceback" not in told.text
    assert snapshot(bench.root / "public") == before


def test_a_yank_that_is_taken_back(bench: Bench, index: loopback.Index) -> None:
    """The lock's last word counts, whatever was known of the same bytes, and whatever else the index says by now."""
    bench.declare("alpha==1.0", upstream={"url": index.url})
    withdraw(index, "alpha")
    assert bench.doit().code == 0
    one = index.pages["alpha"]["files"][0]
    del one["yanked"]
    one["upload-time"] = "2024-01-01T00:00:00Z"
    index.server.behaviours["/simple/alpha/"] = loopback.body(json.dumps(index.pages["alpha"]).encode(), JSON_TYPE)
    assert "here  alpha 1.0 is no longer yanked" in bench.doit("upgrade").out
    assert bench.doit().code == 0
    assert "yanked" not in page(bench, "alpha")["files"][0]
    assert "yanked" not in page(bench, "alpha", "here/simple")["files"][0]
    assert bench.flat("here") == ["alpha-1.0-py3-none-any.whl"]
    assert bench.doit("verify").code == 0


def test_an_upload_time_is_published_to_its_last_digit(bench: Bench, index: loopback.Index, tmp_path: Path) -> None:
    """Cut, it would let a file through whose second a limit falls into. It is no reason to fetch the file again."""
    made = make_wheel(tmp_path / "made", "gamma")
    index.add("gamma", made.name, made.read_bytes(), fields={"upload-time": "2024-05-06T07:08:05Z"})
    bench.declare("gamma", upstream={"url": index.url})
    assert bench.doit("lock:here").code == 0
    [step] = steps(bench)
    index.pages["gamma"]["files"][0]["upload-time"] = "2024-05-06T07:08:05.678901Z"
    index.server.behaviours["/simple/gamma/"] = loopback.body(json.dumps(index.pages["gamma"]).encode(), JSON_TYPE)
    bench.declare("gamma", "alpha", upstream={"url": index.url})
    ran = bench.doit()
    assert ran.code == 0, ran.text
    assert page(bench, "gamma")["files"][0]["upload-time"] == "2024-05-06T07:08:05.678901Z"
    assert "upload-time = 2024-05-06T07:08:05.678901Z" in (bench.root / "public/here/packages.pylock.toml").read_text()
    assert step in steps(bench)
    bench.declare("gamma", "alpha", "beta", upstream={"url": index.url})  # resolved with that lock at hand
    ran = bench.doit()
    assert ran.code == 0, ran.text


def steps(bench: Bench) -> list[str]:
    plan = json.loads((bench.root / ".wheelyard/plans/here.json").read_bytes())["plan"]
    return [step["fingerprint"] for step in plan["steps"]]


def test_a_yanked_file_that_no_set_asks_for_any_more_leaves_the_flat_folder(
    bench: Bench, index: loopback.Index, tmp_path: Path
) -> None:
    """A folder cannot say that a file is yanked, so pip would take it; the indexes say so, and keep it."""
    withdraw(index, "alpha")
    bench.declare("alpha==1.0", upstream={"url": index.url})
    assert bench.doit().code == 0
    assert bench.flat("here") == ["alpha-1.0-py3-none-any.whl"]
    newer = make_wheel(tmp_path / "made", "alpha", "2.0")
    index.add("alpha", newer.name, newer.read_bytes())
    bench.declare("alpha>1", upstream={"url": index.url})
    assert bench.doit().code == 0
    assert bench.flat("here") == ["alpha-2.0-py3-none-any.whl"]
    assert [file["filename"] for file in page(bench, "alpha")["files"]] == [
        "alpha-1.0-py3-none-any.whl",
        "alpha-2.0-py3-none-any.whl",
    ]
    assert bench.doit("verify").code == 0
