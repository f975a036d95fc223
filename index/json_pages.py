"""The same pages in JSON (PEP 691): the same files in the same order as html_pages, with what HTML has no word for.

https://packaging.python.org/en/latest/specifications/simple-repository-api/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from index.html_pages import API_VERSION
from index.model import Status, Wheel
from index.names import cleaned, pool_url


def project_page(
    project: str, versions: Iterable[str], files: Sequence[str], *, up: str, status: Status | None = None
) -> str:
    """One project, of what `file` gives; `up` leads to the tree's root. `status` is PEP 792's.

    `versions` (PEP 700) "MUST contain all of the versions", here in order.
    """
    named = ",".join(map(text, dict.fromkeys(versions)))
    start = f'{{"url":"{up}'
    listed = f"{start if files else ''}{f',{chr(10)}{start}'.join(files)}"
    return (
        f'{{"meta":{{"api-version":"{API_VERSION}"}},"name":{text(project)},"project-status":{_status(status)},'
        f'"versions":[{named}],"files":[\n{listed}\n]}}\n'
    )


def _status(status: Status | None) -> str:
    said, reason = status or ("active", "")
    return f'{{"status":{text(said)},"reason":{text(reason)}}}' if reason else f'{{"status":{text(said)}}}'


def root_page(projects: Iterable[str]) -> str:
    """Every project of one index, by its normalised name: there is nothing in it to escape."""
    names = ",\n".join([f'{{"name":"{name}"}}' for name in projects])
    return f'{{"meta":{{"api-version":"{API_VERSION}"}},"projects":[\n{names}\n]}}\n'


@lru_cache(maxsize=16384)
def text(value: str) -> str:
    """A JSON string, all in ASCII."""
    return encode_basestring_ascii(cleaned(value))


def file(wheel: Wheel) -> str:
    """One file on a project's page, from its place below the tree's root on.

    PEP 691: `url` may be relative, `hashes` is "an object with keys of the hash algorithm". PEP 714: `core-metadata`,
    and never `dist-info-metadata`. PEP 700: `size` always, `upload-time` where it is known. PEP 592: `yanked` is
    "either a boolean […] or an arbitrary, but nonempty, string", so the empty reason is written as true.
    """
    python = "" if wheel.requires_python is None else f',"requires-python":{text(wheel.requires_python)}'
    uploaded = "" if wheel.upload_time is None else f',"upload-time":"{wheel.upload_time}"'
    yanked = "" if wheel.yanked is None else f',"yanked":{text(wheel.yanked) if wheel.yanked else "true"}'
    return (
        f'{pool_url(wheel)}","filename":{encode_basestring_ascii(wheel.filename)},'
        f'"hashes":{{"sha256":"{wheel.sha256}"}},"size":{wheel.size}{python},'
        f'"core-metadata":{{"sha256":"{wheel.metadata_sha256}"}}{uploaded}{yanked}}}'
    )
