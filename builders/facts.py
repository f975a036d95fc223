"""What a probe read off a platform: Python, markers, tags, C library. Read once for an image and kept."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from builders.errors import ConfigurationError, EngineError
from builders.jobs import Executor, Input, Job, first_line, run_job
from builders.platforms import Platform
from builders.store import UNLIKE, write_file

_INSIDE = Path(__file__).parent / "inside"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686", "arm/v7": "armv7l"}
# "2.36", or "2.20-2014.11" of a vendor; some say nothing
_LIBC_VERSION = re.compile(r"(([0-9]{1,9})(\.([0-9]{1,9}).*)?)?")


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
        said = _LIBC_VERSION.fullmatch(self.libc_version) if self.libc else None
        return (int(said[2]), int(said[4])) if said and said[4] else None

    def digest(self) -> str:
        """A hash over all that resolving depends on; the image's id is not part of it."""
        parts = [self.python, self.markers, self.tags]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def probe(executor: Executor, platform: Platform, *, image: str, scratch: Path, log: Path) -> Facts:
    """Run the probe on a platform; EngineError says what the platform lacks. All that was printed is in `log`."""
    job = Job(
        label=f"{platform.name}/probe",
        script='"$PYTHON" "$IN/probe.py" "$IN" > "$OUT/facts.json"',
        inputs=(Input(name="probe.py", content=_INSIDE / "probe.py"), *_packaging()),
        limits=platform.limits,
    )
    with run_job(executor, job, scratch=scratch, log=log) as ran:
        if not ran.outcome.ok:
            raise EngineError(
                f"platform {platform.name}: its Python could not be asked what it is: {first_line(log)}",
                hint="is there a Python 3.8 or newer in it? `pre-command:` installs one, `python:` says which to use; "
                f"log: {log}",
            )
        facts = _answer(platform, ran.out / "facts.json", image)
    _check_machine(platform, facts)
    return facts


def _answer(platform: Platform, path: Path, image: str) -> Facts:
    """What the probe printed; whatever `python:` names may have printed anything, or nothing."""
    try:
        return facts_from(json.loads(path.read_bytes()), image=image)
    except (OSError, *UNLIKE) as error:
        raise EngineError(
            f"platform {platform.name}: {platform.python or 'its Python'} is no Python that can be used: "
            f"asked what it is, it gave no answer ({error})",
            hint="name a Python 3.8 or newer: `python: /path/to/python3`",
        ) from error


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


def facts_from(values: Any, *, image: str) -> Facts:
    """Facts from what a probe's JSON says; ValueError for anything else."""
    if not _is_answer(values):
        raise ValueError("these are no facts of a Python")
    markers = tuple(sorted(values["markers"].items()))
    return Facts(image=image, **{**values, "markers": markers, "tags": tuple(values["tags"])})


def _is_answer(values: Any) -> bool:
    """Whether this is what inside/probe.py prints."""
    if not isinstance(values, dict) or values.keys() != {field.name for field in fields(Facts)} - {"image"}:
        return False
    markers, tags = values["markers"], values["tags"]
    if not isinstance(markers, dict) or not isinstance(tags, list) or not tags:
        return False
    texts = [*markers.values(), *tags, *(value for key, value in values.items() if key not in {"markers", "tags"})]
    return all(isinstance(text, str) for text in texts) and _LIBC_VERSION.fullmatch(values["libc_version"]) is not None


def values_of(facts: Facts) -> dict[str, Any]:
    """Facts in the shape that facts_from reads."""
    values = {**asdict(facts), "markers": dict(facts.markers)}
    values.pop("image")
    return values


def kept_facts(folder: Path, platform: Platform) -> Facts | None:
    """The facts that are kept of a platform, or None where it was never probed as it is now declared.

    None too where the Python of a host has gone: whoever probes it says so.
    """
    try:
        kept = json.loads(_kept_file(folder, platform).read_bytes())
        if kept["declared"] != _declared(platform):
            return None
        return facts_from(kept["facts"], image=kept["image"])
    except (FileNotFoundError, EngineError, *UNLIKE):
        return None


def keep_facts(folder: Path, platform: Platform, facts: Facts) -> None:
    """Keep what a probe read."""
    kept = {"declared": _declared(platform), "image": facts.image, "facts": values_of(facts)}
    write_file(_kept_file(folder, platform), json.dumps(kept, sort_keys=True, indent=1).encode())


def _kept_file(folder: Path, platform: Platform) -> Path:
    return folder / "facts" / f"{platform.name}.json"


def _declared(platform: Platform) -> str:
    """A hash over what platforms.yaml says of a platform's ground; on a host also over the interpreter's file."""
    parts: list[object] = [platform.image, platform.arch, platform.pre_command, platform.env, platform.python]
    if platform.host:
        from builders.hosts import find_python

        path = Path(find_python(platform.python)).resolve()
        stat = path.stat()
        parts += [str(path), stat.st_mtime_ns, stat.st_size]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
