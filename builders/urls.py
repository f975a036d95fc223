"""URLs that can be shown: parsed once, printed without their secrets.

Text from outside goes in through Url.parse, which refuses what two parsers could read in two ways. Whatever prints a
Url (str, repr, an error, a log) gets the redacted text; the real one has to be asked for by name: `secret_text`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, unquote_to_bytes, urljoin, urlsplit, urlunsplit

from builders.errors import UpstreamError
from builders.terminal import visible

HIDDEN = "***"
DEFAULT_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_PATH_MARKS = "/%:@!$&'()*+,;=~"
_PLAIN_PATH = re.compile(rf"[A-Za-z0-9._{re.escape(_PATH_MARKS)}-]*")
_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
_QUERY_VALUE = re.compile(r"(^|[&;])([^=&;]*=)?[^&;]+")


@dataclass(frozen=True, slots=True, repr=False, order=True)
class Url:
    """One http, https or file URL. Equal URLs have equal real texts; every way to print one hides the secrets.

    User info and the values of a query are hidden whatever they look like: a signed link's token has any name.
    """

    _text: str

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read a URL from outside. Raises UpstreamError, whose text holds no part that could be a password."""
        if _UNSAFE.search(text):
            raise UpstreamError(
                f"not a URL: {hide(text)}", hint="It holds a space, a control character or a backslash."
            )
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise UpstreamError(f"not a URL: {hide(text)}", hint="Its host or port cannot be read.") from None
        if parts.scheme not in {"http", "https", "file"}:
            raise UpstreamError(f"not an http, https or file URL: {hide(text)}")
        host = _spelled_host(parts)
        if (parts.scheme == "file") != (host == "") or not _HOST.fullmatch(host or "x"):
            raise UpstreamError(f"the host of this URL cannot be used: {hide(text)}")
        if port is not None and port != DEFAULT_PORTS.get(parts.scheme):
            host = f"{host}:{port}"
        user, at, _ = parts.netloc.rpartition("@")
        path = parts.path or "/"
        if not _PLAIN_PATH.fullmatch(path):
            path = quote(path, safe=_PATH_MARKS, errors="surrogatepass")
        return cls(urlunsplit((parts.scheme, user + at + host, path, parts.query, parts.fragment)))

    @classmethod
    def of_file(cls, path: Path) -> Url:
        """The file:// URL of an absolute path."""
        return cls.parse(path.as_uri())

    @property
    def secret_text(self) -> str:
        """The real URL, passwords included: for the socket, never for a page, a log or a message."""
        return self._text

    @property
    def scheme(self) -> str:
        """One of http, https, file."""
        return self._parts.scheme

    @property
    def host(self) -> str:
        """The host in lower case, without port; empty for a file."""
        return self._parts.hostname or ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what a password belongs to."""
        return self.scheme, self.host, self._parts.port or DEFAULT_PORTS.get(self.scheme, 0)

    @property
    def site(self) -> str:
        """The host as `files-from` names it: with its port, where that is not the scheme's own."""
        return self._parts.netloc.rpartition("@")[2]

    @property
    def filename(self) -> str:
        """The last segment of the path, decoded once. Raises UpstreamError where it is no plain file name."""
        raw = unquote_to_bytes(self._parts.path.rpartition("/")[2])
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise UpstreamError(f"the file name in {self} is not UTF-8") from None
        if not name or name.startswith(".") or re.search(r"[/\\\x00-\x1f\x7f-\x9f]", name):
            raise UpstreamError(f"the file name in {self} is not a plain file name")
        return name

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password of the user info, decoded; None where there is none."""
        user, at, _ = self._parts.netloc.rpartition("@")
        name, _, password = user.partition(":")
        return (unquote(name), unquote(password)) if at else None

    def join(self, relative: str) -> Url:
        """Resolve a link that stands on this page."""
        if _UNSAFE.sub("", relative) != relative.replace(" ", ""):
            raise UpstreamError(f"not a link: {hide(relative)}", hint=f"It stands on {self}.")
        relative = relative.strip(" ").replace(" ", "%20")
        if _ABSOLUTE.match(relative):
            return Url.parse(relative)
        try:
            joined = urljoin(self._text, relative)
        except ValueError:
            raise UpstreamError(f"not a link: {hide(relative)}", hint=f"It stands on {self}.") from None
        return Url.parse(joined)

    def public(self) -> Url:
        """The same without user info and fragment: what may be written into a lock."""
        if "@" not in self._parts.netloc:
            return Url(self._text.partition("#")[0])
        return Url(urlunsplit(self._parts._replace(netloc=self.site, fragment="")))

    def sibling(self, suffix: str) -> Url:
        """The file beside this one whose name has `suffix` added (PEP 658)."""
        return Url(urlunsplit(self._parts._replace(path=self._parts.path + suffix, fragment="")))

    def folder(self) -> Url:
        """The same with '/' at its end, for joining."""
        path = self._parts.path.rstrip("/") + "/"
        return Url(urlunsplit(self._parts._replace(path=path, query="", fragment="")))

    def local_path(self) -> Path:
        """The path of a file:// URL."""
        if self.scheme != "file":
            raise UpstreamError(f"{self} is not a local file")
        return Path(unquote(self._parts.path))

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self._text)

    def __str__(self) -> str:
        return hide(self._text)

    def __repr__(self) -> str:
        return f"Url({hide(self._text)!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def _spelled_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def hide(text: str) -> str:
    """A text that may be a URL, for a message: no user info, no query values, no control characters, not endless."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*:)?//", text)
    start = scheme.end() if scheme else 0
    authority = re.split(r"[/?#]", text[start:], maxsplit=1)[0]
    at = -1
    if "@" in authority or (":" in authority and not authority.rpartition(":")[2].isdigit()):
        at = text.rfind("@")  # the last one there is: a password may have '@', '/', '?' and '#' that nobody escaped
    if at >= 0:
        text = text[:start] + HIDDEN + text[at:]
    head, mark, query = text.partition("?")
    query, hash_mark, fragment = query.partition("#")
    shown = head + mark + _QUERY_VALUE.sub(rf"\1\2{HIDDEN}", query) + hash_mark + fragment
    return visible(shown)[:300]


def strip_index_name(text: str) -> str:
    """The URL in uv's `name=https://…`."""
    return re.sub(r"\A[A-Za-z0-9._-]+=(?=[a-z]+:)", "", text.strip())
