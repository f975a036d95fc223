"""What somebody's index really holds, found by looking at its files, not by asking its documentation."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

_METADATA = ("data-core-metadata", "data-dist-info-metadata")
_JSON = "json"  # the end of index.v1_json as of pypi/NAME/json


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """`files` have bytes of their own, `links` (symbolic and hard) lead to others'. The rest counts wheels linked.

    A wheel counts as `linked` where its page's link leads to a file that is there, as `hashed` where that link has a
    sha256, as `announced` where it speaks of a metadata file, as `served` where there is one beside the wheel.
    `json` says which kind of JSON pages of projects there is.
    """

    files: int
    links: int
    linked: int
    hashed: int
    announced: int
    served: int
    json: str

    @property
    def metadata(self) -> str:
        """Whether a client that wants the metadata alone gets it."""
        if self.announced and not self.served:
            return "named, no files"
        return self._all(min(self.announced, self.served))

    @property
    def hashes(self) -> str:
        """Whether a client can check what it was given."""
        return self._all(self.hashed)

    def _all(self, count: int) -> str:
        if count in {0, self.linked}:
            return "yes" if count else "no"
        return f"{count} of {self.linked}"


def looked_at(written: Path, simple: Path) -> Output:
    """`written` is all that was made, `simple` the folder in it with a folder for each project."""
    states = [path.lstat() for path in _walked(written)]
    own = sum(stat.S_ISREG(state.st_mode) and state.st_nlink == 1 for state in states)
    links = [link for page in sorted(simple.glob("*/index.html")) for link in _links(page)]
    wheels = {path.name: (attributes, path) for path, attributes in links if path.is_file()}
    return Output(
        files=own,
        links=len(states) - own,
        linked=len(wheels),
        hashed=sum("sha256" in attributes for attributes, _ in wheels.values()),
        announced=sum(any(name in attributes for name in _METADATA) for attributes, _ in wheels.values()),
        served=sum(path.with_name(f"{path.name}.metadata").is_file() for _, path in wheels.values()),
        json=", ".join(sorted({kind for path in _walked(written) if (kind := _kind(path))})) or "no",
    )


def _walked(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names)


def _links(page: Path) -> Iterator[tuple[Path, set[str]]]:
    """(the file that a link leads to, its attributes' names and the fragment's); those to wheels alone."""
    reader = _Anchors()
    reader.feed(page.read_text(encoding="utf-8"))
    for attributes in reader.found:
        path, fragment = urldefrag(attributes.get("href", ""))
        if path.endswith(".whl"):
            target = Path(os.path.normpath(page.parent / unquote(path)))
            yield target, {*attributes, fragment.partition("=")[0]}


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a client keeps."""
        if tag == "a":
            self.found.append({name: value or "" for name, value in attrs})


def _kind(path: Path) -> str:
    """Which project's page in JSON this is, if it is one: the simple API's, or the index's older one."""
    if not path.name.endswith(_JSON):
        return ""
    try:
        said: Any = json.loads(path.read_bytes())
    except ValueError:
        return ""  # lines of JSON, for dumb-pypi itself
    match said:
        case {"meta": {"api-version": str(version)}, "files": [*_]}:
            return f"simple {version}"
        case {"info": {}, "releases": {}}:
            return "pypi/*/json"
        case _:
            return ""
