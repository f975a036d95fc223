"""`python -m benchmarks ROW…`: each figure beside its rival's, the ratio, the limit, and whether it holds."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import memory, peers, rollback, unchanged, wheels
from benchmarks.measure import Verdict, machine

# What it is called on the command line, and how many turns it takes where nobody says.
ROWS: dict[str, tuple[Callable[[Path, int], Verdict | memory.Peak | rollback.Rolled | peers.SideBySide], int]] = {
    "unchanged": (unchanged.three_platforms, 11),
    "large-store": (unchanged.large_store, 11),
    "ansible": (wheels.three_platforms, 5),
    "from-source": (wheels.c_from_source, 3),
    "memory": (memory.large_wheel, 1),
    "rollback": (rollback.thousand_wheels, 7),
    "peers": (peers.side_by_side, peers.TIMES),
}


def main() -> int:
    """Run what was asked for; 1 where a limit was missed."""
    said = _arguments()
    rows = list(ROWS) if "all" in said.rows else said.rows
    print(machine(), flush=True)
    holds = True
    with tempfile.TemporaryDirectory(prefix="wheelyard-benchmark-") as scratch:
        for row in rows:
            measure, times = ROWS[row]
            result = measure((said.folder or Path(scratch)).absolute(), said.times or times)
            print(f"\n{result}", flush=True)
            holds = holds and result.holds
    return 0 if holds else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="+", choices=["all", *ROWS], metavar="ROW", help=f"all, {', '.join(ROWS)}")
    parser.add_argument("--times", type=int, help="turns that count, of each side")
    parser.add_argument("--folder", type=Path, help="keep the workspaces here, and use again what is there")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
