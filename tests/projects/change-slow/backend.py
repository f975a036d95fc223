"""Never comes to an end, unless the environment is kind to it (CHANGE_SLOW)."""

import os
import time

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Sleep first."""
    print("I shall be a while")
    time.sleep(float(os.environ.get("CHANGE_SLOW", "600")))
    return honest(wheel_directory)
