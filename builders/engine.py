"""The container engine: one connection, made when first needed, and what belongs to this program on it.

Engine ── base image + pre-command ──> images.py
       ── jobs ─────────────────────> containers.py
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.errors import EngineError
from builders.stopping import refuse_when_stopping

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container
    from docker.models.networks import Network

WORKSPACE_LABEL = "wheelyard.workspace"
RUN_LABEL = "wheelyard.run"
STEP_LABEL = "wheelyard.step"
GATEWAY_NETWORK = "wheelyard-gateway"

_Filters = dict[str, str | list[str] | bool]
_PATIENCE = 120  # seconds that the engine may take for an answer
_UNTIL_KEPT = 3600  # seconds: to keep a container of many gigabytes as an image is one call


class Engine:
    """A lazily opened container engine; `workspace` tells our containers from those of other workspaces."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = str(workspace.resolve())
        self._run = uuid.uuid4().hex
        self._opening = threading.Lock()
        self._opening_gateway = threading.Lock()

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
            client = docker.from_env(timeout=_PATIENCE, max_pool_size=64, use_ssh_client=True)
            client.ping()
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise _unreachable(error) from error
        with asking("to list containers"):
            self._reap(client)
        return client

    def _reap(self, client: docker.DockerClient) -> None:
        """Remove the containers of runs that died: whoever holds the workspace's lock is the only one alive."""
        mine: _Filters = {"label": f"{WORKSPACE_LABEL}={self._workspace}"}
        for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
            if container.labels.get(RUN_LABEL) != self._run:
                _remove(container)

    @contextmanager
    def container(self, image: str, *, label: str, **options: Any) -> Iterator[Container]:
        """A container of this run, not started; removed in the end. EngineError for all that goes wrong with it."""
        with asking(f"to run {label}"):
            refuse_when_stopping()
            labels = {WORKSPACE_LABEL: self._workspace, RUN_LABEL: self._run, STEP_LABEL: label}
            container = self.client.containers.create(image, entrypoint=[], labels=labels, **options)
            try:
                refuse_when_stopping()  # `stop` may have listed all containers just before this one was made
                yield container
            finally:
                _remove(container)

    def keep(self, container: Container, **options: Any) -> str:
        """The id of the image that a container becomes."""
        import docker

        client = docker.from_env(timeout=_UNTIL_KEPT, use_ssh_client=True)
        try:
            return str(client.containers.get(container.id or "").commit(**options).id)
        finally:
            client.close()

    @cached_property
    def _gateway_address(self) -> str:
        with asking("to make an internal network"):
            networks = self.client.networks
            found = networks.list(names=[f"^{GATEWAY_NETWORK}$"])
            made_by = {WORKSPACE_LABEL: self._workspace}  # all workspaces share it
            network: Network = found[0] if found else networks.create(GATEWAY_NETWORK, internal=True, labels=made_by)
            network.reload()
        if not network.attrs["Internal"]:
            raise EngineError(
                f"the engine's network {GATEWAY_NETWORK} is not an internal one",
                hint=f"it was not made by this program; remove it: docker network rm {GATEWAY_NETWORK}",
            )
        return str(network.attrs["IPAM"]["Config"][0]["Gateway"])

    def gateway_address(self) -> str:
        """The address of this machine on the internal network for resolving, which is there from then on."""
        with self._opening_gateway:
            return self._gateway_address

    def stop(self) -> None:
        """Remove every container of this run; for an interrupted one."""
        if "_client" in self.__dict__:
            ours: _Filters = {"label": f"{RUN_LABEL}={self._run}"}
            for container in self._client.containers.list(all=True, filters=ours, ignore_removed=True):
                _remove(container)


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn whatever the engine answers instead, its silence too, into an EngineError that says what it was asked."""
    import docker
    import requests

    try:
        yield
    except docker.errors.APIError as error:
        raise EngineError(f"the engine refused {what}: {error.explanation or error}") from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise EngineError(f"the engine broke off when it was asked {what}: {error}") from error


def _remove(container: Container) -> None:
    """One that somebody else is just removing is no error; what stays for another reason is reaped by a later run."""
    import docker
    import requests

    with suppress(docker.errors.APIError, requests.exceptions.RequestException):
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
