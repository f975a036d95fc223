"""Who may be told which password: taken from netrc, from variables, and from what pip and uv are set to."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from builders.errors import UpstreamError
from builders.machine_index import settings
from builders.urls import Url, strip_index_name

_INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "PIP_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
)


class Credentials:
    """Who is told which password: kept in memory, for one scheme, host and port each. Thread-safe."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, int], tuple[str, str]] = {}
        self._machines: dict[str, tuple[str, str]] | None = None

    def remember(self, url: Url) -> None:
        """Keep the user info of a URL that somebody set up by hand, for its own origin only."""
        if url.credentials is not None:
            with self._lock:
                self._known[url.origin] = url.credentials

    def header(self, url: Url) -> dict[str, str]:
        """The Authorization header for this URL, or nothing.

        netrc knows hosts, not schemes: its passwords go out over https alone, except to this machine itself.
        """
        with self._lock:
            if self._machines is None:
                self._read()
            found = self._known.get(url.origin)
            if found is None and (url.scheme == "https" or url.host in {"localhost", "127.0.0.1", "::1"}):
                found = (self._machines or {}).get(url.host)
        if found is None:
            return {}
        token = base64.b64encode(":".join(found).encode()).decode()
        return {"Authorization": f"Basic {token}"}

    def __repr__(self) -> str:
        return f"Credentials({len(self._known)} hosts)"

    def _read(self) -> None:
        """netrc, the index variables, and what pip and uv are set to: once, when the first request is made."""
        self._machines = _read_netrc(self._environ)
        words = [word for variable in _INDEX_VARIABLES for word in self._environ.get(variable, "").split()]
        with suppress(UpstreamError):  # a broken file is named by whoever needs its index
            words += [text for _, text in settings(self._environ)]
        for word in words:
            with suppress(UpstreamError):
                url = Url.parse(strip_index_name(word))
                if url.credentials is not None:
                    self._known.setdefault(url.origin, url.credentials)


def _read_netrc(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Host → (login, password). The parser's own message is never passed on: it quotes the words that it trips over."""
    import netrc

    chosen = environ.get("NETRC")
    path = Path(chosen) if chosen else Path(environ.get("HOME", "/nonexistent"), ".netrc")
    try:
        hosts = netrc.netrc(str(path)).hosts
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, netrc.NetrcParseError):
        raise UpstreamError(
            f"{path} cannot be read as a netrc file", hint="Its lines say: machine HOST login NAME password SECRET."
        ) from None
    return {host: (login, password) for host, (login, _, password) in hosts.items() if host != "default"}
