"""Our whole tree beside what other static indexes make of the same wheels: `python -m benchmarks.peers [WHEELS]`.

Every side is a command, timed from its start to its end; each turn has a folder of its own with the wheels as hard
links in it, made outside the measured time and kept to the end. The others are installed by pip, for this alone, in a
virtual environment in a temporary folder; one that cannot be had or run is named with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.made_store import MadeUp, made_store
from benchmarks.measure import Figures, Verdict, machine
from benchmarks.outputs import Output, looked_at
from benchmarks.programs import ProgramError, Ran, run

WHEELS = 10_000
TIMES = 3
LIMIT = 1.0
_WIDTH = 44


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One tool. In its words {wheels} is the folder of this turn, {out} a place for what is written.

    `written` and `simple` are where all that it made is, and its simple API; `before` runs first and is not measured;
    `needs` is what pip installs; `limited` says whether ours has to be at least as quick.
    """

    name: str
    command: tuple[str, ...]
    written: str = "{out}"
    simple: str = "{out}"
    before: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    limited: bool = False


_DUMB = (
    "{bin}/dumb-pypi",
    "--package-list-json",
    "{list}",
    "--packages-url",
    "../../../wheels",
    "--output-dir",
    "{out}",
)
_MIRROR = ("{bin}/pypi-mirror", "create", "-d", "{wheels}", "-m", "{out}")

OURS = Contender(
    name="ours", command=("{python}", "-m", "benchmarks.publication", "{store}", "{out}"), simple="{out}/simple"
)
PEERS = (
    Contender(name="dumb-pypi", command=_DUMB, simple="{out}/simple", needs=("dumb-pypi",), limited=True),
    Contender(
        name="dumb-pypi --no-per-release-json",
        command=(*_DUMB, "--no-per-release-json"),
        simple="{out}/simple",
        needs=("dumb-pypi",),
    ),
    Contender(name="pypi-mirror create", command=_MIRROR, needs=("python-pypi-mirror",), limited=True),
    Contender(
        name="pypi-mirror create, after write-metadata",
        command=_MIRROR,
        before=("{bin}/pypi-mirror", "write-metadata", "-d", "{wheels}"),
        needs=("python-pypi-mirror",),
    ),
    Contender(
        name="piprepo build",
        command=("{bin}/piprepo", "build", "{wheels}"),
        written="{wheels}/simple",
        simple="{wheels}/simple",
        needs=("piprepo",),
    ),
    Contender(
        name="dir2pi (pip2pi)",
        command=("{bin}/dir2pi", "{wheels}"),
        written="{wheels}/simple",
        simple="{wheels}/simple",
        needs=("pip2pi", "setuptools<81"),  # it imports pkg_resources, which later ones no longer have
    ),
)


@dataclass(slots=True)
class Measured:
    """All turns that count of one side, and what it wrote; `failed` is why there are none."""

    side: Contender
    turns: list[Ran] = field(default_factory=list)
    output: Output | None = None
    failed: str = ""

    def figures(self, what: str) -> Figures:
        """One of a turn's figures, over the turns."""
        return Figures(name=self.side.name, values=tuple(float(getattr(turn, what)) for turn in self.turns))


@dataclass(frozen=True, kw_only=True, slots=True)
class SideBySide:
    """Ours first, then the others."""

    title: str
    all: tuple[Measured, ...]
    versions: str

    @property
    def holds(self) -> bool:
        """Whether ours is no slower than each that sets a limit; one that could not be run sets none."""
        return all(self._verdict(one).holds for one in self.all[1:] if one.side.limited and one.turns)

    def __str__(self) -> str:
        head = f"{'':{_WIDTH + 2}} {'files':>7} {'links':>7} {'wheels':>7}  {'hashes':<7} {'metadata':<16} JSON pages"
        return "\n".join(
            [
                self.title,
                *map(self._line, self.all),
                "  what was found in the output:",
                head,
                *(_found(one.side.name, one.output) for one in self.all if one.output),
                f"  of the last turn of ours: {_parts(self.all[0].turns[-1])}",
                f"  {self.versions}",
            ]
        )

    def _verdict(self, other: Measured) -> Verdict:
        return Verdict(
            title=other.side.name, ours=self.all[0].figures("seconds"), theirs=other.figures("seconds"), limit=LIMIT
        )

    def _line(self, one: Measured) -> str:
        if not one.turns:
            return f"  {one.side.name:<{_WIDTH}} could not be run: {one.failed}"
        line = (
            f"{one.figures('seconds')}   processor {one.figures('processor').median:.2f} s"
            f"   {one.figures('peak').median:4.0f} MB"
        )
        if one is self.all[0]:
            return line
        verdict = self._verdict(one)
        word = f", at most {LIMIT:g}: {'holds' if verdict.holds else 'MISSED'}" if one.side.limited else ""
        return f"{line}   ours/theirs {verdict.ratio:.2f}{word}"


def side_by_side(folder: Path, times: int, count: int = WHEELS) -> SideBySide:
    """Each side once, which does not count and is looked at; then `times` turns of each, the order turned each time."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="peers-", dir=folder) as scratch:
        made = made_store(Path(scratch, "store"), count)
        bench = _Bench(made=made, folder=Path(scratch))
        made.write_list(bench.listing)
        bench.install()
        everyone = [Measured(side=side) for side in (OURS, *PEERS)]
        for one in everyone:
            bench.first(one)
        if reason := everyone[0].failed:
            raise SystemExit(f"our own tree: {reason}")
        able = [one for one in everyone if one.output]
        for number in range(times):
            start = number * len(able) // times
            order = [*able[start:], *able[:start]]
            for one in order[:: -1 if number % 2 else 1]:
                one.turns.append(bench.turn(one.side))
        return SideBySide(
            title=f"{count:,} made-up wheels of {made.projects:,} projects, from nothing to the whole index",
            all=tuple(everyone),
            versions=bench.versions(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bench:
    """The wheels, and the folder where everybody works; `missing` says why pip could not install something."""

    made: MadeUp
    folder: Path
    missing: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        """Where the others' programs are."""
        return self.folder / "venv" / "bin"

    @property
    def listing(self) -> Path:
        """What dumb-pypi reads."""
        return self.folder / "packages.json"

    def install(self) -> None:
        """Each by itself: one that cannot be had does not keep the others away."""
        run((sys.executable, "-m", "venv", str(self.folder / "venv")))
        for needs in sorted({side.needs for side in PEERS}):
            try:
                run((str(self.bin / "python"), "-m", "pip", "install", "--quiet", *needs))
            except ProgramError as failed:
                self.missing[needs] = f"pip cannot install it: {failed}"

    def versions(self) -> str:
        """What was measured."""
        said = json.loads(run((str(self.bin / "python"), "-m", "pip", "list", "--format=json")).said)
        wanted = {needs.partition("<")[0] for side in PEERS for needs in side.needs}
        return ", ".join(f"{one['name']} {one['version']}" for one in said if one["name"] in wanted)

    def first(self, one: Measured) -> None:
        """The turn that does not count: whether it runs, whether it links every wheel, and what it has written."""
        try:
            if reason := self.missing.get(one.side.needs):
                raise ProgramError(reason)
            words = self._place(one.side)
            run(_filled(one.side.command, words))
            output = looked_at(Path(one.side.written.format(**words)), Path(one.side.simple.format(**words)))
            if output.linked != len(self.made.wheels):
                raise ProgramError(f"its pages lead to {output.linked} of {len(self.made.wheels)} wheels")
        except ProgramError as failed:
            one.failed = str(failed)
        else:
            one.output = output

    def turn(self, side: Contender) -> Ran:
        """One turn that counts."""
        return run(_filled(side.command, self._place(side)))

    def _place(self, side: Contender) -> Mapping[str, str]:
        """A new folder with the wheels; what its making leaves to the disk is not left to the turn.

        It stays until everybody has ended: for minutes after a large removal, ext4 looks at every inode that was freed
        before it takes one, and whoever comes next pays for it, the more the more files it makes.
        """
        place = Path(tempfile.mkdtemp(prefix="turn-", dir=self.folder))
        words = {
            "python": sys.executable,
            "bin": str(self.bin),
            "store": str(self.made.store.root),
            "list": str(self.listing),
            "wheels": str(place / "wheels"),
            "out": str(place / "public"),
        }
        self.made.write_folder(place / "wheels")
        if side.before:
            run(_filled(side.before, words))
        os.sync()
        return words


def _filled(command: tuple[str, ...], words: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word.format(**words) for word in command)


def _parts(ran: Ran) -> str:
    """Where the time of ours went, as it says itself; the rest is Python's start, the imports and its end."""
    parts: dict[str, float] = json.loads(ran.said)
    rest = ran.seconds - sum(parts.values())
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in [*parts.items(), ("start and end", rest)])


def _found(name: str, output: Output) -> str:
    return (
        f"    {name:<{_WIDTH - 2}} {output.files:7} {output.links:7} {output.linked:7}  {output.hashes:<7}"
        f" {output.metadata:<16} {output.json}"
    )


def main() -> int:
    """Print everything; 1 where a limit was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("wheels", nargs="?", type=int, default=WHEELS, metavar="WHEELS")
    parser.add_argument("--times", type=int, default=TIMES, help="turns that count, of each side")
    said = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="wheelyard-benchmark-") as folder:
        result = side_by_side(Path(folder), said.times, said.wheels)
    print(f"\n{result}")
    return 0 if result.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
