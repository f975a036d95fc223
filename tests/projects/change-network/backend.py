"""Downloads something while it is built, or tries."""

import urllib.request

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Reach for a file of a name that nobody can have (RFC 2606)."""
    urllib.request.urlopen("http://files.invalid/data.json", timeout=20).read()
    return honest(wheel_directory)
