"""One page of a simple index, read into records: bytes come in, checked files come out. No network here.

The page was written by somebody else. A link to where this index may not lead is refused and remembered; a name that
is no wheel and no sdist of this project is dropped; a page that contradicts itself is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from builders.errors import ArchiveError, UpstreamError
from builders.filenames import parse_sdist_name, project_of_wheel
from builders.page_forms import Entry, Status, read_html, read_json
from builders.terminal import visible
from builders.urls import Url

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
ACCEPT = f"{JSON_TYPE}, {HTML_TYPE};q=0.2, text/html;q=0.1"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OTHER_HASHES = ("sha512", "sha384", "sha224", "sha1", "md5")
_HEX = re.compile(r"[0-9a-f]{32,128}")
_MOST_BYTES = 2**63 - 1  # what TOML and the clients have room for: one size above that costs them the whole page
_CLAUSE = r" *((===?|[~!<>]=|[<>]) *)?v?[0-9][0-9A-Za-z.*+!-]* *"
# What nearly every link of a large index looks like: nothing in it is encoded, escaped or relative.
_PLAIN_LINK = re.compile(
    r"(?P<url>(?P<scheme>https?)://(?P<site>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?:/[A-Za-z0-9._~-]+)*/"
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9._~-]*))(?:#sha256=[0-9A-Fa-f]{64})?"
)
# What an index writes above the files of a project, also where there are none; and what only leads to another page.
_HEADING = re.compile(r"<(?:title|h1)\b[^<>]*>([^<]*)", re.IGNORECASE)
_INDEX_WORDS = re.compile(r"\b(links for|simple index|index of|directory listing for)\b", re.IGNORECASE)
_HTML = re.compile(r"<(!doctype html|html)\b", re.IGNORECASE)
_LEADS_ON = re.compile(r"<(script|i?frame)\b|http-equiv *= *[\"']?refresh", re.IGNORECASE)
_REQUIRES_PYTHON = re.compile(rf" *|{_CLAUSE}(,({_CLAUSE})?)*")
_STAR = re.compile(r"([<>]=?[^,*]*(?=\.)|[!=]=[^,*]*\.\d+)\.?\*")  # `>=3.8.*`, `!=3.0*`: uv knows what is meant


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFile:
    """One wheel or sdist that an index offers. `url` has no user info. `yanked` is None, or the reason, maybe empty.

    Where there is no sha256, `other_hash` is another that was given: its name, as hashlib has it, and its digits.
    `status` is its project's with the reason, maybe empty (PEP 792); None: active, or nothing was said.
    """

    filename: str
    url: Url
    sha256: str | None = None
    other_hash: tuple[str, str] | None = None
    size: int | None = None
    upload_time: str | None = None
    requires_python: str | None = None
    yanked: str | None = None
    metadata_sha256: str | None = None
    status: Status | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRule:
    """Where the links of a page may lead: `sites` (host, or host:port), or any https host where `any_https`.

    A page that came over https never leads to http, and no page leads to a local file.
    """

    sites: frozenset[str]
    any_https: bool = False

    def allows(self, scheme: str, site: str, *, page: Url) -> bool:
        """Whether a link of that scheme to that site, standing on that page, may be followed."""
        match scheme:
            case "https":
                return self.any_https or site in self.sites
            case "http":
                return page.scheme == "http" and site in self.sites
            case _:
                return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What a page offers, less what cannot be read. `refused`: sites that it may not lead to.

    `broken` says of one file why it cannot be used, "" where each can be; `status` is that of each file.
    `foreign`: none of its links is a file of the project, or it has no link and does not look like a page of an index.
    """

    files: tuple[IndexFile, ...]
    refused: tuple[str, ...]
    broken: str
    links: int
    foreign: bool
    status: Status | None = None


def parse_page(
    body: bytes, content_type: str, url: Url, *, project: NormalizedName, rule: LinkRule | None = None
) -> Listing:
    """Read a page that came from `url` (after redirects).

    Without a rule, links stay on the page's own site. Raises UpstreamError for a page that is none: another
    api-version, a login form, JSON that says it is HTML, one file name with two hashes.
    """
    rule = rule or LinkRule(sites=frozenset({url.site}))
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON_TYPE:
        base, entries, status = read_json(body, url)
    elif kind in {HTML_TYPE, "text/html"}:
        base, entries, status = read_html(body, url)
    else:
        raise UpstreamError(
            f"{url} answers with {visible(kind)[:80] or 'no content type'}, which is not a page of a simple index"
        )
    listing = _gather(entries, base, url, project, rule)
    if kind != JSON_TYPE and (listing.foreign or not entries):
        listing = replace(listing, foreign=not _is_empty_index(body.decode("utf-8", errors="replace"), project))
    if status is None:
        return listing
    return replace(listing, files=tuple(replace(file, status=status) for file in listing.files), status=status)


def _gather(entries: list[Entry], base: Url, page: Url, project: NormalizedName, rule: LinkRule) -> Listing:
    files: dict[str, IndexFile] = {}
    refused: set[str] = set()
    foreign, broken = 0, ""
    for entry in entries:
        try:
            link = _link(base, entry.link)
            _check_name(entry, link.filename, project)
        except (UpstreamError, ArchiveError):
            foreign += not _bears_name(entry, project)
            continue
        if not rule.allows(link.scheme, link.site, page=page):
            refused.add(link.site or f"{link.scheme}:")
            continue
        if reason := _broken(entry.fields):
            broken = broken or f"{link.filename}: {reason}"
        else:
            files[link.filename] = _same_file(files.get(link.filename), _file(link, entry.fields), page)
    return Listing(
        files=tuple(files[name] for name in sorted(files)),
        refused=tuple(sorted(refused)),
        broken=broken,
        links=len(entries),
        foreign=0 < foreign == len(entries),
    )


class _Link(NamedTuple):
    """Where an entry leads; the URL as it may be written into a lock."""

    url: Url
    scheme: str
    site: str
    filename: str


def _link(base: Url, text: str) -> _Link:
    """A link as it stands on a page. Most are read at one look; all others by the rules of RFC 3986."""
    plain = _PLAIN_LINK.fullmatch(text)
    if plain and "/." not in text:
        return _Link(Url(plain["url"]), plain["scheme"], plain["site"], plain["name"])
    link = base.join(text)
    return _Link(link.public(), link.scheme, link.site, link.filename)


@lru_cache(maxsize=256)  # a page repeats few of them
def _is_requires_python(text: str) -> bool:
    """Whether uv reads it: a file with any other uv drops, and says nothing."""
    if len(text) > 200 or not _REQUIRES_PYTHON.fullmatch(text):
        return False
    try:
        SpecifierSet(_STAR.sub(r"\1", text))
    except InvalidSpecifier:
        return False
    return True


def projects_of(filename: str) -> tuple[NormalizedName, ...]:
    """The projects that a file may belong to by its name, of an sdist perhaps several; ArchiveError for a bad name."""
    if filename.lower().endswith(".whl"):
        return (project_of_wheel(filename),)
    return tuple(name for name, _ in parse_sdist_name(filename).readings)


def _check_name(entry: Entry, filename: str, project: NormalizedName) -> None:
    if entry.fields.get("filename", filename) != filename:
        raise UpstreamError("the link leads to a file of another name")
    if project not in projects_of(filename):
        raise UpstreamError("a file of another project")


def _bears_name(entry: Entry, project: NormalizedName) -> bool:
    """Whether it is a file of the project by its looks: an egg or an installer is, though nobody can use it."""
    name = unquote(re.split("[?#]", entry.link, maxsplit=1)[0].rpartition("/")[2])
    return canonicalize_name(name).startswith(f"{project}-")


def _is_empty_index(text: str, project: NormalizedName) -> bool:
    """Whether HTML without a file is an index's or a folder's of a project without any: by meta, heading, or blank."""
    if "pypi:repository-version" in text:
        return True
    headings = [unescape(heading).strip() for heading in _HEADING.findall(text)]
    names = {canonicalize_name(heading.rstrip("/").rpartition("/")[2]) for heading in headings}
    if project in names or any(map(_INDEX_WORDS.search, headings)):
        return True
    blank = not re.sub(r"<[^<>]*>", "", text).strip()
    return blank and _HTML.search(text) is not None and _LEADS_ON.search(text) is None


def _same_file(first: IndexFile | None, second: IndexFile, page: Url) -> IndexFile:
    if first is None or (first.sha256 is None and second.sha256):
        return second
    if second.sha256 is None or first.sha256 == second.sha256:
        return first
    raise UpstreamError(
        f"{page} offers {second.filename} twice, with two hashes\n"
        f"  one:     sha256 {first.sha256}\n  another: sha256 {second.sha256}",
        hint="The index is broken or tampered with: ask whoever runs it.",
    )


def _sha256(fields: Mapping[str, object]) -> object:
    hashes = fields.get("hashes")
    return hashes.get("sha256") if isinstance(hashes, Mapping) else None


def _other_hash(fields: Mapping[str, object]) -> tuple[str, str] | None:
    """The strongest that can be compared with."""
    hashes = fields.get("hashes")
    said = hashes if isinstance(hashes, Mapping) else {}
    found = ((name, str(said.get(name)).lower()) for name in _OTHER_HASHES)
    return next((one for one in found if _HEX.fullmatch(one[1])), None)


def _broken(fields: Mapping[str, object]) -> str:
    """Why a file cannot be used: a field that matters cannot be read. "" if it can."""
    sha256, requires = _sha256(fields), fields.get("requires-python")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256.lower())):
        return "its sha256 is none"
    if requires is not None and not (isinstance(requires, str) and _is_requires_python(requires)):
        return f"its requires-python cannot be read: {visible(str(requires))[:80]}"
    return ""


def _file(link: _Link, fields: Mapping[str, object]) -> IndexFile:
    """The record of what is not broken."""
    sha256, requires, size = _sha256(fields), fields.get("requires-python"), fields.get("size")
    return IndexFile(
        filename=link.filename,
        url=link.url,
        sha256=str(sha256).lower() if sha256 else None,
        other_hash=None if sha256 else _other_hash(fields),
        size=size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= _MOST_BYTES else None,
        upload_time=_time(fields.get("upload-time")),
        requires_python=str(requires) if requires else None,
        yanked=_yanked(fields.get("yanked")),
        metadata_sha256=_metadata(fields),
    )


def _time(value: object) -> str | None:
    """In UTC, as it will stand in a lock: what is fetched ahead of that is known again by it.

    Not before the year 1000, nor in the last that there is: uv takes neither.
    """
    try:
        said = datetime.fromisoformat(value)  # type: ignore[arg-type]
        utc = said.replace(tzinfo=said.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return utc.replace(tzinfo=None).isoformat() + "Z" if 1000 <= utc.year < 9999 else None


def _yanked(value: object) -> str | None:
    """PEP 592: a reason may be empty; the JSON form says true for that."""
    match value:
        case str():
            return visible(value)[:500]
        case True:
            return ""
        case _:
            return None


def _metadata(fields: Mapping[str, object]) -> str | None:
    """PEP 658, renamed by PEP 714. A bare `true` gives nothing to check the metadata with, and counts as none."""
    value = fields.get("core-metadata", fields.get("dist-info-metadata"))
    if isinstance(value, Mapping):
        sha256 = value.get("sha256")
        return sha256.lower() if isinstance(sha256, str) and _SHA256.fullmatch(sha256.lower()) else None
    return None
