"""The workspaces that are measured, made on the spot, and the doit of this checkout on them."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import IMAGES, PREPARE, Bench

VERSION_ONLY = (sys.executable, "-m", "doit", "--version")


@dataclass(frozen=True, kw_only=True)
class Workspace(Bench):
    """A workspace as the tests have them, with the same images, that can be measured again."""

    def forget(self) -> None:
        """Back to before the first lock: what is known of the platforms, and uv's program, stay."""
        for path in (self.root / "locks", self.root / "public", *(self.root / ".wheelyard").glob("*")):
            if path.is_dir() and path.name not in {"facts", "tools"}:
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        os.sync()


def ansible(folder: Path) -> Workspace:
    """Three Debian images with the set `ansible`."""
    workspace = Workspace(root=folder / "ansible")
    images = "".join(f"  - image: {image}\n" for image in IMAGES)
    workspace.write(
        "platforms.yaml",
        f"defaults:\n  requirements: [ansible]\n  pre-command: {PREPARE}\n  prove: false\nplatforms:\n{images}",
    )
    workspace.write("requirements/ansible.txt", "ansible\n")
    return workspace


def from_source(folder: Path, image: str, pins: Mapping[str, str]) -> Workspace:
    """One image and a set of exact versions, each built from its sdist."""
    workspace = Workspace(root=folder / "from-source")
    builds = "".join(f"  {name}: {{from: sdist}}\n" for name in pins)
    platform = f"  - image: {image}\n    pre-command: {PREPARE}\n    prove: false\n    requirements: [c]\n"
    workspace.write("platforms.yaml", f"platforms:\n{platform}builds:\n{builds}")
    workspace.write("requirements/c.txt", "".join(f"{name}=={version}\n" for name, version in pins.items()))
    return workspace


def made_up(folder: Path, count: int) -> Workspace:
    """This machine as a platform, and a set of `count` projects, a wheel of three short files each, in vendor/."""
    workspace = Workspace(root=folder / f"made-up-{count}")
    workspace.write("platforms.yaml", this_machine("find-links: vendor/", "all"))
    names = [f"made-up-{number:05d}" for number in range(count)]
    workspace.write("requirements/all.txt", "".join(f"{name}\n" for name in names))
    vendor = workspace.root / "vendor"
    vendor.mkdir(exist_ok=True)
    for name in names:
        write_wheel(vendor, name)
    return workspace


def this_machine(upstream: str, requirements: str) -> str:
    """A platforms.yaml that needs no engine."""
    return f"upstream: [{{{upstream}}}]\nplatforms: [{{name: here, host: true, requirements: [{requirements}]}}]\n"


def write_wheel(folder: Path, name: str, *, version: str = "1.0", python: str | None = None, ballast: int = 0) -> Path:
    """A wheel without code for the Pythons `python`; `ballast`: MiB of one more file in it, of random bytes."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(path, "w") as archive:
        for entry, pieces in _content(stem, metadata_of(name, version, python), ballast):
            digest, size = hashlib.sha256(), 0
            # A fixed date: the same wheel, byte for byte, whenever it is made.
            info = zipfile.ZipInfo(entry, (2020, 1, 1, 0, 0, 0))
            with archive.open(info, "w", force_zip64=ballast > 1024) as stream:
                for piece in pieces:
                    stream.write(piece)
                    digest.update(piece)
                    size += len(piece)
            hashed = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
            record.append(f"{entry},sha256={hashed},{size}\n")
        entry = f"{stem}.dist-info/RECORD"
        archive.writestr(zipfile.ZipInfo(entry, (2020, 1, 1, 0, 0, 0)), "".join([*record, f"{entry},,\n"]))
    return path


def metadata_of(name: str, version: str = "1.0", python: str | None = None) -> bytes:
    """The METADATA of such a wheel."""
    requires = "" if python is None else f"Requires-Python: {python}\n"
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}".encode()


def _content(stem: str, metadata: bytes, ballast: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    module = stem.partition("-")[0]
    wheel = b"Wheel-Version: 1.0\nGenerator: made-up\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    yield f"{module}/__init__.py", iter([b""])
    if ballast:
        yield f"{module}/ballast.bin", (os.urandom(2**20) for _ in range(ballast))
    yield f"{stem}.dist-info/METADATA", iter([metadata])
    yield f"{stem}.dist-info/WHEEL", iter([wheel])
