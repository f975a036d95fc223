"""What lies in a folder, to be compared with what lies there later."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes, as everything here writes it."""
    return sha256(path.read_bytes()).hexdigest()


def snapshot(folder: Path) -> dict[str, str]:
    """Every file and link below a folder with its bytes' hash, or where its link leads."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = sha256_of(path)
    return found


def on_disk(folder: Path) -> dict[str, tuple[int, str]]:
    """The same, each with its time of change."""
    return {name: ((folder / name).lstat().st_mtime_ns, what) for name, what in snapshot(folder).items()}
