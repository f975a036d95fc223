"""A build backend that is built itself, by chain_c, and builds as that one does."""

from chain_c import build_with


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return build_with("chain_b", wheel_directory)
