"""The scripts that run on a platform, and nothing else: pure text, so that what runs can be read in one place.

Each sees the variables of jobs.py.
"""

from __future__ import annotations

import shlex

from builders.certificates import VARIABLES

_UV = '"$UV" {verb} --quiet --no-config --no-python-downloads --cache-dir "$WORK/uv-cache"'
PACKED = "environment.tar"
REQUIRES = "requires.txt"  # what a backend asks for, a line each
CERTIFICATES = "ca.pem"  # this machine's own authorities, for a build that may reach the network
_VENV = f'{_UV.format(verb="venv")} --no-project --python "$PYTHON" "$WORK/env"'
# By relative names: what uv is given is read as a URL, on one line, and a host's path may hold '#' or a line break.
_INSTALL = f"""
(cd "$IN/env" && {_UV.format(verb="pip install")} --offline --no-index --no-deps --link-mode copy {{more}} \\
    --python "$WORK/env/bin/python" ./*.whl)
"""
# Whatever Python's filter for archives thinks of it: it holds a link to the image's own interpreter.
_UNPACK = """import sys, tarfile
tarfile.TarFile.extraction_filter = staticmethod(lambda member, _: member)
tarfile.open(sys.argv[1]).extractall(sys.argv[2])"""
_UNPACKED = f"""
if command -v tar > /dev/null; then tar -xf "$IN/{PACKED}" -C "$WORK"
else "$PYTHON" -c '{_UNPACK}' "$IN/{PACKED}" "$WORK"
fi
"""
ENVIRONMENT = f"""
mkdir -p "$HOME"
if [ -e "$IN/{PACKED}" ]; then
{_UNPACKED.strip()}
else
{_VENV}
{_INSTALL.format(more="").strip()}
fi
export PATH="$WORK/env/bin:$PATH" VIRTUAL_ENV="$WORK/env"
if [ -e "$IN/{CERTIFICATES}" ]; then
    export {" ".join(f'{name}="$IN/{CERTIFICATES}"' for name in VARIABLES)}
fi
"""
# The build environment of several jobs, with its bytecode, as the one file that they unpack. It is made on top of
# another one, if there is one: what that holds is compiled already.
PACK = f"""
mkdir -p "$HOME"
if [ -e "$IN/{PACKED}" ]; then
{_UNPACKED.strip()}
else
{_VENV}
fi
{_INSTALL.format(more="--compile-bytecode").strip()}
if command -v tar > /dev/null; then tar -cf "$OUT/{PACKED}" -C "$WORK" env
else cd "$WORK" && "$PYTHON" -m tarfile -c "$OUT/{PACKED}" env
fi
"""
_SOURCE = """
mkdir "$WORK/src"
"$WORK/env/bin/python" -c 'import shutil, sys; shutil.unpack_archive(sys.argv[1], sys.argv[2])' \\
    "$IN/sdist/"{sdist} "$WORK/src"
"""
# As people install: behind the standard library, before the system's packages, .pth files heeded. In a virtual
# environment where Python can make one: a host's own packages are neither asked nor needed, its pip least. A Python
# that can make none and is in one itself has no place of the user's: there a folder before all others has to do.
PROVE = """
mkdir -p "$HOME"
export PIP_CONFIG_FILE=/dev/null PYTHONDONTWRITEBYTECODE=1
ADDED=
if "$PYTHON" -m venv "$WORK/clean" > /dev/null 2>&1; then
    PYTHON="$WORK/clean/bin/python"
    set --
elif "$PYTHON" -c 'import site, sys; sys.exit(not site.ENABLE_USER_SITE)'; then
    export PYTHONUSERBASE="$WORK/site" PIP_BREAK_SYSTEM_PACKAGES=1
    set -- --user --ignore-installed
else
    ADDED="$WORK/site"
    set -- --target "$ADDED"
fi
if ! "$PYTHON" -m pip --version; then
    echo "the platform has no pip to prove with: install pip or venv in its pre-command, or say prove: false"
    exit 1
fi
"$PYTHON" -m pip --disable-pip-version-check --no-cache-dir install --no-index --find-links "$IN/wheels" \\
    --no-compile --no-warn-script-location "$@" -r "$IN/requirements.txt"
if [ -n "$ADDED" ]; then export PYTHONPATH="$ADDED"; fi
"$PYTHON" -m pip --disable-pip-version-check check
"$PYTHON" "$IN/imports.py" "$IN/modules.txt" "$OUT/failed.json"
"""
# What makes a build's bytes depend on its inputs alone (reproducible-builds.org, SOURCE_DATE_EPOCH specification).
_SETTLED = (
    ("PYTHONHASHSEED", "0"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("PIP_CONFIG_FILE", "/dev/null"),
    ("PYTHONUNBUFFERED", "1"),  # a build that is ended by its time or silence limit leaves what it said
)


def wheel_script(sdist: str, top: str) -> str:
    """Build the sdist of that file name, whose one folder is `top`, into $OUT."""
    return ENVIRONMENT + _unpacked(sdist) + _build(top)


def ask_script(sdist: str, top: str, backend: str, backend_path: tuple[str, ...]) -> str:
    """Ask the backend of that sdist for more build requirements, into $OUT/requires.txt: empty where it fails."""
    arguments = shlex.join((backend, *backend_path))
    said = f'"$OUT/{REQUIRES}"'
    return (
        ENVIRONMENT
        + _unpacked(sdist)
        + f'"$WORK/env/bin/python" "$IN/hook.py" "$WORK/src/"{shlex.quote(top)} {arguments} > {said} || : > {said}\n'
    )


def ask_and_build_script(sdist: str, top: str, backend: str, backend_path: tuple[str, ...]) -> str:
    """The same, and where nothing more is required, build it too, from a tree that no hook has seen."""
    return (
        ask_script(sdist, top, backend, backend_path)
        + f'if [ ! -s "$OUT/{REQUIRES}" ]; then\nrm -rf "$WORK/src"{_unpacked(sdist)}{_build(top)}fi\n'
    )


def _unpacked(sdist: str) -> str:
    return _SOURCE.format(sdist=shlex.quote(sdist))


def _build(top: str) -> str:
    # From a folder of a fixed name: pip unpacks an archive below a random one, which debug information would remember.
    # Verbose: pip keeps what a compiler says to itself otherwise, and the limit on silence would end long builds.
    # By a relative name: what follows ';' in a host's path would be read as a marker.
    return (
        '(cd "$WORK" && "$WORK/env/bin/python" -m pip wheel --verbose --no-deps --no-index --no-build-isolation '
        f'--no-cache-dir --no-input --disable-pip-version-check --wheel-dir "$OUT" ./src/{shlex.quote(top)})\n'
    )


def build_environment(epoch: int, *layers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """A build's variables: ours, then the platform's, then the package's. `epoch` is seconds since 1970."""
    merged = {**dict(_SETTLED), "SOURCE_DATE_EPOCH": str(epoch)}
    for layer in layers:
        merged.update(layer)
    return tuple(sorted(merged.items()))
