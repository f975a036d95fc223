"""The pages for people in a real browser: found, walked by keyboard, read by all, safe whatever wheels say."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from index.model import Entry
from index.people_parts import seen
from tests.browser import Browser, browser, url_of
from tests.index_makers import Shelves, made, platform, put, served
from tests.people_makers import laid_out, many

CHANGED = "2026-11-21T10:17:03Z"
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
    assert scripts <= 4


def test_hostile_file_names_lead_where_they_should(public: Path, store: Shelves, chromium: Browser) -> None:
    """Quotes, markup, `#`, `%` and an override in a file name: one link, to that very file."""
    name = "foo-1.0-py3-none-any'\"><b onclick=x>&amp;%41#?\u202e.whl"
    foo = replace(store.wheel("foo"), filename=name)
    put(public, store, platform("box", [foo]))
    chromium.open(url_of(public / "about" / "foo.html"))
    assert chromium.text(".file a") == seen(name)
    path = chromium.run("return decodeURIComponent(new URL(document.querySelector('.file a').href).pathname)")
    assert path == str(public / "files" / foo.sha256[:2] / foo.sha256 / name)
    assert chromium.run("return document.querySelectorAll('b').length") == 0


def test_the_policy_holds(public: Path, store: Shelves, chromium: Browser) -> None:
    """If markup did get in, its script, its handler and its image would still do nothing."""
    put(public, store, platform("box", [store.wheel("foo")]))
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
    """Each key narrows, the count is told, arrows walk, Enter opens, Escape forgets."""
    public = laid_out(tmp_path / "public", made(Shelves(tmp_path), platform("box", many(1234), libc=(2, 31))))
    with served(public) as root:
        chromium.open(url_of(public / "index.html") if way == "file" else f"{root}index.html")
        assert chromium.text("#count") == "1,234 projects"
        chromium.click("#find")
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


@pytest.mark.parametrize("way", ["file", "http"])
def test_a_search_is_in_the_address(tmp_path: Path, chromium: Browser, way: str) -> None:
    """It can be sent to somebody, Back comes to it again, and nothing is left of one that was taken back."""
    public = laid_out(tmp_path / "public", made(Shelves(tmp_path), platform("box", many(1234))))
    with served(public) as root:
        front = url_of(public / "index.html") if way == "file" else f"{root}index.html"
        chromium.screen(1280, 900)
        chromium.open(front)
        chromium.click("#find")
        chromium.press("good & 77%")
        assert chromium.run("return location.hash") == "#q=good+%26+77%25"
        chromium.press("Escape")
        assert chromium.run("return location.href") == front
        chromium.press("project_0077")
        sent = chromium.run("return location.href")
        chromium.click("#rows a")
        assert chromium.text("h1") == "project-00770"
        chromium.back()
        assert chromium.text("#count") == "10 of 1,234 projects"
        chromium.open("about:blank")
        chromium.open(sent)
        assert chromium.run("return document.querySelector('#find').value") == "project_0077"
        assert chromium.run("return document.querySelector('#find').getBoundingClientRect().top") < 900
        chromium.open(f"{front}#q=good+for+12")
        assert chromium.texts("#rows a")[0] == "project-00121"


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
    assert (chromium.texts("#rows tr"), chromium.text("#count")) == ([], "Nothing of 5 projects fits “yamllint”")
    assert chromium.run("return document.querySelector('#table').offsetHeight") == 0
    chromium.press("Escape")
    assert chromium.run("return document.querySelector('#table').offsetHeight") > 0


def test_what_to_know_first_stands_beside_the_name(tmp_path: Path, store: Shelves, chromium: Browser) -> None:
    """Archived, deprecated, all yanked: a word in the table, made by the page or its script, that is found too."""
    wheels = [store.wheel("dead"), store.wheel("fine"), store.wheel("gone", yanked="eats files")]
    wheels += [store.wheel("half"), store.wheel("half", "2.0", yanked=""), store.wheel("lost", yanked="")]
    statuses = ("dead", "archived", "nobody cares"), ("lost", "deprecated", "")
    whole = made(store, replace(platform("box", wheels), statuses=statuses))
    chromium.open(url_of(laid_out(tmp_path / "public", whole) / "index.html"))
    told = ["dead archived", "fine", "gone yanked", "half", "lost deprecated, yanked"]
    assert chromium.texts("#rows th") == told
    chromium.click("#find")
    chromium.press("yanked")
    assert chromium.texts("#rows th") == [told[2], told[4]]


@pytest.mark.parametrize("text", ["example.org", "my_module", "3.11", "see https://example.org/a_b-c..d", "a-_-b"])
def test_what_stands_in_a_summary_is_found(tmp_path: Path, store: Shelves, chromium: Browser, text: str) -> None:
    """Letter by letter, whatever dots, dashes and underscores it has."""
    wheels = [replace(store.wheel("foo"), summary=f"Does it: {text}!"), store.wheel("bar")]
    chromium.open(url_of(laid_out(tmp_path / "public", made(store, platform("box", wheels))) / "index.html"))
    chromium.click("#find")
    for letter in text:
        chromium.press(letter)
        assert "foo" in chromium.texts("#rows a")
    assert chromium.texts("#rows a") == ["foo"]


def test_a_key_stroke_is_quick(tmp_path: Path, chromium: Browser) -> None:
    """With 20,000 projects, whatever is asked for: the median of several is far below what anybody notices."""
    whole = made(Shelves(tmp_path), platform("box", many(20_000)))
    (tmp_path / "index.html").write_text(whole.files["index.html"])
    chromium.open(url_of(tmp_path / "index.html"))
    for asked in ("p", "project_0", "good.for number_7", "no_such.thing"):
        spent = chromium.run(_STROKES, asked)
        assert sorted(spent)[len(spent) // 2] < 50, asked


_STROKES = """
const field = document.querySelector("#find");
field.value = arguments[0];
return [...Array(9)].map(() => {
  const start = performance.now();
  field.dispatchEvent(new Event("input"));
  document.body.offsetHeight;
  return performance.now() - start;
});
"""


def test_thousands_come_in_pieces(tmp_path: Path, chromium: Browser) -> None:
    """A hundred rows at first; scrolling brings 400, so that the page has an end, and the button all, in order."""
    public = laid_out(tmp_path / "public", made(Shelves(tmp_path), platform("box", many(550))))
    chromium.screen(1280, 900)
    chromium.open(url_of(public / "index.html"))
    assert len(chromium.texts("#rows a")) == 100
    for _ in range(50):
        chromium.run("scrollTo(0, document.body.scrollHeight); return new Promise(requestAnimationFrame)")
    assert len(chromium.texts("#rows a")) == 400
    assert chromium.run("return document.querySelector('footer').getBoundingClientRect().top") < 900
    for count in (500, 550):
        chromium.click("#more")
        assert chromium.texts("#rows a") == [f"project-{one:05d}" for one in range(count)]
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


@pytest.mark.parametrize("width", [360, 1300])
def test_long_names_do_not_push_the_overview_off_the_screen(
    tmp_path: Path, store: Shelves, chromium: Browser, width: int
) -> None:
    """An image pinned by digest, one with a long path, the longest names of platforms: all stand in their table."""
    foo = store.wheel("foo")
    pinned = replace(platform("debian-bookworm", [foo]), image=f"debian@sha256:{'ab12' * 16}", unproven="x" * 99)
    deep = replace(platform("x" * 64, [foo]), image=f"registry.example/{'a/long_path/' * 9}manylinux:2026.11.21")
    public = laid_out(tmp_path / "public", made(store, pinned, deep, incomplete=["y" * 64]))
    chromium.screen(width, 900, mobile=width < 500)
    chromium.open(url_of(public / "index.html"))
    needed, room = chromium.run(
        "const {scrollWidth, clientWidth} = document.querySelector('.platforms');return [scrollWidth, clientWidth]"
    )
    assert needed <= room < width


def test_paper_has_every_column(tmp_path: Path, store: Shelves, chromium: Browser) -> None:
    """Printed, nothing is cut off that a screen would scroll to: seven platforms, with long images and versions."""
    foo = replace(store.wheel("foo", "2026.11.21.1"), summary="Does foo, and says so at some length. " * 3)
    image = f"registry.example/debian@sha256:{'ab' * 32}"
    each = [replace(platform(f"debian-platform-{one}", [foo]), image=image, changed=CHANGED) for one in range(7)]
    public = laid_out(tmp_path / "public", made(store, *each))
    chromium.screen(718, 1000)
    chromium.devtools("Emulation.setEmulatedMedia", media="print")
    chromium.open(url_of(public / "index.html"))
    assert chromium.run(_CUT) == []
    chromium.devtools("Emulation.setEmulatedMedia", media="")


_CUT = """
return [...document.querySelectorAll(".scroll, .scroll td, .scroll th")]
  .filter(e => e.getBoundingClientRect().right > innerWidth || getComputedStyle(e).overflowX === "auto")
  .map(e => e.textContent.slice(0, 30));
"""


def test_a_screen_reader_finds_its_way(small: Path, chromium: Browser) -> None:
    """Landmarks, one h1, headings without gaps, headers for every cell, a named field, a live count, a skip link."""
    for width in (390, 1280):
        chromium.screen(width, 800, mobile=width < 500)
        chromium.open(url_of(small / "index.html"))
        nodes = [one for one in chromium.devtools("Accessibility.getFullAXTree")["nodes"] if not one["ignored"]]
        roles = [one["role"]["value"] for one in nodes]
        regions = [one["name"]["value"] for one in nodes if one["role"]["value"] == "region"]
        assert regions == ["Platforms", "Install", "Merging", "Projects"]
        named = {(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes}
        assert {"banner", "navigation", "main", "contentinfo", "search"} <= set(roles)
        assert {("searchbox", "Find"), ("table", "Every platform and its state")} <= named
        assert {("columnheader", "debian-bullseye"), ("rowheader", "mac-mini"), ("rowheader", "gone")} <= named
        assert roles.count("table") == 2
        assert chromium.run("return document.querySelector('[role=status]').getAttribute('aria-live')") == "polite"
        assert all(height >= 24 for height in chromium.run(_NAVIGATION))
    for name in ("index.html", "about/foo.html"):
        chromium.open(url_of(small / name))
        levels = chromium.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        chromium.press("Tab")
        assert chromium.run("return document.activeElement.className") == "skip"
        assert chromium.run("return document.activeElement.getBoundingClientRect().left") >= 0


_NAVIGATION = "return [...document.querySelectorAll('nav a')].map(e => e.getBoundingClientRect().height)"


def test_no_key_acts_by_itself(small: Path, chromium: Browser) -> None:
    """WCAG 2.1.4: who dictates types letters and signs that nobody asked for."""
    chromium.open(url_of(small / "index.html"))
    chromium.press("/gone")
    assert chromium.run("return [document.activeElement.id, location.hash]") == ["", ""]
    assert len(chromium.texts("#rows tr")) == 3


def test_the_tab_key_stops_at_nothing_idle(small: Path, chromium: Browser) -> None:
    """Only what can be followed, opened or typed into; a table that scrolls does so from the links in it."""
    chromium.open(url_of(small / "index.html"))
    assert chromium.run("return [...document.querySelectorAll('[tabindex]')].length") == 0
    assert chromium.run("return [...document.querySelectorAll('.scroll')].every(e => e.querySelector('a'))")
