"""Build environments: in a box, one archive for all builds that are made with the same wheels.

wheels ─> one job: install, compile, pack ─> .wheelyard/work/environments/<key>.tar ─> each hook, each build
                                                └──> the next one, which has these wheels and more

Installing pip and setuptools and compiling them anew for each hook and each build took longer than many a build. What
is shared is an input like any other: each container unpacks a copy of its own, so no build can leave anything there for
another. The next run sweeps the archives away before it begins: nobody has to trust, verify or prune an older one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from builders import commands
from builders.jobs import Executor, Input, Job, run_job

if TYPE_CHECKING:
    from builders.plan import Ground
    from builders.platforms import BuildSettings
    from builders.store import Record
    from builders.yard import Yard


def environment_inputs(
    yard: Yard, ground: Ground, settings: BuildSettings, executor: Executor, records: Sequence[Record]
) -> tuple[Input, ...]:
    """What a job makes its build environment of: the archive, or on a host the wheels themselves.

    A virtual environment remembers its path. In a box that is always the same one; on a host each job has its own.
    """
    if ground.platform.host:
        return _wheels(yard, records)
    archive = yard.folder / "work" / "environments" / f"{environment_key(ground, settings, records)}.tar"
    base = environment_key(ground, settings, ())
    with yard.alone(f"environments {base}"):
        made = archive.is_file() or _make(yard, ground, executor, records, archive, base)
    return (Input(name=commands.PACKED, content=archive),) if made else _wheels(yard, records)


def _wheels(yard: Yard, records: Sequence[Record]) -> tuple[Input, ...]:
    return tuple(
        Input(name=f"env/{record.filename}", content=yard.store.blob(record.sha256))
        for record in sorted(records, key=lambda record: record.filename)
    )


def environment_key(ground: Ground, settings: BuildSettings, records: Sequence[Record]) -> str:
    """A hash over all that an environment is made of: its wheels, the image with what runs on top of it, Python, uv."""
    facts = ground.facts
    parts = [
        sorted(record.fingerprint for record in records),
        [facts.image, settings.pre_command, ground.platform.env],
        [facts.implementation, facts.python, facts.build, facts.executable, facts.machine],
        version("uv"),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _make(yard: Yard, ground: Ground, executor: Executor, records: Sequence[Record], archive: Path, base: str) -> bool:
    """Whether it could be made. Where it could not, the build will fail the same way, with a log of its own.

    It is made on top of the largest one of the same image (`base`) that has none but these wheels.
    """
    wanted = frozenset(record.fingerprint for record in records)
    others = yard.environments.setdefault(base, {})
    has, below = max(((has, path) for has, path in others.items() if has < wanted), key=lambda one: len(one[0]),
                     default=(frozenset(), None))  # fmt: skip
    under = (Input(name=commands.PACKED, content=below),) if below else ()
    name = f"environment-{archive.stem[:12]}"
    job = Job(
        label=f"{ground.platform.name}/{name}",
        script=commands.PACK,
        inputs=(*under, *_wheels(yard, [record for record in records if record.fingerprint not in has])),
        env=commands.build_environment(0, ground.platform.env),
        limits=ground.platform.limits,
    )
    log = yard.fresh_log(ground.platform.name, name)
    with run_job(executor, job, scratch=yard.store.scratch(), log=log) as ran:
        made = ran.out / commands.PACKED
        if not ran.outcome.ok or not made.is_file():
            return False
        archive.parent.mkdir(parents=True, exist_ok=True)
        made.replace(archive)
        others[wanted] = archive
        return True
