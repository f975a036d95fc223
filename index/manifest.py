"""manifest.json: every path of the tree with its size and sha256, or where its link leads; one line for each.

It names no time and no host, and not itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring_ascii

NAME = "manifest.json"
VERSION = 1
_PIECE = 4096  # lines
_HEAD, _BETWEEN, _END = b'{"version":%d,"paths":{' % VERSION, b",\n", b"\n}}\n"
_DECODER = json.JSONDecoder()

FileState = tuple[int, str]  # size, sha256
State = FileState | str  # a file, or the target of a link
States = Mapping[str, State]


def printed(states: States) -> Iterator[bytes]:
    """The text, sorted by path, a piece at a time: 100,000 wheels make 70 MB of it."""
    yield _HEAD
    paths = sorted(states)
    for start in range(0, len(paths), _PIECE):
        lines = ",\n".join([_line(path, states[path]) for path in paths[start : start + _PIECE]])
        yield (_BETWEEN if start else b"\n") + lines.encode()
    yield _END


def parsed(data: bytes) -> dict[str, State]:
    """What `printed` was given; nothing if it is damaged, as then everything is looked at anyway."""
    try:
        manifest = json.loads(data, object_hook=_tightened)
        paths = manifest["paths"]
        return {path: state for path, state in paths.items() if isinstance(state, str | tuple)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


class Lines:
    """The text of a manifest as it is, a line for each path: to change a few of 400,000 without reading the others."""

    def __init__(self, text: bytes) -> None:
        """Of what `printed` gave, and of nothing else."""
        self._text = text
        self._changes: dict[str, State | None] = {}
        self._end = max(len(text) - len(_END), len(_HEAD) + 1)

    def state(self, path: str) -> State | None:
        """Of one path in the text; None where it is not in there."""
        start, end = self._place(path)
        return parsed(b"%s%s}}" % (_HEAD, self._text[start:end]))[path] if end > start else None

    def change(self, path: str, state: State | None) -> None:
        """Set one path's state, or take it away."""
        self._changes[path] = state

    def printed(self) -> Iterator[bytes | memoryview]:
        """What the function of this name gives for the same states."""
        yield _HEAD
        between = b"\n"
        for piece in self._pieces():
            yield between
            yield piece
            between = _BETWEEN
        yield _END

    def _pieces(self) -> Iterator[bytes | memoryview]:
        """Lines that stay, as many as stand together, and changed ones; without what stands between them."""
        text, at = memoryview(self._text), len(_HEAD) + 1
        for path in sorted(self._changes):
            start, end = self._place(path)
            if at < start:
                yield text[at : start - len(_BETWEEN) if start < self._end else start]
            state = self._changes[path]
            if state is not None:
                yield _line(path, state).encode()
            at = max(at, end + len(_BETWEEN) if end > start else start)
        if at < self._end:
            yield text[at : self._end]

    def _place(self, path: str) -> tuple[int, int]:
        """Where the path's line starts and ends; where it would start, twice, if there is none."""
        low, high = len(_HEAD) + 1, self._end
        while low < high:
            start = max(self._text.rfind(b"\n", low, (low + high) // 2) + 1, low)
            end = self._line_end(start)
            found = _path_of(self._text[start:end])
            if found == path:
                return start, end
            if found < path:
                low = min(end + len(_BETWEEN), self._end)
            else:
                high = start
        return low, low

    def _line_end(self, start: int) -> int:
        end = self._text.find(_BETWEEN, start, self._end)
        return self._end if end < 0 else end


def _path_of(line: bytes) -> str:
    """The path at the start of a line."""
    return str(_DECODER.raw_decode(line.decode())[0])


def _line(path: str, state: State) -> str:
    if isinstance(state, str):
        return f'{encode_basestring_ascii(path)}:{{"link":{encode_basestring_ascii(state)}}}'
    size, sha256 = state
    return f'{encode_basestring_ascii(path)}:{{"size":{size},"sha256":"{sha256}"}}'


class _Target(str):
    """A link's, once it was read: whatever has it under "link" is no state, but all paths, of which one is "link"."""

    __slots__ = ()


def _tightened(thing: dict[str, object]) -> object:
    """A tuple for each file, a text for each link: a tenth of the memory that as many small dicts would take."""
    match thing:
        case {"size": int(size), "sha256": str(sha256), **rest} if not rest:
            return size, sha256
        case {"link": str(target), **rest} if not rest and not isinstance(target, _Target):
            return _Target(target)
        case _:
            return thing
