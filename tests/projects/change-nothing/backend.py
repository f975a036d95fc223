"""Says that all is well, and leaves no wheel."""

import os

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Make it, and throw it away at the end of the process: nobody looks again before that."""
    name = honest(wheel_directory)
    os.replace(os.path.join(wheel_directory, name), os.path.join(os.environ["TMPDIR"], name))
    return name
