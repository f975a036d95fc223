"""Never comes to an end, unless the environment is kind to it (CHANGE_SLOW).

With a folder as CHANGE_TOLD it never even says what it needs, and leaves a file there for each time that it was asked.
"""

import os
import time

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def get_requires_for_build_wheel(config_settings=None):
    """Nothing more."""
    if told := os.environ.get("CHANGE_TOLD"):
        open(os.path.join(told, str(os.getpid())), "w").close()
        time.sleep(600)
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Sleep first."""
    print("I shall be a while")
    time.sleep(float(os.environ.get("CHANGE_SLOW", "600")))
    return honest(wheel_directory)
