"""manifest.json: every path of the tree with its size and sha256, or where its link leads; one line for each.

It names no time and no host, and not itself.
"""

from __future__ import annotations

import json
from bisect import bisect_left
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
        lines = ",\n".join(_line(path, states[path]) for path in paths[start : start + _PIECE])
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
        self._lines = text[len(_HEAD) + 1 : -len(_END)].split(_BETWEEN) if len(text) > len(_HEAD + _END) else []

    def state(self, path: str) -> State | None:
        """Of one path; None where it is not in there."""
        place = self._place(path)
        if place == len(self._lines) or _path_of(self._lines[place]) != path:
            return None
        return parsed(b"%s%s}}" % (_HEAD, self._lines[place]))[path]

    def change(self, path: str, state: State | None) -> None:
        """Set one path's state, or take it away."""
        place = self._place(path)
        there = place < len(self._lines) and _path_of(self._lines[place]) == path
        self._lines[place : place + there] = [] if state is None else [_line(path, state).encode()]

    def printed(self) -> Iterator[bytes]:
        """What the function of this name gives for the same states."""
        yield _HEAD
        for start in range(0, len(self._lines), _PIECE):
            yield (_BETWEEN if start else b"\n") + _BETWEEN.join(self._lines[start : start + _PIECE])
        yield _END

    def _place(self, path: str) -> int:
        return bisect_left(self._lines, path, key=_path_of)


def _path_of(line: bytes) -> str:
    """The path at the start of a line."""
    return str(_DECODER.raw_decode(line.decode())[0])


def _line(path: str, state: State) -> str:
    return f"{encode_basestring_ascii(path)}:{_state(state)}"


def _state(state: State) -> str:
    if isinstance(state, str):
        return f'{{"link":{encode_basestring_ascii(state)}}}'
    return f'{{"size":{state[0]},"sha256":"{state[1]}"}}'


def _tightened(thing: dict[str, object]) -> object:
    """A tuple for each file, a text for each link: a tenth of the memory that as many small dicts would take."""
    match thing:
        case {"size": int(size), "sha256": str(sha256), **rest} if not rest:
            return size, sha256
        case {"link": str(target), **rest} if not rest:
            return target
        case _:
            return thing
