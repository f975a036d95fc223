"""Import what was installed, each project in a process of its own, and say what failed.

Run as `python imports.py MODULES RESULT [SECONDS]`, where MODULES is a file of lines `project module module …`. RESULT
becomes a JSON object: module → what went wrong. What the modules print, tracebacks included, is printed.
"""

import json
import os
import subprocess
import sys
import tempfile

SECONDS = 120
# It tells in a file what it began and what came of it: a module may print, close its streams, or end the process.
_IMPORT = """
import importlib, json, os, sys, traceback
told, names, sys.argv[1:] = sys.argv[1], sys.argv[2:], []
def tell(name, *outcome, dumps=json.dumps, open=open):
    with open(told, "a") as stream:
        stream.write(dumps([name, *outcome]) + "\\n")
for name in names:
    tell(name)
    try:
        importlib.import_module(name)
    except BaseException as error:
        lines = traceback.format_exception_only(type(error), error)
        tell(name, " ".join("".join(lines).split())[:500])
        traceback.print_exc()
    else:
        tell(name, "")
os._exit(0)  # what a module would do at the end, or in a thread that never ends, is not asked
"""


def attempt(modules: "list[str]", seconds: float = SECONDS) -> "dict[str, str]":
    """Import these one after another; those behind one that ends the process, or hangs, are tried in another."""
    failed = {}
    while modules:
        outcomes, how = _run(modules, seconds)
        failed.update({name: why for name, why in outcomes.items() if why})
        rest = [name for name in modules if name not in outcomes]
        if rest:
            failed[rest[0]] = how
        modules = rest[1:]
    return failed


def _run(modules: "list[str]", seconds: float) -> "tuple[dict[str, str], str]":
    """What came of each that came to an end, and what became of the process."""
    with tempfile.TemporaryDirectory() as folder:
        told = os.path.join(folder, "told")
        open(told, "w").close()
        process = subprocess.Popen([sys.executable, "-c", _IMPORT, told, *modules], stdin=subprocess.DEVNULL)
        try:
            how = _ended(process.wait(timeout=seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            how = f"it took longer than {seconds:g} s"
        with open(told, encoding="ascii", errors="replace") as stream:
            lines = [json.loads(line) for line in stream if line.endswith("]\n")]
    return {name: outcome[0] for name, *outcome in lines if outcome}, how


def _ended(code: int) -> str:
    return f"it was ended by signal {-code}" if code < 0 else f"it ended the process with exit code {code}"


def main(listing: str, result: str, seconds: str = str(SECONDS)) -> None:
    """Try every line of the listing."""
    failed = {}
    with open(listing, encoding="utf-8") as stream:
        for line in stream:
            failed.update(attempt(line.split()[1:], float(seconds)))
    with open(result, "w", encoding="utf-8") as stream:
        json.dump(failed, stream, sort_keys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
