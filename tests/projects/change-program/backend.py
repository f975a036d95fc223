"""Needs a program that no machine has, unless the environment says that it is there (CHANGE_PROGRAM)."""

import os
import subprocess

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Call the program first."""
    subprocess.run([os.environ.get("CHANGE_PROGRAM", "frobnicate-parser"), "--version"], check=True)
    return honest(wheel_directory)
