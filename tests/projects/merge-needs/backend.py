"""Requires `helper` where the Python that builds it is older than 3.10: other METADATA under the same file name."""

import sys

import honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The wheel."""
    if sys.version_info < (3, 10):
        with open("PKG-INFO", "a", encoding="utf-8") as stream:
            stream.write("Requires-Dist: helper\n")
    return honest.build_wheel(wheel_directory)
