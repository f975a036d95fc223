"""Tells where it stands by writing to one FIFO, and goes on when somebody opens another: moments that are certain."""

import os
import subprocess
import sys

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def get_requires_for_build_wheel(config_settings=None):
    """Nothing more, after a while."""
    _wait("lock")
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The wheel, after a while."""
    _wait("build")
    return honest(wheel_directory)


def _wait(moment):
    """Stop where CHANGE_GATE has FIFOs for this moment, with a child that would outlive a careless parent."""
    gate = os.path.join(os.environ["CHANGE_GATE"], moment)
    if os.path.exists(gate + ".here"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open(gate + ".here", "w") as stream:
            stream.write("{} {}".format(os.getpid(), child.pid))
        with open(gate + ".go") as stream:
            stream.read()
        child.kill()
        child.wait()
