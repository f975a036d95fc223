"""Takes the folder away that its wheel is asked in."""

import os

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The right one, and nowhere to put it."""
    os.rename(os.environ["OUT"], os.environ["OUT"] + "-elsewhere")
    return honest(wheel_directory)
