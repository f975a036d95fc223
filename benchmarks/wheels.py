"""Wheels from nothing, against pip in the same images.

Both sides find the images ready. Pip has a cache of its own for each image, warm with everything that it downloads.
Ours has no cache of downloads besides the store, which is empty: it fetches every file over the network, every time,
and locks anew. The proof (an installation of each set with no network) is left out: pip wheel has nothing like it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Side, Verdict, by_turns, seconds_of
from benchmarks.workspaces import Workspace, ansible, from_source

if TYPE_CHECKING:
    import docker

FROM_SOURCE_ON = "debian:trixie"
FROM_SOURCE = {
    "bitarray": "3.4.2",
    "coverage": "7.8.2",
    "markupsafe": "3.0.2",
    "psutil": "7.0.0",
    "pyyaml": "6.0.2",
    "regex": "2024.11.6",
    "simplejson": "3.20.1",
    "wrapt": "1.17.2",
}
UNPROVEN = "with `prove: false`: pip wheel installs nothing to see whether it works"
_CACHE = "/var/cache/pip"
_BUNDLE = "/run/ca.pem"


def three_platforms(folder: Path, times: int) -> Verdict:
    """Ansible for three platforms: locked, fetched, checked, published; against pip, one image after another."""
    workspace = ansible(folder)
    seconds_of(workspace.command())
    with _pips(workspace) as pips:
        return by_turns(
            "ansible for 3 platforms, images and pip caches ready, empty store",
            Side(name="doit", turn=lambda: _from_nothing(workspace)),
            Side(name="pip wheel -w DIR ansible, three images", turn=lambda: sum(pip.wheel("ansible") for pip in pips)),
            limit=0.6,
            times=times,
            notes=(UNPROVEN, f"of doit's: {_fetching(workspace)}"),
        )


def c_from_source(folder: Path, times: int) -> Verdict:
    """Eight sdists with C code, built; before each turn pip's cache of built wheels is emptied, not that of files."""
    workspace = from_source(folder, FROM_SOURCE_ON, FROM_SOURCE)
    seconds_of(workspace.command())
    pins = [f"{name}=={version}" for name, version in FROM_SOURCE.items()]
    with _pips(workspace) as (pip,):
        return by_turns(
            f"{len(pins)} sdists with C code from source on {FROM_SOURCE_ON}, empty store",
            Side(name="doit", turn=lambda: _from_nothing(workspace)),
            Side(
                name="pip wheel --no-binary …",
                turn=lambda: pip.wheel("--no-binary", ",".join(FROM_SOURCE), *pins, forget_built=True),
            ),
            limit=0.8,
            times=times,
            notes=(UNPROVEN, " ".join(pins)),
        )


def _from_nothing(workspace: Workspace) -> float:
    workspace.forget()
    return seconds_of(workspace.command())


def _fetching(workspace: Workspace) -> str:
    """How long the files alone take from this index, by the program's own fetcher, the largest of each platform."""
    from builders.declarations import read_workspace
    from builders.fetch import Fetcher
    from builders.pipeline import current_plan
    from builders.progress import Progress
    from builders.taking import locate
    from builders.yard import Yard

    yard = Yard(read_workspace(workspace.root), Progress())
    plans = [plan for platform in yard.workspace.platforms if (plan := current_plan(yard, platform))]
    files = {step.file.sha256: step.file for plan in plans for step in plan.steps if step.project == "ansible"}
    fetcher = Fetcher(environ=os.environ)
    start = time.perf_counter()
    size = 0
    for file in files.values():
        target = yard.store.scratch() / "benchmark"
        size += fetcher.fetch(locate(file), target, sha256=file.sha256, size=file.size).size
        target.unlink()
    seconds = time.perf_counter() - start
    return f"the {len(files)} ansible wheels, {size / 1e6:.0f} MB, take {seconds:.1f} s one by one over this network"


class _Pip:
    """An image's own pip, as root in a plain container, with a cache that outlives the container."""

    def __init__(self, client: docker.DockerClient, image: str, volume: str) -> None:
        self._client = client
        self._image = image
        self.volume = volume

    def wheel(self, *words: str, forget_built: bool = False) -> float:
        """`pip wheel` to its end; its wheels stay in the container and go with it."""
        if forget_built:
            self._run(["rm", "-rf", f"{_CACHE}/wheels"])
        start = time.perf_counter()
        self._run(["python3", "-m", "pip", "wheel", "--quiet", "-w", "/tmp/wheels", *words])  # noqa: S108 - its own
        return time.perf_counter() - start

    def _run(self, command: Sequence[str]) -> None:
        volumes: dict[str, dict[str, str]] = {self.volume: {"bind": _CACHE, "mode": "rw"}}
        environment = {
            name: os.environ[name] for name in ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT") if name in os.environ
        }
        environment["PIP_CACHE_DIR"] = _CACHE
        bundle = _bundle()
        if bundle:
            volumes[str(bundle)] = {"bind": _BUNDLE, "mode": "ro"}
            environment["PIP_CERT"] = _BUNDLE
        container = self._client.containers.run(
            self._image, list(command), volumes=volumes, environment=environment, detach=True
        )
        try:
            code = container.wait()["StatusCode"]
            if code:
                raise SystemExit(f"{' '.join(command)}\nended with {code}\n{container.logs().decode(errors='replace')}")
        finally:
            container.remove(force=True)


def _bundle() -> Path | None:
    from builders.certificates import ca_bundle

    return ca_bundle()


@contextmanager
def _pips(workspace: Workspace) -> Iterator[tuple[_Pip, ...]]:
    """A pip for each platform, in the very image that was prepared for it; the caches go at the end."""
    import docker

    from builders.declarations import read_workspace
    from builders.facts import kept_facts
    from builders.progress import Progress
    from builders.yard import Yard

    yard = Yard(read_workspace(workspace.root), Progress())
    client = docker.from_env(timeout=600)
    pips = []
    for platform in yard.workspace.platforms:
        facts = kept_facts(yard.folder, platform)
        assert facts is not None  # doit ran on it
        pips.append(_Pip(client, facts.image, f"wheelyard-benchmark-{os.getpid()}-{platform.name}"))
    try:
        yield tuple(pips)
    finally:
        for pip in pips:
            client.volumes.get(pip.volume).remove(force=True)
        client.close()
