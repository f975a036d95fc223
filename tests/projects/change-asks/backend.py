"""Asks for what CHANGE_ASKS names, separated by bars, and builds only where the first of it can be imported."""

import importlib
import os
import re

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def get_requires_for_build_wheel(config_settings=None):
    """More than the declaration says."""
    return os.environ["CHANGE_ASKS"].split("|")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The wheel."""
    importlib.import_module(re.match(r"\w+", os.environ["CHANGE_ASKS"]).group())
    return honest(wheel_directory)
