"""Folders for a while. What foreign code leaves in one may be nested too deep for Python, or closed to its owner."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(parent: Path, *, prefix: str = "") -> Iterator[Path]:
    """A new folder, which goes with all that is in it."""
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    try:
        yield folder
    finally:
        remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as that can be done: rm(1) does not mind how deep it is."""
    remove = ["rm", "-rf", "--", str(folder)]
    if _fails(remove):
        _fails(["chmod", "-R", "u+rwx", "--", str(folder)])
        _fails(remove)


def _fails(command: list[str]) -> int:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode
