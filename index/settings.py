"""Client settings for one platform: pip.conf, uv.toml, and each set as a lock and as hashed requirements.

One index and no second one beside it: with `extra-index-url`, whoever owns a name elsewhere owns it here.
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring
from urllib.parse import urlsplit

from index.catalog import in_order
from index.errors import TreeError
from index.model import PublishedPlatform, PublishedSet, Wheel
from index.names import cleaned, pool_path

_URL = re.compile(r"(https?|file)://[^\s\x00-\x1f\x7f\"'\\<>]*")


def checked_url(url: str | None) -> str | None:
    """publish.url as it goes into the settings: with its last slash, and nothing in it that is secret or cannot be."""
    if url is None:
        return None
    parts = urlsplit(url)
    if not _URL.fullmatch(url) or parts.query or parts.fragment:
        raise TreeError("publish.url is not the URL of a folder", hint="for example http://mirror.lan/pypi/")
    if parts.username is not None or parts.password is not None:
        raise TreeError(
            "publish.url holds a user name or a password, and would be published with them",
            hint="leave them out; clients read theirs from their own netrc or keyring",
        )
    return url if url.endswith("/") else f"{url}/"


def settings(platform: PublishedPlatform, url: str | None) -> list[tuple[str, str]]:
    """(file name, text) of everything for one platform's clients, by name."""
    files = [("pip.conf", pip_conf(platform.name, url)), ("uv.toml", uv_toml(platform.name, url))]
    for one in platform.sets:
        lock = pylock(platform, one)
        files += [
            (f"{one.name}.pylock.toml", lock),
            (f"pylock.{one.name.replace('.', '-')}.toml", lock),  # PEP 751's name: pip and uv read no other
            (f"{one.name}.txt", requirements(platform, one)),
        ]
    return sorted(files)


def pip_conf(platform: str, url: str | None) -> str:
    """For PIP_CONFIG_FILE or /etc/pip.conf; without a URL pip must run in this folder, as it knows no better `.`."""
    if url is None:
        note = "# Run pip in this folder: it reads '.' as the place where it was started."
        return f"{note}\n[global]\nno-index = true\nfind-links = .\n"
    lines = ["[global]", f"index-url = {url}{platform}/simple/"]
    parts = urlsplit(url)
    if parts.scheme == "http":  # pip asks for this before it reads anything over plain http
        lines.append(f"trusted-host = {parts.netloc}")
    return "\n".join(lines) + "\n"


def uv_toml(platform: str, url: str | None) -> str:
    """For UV_CONFIG_FILE or --config-file; uv reads a relative path as relative to this very file."""
    if url is None:
        return 'no-index = true\nfind-links = ["."]\n'
    return f"[[index]]\nurl = {_toml(f'{url}{platform}/simple/')}\ndefault = true\n"


def requirements(platform: PublishedPlatform, one: PublishedSet) -> str:
    """Every wheel of a set as `name==version --hash`, for `pip install --require-hashes -r`."""
    lines = [f"# {one.name} on {platform.name}, Python {platform.python}: all of it, by hash.\n"]
    every = (wheel for wheels in (platform.wheels, *(each.wheels for each in platform.sets)) for wheel in wheels)
    local = {(wheel.project, wheel.version.partition("+")[0]) for wheel in every if "+" in wheel.version}
    for wheel in in_order(one.wheels):
        equal = "===" if (wheel.project, wheel.version) in local else "=="  # PEP 440: ==1.0 takes 1.0+local as well
        lines.append(f"{wheel.project}{equal}{wheel.version} \\\n    --hash=sha256:{wheel.sha256}\n")
    return "".join(lines)


def pylock(platform: PublishedPlatform, one: PublishedSet) -> str:
    """PEP 751. Each wheel by `path`, "relative to the lock file": it works wherever the tree is copied or mounted."""
    minor = ".".join(platform.python.split(".")[:2])
    packages = "".join(_package(wheel) for wheel in in_order(one.wheels))
    head = f'lock-version = "1.0"\ncreated-by = "wheelyard"\nrequires-python = {_toml(f"=={minor}.*")}\n'
    return head + (packages or "packages = []\n")


def _package(wheel: Wheel) -> str:
    uploaded = f", upload-time = {wheel.upload_time}" if wheel.upload_time else ""
    python = f"requires-python = {_toml(wheel.requires_python)}\n" if wheel.requires_python else ""
    return (
        f"\n[[packages]]\nname = {_toml(wheel.project)}\nversion = {_toml(wheel.version)}\n{python}wheels = [\n"
        f"    {{name = {_toml(wheel.filename)}, path = {_toml('../' + pool_path(wheel))}, size = {wheel.size}"
        f'{uploaded}, hashes = {{sha256 = "{wheel.sha256}"}}}},\n]\n'
    )


def _toml(value: str) -> str:
    """A TOML string: JSON's, where that does not write what is above U+FFFF as two halves."""
    return encode_basestring(cleaned(value))
