"""The box as an executor: where it puts things on this machine and on the engine."""

from __future__ import annotations

import gc
import os
import tempfile

import pytest

from builders.containers import ContainerExecutor
from builders.engine import WORKSPACE_LABEL, Engine
from builders.jobs import Input, Job, Network, run_job
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
