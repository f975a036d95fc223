"""Builds another project's wheel."""

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """A wheel that would shadow somebody else's."""
    return honest(wheel_directory, name="requests")
