"""Real programs for machines that are not here, made by ziglang, and packed as wheels; and Apple's tools, from LLVM.

Nothing in these programs needs a C library of the compiler's own (-nostdlib), so that one takes 0.2 s and not 20.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.archive_makers import wheel_bytes
from tests.conftest import absent

TOOLS = Path(__file__).parent / "llvm-tools"
_OLDEST_LLVM = 19

# A module with one number in it, written without Python.h: its fields are the stable ones of PyModuleDef.
EXTENSION = """
struct definition { long count; void *type, *init; long index; void *copy; const char *name, *doc; long size;
                    void *rest[5]; };
static struct definition demo = {1, 0, 0, 0, 0, "_demo", 0, -1, {0}};
void *PyModule_Create2(void *, int);
int PyModule_AddIntConstant(void *, const char *, long);
int ANSWER(void);
void *PyInit__demo(void) {
    void *module = PyModule_Create2(&demo, 1013);
    PyModule_AddIntConstant(module, "answer", ANSWER());
    return module;
}
"""


def compiled(target: str, out: Path, source: str, *options: str | Path) -> Path:
    """A shared library for a target in zig's words (aarch64-linux-gnu.2.31, aarch64-macos.11.0)."""
    if not find_spec("ziglang"):
        absent("ziglang, the compiler for other machines, is not installed")
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-shared", "-nostdlib", "-O1"]
    cache_folder = str(out.parent / ".zig")
    subprocess.run(
        [*command, "-o", str(out), "-x", "c", "-", "-x", "none", *map(str, options)],
        input=source.encode(),
        env={"PATH": os.environ["PATH"], "ZIG_GLOBAL_CACHE_DIR": cache_folder, "ZIG_LOCAL_CACHE_DIR": cache_folder},
        check=True,
        timeout=300,
    )
    return out


@cache
def _llvm() -> Path | None:
    """The newest LLVM that is installed as Debian installs it, if it has all the tools and is not too old."""
    names = ("llvm-otool", "llvm-install-name-tool", "llvm-lipo")
    folders = {int(p.parent.name[5:]): p for p in Path("/usr/lib").glob("llvm-*/bin") if p.parent.name[5:].isdigit()}
    fit = [v for v, p in folders.items() if v >= _OLDEST_LLVM and all((p / name).is_file() for name in names)]
    return folders[max(fit)] if fit else None


def apple_tools() -> str:
    """A PATH on which otool, install_name_tool, lipo and codesign are found."""
    llvm = _llvm()
    if llvm is None:
        absent(f"LLVM {_OLDEST_LLVM} or newer is not installed (Debian: apt-get install llvm-19)")
    return os.pathsep.join([str(TOOLS), str(llvm), "/usr/bin", "/bin"])


def packed(folder: Path, tag: str, files: Mapping[str, bytes | Path], *, pure: bool = False) -> Path:
    """The wheel demo-1.0-TAG.whl with these files, METADATA, WHEEL and a right RECORD."""
    python, abi, platforms = tag.split("-")
    tags = "".join(f"Tag: {python}-{abi}-{platform}\n" for platform in platforms.split("."))
    content = {name: data if isinstance(data, bytes) else data.read_bytes() for name, data in files.items()}
    head = f"Wheel-Version: 1.0\nRoot-Is-Purelib: {str(pure).lower()}\n{tags}".encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"demo-1.0-{tag}.whl"
    metadata = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
    wheel.write_bytes(wheel_bytes(content, wheel=head, metadata=metadata))
    return wheel


def contents(wheel: Path) -> dict[str, bytes]:
    """Every file in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
