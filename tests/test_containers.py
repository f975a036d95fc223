"""The box as an executor: where it puts things on this machine and on the engine."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Iterator

import pytest

from builders.containers import ContainerExecutor
from builders.engine import WORKSPACE_LABEL, Engine
from builders.errors import OutputError
from builders.jobs import Ending, Input, Job, Network, run_job
from builders.platforms import Limits
from tests.conftest import Bench


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # docker leaves sockets to the collector: it comes at the end
def test_what_is_outside_the_workspace_is_labelled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job is run without the system's temporary folder; a network that was made for it says who made it."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    name = f"wheelyard-test-{os.getpid()}"
    for module in ("engine", "containers"):
        monkeypatch.setattr(f"builders.{module}.GATEWAY_NETWORK", name)
    engine = Engine(bench.root)
    inputs = (Input(name="word", content=b"hello"),)
    job = Job(label="test", script='cp "$IN/word" "$OUT"', inputs=inputs, network=Network.GATEWAY, limits=Limits())
    try:
        executor = ContainerExecutor(engine, "debian:bookworm", "")
        executor.gateway_address()
        with run_job(executor, job, scratch=bench.root) as ran:
            assert (ran.out / "word").read_bytes() == b"hello"
        assert engine.client.networks.get(name).attrs["Labels"] == {WORKSPACE_LABEL: str(bench.root.resolve())}
    finally:
        for network in engine.client.networks.list(names=[name]):
            network.remove()
        engine.client.close()
        gc.collect()


@pytest.fixture
def engine(bench: Bench) -> Iterator[Engine]:
    """The machine's engine, for this workspace."""
    engine = Engine(bench.root)
    yield engine
    engine.client.close()
    gc.collect()


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_refused_is_not_waited_for(bench: Bench, engine: Engine) -> None:
    """A FIFO before many bytes: the rest is not read, and the container goes at once, without the engine's time-out."""
    script = 'mkfifo "$OUT/first"; head -c 64000000 /dev/zero > "$OUT/second"'
    job = Job(label="test", script=script, limits=Limits())
    began = time.monotonic()
    with (
        pytest.raises(OutputError, match="'first'"),
        run_job(ContainerExecutor(engine, "debian:bookworm", ""), job, scratch=bench.root),
    ):
        pass
    assert time.monotonic() - began < 60
    ours: dict[str, str | list[str] | bool] = {"label": f"{WORKSPACE_LABEL}={bench.root.resolve()}"}
    assert engine.client.containers.list(all=True, filters=ours) == []


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("folder", ["$OUT", "$OUT/closed"])
def test_an_output_that_grows_too_large_ends_the_box(
    bench: Bench, engine: Engine, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """No limit on memory sees the disk. What a job hides from who weighs it is taken for too much in the end."""
    monkeypatch.setattr("builders.containers.MOST_BYTES", 40 * 1024**2)
    monkeypatch.setattr("builders.containers._WEIGHED_EVERY", 0.5)
    monkeypatch.setattr("builders.containers._WEIGHED_IN_VAIN", 2)
    script = f'mkdir -m 700 "$OUT/closed"; head -c 50000000 /dev/zero > "{folder}/ballast"; sleep 300'
    job = Job(label="test", script=script, limits=Limits(memory=64 * 1024**2))
    with run_job(ContainerExecutor(engine, "debian:bookworm", ""), job, scratch=bench.root) as ran:
        assert ran.outcome.ending is Ending.OUTPUT_LIMIT
        assert ran.outcome.seconds < 120


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_output_of_the_right_size_is_weighed_and_taken(
    bench: Bench, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Being weighed now and then costs a job nothing, not even where it may use as little as can be said."""
    monkeypatch.setattr("builders.containers._WEIGHED_EVERY", 0.1)
    monkeypatch.setattr("builders.containers._WEIGHED_IN_VAIN", 3)
    script = 'for n in 1 2 3; do head -c 5000000 /dev/zero > "$OUT/$n"; sleep 1; done'
    job = Job(label="test", script=script, limits=Limits(memory=16 * 1024**2, processes=10))
    with run_job(ContainerExecutor(engine, "debian:bookworm", ""), job, scratch=bench.root) as ran:
        assert ran.outcome.ok, ran.outcome
        assert sorted(path.name for path in ran.out.iterdir()) == ["1", "2", "3"]
