"""The pages for people: what they tell, lines that install as they stand, and every page with a way to it."""

from __future__ import annotations

import html
import json
import os
import posixpath
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from index.disk import Root
from index.errors import TreeError
from index.people_parts import seen, size
from index.verify import verify
from tests.browser import Browser, url_of
from tests.disk import sha256_of
from tests.index_makers import Shelves, made, platform, put, served
from tests.people_makers import laid_out, page

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


@pytest.mark.parametrize("incomplete", [[], ["waiting"]])
def test_before_anything_is_published_the_page_says_so(
    public: Path, store: Shelves, chromium: Browser, incomplete: list[str]
) -> None:
    """And nothing else of sets, of agreement, of projects; a platform that waits is named."""
    put(public, store, incomplete=incomplete)
    text = (public / "index.html").read_text()
    assert '<p class="lead">Nothing is published yet.</p>' in text
    assert not re.search("Everything|agree|0 projects|0 platforms|Install", text)
    assert (text.count("<table"), text.count("waiting</th>")) == (len(incomplete), len(incomplete))
    assert verify(public) == []
    chromium.complaints()
    chromium.open(url_of(public / "index.html"))
    assert chromium.complaints() == []


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


def test_a_pre_release_is_not_the_newest(store: Shelves) -> None:
    """As no installer takes it unasked; where there is nothing else it does, and so do table and page."""
    rc, final, dev = store.wheel("foo", "2.0rc1"), store.wheel("foo", "1.0"), store.wheel("bar", "0.1.dev1")
    whole = made(store, platform("box", [replace(rc, summary="Is to come"), replace(final, summary="Is"), dev]))
    front, text = page(whole, "index.html"), page(whole, "about/foo.html")
    assert "<td>1.0</td>" in front
    assert "<td>0.1.dev1</td>" in front
    assert "<dt>Newest here</dt><dd>1.0</dd>" in text
    assert '<p class="lead" dir="auto">Is</p>' in text
    assert rc.filename in text


def test_what_is_one_platforms_is_not_said_of_all(store: Shelves) -> None:
    """Where the newest versions differ, each is said to be whose; the Python that it needs stands at its file."""
    old, new = store.wheel("foo", "2.32.5", python=">=3.9"), store.wheel("foo", "2.34.2", python=">=3.10")
    platforms = platform("a", [old]), platform("b", [old, new], libc=(2, 41)), platform("c", [new], libc=(2, 41))
    text = page(made(store, *platforms), "about/foo.html")
    project, *files = text.split("<h4>")
    assert "<dt>Newest here</dt><dd>2.34.2 (b, c), 2.32.5 (a)</dd>" in project
    assert "Needs Python" not in project
    said = [re.findall("Needs Python</dt><dd>(.*)</dd>|(2[.][0-9.]+)-py3-none-any.whl</a>", file) for file in files]
    assert said == [[("", "2.34.2"), ("&gt;=3.10", "")], [("", "2.32.5"), ("&gt;=3.9", "")]]


def test_a_version_and_a_file_have_an_address(store: Shelves) -> None:
    """So that one can send somebody to them: by the version, by the hash."""
    foo = store.wheel("foo", "1!2.0+local.1")
    text = page(made(store, platform("box", [foo])), "about/foo.html")
    assert '<h3 id="v1!2.0+local.1">' in text
    assert f'id="{foo.sha256}"' in text


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


@pytest.mark.parametrize(
    "text",
    ["\u2708\ufe0f by air", "\u2708\ufe0e", "1\ufe0f\u20e3", "\U0001f469\u200d\U0001f469\u200d\U0001f467",
     "\U0001f469\U0001f3fd\u200d\U0001f4bb", "\u2764\ufe0f\u200d\U0001f525", "\u0645\u06cc\u200c\u062e\u0648",
     "\u0915\u094d\u200d\u0937"],
)  # fmt: skip
def test_emoji_and_all_scripts_read_as_written(store: Shelves, text: str) -> None:
    """In prose, that is, where they are spelled with joiners and selectors; in a version the same is shown."""
    foo = replace(store.wheel("foo"), summary=text, version=f"1{text}", yanked=text)
    whole = made(store, platform("box", [foo]))
    assert f'<p class="lead" dir="auto">{text}</p>' in page(whole, "about/foo.html")
    assert f"yanked</span>: {text}<" in page(whole, "about/foo.html")
    assert f'<span class="about" dir="auto">{text}</span>' in page(whole, "index.html")
    assert f"<td>1{seen(text)}</td>" in page(whole, "index.html")
    assert seen(text) != text


@pytest.mark.parametrize(
    "text", ["py\u200dthon", "a\ufe0f", "1\ufe0f", "\u200d\U0001f525", "\u0645\u200c", "\u2708\ufe0f\ufe0f"]
)
def test_nothing_else_is_hidden_in_prose(text: str) -> None:
    """Where a joiner or a selector is for nothing, it is shown there too."""
    assert "\u27e8U+" in seen(text, prose=True)


def test_same_input_same_bytes(store: Shelves) -> None:
    """The order of platforms and wheels does not matter."""
    wheels = [store.wheel(name, version) for name in ("foo", "bar") for version in ("1.0", "2.0", "10.0")]
    one = made(store, platform("a", wheels), platform("b", wheels[:4]))
    other = made(store, platform("b", wheels[:4][::-1]), platform("a", wheels[::-1]))
    assert list(one.pages()) == list(other.pages())


def test_absurd_texts_are_shortened(store: Shelves) -> None:
    """Whatever a wheel or an index says at such length, its page stays one that people read."""
    long = "a word " * 50_000
    foo = replace(store.wheel("foo", yanked=long), summary=long, license=long, requires_python=long, source=long)
    foo = replace(foo, built=True, built_on=long, built_with=(long,), tags=(long,))
    box = replace(platform("box", [foo]), statuses=(("foo", "archived", long),))
    text = page(made(store, box), "about/foo.html")
    assert text.count("…") == 9
    assert len(text) < 10_000


def test_where_there_is_no_wheel_no_line_installs_one(store: Shelves) -> None:
    """A complete platform of empty sets says so; the settings that name it stay."""
    text = page(made(store, platform("box", [], sets={"base": []})), "index.html")
    assert ("pip install" in text, "It has no wheels yet." in text, "box/pip.conf" in text) == (False, True, True)


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
        put(public, store, box, url=url if way == "url" else None)
        place = f"{url_of(public)}/" if way == "file" else url
        chromium.open(f"{place}index.html")
        one, everything = lines(chromium)
        chromium.open(f"{place}about/foo.html")
        (project,) = lines(chromium)
        for number, line in enumerate([one.replace("PROJECT", "foo"), everything, project]):
            assert installed_by(line, tmp_path / f"{way}-{number}", tmp_path) == ["bar-1.0", "foo-1.0"]
    assert ("--trusted-host" in project) == (way != "file")


@pytest.mark.parametrize("name", ["index.html", "about/foo.html"])
def test_a_button_copies_the_line(small: Path, chromium: Browser, name: str) -> None:
    """Just as it stands, and says so to everybody; where there is no clipboard there is no button."""
    chromium.open(url_of(small / name))
    chromium.devtools("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    chromium.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    chromium.run("document.querySelectorAll('.copy')[1].focus()")
    chromium.press("Enter")
    chromium.run("return new Promise(done => setTimeout(done, 200))")
    assert chromium.texts(".copy")[1] == chromium.text("p.unseen[role=status]") == "Copied"
    assert chromium.run("return navigator.clipboard.readText()") == lines(chromium)[1]
    plain = "Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined })"
    script = chromium.devtools("Page.addScriptToEvaluateOnNewDocument", source=plain)
    chromium.open(url_of(small / name))
    assert chromium.texts(".copy") == []
    chromium.devtools("Page.removeScriptToEvaluateOnNewDocument", **script)


@pytest.mark.parametrize("way", ["file", "http", "url"])
def test_what_is_yanked_is_installed_by_its_line(tmp_path: Path, store: Shelves, chromium: Browser, way: str) -> None:
    """Pinned, and from the index: the flat folder has no yanked file that no set asks for."""
    box = platform("box", [store.wheel("foo", "1!1.0", yanked="broken"), store.wheel("foo", "1!2.0rc1", yanked="")])
    public = tmp_path / "it's public"
    with served(public.parent) as root:
        url = f"{root}it%27s%20public/"
        put(public, store, box, url=url if way == "url" else None)
        chromium.open(f"{url_of(public) if way == 'file' else url}/about/foo.html")
        (line,) = lines(chromium)
        assert installed_by(line, tmp_path / "target", tmp_path) == ["foo-1!1.0"]
    if way == "file":
        plain = re.sub(
            r"<[^>]+>", "", re.findall(r"<pre><code>(.*)</code>", (public / "about/foo.html").read_text())[0]
        )
        assert installed_by(html.unescape(plain), tmp_path / "plain", public) == ["foo-1!1.0"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_that_is_not_utf8_is_not_named(tmp_path: Path, store: Shelves, chromium: Browser) -> None:
    """The lines stay as they are, which is for a shell in that folder, and as they say; nothing breaks."""
    whole = made(store, platform("box", [store.wheel("foo")], sets={"base": []}))
    public = laid_out(tmp_path / os.fsdecode(b"caf\xe9"), whole)
    chromium.complaints()
    chromium.open(url_of(public / "index.html"))
    assert lines(chromium)[0] == "pip install --no-index -f box PROJECT"
    assert not chromium.run("return document.querySelector('.elsewhere').hidden")
    assert chromium.complaints() == []


def test_the_lines_work_without_a_script(tmp_path: Path, public: Path, store: Shelves) -> None:
    """As they stand in the page itself, started in the mirror's folder, as it says."""
    foo = store.wheel("foo")
    put(public, store, platform("box", [foo], sets={"base": [foo]}))
    text = (public / "index.html").read_text()
    assert "Start it in the folder that holds this mirror." in text
    line = re.sub(r"<[^>]+>", "", re.findall(r"<pre><code>(.*)</code></pre>", text)[1])
    assert installed_by(line, tmp_path / "target", public) == ["foo-1.0"]


@pytest.mark.parametrize("url", [None, "https://index.example/"])
def test_a_python_of_the_system_is_thought_of(store: Shelves, url: str | None) -> None:
    """PEP 668: there, pip refuses to install outside a virtual environment; every page with lines says so."""
    whole = made(store, platform("box", [store.wheel("foo")]), url=url)
    for path in ("index.html", "about/foo.html"):
        assert "<code>python3 -m venv env</code>, then <code>env/bin/pip</code> in place" in page(whole, path)


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
        state = {"size": path.stat().st_size, "sha256": sha256_of(path)}
        manifest["paths"][f"about/{path.name}"] = state
    (public / "manifest.json").write_text(json.dumps(manifest))
    return public


def test_a_later_page_never_leads_nowhere(public: Path, store: Shelves) -> None:
    """While pages are renamed into the tree, none that can be reached leads to one that is not there yet."""
    base = store.wheel("base")
    new = [replace(store.wheel(f"new-{one}"), requires_dist=("base", f"new-{(one + 1) % 3}")) for one in range(3)]
    put(public, store, platform("box", [base]))
    seen_on_the_way: list[tuple[str, ...]] = []
    real = Root.replace

    def replaced(root: Root, path: str, place: str) -> None:
        real(root, path, place)
        seen_on_the_way.append(unreachable(public))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Root, "replace", replaced)
        put(public, store, platform("box", [base, *new]))
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
