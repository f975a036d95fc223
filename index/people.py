"""public/index.html, for people: what is here, in which state, how to install it, and what was decided in merging."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from itertools import islice

from index.catalog import Decision
from index.model import PublishedPlatform, PublishedSet
from index.names import page_of, pool_folder, quoted
from index.parts import Part
from index.people_parts import beforehand, head, line, plural, script, shown, size

_PLAIN_ROWS = 100  # that stand on the page as it is; a script brings the others as they are asked for
_OPEN = 20  # so many decisions are shown without being asked for
_FOOTER = (
    '<footer><p>Machines read <a href="simple/index.html">simple/</a> and <a href="manifest.json">manifest.json</a>'
    ", which has the size and sha256 of every file.</p></footer>\n"
)


def front_page(
    platforms: Sequence[PublishedPlatform],
    parts: Sequence[Part],
    decisions: Sequence[Decision],
    *,
    incomplete: Sequence[str],
    url: str | None,
) -> str:
    """The whole page; every link in it is relative. `incomplete` are platforms of which nothing is published yet."""
    if not platforms:
        return _nothing_yet(incomplete)
    scripts = ("front.js", "copy.js") if url else ("front.js", "here.js", "copy.js")
    return (
        f"{head('Python wheels', up='', scripts=scripts)}"
        f"<header>\n<h1>Python wheels</h1>\n{_lead(platforms, parts)}"
        '<nav aria-label="On this page"><ul><li><a href="#platforms">Platforms</a></li>'
        '<li><a href="#install">Install</a></li><li><a href="#merging">Merging</a></li>'
        '<li><a href="#projects">Projects</a></li></ul></nav>\n</header>\n<main id="main">\n'
        f"{_overview(platforms, parts, incomplete)}{_install(platforms, url)}{_merging(decisions)}"
        f"{_projects(platforms, parts)}</main>\n"
        f"{_FOOTER}{_data(parts)}{''.join(map(script, scripts))}</body>\n</html>\n"
    )


def _nothing_yet(incomplete: Sequence[str]) -> str:
    """The whole page before any platform is complete: nothing to install, to merge or to search."""
    return (
        f"{head('Python wheels', up='')}"
        '<header>\n<h1>Python wheels</h1>\n<p class="lead">Nothing is published yet.</p>\n</header>\n'
        f'<main id="main">\n{_overview((), (), incomplete) if incomplete else ""}</main>\n'
        f"{_FOOTER}{_data(())}</body>\n</html>\n"
    )


def _lead(platforms: Sequence[PublishedPlatform], parts: Sequence[Part]) -> str:
    wheels, together = sum(part.wheels for part in parts), sum(part.size for part in parts)
    held = f"{plural(_count(parts), 'project')} in {plural(wheels, 'wheel')}, {size(together)}"
    return (
        f'<p class="lead">{held}, for {plural(len(platforms), "platform")}. '
        "Everything that a set needs is here: installing asks no other server.</p>\n"
    )


def _count(parts: Sequence[Part]) -> int:
    return sum(len(part.names) for part in parts)


# --- platforms --------------------------------------------------------------------------------------------------------


def _overview(platforms: Sequence[PublishedPlatform], parts: Sequence[Part], incomplete: Sequence[str]) -> str:
    counts = {platform.name: [0, 0] for platform in platforms}
    for part in parts:
        for held in part.held:
            count = counts[held.platform]
            count[0] += held.wheels
            count[1] += held.size
    columns = ("Platform", "Python", "C library", "Image", "State", "Last changed")
    titles = "".join(f'<th scope="col">{title}</th>' for title in columns)
    rows = "".join(_platform(platform, *counts[platform.name]) for platform in platforms)
    waiting = "".join(_incomplete(name) for name in incomplete)
    return (
        '<section aria-labelledby="platforms">\n<h2 id="platforms">Platforms</h2>\n'
        '<div class="scroll platforms"><table role="table">\n'
        "<caption>Every platform and its state</caption>\n"
        f'<thead role="rowgroup"><tr role="row">{titles}<th scope="col" class="number">Wheels</th>'
        '<th scope="col" class="number">Size</th><th scope="col">Open</th></tr></thead>\n'
        f'<tbody role="rowgroup">\n{rows}{waiting}</tbody>\n</table></div>\n</section>\n'
    )


def _platform(platform: PublishedPlatform, wheels: int, together: int) -> str:
    name = platform.name
    libc = f"glibc {platform.libc[0]}.{platform.libc[1]}" if platform.libc else "not glibc"
    changed = platform.changed
    when = f'<time datetime="{shown(changed)}">{shown(_moment(changed))}</time>' if changed else "unknown"
    return (
        f'<tr role="row" id="platform-{name}"><th scope="row" role="rowheader">{name}</th>'
        f"{_cell('Python', shown(platform.python), 'keep')}{_cell('C library', libc, 'keep')}"
        f"{_cell('Image', shown(platform.image) or 'unknown')}{_cell('State', _state(platform))}"
        f"{_cell('Last changed', when)}{_cell('Wheels', f'{wheels:,}', 'number')}"
        f"{_cell('Size', size(together), 'number')}"
        f"{_cell('Open', _links(name))}</tr>\n"
    )


def _cell(title: str, content: str, kind: str = "") -> str:
    """The title stands before the content where the table is too wide for the screen and becomes a list."""
    named = f' class="{kind}"' if kind else ""
    return f'<td role="cell" data-label="{title}"{named}><span>{content}</span></td>'


def _links(name: str) -> str:
    return f'<a href="{name}/index.html">files</a>, <a href="{name}/simple/index.html">index</a>'


def _state(platform: PublishedPlatform) -> str:
    complete = '<span class="state good">complete</span>'
    if platform.proven:
        return f'{complete} <span class="state good">proven</span>'
    why = f'<span class="why">{shown(platform.unproven)}</span>' if platform.unproven else ""
    return f'{complete} <span class="state">not proven</span>{why}'


def _incomplete(name: str) -> str:
    state = '<span class="state warn">not complete</span><span class="why">nothing of it is published yet</span>'
    cells = "".join(_cell(title, "&ndash;", kind) for title, kind in (("Last changed", ""), ("Wheels", "number")))
    return (
        f'<tr role="row"><th scope="row" role="rowheader">{shown(name)}</th>'
        f"{''.join(_cell(title, '&ndash;') for title in ('Python', 'C library', 'Image'))}{_cell('State', state)}"
        f"{cells}{_cell('Size', '&ndash;', 'number')}{_cell('Open', '&ndash;')}</tr>\n"
    )


def _moment(rfc3339: str) -> str:
    """`2026-11-21T10:17:03Z` as people read it; the page's own text says that it is UTC."""
    return f"{rfc3339[:10]} {rfc3339[11:16]} UTC"


# --- how to install ---------------------------------------------------------------------------------------------------


def _install(platforms: Sequence[PublishedPlatform], url: str | None) -> str:
    each = "".join(_install_on(platform, url, opened=len(platforms) == 1) for platform in platforms)
    return (
        '<section aria-labelledby="install">\n<h2 id="install">Install</h2>\n'
        f'<p class="soft">{beforehand(url)}uv takes the same lines with <code>uv</code> before them. '
        'Mixed machines share <a href="simple/index.html">one index</a>, which offers each what runs on it.</p>\n'
        f"{each}</section>\n"
    )


def _install_on(platform: PublishedPlatform, url: str | None, *, opened: bool) -> str:
    name = platform.name
    has_any = platform.wheels or any(one.wheels for one in platform.sets)
    sets = "".join(_set(platform, one, url) for one in platform.sets)
    lines = f"<h3>One project</h3>\n{line(name, 'PROJECT', url)}{sets}" if has_any else "<p>It has no wheels yet.</p>\n"
    return (
        f"<details{' open' if opened else ''}><summary>{name}</summary>\n{lines}"
        f'<p>Settings that make this the index of pip and uv: <a href="{name}/pip.conf">pip.conf</a>, '
        f'<a href="{name}/uv.toml">uv.toml</a></p>\n</details>\n'
    )


def _set(platform: PublishedPlatform, one: PublishedSet, url: str | None) -> str:
    file = f"{platform.name}/{one.name}.txt"
    return (
        f"<h3>The set {one.name}: {plural(len(one.wheels), 'wheel')}, each checked by its hash</h3>\n"
        f"{line(platform.name, '--require-hashes -r ', url, file=file)}"
        f'<p>The same as files: <a href="{file}">{one.name}.txt</a>, '
        f'<a href="{platform.name}/{one.name}.pylock.toml">{one.name}.pylock.toml</a></p>\n'
    )


# --- merging ----------------------------------------------------------------------------------------------------------


def _merging(decisions: Sequence[Decision]) -> str:
    title = '<section aria-labelledby="merging">\n<h2 id="merging">Merging</h2>\n'
    if not decisions:
        return (
            f'{title}<p class="soft">The platforms agree about every file: nothing had to be decided.</p>\n</section>\n'
        )
    items = "".join(f"<li>{shown(one.text)}{_kept(one)}</li>\n" for one in decisions)
    return (
        f"{title}<details{' open' if len(decisions) <= _OPEN else ''}>"
        f'<summary>{plural(len(decisions), "decision")}</summary>\n<ul class="plain">\n{items}</ul>\n'
        "</details>\n</section>\n"
    )


def _kept(decision: Decision) -> str:
    return "".join(
        f' <a href="{escape(pool_folder(sha256))}/{escape(quoted(name))}#sha256={sha256}">{sha256[:12]}</a>'
        for sha256, name in decision.kept
    )


# --- projects ---------------------------------------------------------------------------------------------------------


def _projects(platforms: Sequence[PublishedPlatform], parts: Sequence[Part]) -> str:
    titles = "".join(f'<th scope="col">{platform.name}</th>' for platform in platforms)
    each = (row for part in parts for row in json.loads(f"[{part.rows}]"))
    rows = "".join(_row(*row) for row in islice(each, _PLAIN_ROWS))
    more = _count(parts) - _PLAIN_ROWS
    hint = (
        f"<noscript><p>These are the first {_PLAIN_ROWS}; "
        '<a href="simple/index.html">simple/</a> lists all.</p></noscript>\n'
        if more > 0
        else ""
    )
    return (
        '<section aria-labelledby="projects">\n<h2 id="projects">Projects</h2>\n'
        '<div class="find" role="search" hidden><label for="find">Find</label>'
        '<input id="find" type="search" autocomplete="off" autocapitalize="none" spellcheck="false" '
        'aria-describedby="keys" aria-controls="rows">'
        f'<p id="count" role="status" aria-live="polite">{plural(_count(parts), "project")}</p>'
        '<p id="keys"><kbd>↓</kbd> <kbd>↑</kbd> to walk, <kbd>Enter</kbd> to open</p></div>\n'
        '<div class="scroll projects"><table id="table">\n'
        "<caption>Projects with their versions on each platform, newest first</caption>\n"
        f"<colgroup><col>{'<col>' * len(platforms)}</colgroup>\n"
        f'<thead><tr><th scope="col">Project</th>{titles}</tr></thead>\n<tbody id="rows">\n{rows}</tbody>\n'
        f'</table></div>\n{hint}<button id="more" class="more" type="button" hidden>Show more</button>\n</section>\n'
    )


def _row(name: str, marks: str, about: str, *versions: str) -> str:
    cells = "".join(f"<td>{shown(text)}</td>" if text else '<td class="soft">&ndash;</td>' for text in versions)
    state = f' <span class="state warn">{shown(marks)}</span>' if marks else ""
    summary = f'<span class="about" dir="auto">{escape(about)}</span>' if about else ""
    link = f'<a id="project-{name}" href="{page_of(name)}">{name}</a>'
    return f'<tr><th scope="row" aria-labelledby="project-{name}">{link}{state}{summary}</th>{cells}</tr>\n'


def _data(parts: Sequence[Part]) -> str:
    """All rows for the script, as JSON that no browser runs and in which nothing can end the element that it is in."""
    rows = ",\n".join(part.rows for part in parts)
    return f'<script type="application/json" id="data">{{"projects":[\n{rows}\n]}}</script>\n'
