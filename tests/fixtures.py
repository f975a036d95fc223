"""Fixtures that several test files share, beside those of conftest.py; pytest finds them all by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders.gateway import Gateway
from builders.platforms import Upstream
from tests import loopback, proof
from tests.browser import Browser, browser
from tests.conftest import Bench
from tests.index_makers import Shelves
from tests.loopback import Index
from tests.people_makers import small_mirror
from tests.upstream_makers import open_gateway


@pytest.fixture
def store(tmp_path: Path) -> Shelves:
    """A store for real wheels."""
    return Shelves(tmp_path / "store")


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """Where a tree is to be."""
    return tmp_path / "public"


@pytest.fixture
def small(public: Path, store: Shelves) -> Path:
    """A mirror with a bit of everything."""
    return small_mirror(public, store)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with browser() as one:
        yield one


@pytest.fixture
def index() -> Iterator[Index]:
    """A simple index that is still empty."""
    with loopback.serving() as server:
        yield Index(server=server)


@pytest.fixture
def gateway(index: Index, tmp_path: Path) -> Iterator[Gateway]:
    """The gateway to that index alone."""
    with open_gateway(tmp_path, Upstream(url=index.url)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def main_job(make_bench: Callable[[str], Bench]) -> proof.MainJob:
    """The workspace of the main job after its two runs, for reading only."""
    return proof.main_job(make_bench)
