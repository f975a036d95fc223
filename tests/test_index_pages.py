"""Pages: HTML and JSON say the same, whatever the names, and hold to the specification's letter."""

from __future__ import annotations

import json
import tomllib
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from index import html_pages, json_pages
from index.errors import TreeError
from index.model import Entry, PublishedSet
from index.names import checked_path, checked_platforms, checked_wheels, cleaned, pool_path
from index.settings import pylock, uv_toml
from tests.index_makers import platform

TEXT = st.text(max_size=30)
NAMES = st.text(
    st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters="/\\\u2028\u2029"), min_size=1, max_size=20
)
HOSTILE = [
    '"><script>alert(1)</script>',
    "a' onmouseover='x",
    "&amp;&lt;",
    "%2e%2e%2f",
    "#frag?query",
    "\x1b[2J",
    "a b",
    "ü+1!2",
]


def wheel(
    name: str = "foo-1.0", *, python: str | None = None, yanked: str | None = None, project: str = "foo"
) -> Entry:
    return Entry(
        filename=f"{name}.whl",
        project=project,
        version="1.0",
        sha256="ab" * 32,
        size=7,
        metadata_sha256="cd" * 32,
        requires_python=python,
        yanked=yanked,
        upload_time="2024-01-02T03:04:05Z",
    )


class Links(HTMLParser):
    """A second reader of HTML, to compare with."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        if tag == "a":
            self.found.append(("", dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Add the text."""
        if self.found and data != "\n":
            self.found[-1] = (self.found[-1][0] + data, self.found[-1][1])


def pages_of(one: Entry) -> tuple[str, str]:
    """HTML and JSON of a project with this one wheel."""
    return (
        html_pages.project_page("foo", [html_pages.link(one)], up="../../"),
        json_pages.project_page("foo", [one.version], [json_pages.file(one)], up="../../"),
    )


def read_both(one: Entry) -> tuple[tuple[str, dict[str, str | None]], dict[str, Any]]:
    html, text = pages_of(one)
    [link] = Links(html).found
    [file] = json.loads(text)["files"]
    return link, file


@given(name=NAMES, python=st.none() | TEXT, yanked=st.none() | TEXT)
def test_html_and_json_say_the_same(name: str, python: str | None, yanked: str | None) -> None:
    """Any name, Requires-Python and reason come back out of both pages, alike, and the URL leads to the pool file."""
    one = wheel(name, python=python, yanked=yanked)
    (text, attributes), file = read_both(one)
    assert text == file["filename"] == one.filename
    assert attributes["href"] == f"{file['url']}#sha256={file['hashes']['sha256']}"
    assert attributes.get("data-requires-python") == file.get("requires-python")
    assert attributes["data-core-metadata"] == f"sha256={file['core-metadata']['sha256']}"
    assert attributes.get("data-yanked") == ("" if file.get("yanked") is True else file.get("yanked"))
    assert (yanked is None) == ("yanked" not in file)
    assert unquote(urljoin("http://h/simple/foo/", file["url"])) == f"http://h/{pool_path(one)}"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_makes_no_element(text: str) -> None:
    """What came from outside is one attribute's value or one text, and never markup."""
    one = wheel(cleaned(text.replace("/", "")), python=text, yanked=text)
    page, _ = pages_of(one)
    [(_, attributes)] = Links(page).found
    assert set(attributes) == {"href", "data-requires-python", "data-core-metadata", "data-yanked"}
    assert "<script" not in page
    assert not set(page) & {"\x1b", "\x00"}


@given(python=TEXT.filter(bool))
@example(python="🐍")
def test_the_settings_say_the_same(python: str) -> None:
    """A lock is TOML, whose strings take any letter but no control."""
    said = tomllib.loads(pylock(platform("box", []), PublishedSet(name="base", wheels=(wheel(python=python),))))
    assert said["packages"][0]["requires-python"] == cleaned(python)
    url = f"http://mirror.lan/{cleaned(python)}/"
    assert tomllib.loads(uv_toml("box", url))["index"][0]["url"] == f"{url}box/simple/"


def test_a_plus_is_percent_encoded() -> None:
    """`+` of a local version is %2B in URLs and plain in names."""
    (text, attributes), file = read_both(wheel("foo-1.0+local"))
    assert text == file["filename"] == "foo-1.0+local.whl"
    assert "foo-1.0%2Blocal.whl#" in (attributes["href"] or "")
    assert file["url"].endswith("foo-1.0%2Blocal.whl")


def test_the_legacy_metadata_key_is_nowhere() -> None:
    """dist-info-metadata breaks pip 22.3 to 23.1."""
    assert not any("dist-info-metadata" in page for page in pages_of(wheel()))


def test_json_has_what_html_has_no_word_for() -> None:
    """api-version 1.4: versions, size, upload-time, project status."""
    document = json.loads(pages_of(wheel())[1])
    assert document["meta"] == {"api-version": "1.4"}
    assert document["project-status"] == {"status": "active"}
    assert document["versions"] == ["1.0"]
    assert document["files"][0]["size"] == 7
    assert document["files"][0]["upload-time"] == "2024-01-02T03:04:05Z"


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../b", "/etc/passwd", "a//b", "a/./b", "", "a/", "a\nb", "a\\b", "..", "a/..", "a\x1b", "\u2028"],
)
def test_paths_that_leave_the_tree_are_refused(path: str) -> None:
    """The last door before the disk."""
    with pytest.raises(TreeError, match="no path inside"):
        checked_path(path)


@given(st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=4))
def test_plain_paths_pass(parts: list[str]) -> None:
    """No name that is one is refused."""
    assert checked_path("/".join(parts)) == "/".join(parts)


@pytest.mark.parametrize("name", ["../x", "a/b", "x\n", ".hidden", "-rf", "x" * 250, "a\\b", "\udcff"])
def test_file_names_that_are_none_are_refused(name: str) -> None:
    """Every finding at once, each with the name in it."""
    with pytest.raises(TreeError) as caught:
        checked_wheels((wheel(name), wheel("foo-1.0", project="Not Normal")))
    assert ascii(name)[1:-1][:20] in ascii(str(caught.value)).replace("\\\\", "\\")
    assert "Not Normal" in caught.value.reason


@pytest.mark.parametrize(
    "name", ["simple", "files", "Files", "index.html", "manifest.json", "../x", "a b", "-rf", "", "x" * 300]
)
def test_platform_names_of_the_trees_own_are_refused(name: str) -> None:
    """They would stand where the tree has something else."""
    with pytest.raises(TreeError, match="platform name"):
        checked_platforms((platform(name, []),))


def test_platforms_that_share_a_folder_are_refused() -> None:
    """On a Mac, A and a are one folder."""
    with pytest.raises(TreeError, match="would share one folder"):
        checked_platforms((platform("box", []), platform("Box", [])))


def test_sets_that_share_a_lock_are_refused() -> None:
    """PEP 751 allows no dot in pylock.<name>.toml, so a.b and a-b would be one file."""
    with pytest.raises(TreeError, match="two sets"):
        checked_platforms((platform("box", [], sets={"a.b": [], "a-b": []}),))
