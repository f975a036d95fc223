"""Every key of platforms.yaml, one row each: its name, what it may hold, and a sentence for editors.

platforms.py reads the file by these rows, and `schema_text()` makes docs/platforms.schema.json from them. To write that
file anew: python -c "from builders import keys; print(keys.schema_text(), end='')" > docs/platforms.schema.json
"""

from __future__ import annotations

import json
import re

from builders.yaml_nodes import Key, Kind, Node, Report, choice, listing, matching, quoted, section, table

_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"


def _flag(node: Node, label: str, report: Report) -> bool | None:
    value = _FLAGS.get(node.text.lower()) if node.plain else None
    if value is None:
        report.add(node, f"{label} is {node}; allowed: true, false (without quotes)")
    return value


def _bytes(text: str) -> int | None:
    number, unit = re.fullmatch(r"([0-9.]+) ?(\w+)", text).groups()  # type: ignore[union-attr]
    size = int(float(number) * _UNITS[unit])
    return size if 2**24 <= size <= 2**50 else None


def _seconds(text: str) -> int | None:
    total = sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)([hms])", text))
    return total if 1 <= total <= 30 * 86400 else None


def url(*schemes: str) -> Kind[str]:
    """A URL that ends in '/'. Never shown in a message: what is wrong with it may be the secret in it."""

    def read(node: Node, label: str, report: Report) -> str | None:
        problem = _url_problem(node, schemes)
        if problem:
            report.add(node, f"{label} {problem}")
            return None
        return node.text.rstrip("/") + "/"

    return Kind(schema={"type": "string", "pattern": f"^({'|'.join(schemes)})://[^\\s@?#]+$"}, read=read)


def _url_problem(node: Node, schemes: tuple[str, ...]) -> str:
    allowed = " or ".join(f"{scheme}://…" for scheme in schemes)
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", node.text, re.DOTALL)
    if node.shape != "text" or not match or match[1] not in schemes:
        return f"is not a URL that can be used here; allowed: {allowed}"
    if "@" in match[2]:
        return "holds a user name or a secret; take it out and put it into netrc or the environment (UV_INDEX_…, PIP_…)"
    if not re.fullmatch(r"[\x21-\x7e]+", node.text) or re.search(r"[?#\\\"'<>]", node.text) or "@" in match[3]:
        return "holds '?', '#', '@', a quote or a blank; allowed: scheme, host, port and a plain path"
    if match[1] == "file":
        return "" if match[3].strip("/") else "is the root of all files; allowed: file:// with the path of a folder"
    return _site_problem(match[2])


def _site_problem(site: str) -> str:
    """What is wrong with host and port."""
    match = re.fullmatch(rf"(\[[0-9A-Fa-f:.]+\]|{_HOST}\.?)(?::([0-9]+))?", site)
    if not match or (site.startswith("[") and not _is_ipv6(match[1][1:-1])):
        return "names no host that can be asked; allowed: scheme, host, port and a plain path"
    if match[2] and not (len(match[2]) <= 5 and 1 <= int(match[2]) <= 65535):
        return "has a port that no host has; allowed: 1 to 65535"
    return ""


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address

    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def normalized(project: str) -> str:
    """The one spelling of a project's name (PEP 503); packaging's own function costs 25 ms of imports."""
    return re.sub(r"[-_.]+", "-", project).lower()


_PLAIN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
OWN_VARIABLES = ("HOME", "IN", "OUT", "WORK", "PYTHON", "UV", "TMPDIR")  # of a job (jobs.py): its script goes by them
# As engines read them (the grammar of `reference` in the distribution project): host/part/part:tag@digest
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
_RESERVED = ("simple", "files", "index", "index.html", "manifest.json", "locks", "about")

FLAG: Kind[bool] = Kind(schema={"type": "boolean"}, read=_flag)
TEXT = matching(r"[^\0]*[^\0\s][^\0]*", "text", str)
VALUE = matching(r"[^\0]*", 'text, "" for an empty one', str)
ARCHITECTURE = choice(
    "amd64", "arm64", "arm/v7", "i386", "riscv64",  # for which uv has a program that runs on any Linux
    spellings={"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "i386"},
)  # fmt: skip
VARIABLE = matching(
    r"[A-Za-z_][A-Za-z0-9_]*",
    "letters, digits and '_', such as CFLAGS, and not the job's own: " + ", ".join(OWN_VARIABLES),
    lambda text: None if text in OWN_VARIABLES else text,
)
SET = matching(_PLAIN, "the name of a file in requirements/ without its folder and '.txt'", str)
PLATFORM_NAME = matching(
    r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?",  # no '.' last: on some file systems it is not there
    "1 to 64 of a-z, 0-9, '.', '_', '-', a letter or digit first, no '.' last, and not " + ", ".join(_RESERVED),
    lambda text: None if text in _RESERVED else text,
)
IMAGE_NAME = matching(
    rf"(?=.{{1,255}}$)(?:{_HOST}(?::[0-9]{{1,5}})?/)?{_PART}(?:/{_PART})*(?::{_TAG})?(?:@{_DIGEST})?",
    "an image as the engine names it, such as debian:bookworm or registry.example:5000/team/image@sha256:…",
    str,
)
INTERPRETER = matching(
    r"[0-9]{1,2}(\.[0-9]{1,3}){0,2}|[A-Za-z]*py[A-Za-z0-9._+-]*|[^\0\n-][^\0\n]*/[^\0\n]+|/[^\0\n]+",
    'a version from "3.8" on, such as "3.11", a command such as python3.11, or a path',
    lambda text: None if re.fullmatch(r"[012](\.[0-9.]*)?|3\.[0-7](\.[0-9]*)?", text) else text,
)
BYTES = matching(
    rf"[0-9]{{1,9}}(\.[0-9]{{1,3}})? ?({'|'.join(_UNITS)})",
    "16MiB to 1024TiB with its unit, such as 512MiB or 4GiB",
    _bytes,
)
SECONDS = matching(
    r"([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?", "1s to 720h with its unit, such as 90s, 20m, 1h30m", _seconds
)
COUNT = matching(r"[1-9][0-9]{1,6}", "a whole number from 10 to 9999999", int)
HOST_NAME = matching(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", "a host name, such as files.index.example", str.lower)
PATTERN = matching(r"[A-Za-z0-9._*?-]+", 'a project name, * and ? for any letters, such as "acme-*"', normalized)
PROJECT = matching(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "a project name", normalized)
MODULE = matching(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", "a module's name, such as google.protobuf", str)

# What a person may look for in a platform, and why it is not there.
_NOT_OFFERED = {
    **dict.fromkeys(
        (
            "privileged", "volumes", "mounts", "devices", "user", "runtime", "cap-add", "cap_add", "capabilities",
            "security-opt", "security_opt", "pid", "ipc", "network-mode", "network_mode",
        ),
        "a build runs in a box that no key opens",
    ),
    "network": "a network is granted to one package at a time: builds: PROJECT: network: true",
    "build-constraints": "these belong to one package: builds: PROJECT: build-constraints: […]",
    "<<": "merge keys are not read; what platforms have in common stands under 'defaults'",
    "environment": "variables that builds see are said as 'env: {NAME: VALUE}'",
    "from": "this belongs to one package: builds: PROJECT: from: sdist",
}  # fmt: skip


def _platform_label(node: Node) -> str:
    """The platform's name as a person knows it, taken before anything is checked."""
    names = {key.text: value for key, value in node.pairs()} if node.shape == "mapping" else {}
    name = names.get("name") or names.get("image")
    if name is None or name.missing or not name.text:
        return f"the platform in line {node.line}"
    return f"platform {quoted(name.text)}"


PRE_COMMAND = Key(
    name="pre-command",
    kind=TEXT,
    help="Shell text that runs once on the image; the result is kept as an image and reused.",
)
ENV = Key(name="env", kind=table(VARIABLE, VALUE, "CFLAGS: -O2"), help="Variables that builds see.")
MEMORY = Key(name="memory", kind=BYTES, help="Memory of one build.")
TIME = Key(name="time", kind=SECONDS, help="How long one build may take.")
SILENCE = Key(name="silence", kind=SECONDS, help="How long one build may print nothing.")
PROCESSES = Key(name="processes", kind=COUNT, help="Processes and threads of one build.")
LIMITS = Key(name="limits", kind=section((MEMORY, TIME, SILENCE, PROCESSES)), help="What one build may use at most.")

NAME = Key(name="name", kind=PLATFORM_NAME, help="The platform's name; without it, the image with ':' and '/' as '-'.")
IMAGE = Key(name="image", kind=IMAGE_NAME, help="The container image to build in.")
ARCH = Key(name="arch", kind=ARCHITECTURE, help="The image's architecture; without it, the engine's own.")
HOST = Key(name="host", kind=FLAG, help="Build on this machine, not in a container.")
PYTHON = Key(name="python", kind=INTERPRETER, help="Version, command or path of the Python to build for.")
REQUIREMENTS = Key(
    name="requirements", kind=listing(SET, "ansible"), help="Requirement sets: names of files in requirements/."
)
PACKAGES = Key(
    name="packages", kind=listing(TEXT, '"ansible>=10"'), help="Requirements in line: the set named 'packages'."
)
OPTIONAL = Key(name="optional", kind=FLAG, help="Skip this platform, with exit code 0, where it is not to be had.")
SANDBOX = Key(name="sandbox", kind=choice("box", "none"), help="'none', for hosts only: builds are not confined.")
PROVE = Key(name="prove", kind=FLAG, help="Install every set on a clean copy before it is published.")
PLATFORM_KEYS = (
    NAME, IMAGE, ARCH, HOST, PYTHON, PRE_COMMAND, REQUIREMENTS, PACKAGES, ENV, OPTIONAL, SANDBOX, PROVE, LIMITS,
)  # fmt: skip
PLATFORM = section(PLATFORM_KEYS, why=_NOT_OFFERED, label_of=_platform_label)

URL = Key(name="url", kind=url("http", "https"), help="An index; its credentials come from netrc or the environment.")
FIND_LINKS = Key(name="find-links", kind=TEXT, help="A folder of sdists and wheels, seen from the workspace.")
OWNS = Key(name="owns", kind=listing(PATTERN, '"acme-*"'), help="Names that are asked here and nowhere else.")
FILES_FROM = Key(
    name="files-from", kind=listing(HOST_NAME, "files.index.example"), help="Further hosts that may serve its files."
)
UPSTREAM = section((URL, FIND_LINKS, OWNS, FILES_FROM), needs=(("url",), ("find-links",)))

FROM = Key(name="from", kind=choice("sdist", "wheel", "any"), help="any: a fitting wheel as it is, else the sdist.")
BUILD_CONSTRAINTS = Key(
    name="build-constraints", kind=listing(TEXT, '"Cython<3"'), help="Bounds for what this package is built with."
)
NETWORK = Key(name="network", kind=FLAG, help="This build may reach the network; recorded and shown.")
NOT_IMPORTED = Key(
    name="not-imported",
    kind=listing(MODULE, "tkinter_app"),
    help="Modules that need a display or a server: the proof imports neither them nor what is in them.",
)
BUILD = section((FROM, PRE_COMMAND, ENV, BUILD_CONSTRAINTS, NETWORK, NOT_IMPORTED, LIMITS), why=_NOT_OFFERED)

PUBLISH_URL = Key(name="url", kind=url("http", "https", "file"), help="Where the tree will be served; for pip.conf.")
PUBLISH = Key(name="publish", kind=section((PUBLISH_URL,)), help="How clients will reach the tree.")
UPSTREAMS = Key(
    name="upstream",
    kind=listing(UPSTREAM, "url: https://index.example/simple/"),
    help="Where sdists and wheels come from; without it, the index that this machine's own pip is set to.",
)
DEFAULTS = Key(
    name="defaults",
    kind=section(PLATFORM_KEYS, why=_NOT_OFFERED),
    help="Keys for every platform that does not say otherwise.",
)
PLATFORMS = Key(name="platforms", kind=listing(PLATFORM, "image: debian:bookworm"), help="The targets.")
BUILDS = Key(
    name="builds",
    kind=table(PROJECT, BUILD, "psycopg2: {from: sdist}"),
    help="How particular packages are built, where the default does not do.",
)
FILE = section((PUBLISH, UPSTREAMS, DEFAULTS, PLATFORMS, BUILDS), needs=(("platforms",),))


def schema_text() -> str:
    """The JSON Schema of platforms.yaml. What takes more than one key to judge is left to the reader."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "platforms.yaml of wheelyard"}
    return json.dumps({**head, **FILE.schema}, indent=2, ensure_ascii=False) + "\n"
