"""Proof: what is about to be published installs on a clean copy of its platform, with no network, and imports.

Each set by itself, with the platform's own pip, in the box: `pip install --no-index`, `pip check`, an import of every
top-level module, in a namespace of the first ones with code. Done only when the wheels, the image or the excuses have
changed since the last proof.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from builders import commands
from builders.errors import ProofError
from builders.jobs import Ending, Input, Job, last_line, run_job
from builders.plan import Ground, Plan, Step
from builders.store import UNLIKE, Record, write_file
from builders.yard import Yard, may_run_foreign_code

_IMPORTS = Path(__file__).parent / "inside" / "imports.py"
_NO_INSTALL = "the log has all that its pip said; `prove: false` publishes it all the same"
_NO_IMPORT = "excuse what needs a display or a server: `builds: NAME: not-imported: [MODULE]`; or `prove: false`"
_MOST_KEPT = 200  # proofs of a platform: its sets now, and those that a rollback may bring back


def prove(yard: Yard, ground: Ground, plan: Plan) -> None:
    """Prove every set of a platform that was not proven as it is now; ProofError says what failed and how."""
    if not may_run_foreign_code(ground.platform):
        yard.progress.note(ground.platform.name, "not proven: on a host, importing takes `sandbox: none`")
        return
    failures: list[tuple[str, str]] = []
    for one in ground.platform.sets:
        records = [yard.store.needed_record(step.fingerprint) for step in plan.steps if one.name in step.sets]
        key = _key(yard, ground, records)
        if key not in _proven(yard, ground):
            failure = _prove_set(yard, ground, one.name, records)
            if failure:
                failures.append(failure)
            else:
                _keep(yard, ground, key)
    if failures:
        said, hints = zip(*failures, strict=True)
        raise ProofError("\n".join(said), hint="; ".join(dict.fromkeys(hints)))


def is_proven(yard: Yard, ground: Ground, sets: Iterable[Sequence[Record | Step]]) -> bool:
    """Whether a proof was kept for each of these sets of wheels, on the platform as it is now."""
    return {_key(yard, ground, wheels) for wheels in sets} <= set(_proven(yard, ground))


def proofs_file(yard: Yard, platform: str) -> Path:
    """Where a platform's proofs are kept."""
    return yard.folder / "proofs" / f"{platform}.json"


def _prove_set(yard: Yard, ground: Ground, name: str, records: list[Record]) -> tuple[str, str] | None:
    """What failed, in a sentence, and what may be done about it; None where the set is proven."""
    platform = ground.platform.name
    job = Job(
        label=f"{platform}/prove",
        script=commands.PROVE,
        inputs=(
            Input(name="requirements.txt", content=_lines(f"{record.project}=={record.version}" for record in records)),
            Input(name="modules.txt", content=_lines(_modules(yard, record) for record in records)),
            Input(name="imports.py", content=_IMPORTS),
            *(Input(name=f"wheels/{one.filename}", content=yard.store.blob(one.sha256)) for one in records),
        ),
        limits=ground.platform.limits,
    )
    executor = yard.bare_executor(ground.platform, ground.facts)
    log = yard.fresh_log(platform, f"prove-{name}")
    with run_job(executor, job, scratch=yard.store.scratch(), log=log) as ran:
        if not ran.outcome.ok:
            ending = ran.outcome.ending
            how = last_line(log) if ending is Ending.EXITED else f"it ran into its {ending.value}"
            return f"set {name} does not install on {platform}: {how} (log: {log})", _NO_INSTALL
        failed = _told(ran.out / "failed.json")
    if failed == {}:
        return None
    told = "; ".join(f"{module}: {why}" for module, why in sorted(failed.items())) if failed else "no answer came back"
    return f"set {name} on {platform}: what was installed cannot be imported: {told} (log: {log})", _NO_IMPORT


def _told(path: Path) -> dict[str, str] | None:
    """What imports.py says, or None: a module may write there too, or take it away."""
    try:
        said = json.loads(path.read_bytes())
        return {str(module): str(why) for module, why in said.items()}
    except (OSError, *UNLIKE):
        return None


def _modules(yard: Yard, record: Record) -> str:
    excused = _excused(yard, record)
    names = (name for name in record.modules if not any(f"{name}.".startswith(f"{one}.") for one in excused))
    return " ".join([record.project, *names])


def _excused(yard: Yard, wheel: Record | Step) -> tuple[str, ...]:
    return yard.workspace.build_settings(canonicalize_name(wheel.project)).not_imported


def _lines(texts: Iterable[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def _key(yard: Yard, ground: Ground, wheels: Sequence[Record | Step]) -> str:
    """What a proof stands on. A wheel's fingerprint says all of it, so that a plan is asked without its records."""
    said = sorted(" ".join((one.fingerprint, *_excused(yard, one))) for one in wheels)
    return hashlib.sha256("\n".join((ground.facts.image, ground.facts.python, *said)).encode()).hexdigest()


def _proven(yard: Yard, ground: Ground) -> list[str]:
    try:
        return list(map(str, json.loads(proofs_file(yard, ground.platform.name).read_bytes())))
    except (FileNotFoundError, *UNLIKE):
        return []


def _keep(yard: Yard, ground: Ground, key: str) -> None:
    kept = [*_proven(yard, ground), key][-_MOST_KEPT:]
    write_file(proofs_file(yard, ground.platform.name), json.dumps(kept).encode())
