"""Progress: what a person sees of a run, on any terminal or none."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from builders.live import layout
from builders.progress import PlatformRow, Progress, Running, Snapshot
from builders.summary import FailedStep, PlatformState, Summary, Tally, render_summary
from builders.terminal import clock, duration, size_of, visible

ROOT = Path(__file__).parent.parent

RUN = r"""
import sys
from builders.progress import Progress
progress = Progress()
progress.plan("trixie", 2)
for project in ("cffi-2.0.0", "lxml-6.0.2"):
    step = f"trixie/{project}"
    progress.begin(step, "FETCH", platform="trixie", total_bytes=9_000_000)
    progress.bytes(step, 9_000_000)
    progress.note(step, "chosen \u2192 by glibc")
    progress.begin(step, "BUILD", platform="trixie")
    progress.done(step, outcome="built")
progress.close()
progress.say("the end")
print("rich" in sys.modules, file=sys.stderr)
sys.exit(7)
"""


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.time


def plain() -> tuple[Progress, io.StringIO, Clock]:
    out, now = io.StringIO(), Clock()
    return Progress(out, environ={"TERM": "xterm"}, now=now), out, now


def python(code: str, *, stdout: int, **environ: str) -> subprocess.Popen[bytes]:
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=bare | environ,
    )


def on_terminal(code: str, columns: int, **environ: str) -> tuple[str, str, int]:
    """Run code on a pseudo-terminal of that width: what the terminal got, stderr, exit code."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    child = python(code, stdout=theirs, **({"TERM": "xterm-256color", "PYTHONUTF8": "1"} | environ))
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # EIO: the last writer is gone
            break
    os.close(ours)
    _, errors = child.communicate()
    return seen.decode(), errors.decode(), child.returncode


# --- plain lines --------------------------------------------------------------------------------------------------


def test_a_step_is_one_line_when_it_begins_and_one_when_it_ends() -> None:
    """Without a terminal each event is a plain line: verb, step, bytes, seconds of the whole step."""
    progress, out, now = plain()
    progress.begin("bullseye/ansible-12.0", "FETCH", platform="bullseye", total_bytes=50_000_000)
    progress.bytes("bullseye/ansible-12.0", 50_000_000)
    now.time += 90
    progress.begin("bullseye/ansible-12.0", "BUILD", platform="bullseye")
    now.time += 2
    progress.done("bullseye/ansible-12.0", outcome="built", size=1_500_000)
    assert out.getvalue().splitlines() == [
        "FETCH    bullseye/ansible-12.0",
        "BUILD    bullseye/ansible-12.0",
        "built    bullseye/ansible-12.0  1.5 MB  92 s",
    ]


def test_a_small_download_is_one_line() -> None:
    """A download that is over at once is told when it ended, with its bytes."""
    progress, out, now = plain()
    progress.begin("bullseye/idna-3.10", "FETCH", platform="bullseye", total_bytes=70_442)
    progress.bytes("bullseye/idna-3.10", 70_442)
    now.time += 0.25
    progress.done("bullseye/idna-3.10", outcome="fetched")
    assert out.getvalue() == "fetched  bullseye/idna-3.10  70.4 kB  0.2 s\n"


def test_an_image_or_a_lock_does_not_count_as_a_step() -> None:
    """Only PLATFORM/PROJECT-VERSION counts towards n of m; an image's end is told by its verb in small letters."""
    progress, out, now = plain()
    progress.plan("bullseye", 3, reused=1)
    progress.begin("bullseye", "IMAGE", platform="bullseye")
    now.time += 25
    progress.done("bullseye", outcome="done")
    progress.done("bullseye/idna-3.10", outcome="fetched", size=5)
    assert out.getvalue().splitlines() == ["IMAGE    bullseye", "image    bullseye  25 s"]
    assert progress.snapshot().platforms == (PlatformRow(name="bullseye", done=2, total=3),)
    assert (progress.tally("reused"), progress.tally("fetched")) == (
        Tally(wheels=1),
        Tally(wheels=1, bytes=5),
    )


def test_the_first_word_on_a_step_stands() -> None:
    """A step that was told to have failed is not counted a second time when doit reports its task."""
    progress, _, _ = plain()
    progress.plan("bullseye", 1)
    progress.done("bullseye/lxml-6", outcome="failed")
    progress.done("bullseye/lxml-6", outcome="failed")
    assert progress.tally("failed") == Tally(wheels=1)
    assert progress.snapshot().platforms == (PlatformRow(name="bullseye", done=1, total=1),)


def test_threads_never_tear_a_line_or_lose_a_count() -> None:
    """Eight threads of fifty steps: every line is whole, and every byte is counted."""
    progress, out, _ = plain()
    barrier = threading.Barrier(8)

    def work(platform: str) -> None:
        barrier.wait()
        for number in range(50):
            step = f"{platform}/p-{number}"
            progress.begin(step, "FETCH", platform=platform, total_bytes=10)
            progress.bytes(step, 10)
            progress.done(step, outcome="fetched")

    threads = [threading.Thread(target=work, args=(f"x{name}",)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.tally("fetched") == Tally(wheels=400, bytes=4000)
    assert sorted(out.getvalue().splitlines()) == sorted(
        f"fetched  x{name}/p-{number}  10 B  0.0 s" for name in range(8) for number in range(50)
    )


def test_control_sequences_in_names_are_written_out() -> None:
    """A hostile name reaches the terminal as text: no escape, no bell, no new line, no reversed reading order."""
    progress, out, _ = plain()
    progress.begin("x/evil\x1b]0;owned\x07\n-1", "BUILD", platform="x")
    progress.note("x/evil", "a\u202eb\x9b2J")
    assert out.getvalue().splitlines() == [
        r"BUILD    x/evil\x1b]0;owned\x07\n-1",
        r"note     x/evil: a\u202eb\x9b2J",
    ]


@given(st.text())
def test_visible_text_has_no_control_characters(text: str) -> None:
    """Whatever comes in, nothing that moves a cursor goes out, and harmless text is left as it is."""
    shown = visible(text)
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    assert visible(shown) == shown
    shown.encode()  # no lone surrogate either


@given(st.integers(0, 10**12), st.none() | st.integers(1, 10**12))
def test_sizes_fit_their_column(amount: int, total: int | None) -> None:
    """Bytes take at most 17 columns, so that the live view stays aligned."""
    assert len(size_of(min(amount, total or amount), total)) <= 17


def test_times_for_people() -> None:
    """A stop-watch for what runs, words for what ended."""
    assert [clock(7.9), clock(750), clock(3723)] == ["0:07", "12:30", "1:02:03"]
    assert [duration(0.44), duration(92), duration(750)] == ["0.4 s", "92 s", "12 min 30 s"]
    assert [size_of(0), size_of(999), size_of(31_200_000), size_of(3_100_000, 48_000_000)] == [
        "0 B",
        "999 B",
        "31.2 MB",
        "3.1/48.0 MB",
    ]


# --- terminals, and the lack of them ------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_a_terminal_gets_a_live_view_and_gets_its_cursor_back(columns: int) -> None:
    """On a real terminal the bars and running steps are drawn, taken away, and what is worth keeping stays."""
    seen, errors, code = on_terminal(RUN, columns)
    assert (errors, code) == ("True\n", 7)
    assert "0/2" in seen
    assert "\x1b[?25l" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")
    assert "built    trixie/lxml-6.0.2" in seen
    assert seen.endswith("the end\r\n")


def test_no_color_is_honoured_on_a_terminal() -> None:
    """NO_COLOR keeps the live view and drops every colour."""
    coloured, _, _ = on_terminal(RUN, 80)
    bare, _, _ = on_terminal(RUN, 80, NO_COLOR="1")
    assert "\x1b[32m" in coloured
    assert "\x1b[32m" not in bare
    assert "\x1b[36m" not in bare
    assert "0/2" in bare


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"CI": "true"}, {"TERM": ""}])
def test_dumb_terminals_and_ci_get_plain_lines(environ: dict[str, str]) -> None:
    """No escape sequence where nobody could act on it, and rich is not even imported."""
    seen, errors, _ = on_terminal(RUN, 80, **environ)
    assert "\x1b" not in seen
    assert "FETCH    trixie/cffi-2.0.0\r\n" in seen
    assert errors == "False\n"


def test_a_reader_that_goes_away_does_not_end_the_run() -> None:
    """`doit | head -1`: no BrokenPipeError, not even from Python's last flush, and the exit code is the run's own."""
    reading, writing = os.pipe()
    os.close(reading)
    child = python(RUN, stdout=writing)
    os.close(writing)
    _, errors = child.communicate()
    assert (errors, child.returncode) == (b"False\n", 7)


def test_closed_stdout_does_not_end_the_run() -> None:
    """`doit >&-`: Python has no stdout at all then."""
    shell = f'exec "{sys.executable}" -c "$RUN" >&-'
    child = subprocess.run(
        ["/bin/sh", "-c", shell],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "RUN": RUN},
        stderr=subprocess.PIPE,
        check=False,
    )
    assert (child.stderr, child.returncode) == (b"False\n", 7)


def test_ascii_output_says_everything_in_ascii() -> None:
    """LC_ALL=C with an ASCII stdout: arrows become `->`, nothing raises."""
    child = python(RUN, stdout=subprocess.PIPE, LC_ALL="C", PYTHONIOENCODING="ascii:strict", PYTHONUTF8="0")
    out, errors = child.communicate()
    assert (errors, child.returncode) == (b"False\n", 7)
    assert b"chosen -> by glibc" in out


def test_an_ascii_terminal_gets_ascii_bars() -> None:
    """The live view too is drawn with what the terminal's encoding has."""
    seen, errors, _ = on_terminal(RUN, 80, PYTHONIOENCODING="ascii:strict", PYTHONUTF8="0", LC_ALL="C")
    assert errors == "True\n"
    assert seen.isascii()
    assert "0/2" in seen


NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=120)


@given(st.lists(NAMES, max_size=12, unique=True), st.integers(30, 200), st.integers(8, 60), st.integers(0, 30))
def test_the_live_view_fits_every_terminal(names: Sequence[str], columns: int, rows: int, running: int) -> None:
    """However long the names and however many steps, nothing wraps and nothing is taller than the terminal."""
    shot = Snapshot(
        platforms=tuple(PlatformRow(name=name, done=3, total=10_000) for name in names),
        running=tuple(
            Running(name=f"{name}/x-{n}", verb="FETCH", platform=name, began=0, since=0, bytes=5, total=10**9)
            for n, name in zip(range(running), list(names) * 30, strict=False)
        ),
        fetched=10**10,
        since=0,
        now=4000,
    )
    out = io.StringIO()
    Console(file=out, width=columns, height=rows).print(layout(shot, columns, rows))
    lines = out.getvalue().splitlines()
    assert max(cell_len(line) for line in lines) <= columns
    assert len(lines) < rows


# --- the summary ----------------------------------------------------------------------------------------------------

FAILURE = FailedStep(
    step="trixie/cffi-2.0.0",
    platform="trixie",
    project="cffi",
    version="2.0.0",
    reason="ffi.h: no such header",
    asked_by=("ansible", "cryptography", "cffi"),
    log=".wheelyard/logs/cffi.log",
    again="doit wheel:trixie/cffi-2.0.0",
)


def test_nothing_to_do_is_one_line() -> None:
    """A run that changed nothing says so in a line; a skipped platform takes one more."""
    summary = Summary(
        platforms=(
            PlatformState(name="bullseye", state="complete"),
            PlatformState(name="mac", state="skipped", reason="no engine here"),
        ),
        reused=Tally(wheels=57, bytes=10**9),
        tree="public/",
    )
    assert render_summary(summary, colour=True).splitlines() == [
        "nothing to do: 1 platform, 57 wheels, tree public/",
        "skipped: mac (no engine here)",
    ]


def test_nothing_to_do_counts_nothing_that_is_not_there() -> None:
    """A platform that is only locked is neither complete nor in want of a lock."""
    assert render_summary(Summary(tree="public/"), colour=False) == "nothing to do\n"


def test_a_failure_says_what_why_who_where_and_how_to_try_again() -> None:
    """The last thing on the screen is what the reader has to act on."""
    summary = Summary(
        platforms=(
            PlatformState(name="bullseye", state="complete"),
            PlatformState(name="trixie", state="incomplete", reason="1 wheel is missing"),
        ),
        fetched=Tally(wheels=40, bytes=312_000_000),
        built=Tally(wheels=2),
        seconds=92,
        tree="public/",
        install=("pip install --no-index -f public/bullseye ansible",),
        decisions=("cffi-2.0.0: bullseye's, for its older glibc",),
        failures=(FAILURE,),
    )
    assert render_summary(summary, colour=False).splitlines() == [
        "",
        "bullseye  complete",
        "trixie    incomplete  1 wheel is missing",
        "42 wheels: 40 fetched (312.0 MB), 2 built, in 92 s",
        "note  cffi-2.0.0: bullseye's, for its older glibc",
        "tree  public/",
        "  pip install --no-index -f public/bullseye ansible",
        "",
        "1 step failed",
        "",
        "cffi 2.0.0 on trixie",
        "  why       ffi.h: no such header",
        "  asked by  ansible → cryptography → cffi",
        "  log       .wheelyard/logs/cffi.log",
        "  again     doit wheel:trixie/cffi-2.0.0",
    ]


def test_a_long_chain_shows_its_ends() -> None:
    """Who asked first, and who asked last: a thousand names between them tell nobody anything."""
    chain = tuple(f"p{number}" for number in range(1300))
    text = render_summary(Summary(failures=(replace(FAILURE, asked_by=chain),)), colour=False)
    shown = "p0 → p1 → p2 → p3 → p4 → … → p1295 → p1296 → p1297 → p1298 → p1299"
    assert f"  asked by  {shown}\n" in text


def test_colours_add_nothing_but_colours() -> None:
    """Without its escape sequences the coloured summary is the plain one."""
    summary = Summary(platforms=(PlatformState(name="x", state="incomplete", reason="why"),), failures=(FAILURE,))
    coloured = render_summary(summary, colour=True)
    assert "\x1b[1;31m" in coloured
    assert Text.from_ansi(coloured.rstrip("\n")).plain == render_summary(summary, colour=False).rstrip("\n")


@given(st.text(), st.text(min_size=1), st.lists(st.text(), max_size=3))
def test_no_text_escapes_its_line(name: str, reason: str, chain: list[str]) -> None:
    """Nothing that an index, a log or a file name says can add a line to the summary, or colour it."""
    failure = FailedStep(
        step="s", platform=name, project=name or "p", version=name, reason=reason, asked_by=tuple(chain), again="doit"
    )
    text = render_summary(Summary(failures=(failure,)), colour=False)
    rows = 9 if " → ".join(chain) else 8  # a gap, the time, a gap, the heading, a gap, what, why, (asked by,) again
    assert text.count("\n") == rows
    assert "\x1b" not in text
