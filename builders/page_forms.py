"""The two forms of a page of a simple index, JSON and HTML, read into the same entries.

Nothing is judged here but whether it is a page at all; what its entries are worth is for pages.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser

from builders.errors import UpstreamError
from builders.terminal import visible
from builders.urls import Url

STATUSES = frozenset({"archived", "quarantined", "deprecated"})  # besides "active"
Status = tuple[str, str]
# What most anchors look like, one after another, and what stands in them.
_PLAIN_ANCHOR = re.compile(r'\s*<a((?: [a-z][a-z-]*="[^"<>]*")*)>[^<>&]*</a>(?:<br ?/?>)?\s*')
_ATTRIBUTE = re.compile(r'([a-z][a-z-]*)="([^"<>]*)"')
_TEXTS = {f"data-{name}": name for name in ("requires-python", "upload-time", "yanked")}
_PAIRS = {f"data-{name}": name for name in ("core-metadata", "dist-info-metadata")}
_STRAY = 100  # that an honest page may have in its text
_LONGEST = 65536  # characters of a tag
_LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """One link as the page has it, in the words of the JSON form."""

    link: str
    fields: Mapping[str, object]


def _check_version(version: object, url: Url) -> None:
    """PEP 629: "Tools SHOULD … error if the major version is unknown"."""
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise UpstreamError(
            f"{url} speaks version {visible(str(version))[:40]} of the simple API; version 1 is understood"
        )


def read_json(body: bytes, url: Url) -> tuple[Url, list[Entry], Status | None]:
    """What its links are relative to, the links, and the project's status; UpstreamError for what is no such page."""
    try:
        page = json.loads(body, parse_int=_number)
    except (ValueError, RecursionError):
        raise UpstreamError(f"{url} says that it is JSON, and is not") from None
    meta = page.get("meta") if isinstance(page, dict) else None
    _check_version(meta.get("api-version") if isinstance(meta, dict) else None, url)
    files = page.get("files")
    if not isinstance(files, list):
        raise UpstreamError(f"{url} has no list of files")
    said = page.get("project-status")
    status = _status(said.get("status"), said.get("reason")) if isinstance(said, dict) else None
    return url, [_json_entry(file) for file in files], status


def _number(text: str) -> int | None:
    """None for what no field can mean, and what Python would not read: thousands of digits."""
    return int(text) if len(text) <= 20 else None


def _json_entry(file: object) -> Entry:
    if isinstance(file, dict) and isinstance(file.get("url"), str) and isinstance(file.get("filename"), str):
        return Entry(file["url"], file)
    return Entry("", {})


def read_html(body: bytes, url: Url) -> tuple[Url, list[Entry], Status | None]:
    """The same."""
    if body.lstrip()[:1] in {b"{", b"["}:
        raise UpstreamError(
            f"{url} says that it is HTML, and sends JSON",
            hint="The server's content type is wrong: ask whoever runs it.",
        )
    text = body.decode("utf-8", errors="replace")
    reader = _Anchors()
    try:
        if _is_endless(text):
            raise UpstreamError(f"{url} is no HTML page: tags or comments in it have no end")
        reader.read(text)
    except (AssertionError, ValueError) as error:  # of "<![": until Python 3.14; of "&#" and thousands of digits
        raise UpstreamError(f"{url} is no HTML page: {visible(str(error))[:80]}") from None
    if len(reader.base) > _LONGEST_URL:
        raise UpstreamError(f"{url} has a <base> of {len(reader.base)} characters")
    if (version := reader.meta.get("pypi:repository-version")) is not None:
        _check_version(version, url)
    base = url.join(reader.base) if reader.base else url
    if reader.form and not any(
        entry.fields.get("hashes") or entry.link.partition("#")[0].endswith((".whl", ".gz", ".zip"))
        for entry in reader.entries
    ):
        raise UpstreamError(
            f"{url} answers with a form instead of a list of files: a login page?",
            hint="Put the user and password of this index into netrc or into its environment variable.",
        )
    status = _status(reader.meta.get("pypi:project-status"), reader.meta.get("pypi:project-status-reason"))
    return base, reader.entries, status


def _is_endless(text: str) -> bool:
    """Whether tags or comments begin that do not end: to HTMLParser each of them is all the rest of the page again."""
    return (
        text.count("<!--") - text.count("-->") > _STRAY
        or text.count("<") - text.count(">") > _STRAY
        or any(len(tag.partition(">")[0]) > _LONGEST for tag in text.split("<")[1:])
    )


class _Anchors(HTMLParser):
    """Collects the links of a PEP 503 page; its attributes get the names that the JSON form has for them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.entries: list[Entry] = []
        self.base = ""
        self.meta: dict[str, str] = {}
        self.form = False

    def read(self, text: str) -> None:
        """The whole page. What is nothing but plain anchors, back to back, is read at a fifth of the price."""
        at = text.find("<a ")
        self.feed(text[: max(at, 0)])
        if at > 0 and not self.rawdata and self.cdata_elem is None:  # neither in a comment nor in a script
            while plain := _PLAIN_ANCHOR.match(text, at):
                at = plain.end()
                attributes = dict(_ATTRIBUTE.findall(plain[1]))
                if "&" in plain[1]:
                    attributes = {name: unescape(value) for name, value in attributes.items()}
                self._anchor(attributes)
        self.feed(text[max(at, 0) :])
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._anchor(dict(attrs))
        elif tag == "form":
            self.form = True
        elif tag == "base" and not self.base:
            self.base = dict(attrs).get("href") or ""
        elif tag == "meta":
            said = dict(attrs)
            self.meta[said.get("name") or ""] = said.get("content") or ""

    def _anchor(self, attrs: Mapping[str, str | None]) -> None:
        link = attrs.get("href")
        if link is None:
            return
        fields: dict[str, object] = {"hashes": _pair(link.partition("#")[2])}
        for name, value in attrs.items():
            field = _TEXTS.get(name) or _PAIRS.get(name)
            if field:
                fields[field] = _pair(value or "") if name in _PAIRS else value or ""
        self.entries.append(Entry(link, fields))


def _pair(text: str) -> dict[str, str]:
    """`sha256=…` as the JSON form has it."""
    name, equals, value = text.partition("=")
    return {name: value} if equals else {}


def _status(status: object, reason: object) -> Status | None:
    """PEP 792. A status that nobody knows is passed over, as clients are to do."""
    if not isinstance(status, str) or status not in STATUSES:
        return None
    return status, visible(reason)[:500] if isinstance(reason, str) else ""
