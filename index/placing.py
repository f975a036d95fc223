"""Stored files on their way into a tree: hashed once more, then hard links where nobody may write to them, or copies.

Whatever is at a path already makes way: it is from somebody who was killed before he could say so.
"""

from __future__ import annotations

import os
import shutil
import stat
from hashlib import file_digest, sha256

from index.errors import PublishError

_SMALL = 1 << 20  # bytes: a METADATA file, a small wheel; one read
_BLOB = 0o444  # the mode of a stored file: nobody writes to it


def place(root: int, source: str, expected: str, path: str) -> tuple[int, bool]:
    """Put a file at a path below an open folder; its size, and whether it is a link.

    An edit of a link would be one of the store: what anybody may write to is copied. Raises PublishError where its
    sha256 is not the expected one, OSError.
    """
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        state = os.fstat(fd)
        if state.st_size < _SMALL:
            actual = sha256(os.read(fd, state.st_size + 1)).hexdigest()
        else:
            with open(fd, "rb", closefd=False) as file:
                actual = file_digest(file, "sha256").hexdigest()
        if actual != expected:
            raise _damaged(source, expected, actual)
        linked = stat.S_IMODE(state.st_mode) == _BLOB and _linked(root, source, path)
        if not linked:
            os.lseek(fd, 0, os.SEEK_SET)
            _copy(root, fd, path)
        return state.st_size, linked
    finally:
        os.close(fd)


def place_link(root: int, target: str, path: str) -> None:
    """Put a symbolic link there."""
    try:
        os.symlink(target, path, dir_fd=root)
    except FileExistsError:
        os.unlink(path, dir_fd=root)
        os.symlink(target, path, dir_fd=root)


def new_file(root: int, path: str) -> int:
    """An empty file there, open to be written."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o644, dir_fd=root)
    except FileExistsError:  # perhaps a link to the store: never write to what is there
        os.unlink(path, dir_fd=root)
        return os.open(path, flags, 0o644, dir_fd=root)


def _linked(root: int, source: str, path: str) -> bool:
    """False: another file system, one without hard links, or 65,000 links already."""
    try:
        try:
            os.link(source, path, dst_dir_fd=root)
        except FileExistsError:
            os.unlink(path, dir_fd=root)
            os.link(source, path, dst_dir_fd=root)
    except OSError:
        return False
    return True


def _copy(root: int, source: int, path: str) -> None:
    fd = new_file(root, path)
    with open(source, "rb", closefd=False) as from_file, os.fdopen(fd, "wb") as to_file:
        os.fchmod(fd, 0o644)
        shutil.copyfileobj(from_file, to_file, 1 << 20)


def _damaged(source: str, expected: str, actual: str) -> PublishError:
    return PublishError(
        f"{source} is damaged, and was not published\n  expected sha256 {expected}\n  actual   sha256 {actual}",
        hint="run `doit verify`; remove the file, and the next run fetches or builds it again",
    )
