"""The pages for people, in a real browser: found, read, walked by keyboard, and safe whatever the wheels say."""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from index.disk import Root
from index.errors import TreeError
from index.model import Entry, PublishedPlatform
from index.people_parts import seen, size
from index.publish import publish
from index.tree import Tree, tree
from index.verify import verify
from tests.browser import Browser, browser, url_of
from tests.index_makers import Shelves, platform, served

ALERT = "window.broken=1;alert(1)"
HOSTILE = [
    f"<script>{ALERT}</script>",
    f"</script><script>{ALERT}</script>",
    f"<img src=x onerror={ALERT}>",
    f"<svg onload={ALERT}>",
    f'"><img src=x onerror="{ALERT}">',
    f"' onmouseover='{ALERT}",
    f'" autofocus onfocus="{ALERT}" x="',
    f'<a href="javascript:{ALERT}">here</a>',
    f"javascript:{ALERT}",
    "<iframe srcdoc='<script>parent.broken=1</script>'></iframe>",
    "<iframe src=http://127.0.0.1:9/></iframe>",
    "<link rel=stylesheet href=http://127.0.0.1:9/a.css>",
    "<style>*{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<base href=http://127.0.0.1:9/>",
    "<form action=http://127.0.0.1:9/><button>press",
    "<!-- --><![CDATA[ ]]><?php ?>",
    "<!--<script>",
    "</title></style></textarea></noscript></template></main>",
    "&lt;script&gt; &amp;amp; &#60;b&#62;",
    "${alert(1)} `alert(1)` {{7*7}} <%= 7 %> %s {0} \\u003cscript\\u003e",
    "before \u202egnp.exe after",
    "isolates \u2066\u2067\u2068\u2069 marks \u200e\u200f\u061c",
    "zero\u200bwidth\u2060\ufeff \u00adsoft",
    "escape \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "nothing \x00 below \x08\x08\x08 bell \x07 delete \x7f",
    "lines \u2028 and \u2029 end",
    "tags \U000e0041\U000e0042 and fillers \u3164\uffa0",
    "half \ud800 a \udfff pair",
    "three\r\nlines\nhere\tand tabs",
    "x" * 119,
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u65e5\u672c\u8a9e \U0001f600 na\u00efve",
]


@pytest.fixture
def store(tmp_path: Path) -> Shelves:
    """A store for real wheels."""
    return Shelves(tmp_path / "store")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all of these."""
    with browser() as one:
        yield one


def made(store: Shelves, *platforms: PublishedPlatform, url: str | None = None, incomplete: Sequence[str] = ()) -> Tree:
    return tree(platforms, url=url, metadata=store.metadata, incomplete=incomplete)


def put(public: Path, store: Shelves, whole: Tree) -> Path:
    publish(public, whole, blob=store.blob)
    return public


def page(whole: Tree, path: str) -> str:
    return next(data for name, data in whole.pages() if name == path).decode()


def many(count: int) -> list[Entry]:
    """Records without wheels, for pages alone."""
    return [
        Entry(
            filename=f"project_{one:05d}-1.{one % 9}-py3-none-any.whl",
            project=f"project-{one:05d}",
            version=f"1.{one % 9}",
            sha256=sha256(f"{one}".encode()).hexdigest(),
            size=one,
            metadata_sha256=sha256(b"").hexdigest(),
            summary=f"What number {one} is good for" if one % 2 else "",
        )
        for one in range(count)
    ]


def laid_out(public: Path, whole: Tree) -> Path:
    """The pages for people on the disk, without the wheels."""
    for path, data in whole.pages():
        if path == "index.html" or path.startswith("about/"):
            (public / path).parent.mkdir(parents=True, exist_ok=True)
            (public / path).write_bytes(data)
    return public


# --- what stands on the pages -----------------------------------------------------------------------------------------


def test_a_platforms_state_is_told(store: Shelves) -> None:
    """Python, C library, image, proven or why not, last change, wheels, bytes; and who was never complete."""
    foo = store.wheel("foo")
    whole = made(
        store,
        replace(platform("box", [foo]), image="debian:trixie", proven=True, changed="2026-11-21T10:17:03Z"),
        replace(platform("host", [], libc=None, python="3.13.5"), image="this machine", unproven="switched off"),
        incomplete=["waiting"],
    )
    rows = re.findall(r'<tr role="row".*</tr>', page(whole, "index.html"))
    box, host, waiting = (" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows[-3:])
    size_said = re.escape(size(foo.size))
    assert re.fullmatch(
        rf"box 3\.11\.2 glibc 2\.31 debian:trixie complete proven 2026-11-21 10:17 UTC 1 {size_said} files , index", box
    )
    assert host == (
        "host 3.13.5 not glibc this machine complete not proven switched off unknown 0 0 bytes files , index"
    )
    assert waiting.startswith("waiting &ndash; &ndash; &ndash; not complete nothing of it is published yet")


def test_a_project_page_tells_where_each_file_came_from(store: Shelves) -> None:
    """The sdist, the image, the build requirements, the network; of the log its name and not its place."""
    fetched = store.wheel("foo", "1.0")
    built = replace(
        store.wheel("foo", "2.0"),
        source="built from foo-2.0.tar.gz",
        built=True,
        built_on="debian:trixie, Python 3.13.5",
        built_with=("cython 3.0", "setuptools 80.9"),
        network=True,
        log=".wheelyard/logs/box/foo-2.0.log",
        license="MIT",
        summary="Does foo.",
    )
    text = page(made(store, platform("box", [fetched, built])), "about/foo.html")
    assert (
        "built from foo-2.0.tar.gz on debian:trixie, Python 3.13.5, with cython 3.0, setuptools 80.9; "
        "the build could reach the network; log <code>foo-2.0.log</code>"
    ) in text
    assert "fetched, as it is" in text
    assert ".wheelyard" not in text
    for told in ("Does foo.", "MIT", built.sha256, fetched.sha256, built.filename, "py3-none-any", size(built.size)):
        assert told in text
    assert text.index(built.filename) < text.index(fetched.filename)


def test_a_project_page_says_who_needs_it(store: Shelves) -> None:
    """Requires-Dist turned round, whatever the spelling; what only an extra asks for is not needed."""
    wheels = [
        replace(store.wheel("some-base"), requires_dist=("missing>=1",)),
        replace(store.wheel("one"), requires_dist=('Some_Base<3,>=1 ; python_version < "4"',)),
        replace(store.wheel("two"), requires_dist=('some.base; extra == "test"', "one")),
    ]
    whole = made(store, platform("box", wheels))
    base, one, two = (page(whole, f"about/{name}.html") for name in ("some-base", "one", "two"))
    assert "Who needs it here: 1 project<" in base
    assert '<a href="one.html">one</a> <span class="soft">Some_Base&lt;3,&gt;=1 ; python_version' in base
    assert "two.html" not in base
    assert 'missing&gt;=1 <span class="soft">(not on this mirror)' in base
    assert '<a href="some-base.html">Some_Base' in one
    assert "No other project" in two


def test_a_yanked_version_is_not_the_newest(store: Shelves) -> None:
    """The table and the head of the page name what one gets; the file itself is listed with its reason."""
    good, bad = store.wheel("foo", "1.0"), store.wheel("foo", "2.0", yanked="eats files")
    whole = made(store, platform("box", [good, bad]))
    assert "<td>1.0</td>" in page(whole, "index.html")
    text = page(whole, "about/foo.html")
    assert "<dt>Newest here</dt><dd>1.0</dd>" in text
    assert '<span class="state warn">yanked</span>: eats files' in text


def test_two_builds_under_one_name_stand_apart(store: Shelves) -> None:
    """Both files are listed, each with its platform, and what was decided about them."""
    old, new = store.wheel("foo", body="old"), store.wheel("foo", body="new")
    text = page(made(store, platform("a", [old]), platform("b", [new], libc=(2, 41))), "about/foo.html")
    assert text.count(f">{old.filename}</a>") == 2
    assert "was made with different bytes on a, b" in text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (99_950, "100 kB"),
     (999_499, "999 kB"), (999_500, "1.0 MB"), (12_345_678, "12.3 MB"), (10**15, "1000 TB")],
)  # fmt: skip
def test_sizes_read_well(number: int, text: str) -> None:
    """Three digits that count, and never 1000 of a unit that has a larger one."""
    assert size(number) == text


def test_same_input_same_bytes(store: Shelves) -> None:
    """The order of platforms and wheels does not matter."""
    wheels = [store.wheel(name, version) for name in ("foo", "bar") for version in ("1.0", "2.0", "10.0")]
    one = made(store, platform("a", wheels), platform("b", wheels[:4]))
    other = made(store, platform("b", wheels[:4][::-1]), platform("a", wheels[::-1]))
    assert list(one.pages()) == list(other.pages())


# --- lines to copy ----------------------------------------------------------------------------------------------------


def installed_by(line: str, folder: Path, cwd: Path) -> list[str]:
    """Run a line as it stands on the page in a shell, with this Python's pip, into a folder."""
    pip = f"{shlex.quote(sys.executable)} -m pip --isolated --disable-pip-version-check"
    command = line.replace("pip install", f"{pip} install --no-cache-dir --target {shlex.quote(str(folder))}", 1)
    done = subprocess.run(["sh", "-c", command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return sorted(path.name.removesuffix(".dist-info") for path in folder.glob("*.dist-info"))


def lines(chromium: Browser) -> list[str]:
    return chromium.texts("pre code")


@pytest.mark.parametrize("way", ["file", "http", "url"])
def test_the_lines_install(tmp_path: Path, store: Shelves, chromium: Browser, way: str) -> None:
    """Each line installs, wherever its page was opened: in an odd folder, on a server, under publish.url."""
    foo, bar = replace(store.wheel("foo", requires=["bar"]), requires_dist=("bar",)), store.wheel("bar")
    box = platform("box", [foo, bar], sets={"base": [foo, bar]})
    public = tmp_path / "it's public"
    with served(public.parent) as root:
        url = f"{root}it%27s%20public/"
        put(public, store, made(store, box, url=url if way == "url" else None))
        place = f"{url_of(public)}/" if way == "file" else url
        chromium.open(f"{place}index.html")
        one, everything = lines(chromium)
        chromium.open(f"{place}about/foo.html")
        (project,) = lines(chromium)
        for number, line in enumerate([one.replace("PROJECT", "foo"), everything, project]):
            assert installed_by(line, tmp_path / f"{way}-{number}", tmp_path) == ["bar-1.0", "foo-1.0"]
    assert ("--trusted-host" in project) == (way != "file")


def test_the_lines_work_without_a_script(tmp_path: Path, store: Shelves) -> None:
    """As they stand in the page itself, started in the mirror's folder, as it says."""
    foo = store.wheel("foo")
    whole = made(store, platform("box", [foo], sets={"base": [foo]}))
    public = put(tmp_path / "public", store, whole)
    text = page(whole, "index.html")
    assert "Start it in the folder that holds this mirror." in text
    line = re.sub(r"<[^>]+>", "", re.findall(r"<pre><code>(.*)</code></pre>", text)[1])
    assert installed_by(line, tmp_path / "target", public) == ["foo-1.0"]


# --- hostile text -----------------------------------------------------------------------------------------------------


def hostile_wheel(store: Shelves, number: int, text: str) -> Entry:
    return replace(
        store.wheel(f"hostile-{number:02d}", python=">=3"),
        summary=text,
        license=text,
        source=text,
        built=True,
        built_on=text,
        built_with=(text,),
        log=f"logs/{text.replace('/', '')}",
        requires_dist=(f"hostile-00 ; {text}",),
        yanked=text,
    )


def test_hostile_text_is_text(tmp_path: Path, store: Shelves, chromium: Browser) -> None:
    """Over all of HOSTILE, in every field: the page shows just these characters, and nothing runs, loads or moves."""
    wheels = [hostile_wheel(store, number, text) for number, text in enumerate(HOSTILE)]
    box = replace(platform("box", wheels), image=HOSTILE[0], unproven=HOSTILE[3], changed=HOSTILE[4])
    public = laid_out(tmp_path / "public", made(store, box, incomplete=[HOSTILE[2]]))
    chromium.requests(), chromium.complaints()
    chromium.open(url_of(public / "index.html"))
    abouts = chromium.texts("#rows .about")
    assert abouts == [seen(text) for text in HOSTILE]
    assert_harmless(chromium)
    chromium.click("#find")
    chromium.press("hostile")
    assert chromium.texts("#rows .about") == abouts  # now made by the script
    assert_harmless(chromium)
    for number, text in enumerate(HOSTILE):
        chromium.open(url_of(public / "about" / f"hostile-{number:02d}.html"))
        assert chromium.text(".lead") == seen(text)
        assert chromium.texts(".facts dd")[1] == seen(text)
        told = chromium.text(".file .facts dd:last-child")
        assert told.startswith(f"{seen(text)} on {seen(text)}, with {seen(text)}; no network")
        assert_harmless(chromium)
    outside = [url for url in chromium.requests() if not url.startswith(url_of(public))]
    assert outside == []
    assert chromium.complaints() == []


def assert_harmless(chromium: Browser) -> None:
    """Only our own elements and scripts, no handler on any of them, and nothing that ran."""
    found = chromium.run(
        "const all = [...document.querySelectorAll('*')];"
        "return {broken: window.broken ?? 0,"
        " elements: all.filter(e => e.matches('iframe,img,svg,form,base,object,embed,style,template')).length,"
        " scripts: document.scripts.length, sheets: document.styleSheets.length,"
        " handlers: all.flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on')).length,"
        " links: [...document.links].filter(a => a.protocol !== 'file:').length}"
    )
    scripts = found.pop("scripts")
    assert found == {"broken": 0, "elements": 0, "sheets": 1, "handlers": 0, "links": 0}
    assert scripts <= 3


def test_hostile_file_names_lead_where_they_should(tmp_path: Path, store: Shelves, chromium: Browser) -> None:
    """Quotes, markup, `#`, `%` and an override in a file name: one link, to that very file."""
    name = "foo-1.0-py3-none-any'\"><b onclick=x>&amp;%41#?\u202e.whl"
    foo = replace(store.wheel("foo"), filename=name)
    public = put(tmp_path / "public", store, made(store, platform("box", [foo])))
    chromium.open(url_of(public / "about" / "foo.html"))
    assert chromium.text(".file a") == seen(name)
    path = chromium.run("return decodeURIComponent(new URL(document.querySelector('.file a').href).pathname)")
    assert path == str(public / "files" / foo.sha256[:2] / foo.sha256 / name)
    assert chromium.run("return document.querySelectorAll('b').length") == 0


def test_the_policy_holds(tmp_path: Path, store: Shelves, chromium: Browser) -> None:
    """If markup did get in, its script, its handler and its image would still do nothing."""
    public = put(tmp_path / "public", store, made(store, platform("box", [store.wheel("foo")])))
    for name in ("index.html", "about/foo.html"):
        for spot in ("</main>", "</header>"):
            bad = f"<script>window.broken=1</script><img src=http://127.0.0.1:9/ onerror='window.broken=1'>{spot}"
            text = (public / name).read_text()
            (public / "about" / "bad.html").write_text(text.replace(spot, bad).replace('href="about', 'href="'))
            chromium.requests()
            chromium.open(url_of(public / "about" / "bad.html"))
            assert chromium.run("return window.broken ?? 0") == 0
            assert any("Content Security Policy" in one for one in chromium.complaints())


# --- finding, by keyboard ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["file", "http"])
def test_search_as_one_types(tmp_path: Path, chromium: Browser, way: str) -> None:
    """`/` goes to the field, each key narrows, the count is told, arrows walk, Enter opens, Escape forgets."""
    public = laid_out(tmp_path / "public", made(Shelves(tmp_path), platform("box", many(1234), libc=(2, 31))))
    with served(public) as root:
        chromium.open(url_of(public / "index.html") if way == "file" else f"{root}index.html")
        assert chromium.text("#count") == "1,234 projects"
        chromium.press("/")
        assert chromium.run("return document.activeElement.id") == "find"
        chromium.press("Project_0077")
        assert chromium.text("#count") == "10 of 1,234 projects"
        assert chromium.texts("#rows a") == [f"project-0077{one}" for one in range(10)]
        chromium.press("ArrowDown", "ArrowDown")
        assert chromium.run("return document.activeElement.textContent") == "project-00771"
        chromium.press("ArrowUp", "ArrowUp")
        assert chromium.run("return document.activeElement.id") == "find"
        chromium.press("Escape")
        assert chromium.text("#count") == "1,234 projects"
        chromium.press("number 77 good")
        assert chromium.texts("#rows a")[0] == "project-00077"
        chromium.press("Enter")
        assert chromium.text("h1") == "project-00077"
        chromium.click("nav a")
        assert chromium.text("h1") == "Python wheels"
    assert [one for one in chromium.complaints() if "favicon" not in one] == []


def test_a_name_comes_before_a_summary(tmp_path: Path, store: Shelves, chromium: Browser) -> None:
    """What is called so, what begins so, what has it in its name, what only speaks of it; nothing says so too."""
    wheels = [
        replace(store.wheel(name), summary=f"{'speaks of yaml' if name == 'a-first' else ''}")
        for name in ("a-first", "py-yaml", "yaml", "yaml-more", "zope")
    ]
    chromium.open(url_of(laid_out(tmp_path / "public", made(store, platform("box", wheels))) / "index.html"))
    chromium.click("#find")
    chromium.press("YAML")
    assert chromium.texts("#rows a") == ["yaml", "yaml-more", "py-yaml", "a-first"]
    chromium.press("lint")
    assert (chromium.texts("#rows tr"), chromium.text("#count")) == ([], "0 of 5 projects")


def test_thousands_come_in_pieces(tmp_path: Path, chromium: Browser) -> None:
    """A hundred rows at first; scrolling or the button brings more, until all are there once, in order."""
    public = laid_out(tmp_path / "public", made(Shelves(tmp_path), platform("box", many(450))))
    chromium.screen(1280, 900)
    chromium.open(url_of(public / "index.html"))
    assert len(chromium.texts("#rows a")) == 100
    for _ in range(50):
        if len(chromium.texts("#rows a")) == 450:
            break
        chromium.run("scrollTo(0, document.body.scrollHeight); return new Promise(requestAnimationFrame)")
    assert chromium.texts("#rows a") == [f"project-{one:05d}" for one in range(450)]
    assert chromium.run("return document.querySelector('#more').hidden")


def test_without_javascript(tmp_path: Path) -> None:
    """The first hundred projects, no field that does nothing, and the way to all of them."""
    public = laid_out(tmp_path / "public", made(Shelves(tmp_path), platform("box", many(150))))
    with browser(scripts=False) as plain:
        plain.open(url_of(public / "index.html"))
        tree_of_names = plain.devtools("Accessibility.getFullAXTree")["nodes"]
        said = {str(node.get("name", {}).get("value", "")) for node in tree_of_names if not node["ignored"]}
        roles = {node["role"]["value"] for node in tree_of_names if not node["ignored"]}
    assert {"project-00000", "project-00099", "simple/"} <= said
    assert "project-00100" not in said
    assert "searchbox" not in roles


# --- for everybody ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path, store: Shelves) -> Path:
    """Two platforms, a clash, a yanked file, a long name, a platform that waits."""
    foo, bar = store.wheel("foo", body="a"), replace(store.wheel("foo", body="b"), summary="Does foo. " * 20)
    gone = replace(store.wheel("gone", yanked="broken"), requires_dist=("foo",), summary="Is gone")
    long = store.wheel(
        "a-very-long-name-that-somebody-gave-to-a-project-without-thinking-of-telephones", "2026.11.21.1"
    )
    old = replace(
        platform("debian-bullseye", [foo, gone, long], sets={"base": [foo]}), image="debian:bullseye", proven=True
    )
    new = replace(platform("trixie-arm64", [bar, gone], libc=(2, 41), sets={"base": [bar]}), unproven="prove: false")
    return put(tmp_path / "public", store, made(store, old, new, incomplete=["mac-mini"]))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_fits_and_reads_on_every_screen(small: Path, chromium: Browser, width: int, *, dark: bool) -> None:
    """No page is wider than the screen, and every text has a contrast of 4.5 and more (WCAG 2.2, AA)."""
    for name in ("index.html", "about/foo.html", "about/gone.html"):
        chromium.screen(width, 800, dark=dark, mobile=width < 500)
        chromium.open(url_of(small / name))
        chromium.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert chromium.run("return document.documentElement.scrollWidth") <= width, name
        assert chromium.run(_CONTRAST) == [], name
        background = chromium.run("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 300) == dark


_CONTRAST = """
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                     return .2126 * r + .7152 * g + .0722 * b; };
const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
                      if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
return [...document.body.querySelectorAll('*')]
  .filter(e => !e.matches('script,noscript') && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  .map(e => { const ink = light(rgb(getComputedStyle(e).color).slice(0, 3));
              const [a, b] = [ink, light(ground(e))].sort((x, y) => y - x);
              return [e.textContent.slice(0, 30), (a + .05) / (b + .05)]; })
  .filter(([, ratio]) => ratio < 4.5);
"""


def test_a_screen_reader_finds_its_way(small: Path, chromium: Browser) -> None:
    """Landmarks, one h1, headings without gaps, headers for every cell, a named field, a live count, a skip link."""
    for width in (390, 1280):
        chromium.screen(width, 800, mobile=width < 500)
        chromium.open(url_of(small / "index.html"))
        nodes = [one for one in chromium.devtools("Accessibility.getFullAXTree")["nodes"] if not one["ignored"]]
        roles = [one["role"]["value"] for one in nodes]
        named = {(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes}
        assert {"banner", "navigation", "main", "contentinfo", "search"} <= set(roles)
        assert {("searchbox", "Find"), ("table", "Every platform and its state")} <= named
        assert {("columnheader", "debian-bullseye"), ("rowheader", "mac-mini")} <= named
        assert roles.count("table") == 2
        assert chromium.run("return document.querySelector('[role=status]').getAttribute('aria-live')") == "polite"
    for name in ("index.html", "about/foo.html"):
        chromium.open(url_of(small / name))
        levels = chromium.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        chromium.press("Tab")
        assert chromium.run("return document.activeElement.className") == "skip"
        assert chromium.run("return document.activeElement.getBoundingClientRect().left") >= 0


# --- verify -----------------------------------------------------------------------------------------------------------


def test_verify_knows_the_pages(small: Path) -> None:
    """A page too many, too few, or that leads nowhere is found, though the manifest agrees."""
    assert verify(small) == []
    (small / "about" / "extra.html").write_bytes((small / "about" / "foo.html").read_bytes())
    assert verify(signed(small)) == ["about/extra.html: index.html does not name it"]
    (small / "about" / "extra.html").rename(small / "about" / "foo.html")
    (small / "about" / "gone.html").unlink()
    assert verify(signed(small)) == [
        "about/foo.html: links to about/gone.html, which is not there",
        "about/gone.html: is not there, and index.html names it",
        "index.html: links to about/gone.html, which is not there",
    ]


def signed(public: Path) -> Path:
    """Make the manifest agree with what lies there, as somebody would who wants to hide it."""
    manifest = json.loads((public / "manifest.json").read_text())
    for name in [path for path in manifest["paths"] if path.startswith("about/")]:
        del manifest["paths"][name]
    for path in public.glob("about/*"):
        state = {"size": path.stat().st_size, "sha256": sha256(path.read_bytes()).hexdigest()}
        manifest["paths"][f"about/{path.name}"] = state
    (public / "manifest.json").write_text(json.dumps(manifest))
    return public


def test_a_later_page_never_leads_nowhere(tmp_path: Path, store: Shelves) -> None:
    """While pages are renamed into the tree, none that can be reached leads to one that is not there yet."""
    base = store.wheel("base")
    new = [replace(store.wheel(f"new-{one}"), requires_dist=("base", f"new-{(one + 1) % 3}")) for one in range(3)]
    public = put(tmp_path / "public", store, made(store, platform("box", [base])))
    seen_on_the_way: list[tuple[str, ...]] = []
    real = Root.replace

    def replaced(root: Root, path: str, place: str) -> None:
        real(root, path, place)
        seen_on_the_way.append(unreachable(public))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Root, "replace", replaced)
        put(public, store, made(store, platform("box", [base, *new])))
    assert len(seen_on_the_way) > 5
    assert set(seen_on_the_way) == {()}


def unreachable(public: Path) -> tuple[str, ...]:
    """Every page for people that a reader comes to from index.html, and that is not there."""
    found, todo = set(), ["index.html"]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        if (public / name).is_file():
            links = re.findall(r'href="([^"#]+\.html)', (public / name).read_text())
            todo += [posixpath.normpath(posixpath.join(posixpath.dirname(name), one)) for one in links]
    return tuple(sorted(name for name in found if not (public / name).is_file()))


def test_a_platform_cannot_take_the_pages_folder(store: Shelves) -> None:
    """`about` is the tree's own."""
    with pytest.raises(TreeError, match="about"):
        made(store, platform("about", [store.wheel("foo")]))


def test_pages_for_people_have_no_path_of_this_machine(small: Path) -> None:
    """Nor its host's name: they are published."""
    for path in [small / "index.html", *small.glob("about/*")]:
        text = path.read_text()
        assert str(small.parent) not in text
        assert os.uname().nodename not in text
