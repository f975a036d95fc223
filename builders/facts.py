"""What a probe read off a platform: Python, markers, tags, C library. Read once for an image and kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from builders.errors import ConfigurationError, EngineError
from builders.jobs import Executor, Input, Job
from builders.platforms import Platform

_INSIDE = Path(__file__).parent / "inside"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "i386": "i686", "arm/v7": "armv7l"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One platform as its own Python sees it; `tags` are ordered, best first. `image` is an id, "" on a host."""

    python: str
    implementation: str
    executable: str
    build: str
    system: str
    machine: str
    libc: str
    libc_version: str
    markers: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    image: str

    @property
    def libc_numbers(self) -> tuple[int, int] | None:
        """The C library's version as two numbers, for glibc and musl; None elsewhere."""
        parts = self.libc_version.split(".")
        return (int(parts[0]), int(parts[1])) if self.libc and len(parts) > 1 else None

    def digest(self) -> str:
        """A hash over all that resolving depends on; the image's id is not part of it."""
        parts = [self.python, self.markers, self.tags]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def probe(executor: Executor, platform: Platform, *, image: str, scratch: Path) -> Facts:
    """Run the probe on a platform; EngineError says what the platform lacks."""
    job = Job(
        label=f"{platform.name}/probe",
        script='"$PYTHON" "$IN/probe.py" "$IN" > "$OUT/facts.json"',
        inputs=(Input(name="probe.py", content=_INSIDE / "probe.py"), *_packaging()),
        limits=platform.limits,
    )
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        out, log = Path(folder, "out"), Path(folder, "log")
        out.mkdir()
        outcome = executor.run(job, out=out, log=log)
        if not outcome.ok:
            said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
            raise EngineError(
                f"platform {platform.name}: its Python could not be asked what it is: {said[0]}",
                hint="is there a Python 3.8 or newer in it? `pre-command:` installs one, `python:` says which to use",
            )
        facts = from_json((out / "facts.json").read_bytes(), image=image)
    _check_machine(platform, facts)
    return facts


def _check_machine(platform: Platform, facts: Facts) -> None:
    wanted = _MACHINES.get(platform.arch, platform.arch)
    if wanted and facts.machine != wanted:
        raise ConfigurationError(
            f"platform {platform.name}: it declares arch {platform.arch}, but its image runs as {facts.machine}",
            hint=f"name an image made for {platform.arch}, or remove `arch:`",
        )


def _packaging() -> tuple[Input, ...]:
    """Our own `packaging`, pure Python, as inputs: the platform need not have one."""
    import packaging

    folder = Path(packaging.__file__).parent
    return tuple(Input(name=f"packaging/{path.name}", content=path) for path in sorted(folder.glob("*.py")))


def from_json(text: bytes, *, image: str) -> Facts:
    """Facts from a probe's output."""
    values = json.loads(text)
    values["markers"] = tuple(sorted(values["markers"].items()))
    values["tags"] = tuple(values["tags"])
    return Facts(image=image, **values)


def to_json(facts: Facts) -> bytes:
    """Facts in the shape that from_json reads."""
    values = asdict(facts)
    values.pop("image")
    values["markers"] = dict(facts.markers)
    return json.dumps(values, sort_keys=True, indent=1).encode()
