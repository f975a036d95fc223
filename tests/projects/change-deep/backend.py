"""Leaves folders that are nested deeper than Python's own removal can follow."""

import os

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The wheel, and the folders."""
    here = os.getcwd()
    made = honest(wheel_directory)
    os.chdir(os.environ["TMPDIR"])
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
    os.mkdir("closed", 0)
    os.chdir(here)
    return made
