"""Upstreams as platforms.yaml would declare them, and gateways to them that lose no time on failures."""

from __future__ import annotations

from pathlib import Path

from builders.fetch import Fetcher, Patience
from builders.gateway import Gateway
from builders.platforms import Upstream
from builders.upstreams import Upstreams

QUICK = Patience(attempts=1, backoff=0.01)


def open_gateway(root: Path, *upstreams: Upstream, python: str = "") -> Gateway:
    fetcher = Fetcher({}, patience=QUICK)
    known = Upstreams(upstreams, root=root, environ={}, fetcher=fetcher)
    return Gateway(known, fetcher, address="127.0.0.1", python=python)
