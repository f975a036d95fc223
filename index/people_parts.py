"""What the pages for people have in common: their head, their policy, and how text, sizes and lines to copy look.

No page fetches anything from elsewhere, and none could: its policy names what it may run, by hash, and nothing else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache, lru_cache
from hashlib import sha256
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from index.names import ABOUT

STYLE = f"{ABOUT}/people.css"
_ASSETS = Path(__file__).parent / "assets"

# Characters that a reader would not see, or that would make others stand elsewhere: controls, bidirectional and
# zero-width ones, tags, variation selectors, halves of pairs. Line ends and tabs are spaces to HTML, and stay that.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# What stays of that in prose, as with it emoji are made, and words of Arabic, Persian or Hindi spelled.
_EMOJI = r"\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_LETTERS = r"\u0620-\u0dff"
_UNSEEN_IN_PROSE = re.compile(
    rf"((?<=[{_EMOJI}])\ufe0f?\u200d(?=[{_EMOJI}])|(?<=[{_EMOJI}])[\ufe0e\ufe0f]|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    rf"|(?<=[{_LETTERS}])[\u200c\u200d](?=[{_LETTERS}]))|{_UNSEEN.pattern}"
)
_MARKED = re.compile(r"[^ -~]|[&<>\"']")
_SPACES = re.compile(r"[\t\n\x0c\r ]+")
_SAFE_IN_SHELL = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def seen(text: str, *, prose: bool = False) -> str:
    """Free text in one line, with what would not be seen written out: ESC is ⟨U+001B⟩. No name is `prose`."""
    unseen = _UNSEEN_IN_PROSE if prose else _UNSEEN
    line = _SPACES.sub(" ", text).strip()
    return unseen.sub(lambda found: found[0] if found.lastindex else f"⟨U+{ord(found[0]):04X}⟩", line)


@lru_cache(maxsize=65536)
def shown(text: str) -> str:
    """The same as markup, for an element or an attribute."""
    return escape(seen(text)) if _MARKED.search(text) else text


def shortened(text: str, longest: int, *, prose: bool = False) -> str:
    """The beginning of a text: some people write the whole licence into the field for its name."""
    line = seen(text[: 4 * longest], prose=prose)
    return line if len(line) <= longest else f"{line[:longest].rstrip()}…"


@cache
def asset(name: str) -> str:
    """A file of `index/assets`."""
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def script(name: str) -> str:
    """A script as it stands on the page; the policy of that page names it."""
    return f"<script>{asset(name)}</script>\n"


def head(title: str, *, up: str, scripts: tuple[str, ...] = ()) -> str:
    """The page as far as its body; `up` leads to the tree's root. `file:` is how 'self' is spelled without a server."""
    return (
        f'<!DOCTYPE html>\n<html lang="en" data-root="{up or "./"}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f'<title>{title}</title>\n<link rel="stylesheet" href="{up}{STYLE}">\n</head>\n<body>\n'
        '<a class="skip" href="#main">Skip to the content</a>\n'
    )


@cache
def _policy(scripts: tuple[str, ...]) -> str:
    hashes = " ".join(f"'sha256-{b64encode(sha256(asset(name).encode()).digest()).decode()}'" for name in scripts)
    return (
        "default-src 'none'; style-src 'self' file:; base-uri 'none'; form-action 'none'"
        f"{'; script-src ' + hashes if hashes else ''}"
    )


def line(platform: str, rest: str, url: str | None, *, file: str = "", flat: bool = True) -> str:
    """A line for a shell that installs `rest` from a platform, as markup; `file` is a requirements file of the tree.

    Without publish.url it starts from the tree's folder, and here.js puts in the place where the page was opened: the
    platform's `flat` folder, or else its index.
    """
    if url is None:
        from_folder = f'<span data-from="{platform}">--no-index -f {platform}</span>'
        from_index = f'<span data-index="{platform}">--index-url "$PWD"/{platform}/simple/</span>'
        source = from_folder if flat else from_index
        named = f'<span data-file="{file}">{file}</span>' if file else ""
    else:
        source = f"--index-url {escape(in_shell(f'{url}{platform}/simple/'))}{_trusted(url)}"
        named = escape(in_shell(f"{url}{file}")) if file else ""
    return f"<pre><code>pip install {source} {rest}{named}</code></pre>\n"


def in_shell(text: str) -> str:
    """One word of a command line."""
    return text if _SAFE_IN_SHELL.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def _trusted(url: str) -> str:
    """Pip reads nothing over plain http before it is told to trust the host."""
    parts = urlsplit(url)
    return f" --trusted-host {escape(in_shell(parts.netloc))}" if parts.scheme == "http" else ""


def beforehand(url: str | None) -> str:
    """What the lines above ask for: the tree's folder where nobody said its URL, and what PEP 668 wants."""
    note = "Start it in the folder that holds this mirror. "
    folder = f'<span class="elsewhere">{note}</span>' if url is None else ""
    return (
        f"{folder}Where the system's packages look after its Python, install in a virtual environment: first "
        "<code>python3 -m venv env</code>, then <code>env/bin/pip</code> in place of <code>pip</code>. "
    )


def size(number: int) -> str:
    """A size as people say it, with three digits that count."""
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else 1
    return f"{value:.{digits}f} {_UNITS[unit]}"


def plural(number: int, noun: str) -> str:
    """`1 wheel`, `12,345 wheels`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
