"""One run at a time on a workspace: whoever holds its lock is the only one that changes it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from builders.store import UNLIKE
from builders.terminal import Sink, visible


@contextlib.contextmanager
def workspace_lock(root: Path) -> Iterator[None]:
    """Hold the workspace; wait, with one line about who holds it, where another run does.

    The kernel lets go of the lock when its holder ends, however it ends: what the file says is only there to be read.
    Where nothing can be written (a read-only workspace) there is nothing to guard.
    """
    path = root / ".wheelyard" / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+", encoding="utf-8")
    except OSError as error:
        if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise
        yield
        return
    with handle:
        _acquire(handle)
        handle.truncate(0)
        handle.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%H:%M")}))
        handle.flush()
        yield


def _acquire(handle: TextIO) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        Sink(sys.stderr).write(f"waiting for {_holder(handle)}\n")
        fcntl.flock(handle, fcntl.LOCK_EX)


def _holder(handle: TextIO) -> str:
    handle.seek(0)
    try:
        told = json.loads(handle.read())
        return visible(f"pid {told['pid']} on {told['host']}, which holds this workspace since {told['since']}")
    except UNLIKE:  # not written yet
        return "another run, which holds this workspace"
