"""The container engine: one connection, made when first needed, and what belongs to this program on it.

Engine ── base image + pre-command ──> images.py
       ── jobs ─────────────────────> containers.py
"""

from __future__ import annotations

import os
import threading
import uuid
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from builders.errors import EngineError

if TYPE_CHECKING:
    import docker
    from docker.models.networks import Network

WORKSPACE_LABEL = "wheelyard.workspace"
RUN_LABEL = "wheelyard.run"
STEP_LABEL = "wheelyard.step"
GATEWAY_NETWORK = "wheelyard-gateway"

_Filters = dict[str, str | list[str] | bool]


class Engine:
    """A lazily opened container engine; `workspace` tells our containers from those of other workspaces."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = str(workspace.resolve())
        self._run = uuid.uuid4().hex
        self._opening = threading.Lock()
        self._opening_gateway = threading.Lock()

    @property
    def labels(self) -> dict[str, str]:
        """What every container of this run carries, so that a later run can reap it."""
        return {WORKSPACE_LABEL: self._workspace, RUN_LABEL: self._run}

    @property
    def client(self) -> docker.DockerClient:
        """The connection; EngineError says what to do when there is none. The first call reaps dead runs."""
        with self._opening:
            return self._client

    @cached_property
    def _client(self) -> docker.DockerClient:
        import docker
        import requests

        try:
            client = docker.from_env(timeout=120, max_pool_size=64, use_ssh_client=True)
            client.ping()
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise _unreachable(error) from error
        self._reap(client)
        return client

    def _reap(self, client: docker.DockerClient) -> None:
        """Remove the containers of runs that died: whoever holds the workspace's lock is the only one alive."""
        mine: _Filters = {"label": f"{WORKSPACE_LABEL}={self._workspace}"}
        for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
            if container.labels.get(RUN_LABEL) != self._run:
                container.remove(force=True, v=True)

    @cached_property
    def _gateway(self) -> tuple[str, str]:
        import docker

        client = self.client
        found = client.networks.list(names=[f"^{GATEWAY_NETWORK}$"])
        try:
            network: Network = found[0] if found else client.networks.create(GATEWAY_NETWORK, internal=True)
        except docker.errors.APIError as error:
            raise EngineError(f"the engine made no internal network: {error.explanation or error}") from error
        network.reload()
        if not network.attrs["Internal"]:
            raise EngineError(
                f"the engine's network {GATEWAY_NETWORK} is not an internal one",
                hint=f"it was not made by this program; remove it: docker network rm {GATEWAY_NETWORK}",
            )
        return GATEWAY_NETWORK, str(network.attrs["IPAM"]["Config"][0]["Gateway"])

    def gateway(self) -> tuple[str, str]:
        """The internal network for resolving, and the address of this machine on it."""
        with self._opening_gateway:
            return self._gateway

    def stop(self) -> None:
        """Remove every container of this run; for an interrupted one."""
        if "_client" in self.__dict__:
            ours: _Filters = {"label": f"{RUN_LABEL}={self._run}"}
            for container in self._client.containers.list(all=True, filters=ours, ignore_removed=True):
                container.remove(force=True, v=True)


def _unreachable(error: Exception) -> EngineError:
    where = os.environ.get("DOCKER_HOST", "its usual socket")
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return EngineError(
            f"the container engine at {where} does not let this user in",
            hint="join the group that owns its socket (usually: sudo usermod -aG docker $USER, then log in again)",
        )
    return EngineError(
        f"no container engine answers at {where}",
        hint="start Docker (or Podman's socket and set DOCKER_HOST), mark the platform `optional: true`, "
        "or use `host: true` for this machine's own Python",
    )
