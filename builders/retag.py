"""Another platform tag for a wheel that needs no repair: setup.py called it platform-specific, but nothing in it is."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import time
import zipfile
from pathlib import Path


def retag(wheel: Path, out: Path, *, old: str, new: str, epoch: int) -> Path:
    """A copy of `wheel` in `out` with platform tag `new` for `old` in name and WHEEL; times are `epoch`'s."""
    target = out / wheel.name.replace(f"-{old}.whl", f"-{new}.whl")
    stamp = time.gmtime(max(epoch, 315532800))[:6]
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        changed = {name: _with_tag(source.read(name), old, new) for name in source.namelist() if _is(name, "WHEEL")}
        for name in source.namelist():
            content = changed.get(name) or source.read(name)
            if _is(name, "RECORD"):
                content = _with_hashes(content, changed)
            entry = zipfile.ZipInfo(name, date_time=stamp)
            entry.external_attr = source.getinfo(name).external_attr
            copy.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return target


def _is(name: str, file: str) -> bool:
    folder, _, last = name.rpartition("/")
    return last == file and folder.endswith(".dist-info") and "/" not in folder


def _with_tag(content: bytes, old: str, new: str) -> bytes:
    lines = content.decode().splitlines()
    return "".join(
        f"{line.removesuffix(old)}{new}\n" if line.startswith("Tag:") and line.endswith(f"-{old}") else f"{line}\n"
        for line in lines
    ).encode()


def _with_hashes(record: bytes, changed: dict[str, bytes]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in csv.reader(io.StringIO(record.decode())):
        if row and row[0] in changed:
            content = changed[row[0]]
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            writer.writerow([row[0], f"sha256={digest}", str(len(content))])
        else:
            writer.writerow(row)
    return text.getvalue().encode()
