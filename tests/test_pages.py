"""Reading simple-API pages and URLs: what is understood, and what hostile pages get."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from builders.errors import UpstreamError
from builders.pages import HTML_TYPE, JSON_TYPE, IndexFile, LinkRule, Listing, parse_page
from builders.urls import Url, hide

PAGE = Url.parse("https://index.example/simple/foo/")
FOO = NormalizedName("foo")
A, B = "a" * 64, "b" * 64
MACHINE = LinkRule(sites=frozenset({"index.example"}), any_https=True)


def read_json(*files: object, version: str = "1.1", rule: LinkRule | None = None, page: Url = PAGE) -> Listing:
    body = json.dumps({"meta": {"api-version": version}, "name": "foo", "files": files}).encode()
    return parse_page(body, JSON_TYPE, page, project=FOO, rule=rule)


def read_html(
    text: str, *, rule: LinkRule | None = None, kind: str = "text/html; charset=utf-8", page: Url = PAGE
) -> Listing:
    return parse_page(text.encode(), kind, page, project=FOO, rule=rule)


def entry(
    filename: str = "foo-1.0.tar.gz", url: str = "", fields: Mapping[str, object] | None = None
) -> dict[str, object]:
    return {"filename": filename, "url": url or f"/files/{quote(filename)}", "hashes": {"sha256": A}, **(fields or {})}


def test_json_and_html_say_the_same() -> None:
    """Each field of PEP 691, 592, 658, 700 and 714 is read from both forms into one record."""
    expected = IndexFile(
        filename="foo-1.0-py3-none-any.whl",
        url=Url.parse("https://index.example/files/foo-1.0-py3-none-any.whl"),
        sha256=A,
        upload_time="2024-08-13T11:12:09.288978Z",
        requires_python=">=3.9, <4",
        yanked="broken <b>",
        metadata_sha256=B,
    )
    fields = {"upload-time": "2024-08-13T11:12:09.288978Z", "requires-python": ">=3.9, <4", "yanked": "broken <b>"}
    from_json = read_json(entry("foo-1.0-py3-none-any.whl", fields={**fields, "core-metadata": {"sha256": B}}))
    from_html = read_html(
        f'<meta name="pypi:repository-version" content="1.3"><a href="../../files/foo-1.0-py3-none-any.whl#sha256={A}" '
        f'data-requires-python="&gt;=3.9, &lt;4" data-upload-time="2024-08-13T13:12:09.288978+02:00" '
        f'data-yanked="broken &lt;b&gt;" data-core-metadata="sha256={B}">foo</a>'
    )
    assert from_json.files == from_html.files == (expected,)


@pytest.mark.parametrize(
    ("status", "reason", "read"),
    [
        ("archived", "moved <b>", ("archived", "moved <b>")),
        ("deprecated", None, ("deprecated", "")),
        ("quarantined", "\x1b[2J", ("quarantined", "\\x1b[2J")),
        ("active", "", None),
        ("sold", "", None),
        (None, None, None),
    ],
)
def test_the_status_of_a_project_is_read_from_both_forms(
    status: str | None, reason: str | None, read: tuple[str, str] | None
) -> None:
    """PEP 792: every file tells its project's status; active is what goes without saying, an unknown one is no word."""
    said = {key: value for key, value in (("status", status), ("reason", reason)) if value is not None}
    page = {"meta": {"api-version": "1.4"}, "name": "foo", "project-status": said, "files": [entry()]}
    from_json = parse_page(json.dumps(page).encode(), JSON_TYPE, PAGE, project=FOO)
    metas = "".join(
        f'<meta name="pypi:project-status{suffix}" content="{escape(value)}">'
        for suffix, value in (("", status), ("-reason", reason))
        if value is not None
    )
    from_html = read_html(f'{metas}<a href="/files/foo-1.0.tar.gz#sha256={A}">foo</a>')
    assert from_json.files == from_html.files
    assert [file.status for file in from_json.files] == [read]


@pytest.mark.parametrize(
    "said", ["archived", ["archived"], {"status": ["archived"]}, {"status": "archived", "reason": 7}]
)
def test_a_status_of_another_shape_is_no_error(said: object) -> None:
    """What the files are does not hang on it."""
    page = {"meta": {"api-version": "1.4"}, "name": "foo", "project-status": said, "files": [entry()]}
    listing = parse_page(json.dumps(page).encode(), JSON_TYPE, PAGE, project=FOO)
    assert [file.status for file in listing.files] in ([None], [("archived", "")])


def test_older_spellings_are_understood() -> None:
    """dist-info-metadata (PEP 658 before 714), yanked without a reason, size, hashes in capitals, a base element."""
    (file,) = read_json(
        entry(fields={"dist-info-metadata": {"sha256": B}, "yanked": True, "size": 7, "hashes": {"sha256": A.upper()}})
    ).files
    assert (file.metadata_sha256, file.yanked, file.size, file.sha256) == (B, "", 7, A)
    base = '<base href="https://index.example/f/">'
    (file,) = read_html(f'{base}<a data-dist-info-metadata="sha256={B}" data-yanked href="foo-1.zip"></a>').files
    assert (file.metadata_sha256, file.yanked, file.url) == (B, "", Url.parse("https://index.example/f/foo-1.zip"))


@pytest.mark.parametrize("value", [True, False, None, {}, {"md5": "x"}, {"sha256": 7}, {"sha256": "x"}, "sha256=" + B])
def test_metadata_without_a_hash_counts_as_none(value: object) -> None:
    """Nothing could tell whether the metadata is the right one."""
    assert read_json(entry(fields={"core-metadata": value})).files[0].metadata_sha256 is None


def test_weak_hashes_are_no_hashes() -> None:
    """I6: no hash at all, or md5 only; the file is offered, and the fetch step has to find the sha256 for itself."""
    listing = read_html('<a href="foo-1.zip#md5=abc">x</a><a href="foo-2.zip">x</a>')
    assert [(file.sha256, file.other_hash) for file in listing.files] == [(None, None)] * 2


def test_another_hash_is_taken_where_there_is_no_sha256() -> None:
    """The strongest that hashlib has, from both forms; the sha256 is all that is needed where there is one."""
    hashes = {"md5": "1" * 32, "sha512": "C" * 128, "sha1": 7, "blake9": "2" * 64}
    (file,) = read_json(entry(fields={"hashes": hashes})).files
    assert (file.sha256, file.other_hash) == (None, ("sha512", "c" * 128))
    assert read_json(entry(fields={"hashes": {**hashes, "sha256": A}})).files[0].other_hash is None
    assert read_html(f'<a href="foo-1.zip#md5={"1" * 32}">x</a>').files[0].other_hash == ("md5", "1" * 32)


FORBIDDEN = (
    "file:///etc/foo-1.zip",
    "javascript:foo-1.zip",
    "data:,foo-1.zip",
    "ftp://index.example/foo-1.zip",
    "http://index.example/foo-1.zip",
    "https://other.example/foo-1.zip",
    "https://index.example.evil.example/foo-1.zip",
    "https://sub.index.example/foo-1.zip",
    "https://index.example:444/foo-1.zip",
    "//other.example/foo-1.zip",
    "https://index.example@evil.example/foo-1.zip",
    "https://index.example\\@evil.example/foo-1.zip",
    "https://[::1/foo-1.zip",
    "https://a:99999/foo-1.zip",
    "https://\u0456ndex.example/foo-1.zip",
    "ht\ntps://index.example/foo-1.zip",
    "https://index.example/foo-1.zip\x00",
    "https://127.1/foo-1.zip",
)


@pytest.mark.parametrize("link", FORBIDDEN)
def test_links_stay_where_they_may_lead(link: str) -> None:
    """I1: of a declared index only its own host counts, over its own scheme; all else is dropped, in both forms."""
    assert read_json(entry("foo-1.zip", link)).files == ()
    assert read_html(f'<a href="{escape(link)}">foo-1.zip</a>').files == ()


def test_refused_hosts_are_named() -> None:
    """A dropped link is remembered by its host; files-from allows it; the machine's own index may use any https."""
    elsewhere = entry("foo-1.zip", "https://files.example/foo-1.zip")
    assert read_json(elsewhere).refused == ("files.example",)
    assert read_json(elsewhere, rule=LinkRule(sites=frozenset({"index.example", "files.example"}))).files
    assert read_json(elsewhere, rule=MACHINE).files
    assert read_json(entry("foo-1.zip", "http://files.example/foo-1.zip"), rule=MACHINE).refused == ("files.example",)
    assert read_json(entry("foo-1.zip", "file:///foo-1.zip"), rule=MACHINE).refused == ("file:",)


def test_http_pages_may_lead_to_http_on_their_own_host() -> None:
    """An index without encryption is allowed to be one; the port belongs to the host."""
    page = Url.parse("http://index.example:8080/simple/foo/")
    assert read_json(entry(), page=page).files[0].url == Url.parse("http://index.example:8080/files/foo-1.0.tar.gz")
    assert read_json(entry("foo-1.zip", "http://index.example/foo-1.zip"), page=page).files == ()


NOT_NAMES = (
    "..%2f..%2ffoo-1.zip",
    "%2e%2e%2f%2e%2e%2ffoo-1.zip",
    "foo-1.zip%00",
    "foo-1.zip%0a",
    "foo%1b-1.zip",
    "a%5cfoo-1.zip",
    "%ff-1.zip",
    "..",
    ".",
    "",
    "foo-1.zip%2f",
    "%252e%252e%252ffoo-1.zip",
    "foo-1.zip%23",
    "foo-1.zip/",
    "foo-1.exe",
    "foo.whl",
    "foo-1-py3-none.whl",
    "foo-1.0-1%2f..%2fe-py3-none-any.whl",
    "bar-1.zip",
    "foo-%22onclick=x-1.zip",
    ".foo-1.zip",
    "foo-1.zip%e2%80%ae",
)


@pytest.mark.parametrize("name", NOT_NAMES)
def test_names_are_decoded_once_and_checked(name: str) -> None:
    """I2: no path, no control character, no other project, only wheels and sdists; dropped, never raised."""
    listing = read_html(f'<a href="/files/{escape(name)}">foo-1.zip</a>')
    assert listing.files == ()


def test_a_name_and_its_link_agree() -> None:
    """JSON names the file twice; a page cannot show one name and lead to another."""
    assert read_json(entry("foo-1.zip", "/files/foo-2.zip")).files == ()


def test_one_name_with_two_hashes_is_refused() -> None:
    """I5: nobody could say which of the two is meant; both are shown."""
    with pytest.raises(UpstreamError) as caught:
        read_json(entry(), entry(fields={"hashes": {"sha256": B}}))
    assert f"one:     sha256 {A}\n  another: sha256 {B}" in str(caught.value)
    assert len(read_json(entry(), entry(), entry(fields={"hashes": {}})).files) == 1


@pytest.mark.parametrize("version", ["2.0", "0.9", "", "x", "11.0"])
def test_another_major_version_is_refused(version: str) -> None:
    """I7, PEP 629: both forms name the version that they do not speak."""
    with pytest.raises(UpstreamError, match="version 1 is understood"):
        read_json(version=version)
    with pytest.raises(UpstreamError, match="version 1 is understood"):
        read_html(f'<meta name="pypi:repository-version" content="{version}">')


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b'{"meta": {"api-version": "1.0"}, "files": []}', "text/html", "says that it is HTML, and sends JSON"),
        (b"<!DOCTYPE html>", JSON_TYPE, "says that it is JSON, and is not"),
        (b"\xff\xfe", JSON_TYPE, "says that it is JSON, and is not"),
        (b"[" * 100_000, JSON_TYPE, "says that it is JSON, and is not"),
        (b"[]", JSON_TYPE, "version None"),
        (b"null", JSON_TYPE, "version None"),
        (b'{"meta": {"api-version": "1.0"}, "files": {}}', JSON_TYPE, "no list of files"),
        (b"{}", "application/vnd.pypi.simple.v2+json", "not a page of a simple index"),
        (b"{}", "", "no content type"),
        (b"", "image/png\x1b[2J", r"image/png\\x1b\[2j"),
        (b"<form action=/login><input type=password></form><a href=/forgot>Forgot?</a>", "text/html", "a login page?"),
    ],
)
def test_what_is_no_page_is_said(body: bytes, kind: str, said: str) -> None:
    """I7, I11: JSON sent as HTML and the other way round, a login form with status 200, anything else."""
    with pytest.raises(UpstreamError, match=said):
        parse_page(body, kind, PAGE, project=FOO)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ('<h1>Hotel WiFi</h1><a href="/accept">Accept</a>', True),
        ('<a href="/login?next=/simple/foo-1.0.zip">Log in</a><a href="https://other.example/simple/foo/">x</a>', True),
        ('<title>Index of /foo/</title><h1>Index of /foo/</h1><a href="../">../</a>', False),
        ('<title>Directory listing for /foo/</title><ul><li><a href="README">README</a></li></ul>', False),
        ('<title>foo/</title><a href="?sort=name">Name</a><a href="../">..</a>', False),
        ('<p><a href="foo-latest.tar.gz">foo-latest.tar.gz</a></p>', False),
        ('<a href="bar-1.0.zip">bar-1.0.zip</a>', True),
        ("<!DOCTYPE html><html><head><script src=/app.js></script></head><body></body></html>", True),
        ('<html><head><meta http-equiv="refresh" content="0; url=/portal"></head></html>', True),
        ("<!DOCTYPE html><title>Hotel WiFi</title><p>Please ask at the desk", True),
        ("", True),
        ('<a href="/accept">Accept</a><a href="foo-1.0.zip">foo-1.0.zip</a>', False),
        ('<a href="https://other.example/foo-1.0.zip">foo-1.0.zip</a>', False),
        ('<a href="Foo-1.0-py2.7.egg">Foo-1.0-py2.7.egg</a><a href="foo-1.0.win32.exe">x</a>', False),
        ('<a href="foo-1.0.zip#sha256=x">foo-1.0.zip</a>', False),
        ("<!DOCTYPE html><title>Links for foo</title><script>let x</script>", False),
        ("<!DOCTYPE html><title>Foo</title><h1>All its files</h1>", False),
        ('<meta name="pypi:repository-version" content="1.0"><p>Nothing here', False),
        ("<!DOCTYPE html>\n<html>\n  <body>\n  </body>\n</html>\n", False),
    ],
)
def test_a_page_that_lists_nothing_of_the_project_is_told_from_an_empty_one(text: str, foreign: bool) -> None:
    """I11: links that are no file of it, or a page of another kind; not eggs, and not a project without files."""
    listing = read_html(text)
    assert listing.foreign is foreign


ENDLESS = {
    "<!--": 100_000,
    "<a ": 50_000,
    "<a x='": 50_000,
    "<title ": 50_000,
    "<h1": 50_000,
    "</": 100_000,
    "<?": 100_000,
    "<![foo[a]]>": 1,
    f"<a {'x=' * 40_000}": 1,
    f"&#{'1' * 5_000};": 1,
    f"<a href='&#{'1' * 5_000};'>": 1,
}


@pytest.mark.parametrize("text", ENDLESS, ids=range(len(ENDLESS)))
def test_markup_without_an_end_is_no_page(text: str) -> None:
    """To HTMLParser each of these is all the rest of the page, again and again: minutes, for a few hundred kB."""
    body = f"<html><body>{text * ENDLESS[text]}".encode()
    with pytest.raises(UpstreamError, match="is no HTML page"):
        parse_page(body, "text/html", PAGE, project=FOO)


def test_a_base_is_no_longer_than_it_may_be() -> None:
    """Each link would be joined to all of it."""
    with pytest.raises(UpstreamError, match="has a <base> of 60001 characters"):
        read_html(f'<base href="{"x/" * 30_000}y">{"<a href=z>" * 8000}')


def test_a_page_of_json_is_empty_where_it_says_so() -> None:
    """With meta and `files: []` there are no files; entries of something else are no list of this project."""
    assert [read_json(*files).foreign for files in ((), (None,), (entry("bar-1.zip"),), (entry(),))] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "file",
    [
        None,
        7,
        [],
        {},
        {"url": "x"},
        {"url": 7, "filename": 8},
        {"url": "foo-1.zip", "filename": "foo-1.zip", "hashes": {"sha256": "x"}},
    ],
)
def test_broken_entries_are_dropped(file: object) -> None:
    """One entry that is nonsense does not cost the others."""
    listing = read_json(file, entry())
    assert len(listing.files) == 1


@pytest.mark.parametrize("text", ["<script>", ">=3.9\n", '>=3"', "\x1b[2J", "9" * 300, ">=3.9; os_name"])
def test_a_hostile_requires_python_costs_its_file(text: str) -> None:
    """I9: without it the file would look as if it fitted everywhere."""
    assert read_json(entry(fields={"requires-python": text})).files == ()


@pytest.mark.parametrize("text", ["~=3", "~=3.8.*", "3.8", ">=3*", "==3.*.*", "!=3.*.1", ">=3..8", ">=3+local"])
def test_a_requires_python_that_uv_does_not_read_costs_its_file(text: str) -> None:
    """Uv drops such a file and says nothing; so it is told here, where there is no other."""
    assert read_json(entry(fields={"requires-python": text})).broken.endswith(f"cannot be read: {text}")


@pytest.mark.parametrize("text", ["", "~=3.8", ">=3.8.*,", "<4.*", "<=3.9.*,!=3.0*", "==3.*", "===3.11.7", ">= v3.8"])
def test_a_requires_python_that_uv_reads_stands(text: str) -> None:
    """In its own words, some of which are no specifiers to others."""
    assert read_json(entry(fields={"requires-python": text})).files[0].requires_python == (text or None)


def test_a_hostile_reason_is_made_harmless() -> None:
    """I9: control characters are spelled out, and the length is bounded; the file stays yanked."""
    (file,) = read_json(entry(fields={"yanked": "\x1b[2J\n" + "x" * 10_000})).files
    assert file.yanked is not None
    assert file.yanked.startswith("\\x1b[2J\\nxxx")
    assert len(file.yanked) == 500


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", -1),
        ("size", True),
        ("size", "7"),
        ("size", 2**63),
        ("size", 2**70),
        ("upload-time", "yesterday"),
        ("upload-time", 7),
        ("upload-time", "0001-01-01T00:00:00+23:59"),
        ("upload-time", "9999-12-31T23:59:59-12:00"),
        ("upload-time", "0001-01-02T00:00:00Z"),
        ("upload-time", "9999-12-31T23:59:59Z"),
        ("upload-time", "2024-06-30T23:59:60Z"),
    ],
)
def test_fields_that_cannot_be_read_are_left_out(field: str, value: object) -> None:
    """A size and a time are help, not promises: without them, the file is judged by its hash."""
    (file,) = read_json(entry(fields={field: value})).files
    assert (file.size, file.upload_time) == (None, None)


def test_a_size_of_thousands_of_digits_costs_itself_alone() -> None:
    """Python reads no such number, which is no reason to call the page something else than JSON."""
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "foo", "files": [entry(fields={"size": 7})]})
    listing = parse_page(body.replace('"size": 7', f'"size": {"7" * 5000}').encode(), JSON_TYPE, PAGE, project=FOO)
    assert [file.size for file in listing.files] == [None]


@pytest.mark.parametrize("text", ["2024-01-01", "2024-W01-1", "20240101T000000", "2024-01-01T02:00+02:00"])
def test_a_time_in_another_spelling_is_passed_on_in_ours(text: str) -> None:
    """Without an offset it is UTC, as PEP 700 has it."""
    assert read_json(entry(fields={"upload-time": text})).files[0].upload_time == "2024-01-01T00:00:00Z"


@given(st.binary(max_size=300), st.sampled_from([JSON_TYPE, HTML_TYPE]))
def test_no_bytes_raise_anything_else(body: bytes, kind: str) -> None:
    """Whatever comes: files, or an UpstreamError."""
    with suppress(UpstreamError):
        parse_page(body, kind, PAGE, project=FOO)


@given(st.text(max_size=60))
def test_no_link_raises_anything_else(link: str) -> None:
    """Any text at all in an href."""
    read_html(f'<a href="{escape(link)}">x</a>')


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,10}[a-z0-9])?", fullmatch=True)
SECRETS = st.text(min_size=4, max_size=30).filter(lambda text: len(set(text)) > 3)


LINKS = st.one_of(
    st.from_regex(
        r"https?://[a-z.@:0-9-]{0,8}index\.example/[a-zA-Z0-9._~%/?+-]{0,12}foo-1\.0\.tar\.gz(#sha256=[0-9a-f]{64})?"
    ),
    st.from_regex(r"[a-zA-Z0-9._~%/?#&+-]{0,12}foo-1\.0-py3-none-any\.whl(#sha256=[0-9a-fA-F]{64})?", fullmatch=True),
    st.builds(
        "https://index.example{}foo-1.0.zip".format, st.sampled_from(["/", "/../", "/./a/", "//", "/.a/", "/%2e/"])
    ),
)
PIECES = st.one_of(
    st.builds(
        '<a href="{}"{}>{}</a>{}'.format,
        LINKS.map(escape),
        st.sampled_from(
            ["", ' data-yanked="a &lt; b"', " data-yanked", ' data-requires-python="&gt;=3.9"', " hidden=''"]
        ),
        st.sampled_from(["foo", "a &amp; b", ""]),
        st.sampled_from(["<br>", "<br />", "\n", " x\n", "</p>"]),
    ),
    st.sampled_from(
        ["<!--", "-->", "<script>", "</script>", "<style>", "<form>", '<base href="https://index.example/">']
    ),
)


@given(st.lists(PIECES, max_size=6))
@settings(max_examples=500, deadline=None)
def test_a_page_is_read_the_same_at_one_look(pieces: list[str]) -> None:
    """What stands in front of an anchor that no index writes is read by the library's parser alone: no other files."""
    page = f"<!DOCTYPE html><title>foo</title>{''.join(pieces)}"
    slowly = page.replace("<title>", "<a hidden></a><title>")
    assert _files_or_reason(page) == _files_or_reason(slowly)


@given(LINKS)
@settings(max_examples=500)
def test_a_plain_link_is_what_the_rules_make_of_it(link: str) -> None:
    """The short way to read a link gives what joining and parsing it would, or is not taken."""
    files = _files_or_reason(f'<a href="{escape(link)}">foo</a>')
    with suppress(UpstreamError):
        whole = PAGE.join(link)
        expected = [(whole.public(), whole.filename)] if MACHINE.allows(whole.scheme, whole.site, page=PAGE) else []
        assert not isinstance(files, str)
        assert [(file.url, file.filename) for file in files] in (expected, [])
        if expected and not isinstance(files, str) and files:
            assert str(files[0].url) == str(expected[0][0])


def _files_or_reason(text: str) -> tuple[IndexFile, ...] | str:
    try:
        return read_html(text, rule=MACHINE).files
    except UpstreamError as error:
        return error.reason


@given(NAMES, SECRETS, NAMES)
def test_a_password_is_kept_and_never_printed(user: str, secret: str, path: str) -> None:
    """Parsed, joined and pickled, a Url still knows its password; printed in any way, it does not show it."""
    url = Url.parse(
        f"https://{user}:{quote('Zq' + secret, safe='')}@index.example/simple/?sig={quote('Zq' + secret, safe='')}"
    )
    again = pickle.loads(pickle.dumps(copy.copy(url)))  # noqa: S301
    assert again == url
    assert url.credentials == (user, "Zq" + secret)
    assert url.join(f"{path}/").credentials == url.credentials
    shown = f"{url} {url!r} {url!s} {url:>30} {[url]} {url.public()} {url.folder()}".replace("Url(", "")
    assert "Zq" not in shown
    assert "Zq" not in url.public().secret_text.partition("?")[0]


@given(NAMES, SECRETS)
@example("0", "01@#")
@example("0", "a@b#c")
def test_a_password_in_a_text_that_is_no_url_is_hidden_too(host: str, secret: str) -> None:
    """The message about a URL that cannot be read is the likeliest place for a leak."""
    text = f"https://user:Zq{secret}Zq@{host}/\\"
    with pytest.raises(UpstreamError) as caught:
        Url.parse(text)
    assert "Zq" not in hide(text)
    assert secret not in hide(text).partition("@")[0] or len(secret) < 4
    assert "Zq" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pw@index.example/a", "https://***@index.example/a"),
        ("https://user:p/w@index.example/a", "https://***@index.example/a"),
        ("https://index.example/a@b/c", "https://index.example/a@b/c"),
        ("https://index.example/f.whl?token=x&y", "https://index.example/f.whl?token=***&***"),
        ("https://INDEX.example:443/a b", None),
        ("HTTPS://Index.Example:443/x", "https://index.example/x"),
        ("http://index.example:80", "http://index.example/"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
    ],
)
def test_urls_are_spelled_one_way(text: str, shown: str | None) -> None:
    """Host in lower case, no default port, a path; secrets hidden; what has a blank in it is no URL."""
    if shown is None:
        with pytest.raises(UpstreamError):
            Url.parse(text)
    else:
        assert hide(text) == shown or str(Url.parse(text)) == shown
