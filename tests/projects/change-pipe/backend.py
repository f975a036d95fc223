"""Leaves a FIFO beside its wheel."""

import os

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The right one, and a pipe that nobody writes to."""
    os.mkfifo(os.path.join(os.environ["OUT"], "pipe"))
    return honest(wheel_directory)
