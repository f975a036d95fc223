"""The parse kit: the text of a YAML file in, typed values or mistakes out.

A scalar is read as the text that stands in the file, so `3.10`, `no` and `012` mean what they look like. Sections are
described by rows of `Key`; the rows of platforms.yaml are in keys.py, and its JSON Schema is made from the same rows.
(pydantic is left out here: its import alone adds 40 ms to a run in which nothing changed, it would see the values
without their lines, and YAML's own typing would already have turned 3.10 into 3.1 before it.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from builders.terminal import visible

T = TypeVar("T")

_DEEPEST = 12  # levels of nesting; the grammar has six
_MOST = 100_000  # values in one file, aliases counted each time they are used
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts as the end of a line
_HALF = re.compile("[\\ud800-\\udfff]")
_CREDENTIALS = re.compile(r"://.*@", re.DOTALL)


# -- mistakes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Mistake:
    """One thing that a person wrote and cannot mean; lines and columns count from 1, the file is seen from the root."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return visible(f"{self.file}:{self.line}:{self.column}: {self.text}")


def quoted(text: str, *, limit: int = 60) -> str:
    """A value for a message: in quotes, cut to a readable length, without the credentials that a URL in it may hold."""
    text = _CREDENTIALS.sub("://***@", text)
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}…'"


def nearest(word: str, allowed: Iterable[str]) -> str:
    """The allowed word that looks most like this one; empty when none does."""
    from difflib import get_close_matches

    close = get_close_matches(word.lower().replace("_", "-")[:100], list(allowed), n=1, cutoff=0.6)
    return close[0] if close else ""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """A question to append to a message, or nothing."""
    close = nearest(word, allowed)
    return f"; did you mean '{close}'?" if close else ""


# -- nodes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A place in the file and what stands there. A list has items; a mapping has its keys and values in turn."""

    shape: Literal["text", "list", "mapping"]
    line: int
    column: int
    text: str = ""
    plain: bool = False  # text without quotes: only this can be true, false or nothing
    items: tuple[Node, ...] = ()
    weight: int = 1  # values below this one, itself included: aliases cannot multiply beyond _MOST

    @property
    def missing(self) -> bool:
        """Whether nothing stands here, as after `image:`, or YAML's word for nothing."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """Keys and values of a mapping, repeated keys included."""
        return zip(self.items[::2], self.items[1::2], strict=True)

    def __str__(self) -> str:
        return "nothing" if self.missing else quoted(self.text) if self.shape == "text" else f"a {self.shape}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Gathers the mistakes of one file."""

    file: str
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, node: Node, text: str) -> None:
        """Note a mistake at the place of this node."""
        self.mistakes.append(Mistake(file=self.file, line=node.line, column=node.column, text=text))


class _NotReadError(Exception):
    """YAML that is well-formed but that no value here needs: tags, endless nesting, alias bombs."""

    def __init__(self, mark: Any, text: str) -> None:
        super().__init__(text)
        self.problem_mark = mark
        self.problem = text


def read_nodes(text: str, report: Report) -> Node | None:
    """The one document of a YAML text, which came out of UTF-8; None, and a mistake, where there is no such thing."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _document(yaml.parse(text, Loader=loader))
    except (yaml.YAMLError, _NotReadError) as error:
        lines = [*_BREAK.split(text), ""]
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "this is not YAML"
        line, column = _place(error, text)
        if not lines[line].strip() and (begun := getattr(error, "context_mark", None)):
            line, column = begun.line, begun.column  # what is open at the end of the file: show where it was opened
        shown = lines[line]
        tab = " (indent with spaces, not with a tab)" if "\t" in shown else ""
        report.add(Node(shape="text", line=line + 1, column=column + 1), f"{problem}{tab}, in the line {quoted(shown)}")
        return None


def _place(error: Any, text: str) -> tuple[int, int]:
    """Line and column, from 0, of a parser's error: it has a mark, or an offset into the text, or neither."""
    if mark := getattr(error, "problem_mark", None):
        return mark.line, mark.column
    before = _BREAK.split(text[: getattr(error, "position", 0)])
    return len(before) - 1, len(before[-1])


def _document(events: Iterator[Any]) -> Node:
    import yaml

    root: Node | None = None
    anchors: dict[str, Node] = {}
    for event in events:
        if isinstance(
            event, (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
        ):
            continue
        if root is not None:
            raise _NotReadError(event.start_mark, "a second document begins here; one file is one document")
        root = _node(event, events, anchors, _DEEPEST)
    return root or Node(shape="text", line=1, column=1, plain=True)


def _node(event: Any, events: Iterator[Any], anchors: dict[str, Node], room: int) -> Node:
    import yaml

    mark = event.start_mark
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise _NotReadError(mark, f"no '&{event.anchor}' ends before this '*{event.anchor}'")
        return anchors[event.anchor]
    if event.tag not in (None, "!"):
        tag = quoted(event.tag.replace("tag:yaml.org,2002:", "!!"))
        raise _NotReadError(mark, f"tags such as {tag} are not read here; leave it out")
    if room == 0:
        raise _NotReadError(mark, "nested too deeply")
    if isinstance(event, yaml.ScalarEvent):
        if _HALF.search(event.value):
            raise _NotReadError(mark, "half of a pair of code points is not text")
        plain = event.style in (None, "") and event.tag is None
        node = Node(shape="text", line=mark.line + 1, column=mark.column + 1, text=event.value, plain=plain)
    else:
        shape: Literal["list", "mapping"] = "list" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
        items: list[Node] = []
        while not isinstance(following := next(events), yaml.CollectionEndEvent):
            items.append(_node(following, events, anchors, room - 1))
        weight = 1 + sum(item.weight for item in items)
        if weight > _MOST:
            raise _NotReadError(mark, f"more than {_MOST:,} values")
        node = Node(shape=shape, line=mark.line + 1, column=mark.column + 1, items=tuple(items), weight=weight)
    if event.anchor:
        anchors[event.anchor] = node
    return node


# -- kinds of values ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind(Generic[T]):
    """How one sort of value is read. `read` takes the node and a name for it in messages; None means: reported."""

    schema: Mapping[str, Any]
    read: Callable[[Node, str, Report], T | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Key(Generic[T]):
    """One row: a key, the kind of its value, and one sentence for the schema."""

    name: str
    kind: Kind[T]
    help: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A mapping that was read. `nodes` has the place of every value: right, wrong, or under a misspelt key."""

    node: Node
    values: Mapping[str, Any]
    nodes: Mapping[str, Node]

    def get(self, key: Key[T]) -> T | None:
        """The value, or None where the key is not there or its value was reported."""
        value: T | None = self.values.get(key.name)
        return value

    def has(self, key: Key[Any]) -> bool:
        """Whether the key is there, be its value right or wrong."""
        return key.name in self.nodes

    def without(self, keys: Iterable[Key[Any]]) -> Section:
        """The same section, as if these keys had not been written."""
        gone = {key.name for key in keys}
        values = {name: value for name, value in self.values.items() if name not in gone}
        return Section(
            node=self.node, values=values, nodes={n: node for n, node in self.nodes.items() if n not in gone}
        )

    def over(self, other: Section) -> Section:
        """This section, and what only the other one says."""
        return Section(
            node=self.node,
            values={**{name: value for name, value in other.values.items() if name not in self.nodes}, **self.values},
            nodes={**other.nodes, **self.nodes},
        )


def matching(pattern: str, expected: str, meaning: Callable[[str], T | None]) -> Kind[T]:
    """Text of one form. `meaning` may still answer None for a text that only looks right."""
    compiled = re.compile(pattern)

    def read(node: Node, label: str, report: Report) -> T | None:
        fits = node.shape == "text" and not node.missing and compiled.fullmatch(node.text)
        value = meaning(node.text) if fits else None
        if value is None:
            report.add(node, f"{label} is {node}; allowed: {expected}")
        return value

    return Kind(schema={"type": ["string", "number"], "pattern": f"^(?:{pattern})$"}, read=read)


def choice(*allowed: str, spellings: Mapping[str, str] | None = None) -> Kind[str]:
    """One of a few words, some of which may have a second spelling."""
    words = {**{word: word for word in allowed}, **(spellings or {})}

    def read(node: Node, label: str, report: Report) -> str | None:
        if node.shape == "text" and node.text in words:
            return words[node.text]
        report.add(node, f"{label} is {node}; allowed: {', '.join(allowed)}{did_you_mean(node.text, allowed)}")
        return None

    return Kind(schema={"enum": list(words)}, read=read)


def listing(item: Kind[T], example: str) -> Kind[tuple[tuple[Node, T], ...]]:
    """A list: every right entry with its place; wrong ones are reported, each at its own place, and left out."""

    def read(node: Node, label: str, report: Report) -> tuple[tuple[Node, T], ...] | None:
        if node.shape != "list":
            report.add(node, f"{label} is {node}; a list belongs here, such as [{example}]")
            return None
        found = [(entry, item.read(entry, f"an entry of {label}", report)) for entry in node.items]
        return tuple((entry, value) for entry, value in found if value is not None)

    return Kind(schema={"type": "array", "items": dict(item.schema)}, read=read)


def table(name: Kind[str], value: Kind[T], example: str) -> Kind[tuple[tuple[Node, str, T], ...]]:
    """A mapping whose keys a person chooses: every right entry with its place; wrong ones are reported and left out."""

    def read(node: Node, label: str, report: Report) -> tuple[tuple[Node, str, T], ...] | None:
        if node.shape != "mapping":
            report.add(node, f"{label} is {node}; a mapping belongs here, such as {{{example}}}")
            return None
        found = [
            (
                key_node,
                name.read(key_node, f"a name in {label}", report),
                value.read(value_node, f"{quoted(key)} of {label}", report),
            )
            for key_node, value_node, key in _once(node, label, report)
        ]
        return tuple((place, key, content) for place, key, content in found if key is not None and content is not None)

    return Kind(schema={"type": "object", "additionalProperties": dict(value.schema)}, read=read)


def section(
    keys: tuple[Key[Any], ...],
    *,
    needs: tuple[tuple[str, ...], ...] = (),
    why: Mapping[str, str] | None = None,
    label_of: Callable[[Node], str] | None = None,
) -> Kind[Section]:
    """A mapping with known keys.

    `needs` lists groups of keys of which an editor should see one (the reader leaves that to platforms.py), `why`
    explains the absence of keys that a person may well look for, `label_of` finds a better name for messages.
    """
    rows = {key.name: {"description": key.help, **key.kind.schema} for key in keys}
    choices = [{"required": list(group)} for group in needs]
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": rows,
        **({"anyOf": choices} if choices else {}),
    }

    def read(node: Node, label: str, report: Report) -> Section | None:
        return read_section(node, label_of(node) if label_of else label, keys, report, why or {})

    return Kind(schema=schema, read=read)


def _once(node: Node, label: str, report: Report) -> Iterator[tuple[Node, Node, str]]:
    """Key, value and name of every pair, but each name once: YAML itself would silently let the last one win."""
    first: dict[str, Node] = {}
    for key_node, value_node in node.pairs():
        if key_node.shape != "text":
            report.add(key_node, f"a key in {label} is {key_node}; a key is text")
        elif key_node.text in first:
            line = first[key_node.text].line
            report.add(key_node, f"{quoted(key_node.text)} stands twice in {label}, here and in line {line}; keep one")
        else:
            first[key_node.text] = key_node
            yield key_node, value_node, key_node.text


def read_section(
    node: Node, label: str, keys: tuple[Key[Any], ...], report: Report, why: Mapping[str, str]
) -> Section | None:
    """Reads what it can; None only where no mapping stands."""
    known = {key.name: key for key in keys}
    if node.shape != "mapping":
        report.add(node, f"{label} is {node}; a mapping belongs here, with keys of: {', '.join(known)}")
        return None
    values: dict[str, Any] = {}
    nodes: dict[str, Node] = {}
    for key_node, value_node, name in _once(node, label, report):
        if name not in known:
            reason = why.get(name) or f"allowed: {', '.join(known)}{did_you_mean(name, known)}"
            report.add(key_node, f"unknown key {quoted(name)} in {label}; {reason}")
            nodes.setdefault(nearest(name, known), value_node)  # what was meant is not missing as well
            continue
        nodes[name] = value_node
        value = known[name].kind.read(value_node, f"'{name}' of {label}", report)
        if value is not None:
            values[name] = value
    return Section(node=node, values=values, nodes=nodes)
