"""public/index.html, for people: what is here, how to install it, and what was decided in merging."""

from __future__ import annotations

from collections.abc import Sequence

from index.catalog import Decision, Shelf, by_project
from index.html_pages import markup
from index.model import PublishedPlatform, PublishedSet
from index.names import pool_url, quoted


def front_page(
    platforms: Sequence[PublishedPlatform],
    shelves: Sequence[Shelf],
    merged: Shelf,
    decisions: Sequence[Decision],
    url: str | None,
) -> str:
    """The whole page; every link in it is relative."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Python wheels</title>\n'
        "<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
        "padding:0 1rem}pre{overflow-x:auto}td,th{text-align:left;padding:.1rem 1rem .1rem 0}</style>\n"
        "</head>\n<body>\n<h1>Python wheels</h1>\n"
        f"<h2>Platforms</h2>\n{''.join(_platform(*pair, url) for pair in zip(platforms, shelves, strict=True))}"
        '<h2>All platforms in one index</h2>\n<p><a href="simple/">simple/</a> '
        "offers each client what runs on it.</p>\n"
        f"{_decisions(decisions)}<h2>Projects</h2>\n{_projects(platforms, shelves, merged)}</body>\n</html>\n"
    )


def _platform(platform: PublishedPlatform, shelf: Shelf, url: str | None) -> str:
    name, folder = markup(platform.name), markup(quoted(platform.name))
    libc = f", glibc {platform.libc[0]}.{platform.libc[1]}" if platform.libc else ""
    size = sum(wheel.size for wheel in shelf.wheels)
    sets = "".join(_set(platform.name, one, url) for one in platform.sets)
    return (
        f'<h3 id="platform-{name}">{name}</h3>\n<p>Python {markup(platform.python)}{libc}; {len(shelf.wheels)} wheels, '
        f'{size:,} bytes. <a href="{folder}/">files</a>, <a href="{folder}/simple/">index</a>, '
        f'<a href="{folder}/pip.conf">pip.conf</a>, <a href="{folder}/uv.toml">uv.toml</a></p>\n{sets}'
    )


def _set(platform: str, one: PublishedSet, url: str | None) -> str:
    where = f"--index-url {url}{platform}/simple/" if url else f"--no-index -f {platform}"
    line = f"pip install {where} --require-hashes -r {platform}/{one.name}.txt"
    here = markup(quoted(platform))
    return (
        f'<p>Set <a href="{here}/{markup(one.name)}.txt">{markup(one.name)}</a> '
        f'(<a href="{here}/{markup(one.name)}.pylock.toml">lock</a>), {len(one.wheels)} wheels:</p>\n'
        f"<pre>{markup(line)}</pre>\n"
    )


def _decisions(decisions: Sequence[Decision]) -> str:
    if not decisions:
        return ""
    items = "".join(f"<li>{markup(one.text)}{_kept(one)}</li>\n" for one in decisions)
    return f"<h3>Decided in merging</h3>\n<ul>\n{items}</ul>\n"


def _kept(decision: Decision) -> str:
    return "".join(
        f' <a href="{markup(pool_url(wheel))}#sha256={wheel.sha256}">{wheel.sha256[:12]}</a>' for wheel in decision.kept
    )


def _projects(platforms: Sequence[PublishedPlatform], shelves: Sequence[Shelf], merged: Shelf) -> str:
    cells: dict[str, dict[str, str]] = {}
    for platform, shelf in zip(platforms, shelves, strict=True):
        for project, wheels in by_project(shelf.wheels):
            versions = ", ".join(dict.fromkeys(wheel.version for wheel in wheels))
            cells.setdefault(project, {})[platform.name] = versions
    everywhere = {project for project, _ in by_project(merged.wheels)}
    head = "".join(f"<th>{markup(platform.name)}</th>" for platform in platforms)
    rows = "".join(
        f"<tr><th>{_project(project, everywhere)}</th>"
        f"{''.join(f'<td>{markup(cells[project].get(one.name, str()))}</td>' for one in platforms)}</tr>\n"
        for project in sorted(cells)
    )
    return f"<table>\n<tr><th>project</th>{head}</tr>\n{rows}</table>\n"


def _project(project: str, everywhere: set[str]) -> str:
    name = markup(project)
    return f'<a href="simple/{name}/">{name}</a>' if project in everywhere else name
