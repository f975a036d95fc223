"""Leaves two wheels where one was asked for."""

import os

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The right one, and one more straight into the folder that is carried home."""
    honest(os.environ["OUT"], name="stowaway")
    return honest(wheel_directory)
