"""Ask a build backend what else it needs: PEP 517's get_requires_for_build_wheel, one requirement a line.

What the build environment holds already is left out: many a backend asks for the setuptools that it declares.

Run as `python hook.py SOURCE BACKEND [PATH...]` inside the build environment, in a process of its own.
"""

import importlib
import os
import sys


def main(source: str, backend: str, paths: "list[str]") -> None:
    """Print the answer to the real standard output; whatever the backend prints goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    os.chdir(source)
    sys.path[:0] = [os.path.join(source, path) for path in paths]
    sys.argv = ["setup.py"]
    module, _, attribute = backend.partition(":")
    hooks = importlib.import_module(module)
    for name in filter(None, attribute.split(".")):
        hooks = getattr(hooks, name)
    ask = getattr(hooks, "get_requires_for_build_wheel", None)
    requirements = ask() if ask else []
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        stream.writelines(requirement + "\n" for requirement in requirements if not held(requirement))


def held(requirement: str) -> bool:
    """Whether the environment satisfies it; what cannot be told is not held. Pip, which drives the build, is there."""
    try:
        from importlib.metadata import version

        from pip._vendor.packaging.requirements import Requirement

        wanted = Requirement(requirement)
        if wanted.marker and not wanted.marker.evaluate():
            return True
        if wanted.url or wanted.extras:
            return False
        return wanted.specifier.contains(version(wanted.name), prereleases=True)
    except Exception:  # noqa: BLE001 - an old Python, an old pip, not installed, not a requirement
        return False


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
