"""Builds a wheel that requires what the sdist never spoke of."""

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The wheel."""
    return honest(wheel_directory, requires=("other",))
