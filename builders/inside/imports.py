"""Import what was installed, each project in a process of its own, and say what failed.

Run as `python imports.py MODULES RESULT`, where MODULES is a file of lines `project module module …`. RESULT becomes a
JSON object: module → the last line of what went wrong.
"""

import json
import subprocess
import sys

SECONDS = 120
_IMPORT = (
    "import importlib, sys\nfor name in sys.argv[1:]:\n    print(name, flush=True)\n    importlib.import_module(name)"
)


def attempt(modules: "list[str]") -> "dict[str, str]":
    """Import these one after another; what fails is left out and the others are tried again."""
    command = [sys.executable, "-c", _IMPORT, *modules]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {modules[0]: f"it took longer than {SECONDS} s"}
    if done.returncode == 0:
        return {}
    began = [line for line in done.stdout.decode("utf-8", "replace").split("\n") if line in modules]
    culprit = began[-1] if began else modules[0]
    said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1] or f"exit code {done.returncode}"
    rest = [name for name in modules if name != culprit]
    return {culprit: said, **(attempt(rest) if rest else {})}


def main(listing: str, result: str) -> None:
    """Try every line of the listing."""
    failed = {}
    with open(listing, encoding="utf-8") as stream:
        for line in stream:
            modules = line.split()[1:]
            if modules:
                failed.update(attempt(modules))
    with open(result, "w", encoding="utf-8") as stream:
        json.dump(failed, stream, sort_keys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
