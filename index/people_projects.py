"""A page for each project: what is here of it, where each file came from, who needs it, how to install it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from index.catalog import Decision, in_order, is_prerelease
from index.model import PublishedPlatform, Status, Wheel
from index.names import page_of, pool_url
from index.people_parts import beforehand, head, in_shell, line, plural, script, seen, shortened, shown, size

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_RUNS = re.compile(r"[-_.]+")
_EXTRA = re.compile(r"""\bextra\s*==""")
_VERSIONS = 3  # that a cell of the front page's table names
_SUMMARY = 120  # characters of it
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdings:
    """One project as this mirror holds it: for each platform that has any, its wheels, oldest version first."""

    name: str
    wheels: Mapping[str, Sequence[Wheel]]
    status: Status | None

    def marks(self) -> str:
        """What to know before one asks for it, in words: "archived", "yanked" where all of it is; "" for most."""
        words = [self.status[0]] if self.status else []
        if all(wheel.yanked is not None for wheels in self.wheels.values() for wheel in wheels):
            words.append("yanked")
        return ", ".join(words)

    def newest(self) -> Wheel:
        """The one that speaks for the project: of the newest version that one gets."""
        last = list(self.newest_on().values())
        return last[0] if len(last) == 1 else chosen_from(in_order(last))[-1]

    def newest_on(self) -> dict[str, Wheel]:
        """The same for each platform."""
        return {platform: chosen_from(wheels)[-1] for platform, wheels in self.wheels.items()}

    def files(self) -> list[Wheel]:
        """Each file once, newest version first."""
        if len(self.wheels) == 1:
            return [wheel for wheels in self.wheels.values() for wheel in reversed(wheels)]
        each = {(wheel.filename, wheel.sha256): wheel for wheels in self.wheels.values() for wheel in wheels}
        return in_order(each.values())[::-1]


def chosen_from(wheels: Sequence[Wheel]) -> Sequence[Wheel]:
    """What installers choose from: nothing yanked, and no pre-release, unless there is nothing else."""
    wheels = [wheel for wheel in wheels if wheel.yanked is None] or wheels
    return [wheel for wheel in wheels if not is_prerelease(wheel.version)] or wheels


def row(project: Holdings, platforms: Sequence[PublishedPlatform]) -> str:
    """The project's line of the table on the front page, as JSON in which nothing can end a script element."""
    cells = [_newest(project.wheels.get(platform.name, ())) for platform in platforms]
    about = shortened(project.newest().summary, _SUMMARY, prose=True)
    printed = _ENCODER.encode([project.name, seen(project.marks()), about, *cells])
    return printed.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _newest(wheels: Sequence[Wheel]) -> str:
    """The newest versions in words, "" for none."""
    versions = list(dict.fromkeys(wheel.version for wheel in chosen_from(wheels)))[::-1]
    more = f" +{len(versions) - _VERSIONS}" if len(versions) > _VERSIONS else ""
    return ", ".join(map(seen, versions[:_VERSIONS])) + more


def about_page(
    project: Holdings,
    *,
    offered: bool,
    decided: Sequence[Decision],
    needed_by: Mapping[str, Sequence[str]],
    here: frozenset[str],
    url: str | None,
) -> tuple[str, str]:
    """(path, text). `offered`: in the merged index; `here` are the names of all projects on this mirror."""
    scripts = ("copy.js",) if url else ("here.js", "copy.js")
    newest, name = project.newest(), project.name
    summary = f'<p class="lead" dir="auto">{_prose(newest.summary)}</p>\n' if newest.summary else ""
    return page_of(name), (
        f"{head(f'{name}: Python wheels', up='../', scripts=scripts)}"
        '<header>\n<nav aria-label="Way back"><a href="../index.html#projects">All projects</a></nav>\n'
        f"<h1>{name}</h1>\n{summary}</header>\n"
        f'<main id="main">\n{_facts(project, newest, offered)}'
        f"<h2>Install</h2>\n{_install(project, url)}"
        f"{_files(project)}{_decided(decided)}{_needs(newest, here)}{_needers(needed_by)}"
        f"</main>\n{''.join(map(script, scripts))}</body>\n</html>\n"
    )


def _prose(text: str) -> str:
    """What somebody wrote for people, as markup."""
    return escape(shortened(text, 500, prose=True))


def _brief(text: str, longest: int) -> str:
    """What programs read as well, as markup."""
    return shown(shortened(text, longest))


def _install(project: Holdings, url: str | None) -> str:
    lines = "".join(
        f"<h3>{platform}</h3>\n{_line(project.name, platform, wheels, url)}"
        for platform, wheels in project.wheels.items()
    )
    return f'{lines}<p class="soft">{beforehand(url)}uv takes the same line with <code>uv</code> before it.</p>\n'


def _line(name: str, platform: str, wheels: Sequence[Wheel], url: str | None) -> str:
    """PEP 592: where all is yanked, installers take what is pinned, and nothing else; a flat folder has none of it."""
    if any(wheel.yanked is None for wheel in wheels):
        return line(platform, name, url)
    pinned = in_shell(f"{name}=={chosen_from(wheels)[-1].version}")
    return line(platform, escape(pinned), url, flat=False)


def _facts(project: Holdings, newest: Wheel, offered: bool) -> str:
    status = project.status
    reason = f": {_prose(status[1])}" if status and status[1] else ""
    state = f'<dt>State</dt><dd><span class="state warn">{shown(status[0])}</span>{reason}</dd>\n' if status else ""
    index = f'<a href="../simple/{project.name}/index.html">in the index for all platforms</a>'
    return (
        f'<dl class="facts">\n{state}<dt>Newest here</dt><dd>{_versions(project.newest_on())}</dd>\n'
        f"<dt>Licence</dt><dd>{_brief(newest.license, 120) or 'not stated'}</dd>\n"
        f"<dt>Platforms</dt><dd>{', '.join(project.wheels)}</dd>\n"
        f"<dt>Index page</dt><dd>{index if offered else 'only in the indexes of its platforms'}</dd>\n</dl>\n"
    )


def _versions(newest: Mapping[str, Wheel]) -> str:
    """Where platforms differ, each version is said to be whose, the newest first."""
    having: dict[str, list[str]] = {wheel.version: [] for wheel in in_order(newest.values())[::-1]}
    for platform, wheel in newest.items():
        having[wheel.version].append(platform)
    if len(having) == 1:
        return "".join(map(shown, having))
    return ", ".join(f"{shown(version)} ({', '.join(platforms)})" for version, platforms in having.items())


def _files(project: Holdings) -> str:
    """Versions, newest first, each with its files."""
    has: dict[tuple[str, str], list[tuple[str, Wheel]]] = {}
    for platform, wheels in project.wheels.items():
        for wheel in wheels:
            has.setdefault((wheel.filename, wheel.sha256), []).append((platform, wheel))
    parts = []
    version = None
    for wheel in project.files():
        if wheel.version != version:
            version = wheel.version
            parts.append(f'<h3 id="v{shown(version)}">{shown(version)}</h3>\n')
        parts.append(_file(wheel, has[wheel.filename, wheel.sha256]))
    return f"<h2>Files</h2>\n{''.join(parts)}"


def _file(wheel: Wheel, has: Sequence[tuple[str, Wheel]]) -> str:
    origins: dict[str, list[str]] = {}
    for platform, one in has:
        origins.setdefault(_origin(one), []).append(platform)
    came = "".join(
        f"<dd>{text}{f' (for {chr(44).join(names)})' if len(origins) > 1 else ''}</dd>"
        for text, names in origins.items()
    )
    reason = f": {_prose(wheel.yanked)}" if wheel.yanked else ""
    yanked = (
        f'<dt>State</dt><dd><span class="state warn">yanked</span>{reason}</dd>\n' if wheel.yanked is not None else ""
    )
    python = f"<dt>Needs Python</dt><dd>{_brief(wheel.requires_python, 120)}</dd>\n" if wheel.requires_python else ""
    uploaded = f"<dt>Uploaded</dt><dd>{wheel.upload_time[:10]}</dd>\n" if wheel.upload_time else ""
    return (
        f'<div class="file" id="{wheel.sha256}">'
        f'<h4><a href="../{pool_url(wheel)}#sha256={wheel.sha256}">{shown(wheel.filename)}</a></h4>\n'
        f'<dl class="facts">\n{yanked}<dt>Platforms</dt><dd>{", ".join(platform for platform, _ in has)}</dd>\n'
        f"{python}<dt>Tags</dt><dd>{_brief(', '.join(_tags(wheel)), 500)}</dd>\n"
        f"<dt>Size</dt><dd>{size(wheel.size)}</dd>\n<dt>sha256</dt><dd><code>{wheel.sha256}</code></dd>\n"
        f"{uploaded}<dt>Came from</dt>{came}\n</dl></div>\n"
    )


def _tags(wheel: Wheel) -> Sequence[str]:
    return wheel.tags or ("-".join(wheel.filename.removesuffix(".whl").split("-")[-3:]),)


def _origin(wheel: Wheel) -> str:
    """Where a wheel came from, as one says it; of the log only the name is told: it is not published."""
    source = _brief(wheel.source, 200)
    if not wheel.built:
        return f"{source}, as it is" if wheel.source == "fetched" else source
    on = f" on {_brief(wheel.built_on, 200)}" if wheel.built_on else ""
    tools = f", with {_brief(', '.join(wheel.built_with), 500)}" if wheel.built_with else ""
    network = "the build could reach the network" if wheel.network else "no network"
    log = f"; log <code>{shown(wheel.log.rpartition('/')[2])}</code>" if wheel.log else ""
    return f"{source}{on}{tools}; {network}{log}"


def _decided(decisions: Iterable[Decision]) -> str:
    items = "".join(f"<li>{shown(one.text)}</li>\n" for one in decisions)
    return f'<h2>Decided in merging</h2>\n<ul class="plain">\n{items}</ul>\n' if items else ""


def _needs(newest: Wheel, here: frozenset[str]) -> str:
    items = "".join(f"<li>{_needed(text, here)}</li>\n" for text in _unconditional(newest.requires_dist))
    title = f"<h2>What {newest.project} {shown(newest.version)} needs</h2>\n"
    return f'{title}<ul class="plain wide">\n{items}</ul>\n' if items else ""


def _needed(text: str, here: frozenset[str]) -> str:
    name = _project_of(text)
    if name not in here:
        return f'{shown(text)} <span class="soft">(not on this mirror)</span>'
    return f'<a href="{name}.html">{shown(text)}</a>'


def _needers(needed_by: Mapping[str, Sequence[str]]) -> str:
    if not needed_by:
        return '<h2>Who needs it here</h2>\n<p class="soft">No other project on this mirror requires it.</p>\n'
    items = "".join(
        f'<li><a href="{name}.html">{name}</a> <span class="soft">{shown("; ".join(texts))}</span></li>\n'
        for name, texts in needed_by.items()
    )
    title = f"Who needs it here: {plural(len(needed_by), 'project')}"
    return f'<h2>{title}</h2>\n<ul class="plain wide">\n{items}</ul>\n'


def needs(project: Holdings) -> dict[str, list[str]]:
    """Every other project that it requires, here or not, and how it says so; what an extra asks for is left out."""
    lists = {wheel.requires_dist for wheels in project.wheels.values() for wheel in wheels}
    found: dict[str, list[str]] = {}
    for text in sorted({text for one in lists for text in _unconditional(one)}):
        found.setdefault(_project_of(text), []).append(text)
    return {name: found[name] for name in sorted(found) if name not in {"", project.name}}


def _unconditional(requires_dist: Sequence[str]) -> Iterator[str]:
    return (text for text in requires_dist if not _EXTRA.search(text))


@lru_cache(maxsize=65536)
def _project_of(requirement: str) -> str:
    """The name at the start of a Requires-Dist line, normalised; "" where there is none."""
    found = _NAME.match(requirement)
    return _RUNS.sub("-", found[1]).lower().rstrip("-") if found else ""
