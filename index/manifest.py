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

FileState = tuple[int, str]  # size, sha256
State = FileState | str  # a file, or the target of a link
States = Mapping[str, State]


def printed(states: States) -> Iterator[bytes]:
    """The text, sorted by path, a piece at a time: 100,000 wheels make 70 MB of it."""
    yield b'{"version":%d,"paths":{' % VERSION
    paths = sorted(states)
    for start in range(0, len(paths), _PIECE):
        lines = ",\n".join(
            f"{encode_basestring_ascii(path)}:{_state(states[path])}" for path in paths[start : start + _PIECE]
        )
        yield f"{',' if start else ''}\n{lines}".encode()
    yield b"\n}}\n"


def parsed(data: bytes) -> dict[str, State]:
    """What `printed` was given; nothing if it is damaged, as then everything is looked at anyway."""
    try:
        manifest = json.loads(data, object_hook=_tightened)
        paths = manifest["paths"]
        return {path: state for path, state in paths.items() if isinstance(state, str | tuple)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


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
