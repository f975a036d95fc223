"""Text on its way to a terminal, a pipe or a closed window: made harmless, made to fit, never fatal."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Mapping
from typing import TextIO

# What stands in for our own marks where the encoding of the terminal has none of them.
_PLAINER = str.maketrans({"→": "->", "·": "-", "…": "...", "×": "x", "━": "-", "╸": "-", "╺": "-"})  # noqa: RUF001

_MOST_CHARACTERS, _MOST_LINES = 4_000, 60  # of one error
_CUT = "[… cut here: what a build, a resolver or a proof said is in its log, as a whole …]"


def visible(text: str, *, lines: bool = False) -> str:
    r"""Return text with all that a terminal would act on written out (`\x1b`); with `lines`, breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c in "\n\t") else _written_out(c) for c in text)


def shortened(text: str) -> str:
    """Return an error's text, in which strangers may have had their say, without what is too much in its middle."""
    lines = text.split("\n")
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES // 2 : -_MOST_LINES // 2] = [_CUT]
        text = "\n".join(lines)
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[: _MOST_CHARACTERS // 2]}\n{_CUT}\n{text[-_MOST_CHARACTERS // 2 :]}"
    return text


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def size_of(amount: int, total: int | None = None) -> str:
    """Write bytes for people, in powers of ten: `31.2 MB`, or `3.1/48.0 MB` where the total is known."""
    scale, unit = next(
        (
            (scale, unit)
            for scale, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
            if max(amount, total or 0) >= scale
        ),
        (1, "B"),
    )
    places = 0 if scale == 1 else 1
    whole = f"/{total / scale:.{places}f}" if total else ""
    return f"{amount / scale:.{places}f}{whole} {unit}"


def clock(seconds: float) -> str:
    """Write elapsed time as on a stop-watch: `0:07`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Write a length of time in words: `0.4 s`, `92 s`, `12 min 30 s`."""
    if seconds < 10:  # tenths are still worth reading
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes > 1 else f"{round(seconds)} s"


def wants_live(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether the stream is a terminal that a person watches and that can move its cursor."""
    if environ.get("CI") or environ.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        return False
    return _is_terminal(stream)


def wants_colour(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether colours are welcome; see no-color.org: any value of NO_COLOR but the empty one says no."""
    return wants_live(stream, environ) and not environ.get("NO_COLOR")


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


class Sink:
    """A text stream that never raises: a reader that went away is not a reason to stop building.

    What the stream's encoding cannot say is said in ASCII. It has just the methods that rich asks of a file.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream  # None: Python was started with its stdout closed
        self._guard = threading.Lock()
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether the stream behind is a terminal."""
        return _is_terminal(self._stream)

    def fileno(self) -> int:
        """Return the descriptor behind, by which rich measures the terminal."""
        if self._stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write and flush, or give up on the stream for good."""
        with self._guard:
            if self._stream is not None:
                try:
                    self._stream.write(self._sayable(text))
                    self._stream.flush()
                except (OSError, ValueError):
                    self._give_up()
        return len(text)

    def flush(self) -> None:
        """Do nothing: each write was flushed."""

    def _sayable(self, text: str) -> str:
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return text.translate(_PLAINER).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text

    def _give_up(self) -> None:
        """Point the descriptor at nothing, so that Python's own flush at exit has nothing to complain about."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
        self._stream = None
