"""Upstreams as platforms.yaml would declare them, and gateways to them that lose no time on failures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builders.fetch import Fetcher, Limits
from builders.gateway import Gateway
from builders.upstreams import Upstreams

QUICK = Limits(attempts=1, backoff=0.01)


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What platforms.yaml would say."""

    url: str | None = None
    find_links: str | None = None
    owns: tuple[str, ...] = ()
    files_from: tuple[str, ...] = ()


def open_gateway(root: Path, *upstreams: Declared) -> Gateway:
    fetcher = Fetcher({}, limits=QUICK)
    return Gateway(Upstreams(upstreams, root=root, environ={}, fetcher=fetcher), fetcher, address="127.0.0.1")
