"""A platform's image: the base image and its pre-command, run once and kept.

The kept image is found again by a hash of what made it (the base image's id, the command's text, the environment), as
the tag `wheelyard:<hash>`. The pre-command is the user's own: it runs as root, with network, in a plain container, and
with this machine's certificates at hand, because many networks have an authority of their own.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from builders.certificates import VARIABLES, ca_bundle
from builders.engine import Engine, asking
from builders.errors import BuildError, EngineError
from builders.jobs import last_line

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.models.images import Image

REPOSITORY = "wheelyard"
_RECIPE = 2  # of how an image is prepared: to be raised with it, or what was prepared otherwise is found again
UV_IN_IMAGE = "/opt/wheelyard/uv"
_ENGINES_WORD = {"i386": "386"}  # for an architecture, where it is another than ours
_CA_FOLDER = "/run"
_CA_NAME = "wheelyard-ca.pem"
_WRAPPER = f'env "$@"; code=$?; rm -f {_CA_FOLDER}/{_CA_NAME}; exit $code'


def base_image(engine: Engine, reference: str, arch: str) -> str:
    """The id of a base image, pulled when the engine does not have it for `arch` ("" is the engine's own)."""
    with asking(f"to look for image {reference}"):
        image = _image(engine, reference)
        if image is None:
            image = _pull(engine, reference, f"linux/{arch}" if arch else None)
        elif arch and image.attrs["Architecture"] != _ENGINES_WORD.get(arch, arch.partition("/")[0]):
            image = _pull_other(engine, reference, image, arch)
        return str(image.id)


def _image(engine: Engine, reference: str) -> Image | None:
    import docker

    try:
        return engine.client.images.get(reference)
    except docker.errors.ImageNotFound:
        return None


def _pull(engine: Engine, reference: str, wanted: str | None) -> Image:
    import docker
    import requests

    try:
        return engine.client.images.pull(reference, platform=wanted)
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise EngineError(
            f"image {reference} is not on this engine, and pulling it failed: "
            f"{getattr(error, 'explanation', '') or error}",
            hint="check the name in platforms.yaml; without a registry, load it: docker load or docker import",
        ) from error


def _pull_other(engine: Engine, reference: str, image: Image, arch: str) -> Image:
    """An imported image may be marked wrongly: when none can be pulled, the probe decides on this one."""
    try:
        return _pull(engine, reference, f"linux/{arch}")
    except EngineError:
        return image


def prepared_image(
    engine: Engine, base: str, pre_command: str | None, env: tuple[tuple[str, str], ...], *, log: Path
) -> str:
    """The id of `base` (an image id) after `pre_command`; made when it is not there yet."""
    if not pre_command:
        return base
    key = hashlib.sha256(json.dumps([_RECIPE, base, pre_command, env]).encode()).hexdigest()[:24]
    with asking("to prepare an image"):
        if kept := _image(engine, f"{REPOSITORY}:{key}"):
            return str(kept.id)
        return _make(engine, base, pre_command, env, key, log)


def _make(engine: Engine, base: str, pre_command: str, env: tuple[tuple[str, str], ...], key: str, log: Path) -> str:
    bundle = ca_bundle()
    certificates = dict.fromkeys(VARIABLES if bundle else (), f"{_CA_FOLDER}/{_CA_NAME}")
    variables = {"DEBIAN_FRONTEND": "noninteractive", **certificates, **dict(env)}
    # `env` sets the variables, not the engine: what the engine sets would stay in the image that is kept.
    words = [*(f"{k}={v}" for k, v in variables.items()), "/bin/sh", "-euc", pre_command]
    command = ["/bin/sh", "-c", _WRAPPER, "sh", *words]
    with engine.container(base, label="pre-command", command=command, user="0:0", init=True) as container:
        if bundle:
            container.put_archive(_CA_FOLDER, _one_file(_CA_NAME, bundle.read_bytes()))
        _run_to_end(container, pre_command, log)
        return engine.keep(container, repository=REPOSITORY, tag=key, changes=['CMD ["/bin/sh"]'])


def tooled_image(engine: Engine, image: str, uv: Path) -> str:
    """The id of `image` with uv's program in it, which jobs run with; what is built does not depend on it."""
    key = hashlib.sha256(json.dumps([image, uv.name]).encode()).hexdigest()[:24]
    with asking("to place uv in an image"):
        if kept := _image(engine, f"{REPOSITORY}-tools:{key}"):
            return str(kept.id)
        with engine.container(image, label="uv", command=["/bin/sh"]) as container:
            container.put_archive("/", _one_file(UV_IN_IMAGE.lstrip("/"), uv.read_bytes(), mode=0o755))
            return engine.keep(container, repository=f"{REPOSITORY}-tools", tag=key)


def _run_to_end(container: Container, pre_command: str, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        chunks = container.attach(stream=True, stdout=True, stderr=True)
        container.start()
        for chunk in chunks:
            sink.write(chunk)
    code = int(container.wait()["StatusCode"])
    if code:
        raise BuildError(
            f"the pre-command `{_short(pre_command)}` ended with code {code}: {last_line(log)}",
            hint=f"its output: {log}",
        )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "…"


def _one_file(name: str, content: bytes, *, mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), mode
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
