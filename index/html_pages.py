"""Pages of the simple repository API in HTML5: plain f-strings, and one place where text becomes markup.

https://packaging.python.org/en/latest/specifications/simple-repository-api/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from html import escape

from index.model import Status, Wheel
from index.names import cleaned, pool_url, quoted

_PLAIN = re.compile(r"[ !#-%(-;=?-~]*")  # what escape(cleaned(…)) leaves alone
API_VERSION = "1.4"  # PEP 792's; 1.5 is for repositories with namespaces


def project_page(project: str, links: Iterable[str], *, up: str, status: Status | None = None) -> str:
    """One project's page, of what `link` gives; `up` leads from it to the tree's root ("../../"): any prefix will do.

    PEP 792: the status and its reason as meta elements; None is "active", and the reason "MAY" be left out.
    """
    body = f'<a href="{up}'.join(("", *links))
    said, reason = status or ("active", "")
    head = f'<meta name="pypi:project-status" content="{markup(said)}">\n'
    if reason:
        head += f'<meta name="pypi:project-status-reason" content="{markup(reason)}">\n'
    return _page(f"Links for {project}", body, head)


def root_page(projects: Iterable[str]) -> str:
    """Every project of one index: "the text of the anchor tag MUST be the name of the project", the link its folder.

    The names are normalised, so that there is nothing in them to quote or to escape.
    """
    return _page("Simple index", "".join([f'<a href="{name}/">{name}</a><br>\n' for name in projects]))


def flat_page(platform: str, links: Iterable[str]) -> str:
    """What `pip install --no-index -f URL` and wget read of a platform's folder, where a server lists none."""
    return _page(f"Wheels for {platform}", "".join(links))


def flat_links(wheels: Iterable[Wheel]) -> str:
    """Lines of that page.

    pip reads it for `-f DIR` too, and would ask for any .metadata that it names: there is none in this folder. Nor is
    a hash named: a rebuilt wheel has the same name, and its link is renamed into place before this page is, so that
    for a moment the page would name the hash of other bytes. `--require-hashes` has hashes of its own.
    """
    return "".join(f'<a href="{_link(wheel, quoted(wheel.filename), "")}' for wheel in wheels)


def link(wheel: Wheel) -> str:
    """One file on a project's page, from its place below the tree's root on.

    "The URL SHOULD include a hash in the form of a URL fragment."
    PEP 714: `data-core-metadata` alone; under its older name, data-dist-info-metadata, it breaks pip 22.3 to 23.1.
    """
    core = f' data-core-metadata="sha256={wheel.metadata_sha256}"'
    return _link(wheel, f"{pool_url(wheel)}#sha256={wheel.sha256}", core)


@lru_cache(maxsize=16384)
def markup(text: str) -> str:
    """Text for an element or an attribute: the one place where what came from outside becomes HTML."""
    return text if _PLAIN.fullmatch(text) else escape(cleaned(text))


def _link(wheel: Wheel, url: str, core: str) -> str:
    """The rest of an anchor, after `href="`.

    "Repositories MAY include a data-requires-python attribute […] `<` and `>` have to be HTML encoded". PEP 592:
    data-yanked's value "represents the reason".
    """
    python = "" if wheel.requires_python is None else f' data-requires-python="{markup(wheel.requires_python)}"'
    yanked = "" if wheel.yanked is None else f' data-yanked="{markup(wheel.yanked)}"'
    return f'{url}"{python}{core}{yanked}>{markup(wheel.filename)}</a><br>\n'


def _page(title: str, body: str, head: str = "") -> str:
    """Any page: "MUST be a valid HTML5 page"; pip 22.0 refuses one without its doctype."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="pypi:repository-version" content="{API_VERSION}">\n{head}'
        f"<title>{markup(title)}</title>\n</head>\n<body>\n<h1>{markup(title)}</h1>\n{body}</body>\n</html>\n"
    )
