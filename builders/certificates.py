"""This machine's own certificate authorities, for steps with network: many networks have a private one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def ca_bundle(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The bundle that the usual variables name, or None where none is set to a file."""
    for name in VARIABLES:
        path = Path(environ.get(name, ""))
        if path.is_file():
            return path
    return None
