"""uv's program for a platform: the statically linked one, taken from its own wheel, so that it runs in every image."""

from __future__ import annotations

import tempfile
import threading
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from builders.errors import UpstreamError
from builders.pages import IndexFile
from builders.store import write_file
from builders.wheels import read_wheel

_FINDING = threading.Lock()  # sysconfig, which is asked, answers wrongly where two threads ask it first


def uv_for_host() -> Path:
    """uv's program for this machine: our own dependency."""
    from uv import find_uv_bin

    with _FINDING:
        return Path(find_uv_bin())


def uv_for_image(
    machine: str,
    *,
    folder: Path,
    files: Callable[[NormalizedName], tuple[IndexFile, ...]],
    fetch: Callable[[IndexFile, Path], None],
) -> Path:
    """uv's static program for a machine, in the version that this program itself runs with; kept in `folder`."""
    wanted = version("uv")
    program = folder / f"uv-{wanted}-{machine}"
    if program.is_file():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    wheel = f"uv-{wanted}-py3-none-musllinux_1_1_{machine}.whl"
    found = [file for file in files(canonicalize_name("uv")) if file.filename == wheel]
    if not found:
        raise UpstreamError(
            f"no upstream has {wheel}, which resolves and builds inside containers",
            hint="an index that mirrors only some projects needs uv as well; or place it in a `find-links:` folder",
        )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch, wheel)
        fetch(found[0], path)
        read_wheel(path)
        write_file(program, _program_in(path), mode=0o755)
    return program


def _program_in(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        scripts = [name for name in archive.namelist() if name.endswith(".data/scripts/uv")]
        return archive.read(scripts[0])
