"""Tells that it runs by writing to one FIFO, and goes on when it may read from another."""

import os
import subprocess
import sys

from honest import build_wheel as honest
from honest import prepare_metadata_for_build_wheel  # noqa: F401


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Wait at the gate, with a child of one's own that would outlive a careless parent."""
    gate = os.environ.get("CHANGE_GATE")
    if gate and os.path.exists(gate + ".shut"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=False)
        with open(gate + ".here", "w") as stream:
            stream.write("{} {}\n".format(os.getpid(), child.pid))
        with open(gate + ".go") as stream:
            stream.read()
        child.kill()
        child.wait()
    return honest(wheel_directory)
