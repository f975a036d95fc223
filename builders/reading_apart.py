"""The strict reading of a large wheel, in a process of its own.

Reading one with 20,000 entries takes more than a second of pure Python. Threads would take turns at that, and every
other thread with them, the resolver's gateway and all downloads; processes use all cores.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from builders.build_places import cores
from builders.errors import ArchiveError
from builders.wheels import WheelFile, read_wheel

_LARGE = 8_000_000  # bytes; below, starting a Python takes longer than reading
_LISTS = ("tags", "requires_dist", "modules")
_ROOM = threading.BoundedSemaphore(cores())


def read_large_wheel(path: Path, *, filename: str) -> WheelFile:
    """What `read_wheel` says or raises; a small wheel is read here and now."""
    if path.stat().st_size < _LARGE:
        return read_wheel(path, filename=filename)
    command = [sys.executable, "-m", "builders.reading_apart", str(path.absolute()), filename]
    with _ROOM:
        done = subprocess.run(
            command, cwd=Path(__file__).parent.parent, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ArchiveError(f"{filename}: reading it ended with code {done.returncode} {' '.join(said)}".rstrip())
    return _heard(json.loads(done.stdout))


def _told(path: Path, filename: str) -> dict[str, object]:
    try:
        wheel = asdict(read_wheel(path, filename=filename))
    except ArchiveError as error:
        return {"reason": error.reason, "hint": error.hint}
    return {"wheel": {**wheel, "metadata": base64.b64encode(wheel["metadata"]).decode()}}


def _heard(answer: dict[str, object]) -> WheelFile:
    match answer:
        case {"wheel": dict(values)}:
            lists = {name: tuple(values[name]) for name in _LISTS}
            binaries = tuple((entry, machine) for entry, machine in values["binaries"])
            metadata = base64.b64decode(values["metadata"])
            return WheelFile(**{**values, **lists, "binaries": binaries, "metadata": metadata})
        case _:
            raise ArchiveError(str(answer["reason"]), hint=str(answer["hint"]))


if __name__ == "__main__":
    json.dump(_told(Path(sys.argv[1]), sys.argv[2]), sys.stdout)
