"""How the pages for people feel: `python -m benchmarks.page [PROJECTS]`, with made-up projects in a real Chromium.

First paint and the longest of the key strokes are the browser's own figures, the better of three times from file://:
a page is never quicker than it is, and other work on this machine makes it slower. Limits: 1000 ms, 50 ms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from index.model import Entry, PublishedPlatform
from index.tree import Tree, tree
from tests.browser import Browser, browser, url_of

_WORDS = ("fast", "small", "typed", "web", "data", "test", "client", "parser", "async", "tool")
_PLATFORMS = ("debian-bullseye", "debian-bookworm", "debian-trixie")

_PAINT = """
const paint = performance.getEntriesByName("first-contentful-paint")[0];
return [paint ? paint.startTime : 0, performance.getEntriesByType("navigation")[0].domComplete];
"""
_STROKES = """
const field = document.querySelector("#find"), times = [];
for (const letter of arguments[0]) {
  const start = performance.now();
  field.value += letter;
  field.dispatchEvent(new Event("input"));
  document.body.offsetHeight; // the layout that follows is part of the stroke
  times.push(performance.now() - start);
}
return times;
"""


def main() -> None:
    """Print what it took to make the page, and what a browser makes of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("projects", nargs="?", type=int, default=20_000, metavar="PROJECTS")
    count = parser.parse_args().projects
    start = time.perf_counter()
    whole = made(count)
    front = whole.files["index.html"]
    print(f"{count} projects on {len(_PLATFORMS)} platforms: index.html has {len(front.encode()) / 1e6:.1f} MB")
    print(f"  the tree as a value, front page included    {time.perf_counter() - start:8.2f} s")
    start = time.perf_counter()
    pages = [data.decode() for path, data in whole.pages_of(whole.parts) if path.startswith("about/")]
    print(f"  {len(pages)} pages of projects, {sum(map(len, pages)) / len(pages):.0f} characters each "
          f"{time.perf_counter() - start:8.2f} s")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        page = Path(folder, "index.html")
        page.write_text(front, encoding="utf-8")
        (page.parent / "about").mkdir()
        (page.parent / "about" / "people.css").write_text(whole.files["about/people.css"], encoding="utf-8")
        chromium.screen(1280, 900)
        turns = [looked_at(chromium, url_of(page), f"project-{count // 2:05d}") for _ in range(3)]
    for name, figures, limit in zip(("first paint", "all loaded", "slowest key stroke"), zip(*turns, strict=True),
                                    (1000, None, 50), strict=True):  # fmt: skip
        verdict = "" if limit is None else f"at most {limit}: {'holds' if min(figures) <= limit else 'MISSED'}"
        print(f"  {name:40} {min(figures):8.1f} ms  {verdict}")


def looked_at(chromium: Browser, url: str, typed: str) -> tuple[float, float, float]:
    """(first paint, all loaded, slowest key stroke of this name) in milliseconds."""
    chromium.open(url)
    paint, loaded = chromium.run(_PAINT)
    strokes = chromium.run(_STROKES, typed)
    assert chromium.texts("#rows a")[0].startswith(typed[:9])
    return paint, loaded, max(strokes)


def made(count: int) -> Tree:
    """The tree of three platforms with these projects, two versions each."""
    wheels = [wheel(number, version) for number in range(count) for version in ("1.0", "1.1")]
    platforms = [
        PublishedPlatform(
            name=name, python="3.11.2", tags=("py3-none-any",), libc=(2, 31), wheels=tuple(wheels), image="debian"
        )
        for name in _PLATFORMS
    ]
    return tree(platforms, url="http://mirror.example/pypi/", metadata=lambda _: b"")


def wheel(number: int, version: str) -> Entry:
    """One record; each project needs two others."""
    words = [_WORDS[(number // 10**place) % 10] for place in range(4)]
    return Entry(
        filename=f"project_{number:05d}-{version}-py3-none-any.whl",
        project=f"project-{number:05d}",
        version=version,
        sha256=sha256(f"{number} {version}".encode()).hexdigest(),
        size=1000 + number,
        metadata_sha256=sha256(b"").hexdigest(),
        tags=("py3-none-any",),
        requires_python=">=3.9",
        requires_dist=(f"project-{number // 2:05d}>=1", f"project_{number // 3:05d} ; python_version < '4'"),
        summary=f"A {words[0]} and {words[1]} {words[2]} for {words[3]}, which is number {number} of all",
        license="MIT",
    )


if __name__ == "__main__":
    main()
