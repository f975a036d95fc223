"""wheelyard: wheels for machines that cannot reach a package index. The task graph, and so the table of contents.

    image:NAME ──> lock:NAME ──> wheel:NAME/<project>-<version> … ──> platforms:NAME ──> index
    (once)         (uv, in it)   (fetched, or built in the box)       (complete)         (public/)

`doit` makes everything that changed; `doit list` names the tasks; `doit help run` explains the options.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit import create_after

sys.path.insert(0, str(Path(__file__).parent))
from builders.stopping import at_stop, end_without_a_word

end_without_a_word()  # before anything else: importing takes its time

from builders import bridge, generations, pipeline, report, standing
from builders.declarations import read_workspace
from builders.errors import ConfigurationError, PublishError, ResolutionError, StoreError, WheelyardError
from builders.facts import kept_facts
from builders.plan import Step
from builders.platforms import Platform
from builders.progress import Progress
from builders.run import Run
from builders.store import UNLIKE, Damage, Record, write_file
from builders.summary import RunEnd, Summary, counted
from builders.terminal import visible
from builders.yard import Yard

if TYPE_CHECKING:
    from index.model import PublishedPlatform

Task = dict[str, Any]

try:
    WORKSPACE = read_workspace(Path.cwd())
except ConfigurationError as error:
    raise bridge.invalid_configuration(error) from error
YARD = Yard(WORKSPACE, Progress())
RUN = Run(YARD)
PUBLIC = WORKSPACE.root / "public"
at_stop(YARD.stop)


# --- the graph ----------------------------------------------------------------------------------------------------


def _task(action: Callable[..., Any], *args: Any, **more: Any) -> Task:
    return {"actions": [(bridge.guarded(action), args)], "io": {"capture": False}, **more}


@bridge.loading
def task_image() -> Iterator[Task]:
    """Prepare a platform's image and read its facts, once"""
    for platform in WORKSPACE.platforms:
        known = kept_facts(YARD.folder, platform) is not None
        yield _task(RUN.know, platform, name=platform.name, uptodate=[known])


@bridge.loading
def task_lock() -> Iterator[Task]:
    """Resolve the sets of a platform; a lock never moves by itself"""
    for platform in WORKSPACE.platforms:
        current = RUN.plan(platform) is not None
        yield _task(RUN.lock, platform, name=platform.name, task_dep=[f"image:{platform.name}"], uptodate=[current])


def _wheel(platform: Platform, step: Step, waits_for: tuple[str, ...]) -> Task:
    return _task(
        RUN.make,
        platform,
        step,
        basename=f"wheel:{platform.name}/{step.name}",
        task_dep=[f"wheel:{platform.name}/{name}" for name in waits_for],
        uptodate=[RUN.is_finished(step)],
    )


@create_after(creates=["wheel"])
@bridge.loading
def task_wheel() -> Iterator[Task]:
    """Get one wheel: wheel:PLATFORM/PROJECT-VERSION, as the last lock has it"""
    for platform in WORKSPACE.platforms:
        for step, waits_for in RUN.steps(platform):
            task = _wheel(platform, step, waits_for)
            yield {**task, "basename": "wheel", "name": task["basename"].removeprefix("wheel:")}
        for name in RUN.stale_names(platform):
            again, lock = f"{platform.name}/{name}", f"lock:{platform.name}"
            yield _task(RUN.make_named, platform, name, basename="wheel", name=again, task_dep=[lock])


def _wheels_of(platform: Platform) -> Callable[[], Iterator[Task]]:
    """The steps of one platform, known once it is locked; nobody else's lock is waited for."""

    @create_after(executed=f"lock:{platform.name}", creates=[f"_wheels:{platform.name}"])
    def create() -> Iterator[Task]:
        try:
            made = [] if REPORTER.has_failed(f"lock:{platform.name}") else list(RUN.unfinished(platform))
        except WheelyardError as error:
            yield bridge.failing(f"_wheels:{platform.name}", error)
            return
        tasks = [_wheel(platform, step, waits_for) for step, waits_for in made]
        names = [task["basename"] for task in tasks]
        yield from tasks
        yield {"basename": f"_wheels:{platform.name}", "actions": None, "task_dep": names}

    return create


for _platform in WORKSPACE.platforms:
    globals()[f"task__wheels_{_platform.name}"] = _wheels_of(_platform)


@bridge.loading
def task_platforms() -> Iterator[Task]:
    """Bring a platform to the end, its part of the tree included"""
    for platform in WORKSPACE.platforms:
        current = RUN.is_complete(platform) and PUBLICATION.is_current()
        wheels = [f"_wheels:{platform.name}"]
        yield _task(complete, platform, name=platform.name, task_dep=wheels, uptodate=[current])


@create_after(executed="platforms", creates=["index"])
@bridge.loading
def task_index() -> Iterator[Task]:
    """Bring public/ up to what is complete, whatever became of the rest"""
    current = PUBLICATION.is_current()
    yield _task(PUBLICATION.publish, basename="_tree", title=lambda _: "index", uptodate=[current])
    yield {"basename": "index", "actions": None, "task_dep": ["_tree"]}


def task_upgrade() -> Task:
    """Look at the images again and resolve anew, newest allowed versions (--package NAME: of that one)"""
    package = {"name": "package", "short": "p", "long": "package", "type": list, "default": [], "help": "a project"}
    return _task(upgrade, params=[package], uptodate=[False])


def task_verify() -> Task:
    """Re-hash store and tree, follow every link"""
    return _task(verify, uptodate=[False])


def task_generations() -> Task:
    """List the generations of the tree, and what changed between them"""
    return _task(show_generations, uptodate=[False])


def task_rollback() -> Task:
    """Bring the tree of an earlier generation back (--to NUMBER: of that one)"""
    to = {"name": "to", "long": "to", "type": int, "default": None, "help": "a number that `doit generations` shows"}
    return _task(rollback, params=[to], uptodate=[False])


def task_prune() -> Task:
    """Remove what is no longer asked for (--keep N generations, --dry-run: only say what)"""
    keep = {"name": "keep", "long": "keep", "type": int, "default": 1, "help": "generations that stay whole"}
    dry = {"name": "dry_run", "long": "dry-run", "type": bool, "default": False, "help": "remove nothing"}
    return _task(prune, params=[keep, dry], uptodate=[False])


# --- what actions do beyond one platform ----------------------------------------------------------------------------


def begin(selected: frozenset[str]) -> None:
    """The workspace is ours. Only a run that goes on to the wheels fetches and builds them while it still locks."""
    YARD.sweep()
    YARD.goes_on = any(name.partition(":")[0] == "platforms" for name in selected)
    names = {one.name for one in WORKSPACE.platforms}
    named = {name.partition(":")[2] for name in selected if name.startswith("platforms:")}
    PUBLICATION.expected = frozenset(names if selected & {"platforms", "index"} else named)
    PUBLICATION.comes_last = "index" in selected


def complete(platform: Platform) -> None:
    """A platform has all its wheels: the tree gets them; what keeps it from that is told once, at the end if it can."""
    RUN.complete(platform)
    try:
        PUBLICATION.publish(may_wait=True)
    except PublishError:
        if not PUBLICATION.comes_last:
            raise


def upgrade(package: list[str]) -> None:
    """Move the locks, and say which way."""
    lines, failed = RUN.renew(tuple(package) or True)
    for line in lines:
        _answer(line)
    if failed:
        raise ResolutionError("\n".join(failed))
    _answer("run doit to get what moved" if lines else "nothing moved")


def verify() -> None:
    """Everything that is not as it should be, at once; what is damaged in the store goes, to be made again."""
    from index.verify import verify as verify_tree

    if not PUBLIC.exists() and not YARD.store.finished():
        _answer("there is nothing to verify yet: run doit")
        return
    damages = list(YARD.store.damaged())
    findings = [*(damage.text for damage in damages), *generations.unreadable(YARD), *verify_tree(PUBLIC)]
    findings += PUBLICATION.findings()
    for damage in damages:
        if not any(YARD.store.mend(damage.sha256, path) for path in _copies(damage)):
            YARD.store.discard(damage)
    findings += generations.let_go(YARD)
    if findings:
        PUBLICATION.distrust()
        number = counted(len(findings), "finding")
        raise StoreError("\n".join(findings), hint=f"{number}; run doit to make again what is named")
    _answer("verified every blob of the store, and every page, link and file of public/")


def _copies(damage: Damage) -> Iterator[Path]:
    """Where public/ may have the same bytes; on another disk, or changed in one place alone, they may be whole."""
    from index.names import pool_path

    for fingerprint in damage.fingerprints if damage.sha256 else ():
        record = YARD.store.record(fingerprint)
        if record:
            wheel = PUBLIC / pool_path(record)
            yield wheel if damage.sha256 == record.sha256 else wheel.with_name(f"{wheel.name}.metadata")


def _answer(line: str) -> None:
    RUN.answered = True
    YARD.progress.say(visible(line))


def show_generations() -> None:
    """Oldest first, each with what came and went."""
    before = None
    for one in generations.generations(YARD):
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.at))
        like = f"  {one.like} again" if one.like else ""
        _answer(f"generation {one.number}  {when}  {counted(len(one.asked_for()), 'wheel')}{like}")
        for line in generations.differences(before, one, YARD):
            _answer(f"  {line}")
        before = one
    if before is None:
        _answer("there is no generation yet: nothing was published")


def rollback(to: int | None) -> None:
    """The tree as it was; the next doit goes forward again, unless requirements and locks went back as well."""
    with PUBLICATION.taking_away():
        one = generations.roll_back(YARD, to)
    _answer(f"public/ is generation {one.like or one.number} again")


def prune(keep: int, dry_run: bool) -> None:
    """Pages and files of the tree first, then the store."""
    pruned = generations.what_to_prune(YARD, keep=keep)
    unknown = PUBLICATION.strangers(pipeline.all_completed(YARD))
    if missing := [one.name for one in WORKSPACE.platforms if one.name in unknown]:
        raise _strangers(missing)
    if not dry_run:
        with PUBLICATION.taking_away():
            generations.forget(YARD, pruned)
        generations.remove(YARD, pruned)
    verb = "would remove" if dry_run else "removed"
    for line in (*(f"platform {name}  this workspace does not know it" for name in unknown), *pruned.lines):
        _answer(f"{verb}  {line}")
    wheels, files = counted(len(pruned.fingerprints), "wheel"), counted(len(pruned.blobs), "file")
    _answer(f"{verb} {wheels}, {files}, {pruned.bytes} bytes")


class Publication:
    """public/, made from what is complete: here builders' records become index's wheels."""

    def __init__(self) -> None:
        self.decisions: tuple[str, ...] = ()
        self.expected: frozenset[str] = frozenset()  # platforms that this run brings to their end
        self.comes_last = False  # this run publishes once more behind all platforms
        self._kept = YARD.folder / "published.json"
        self._memo = YARD.folder / "published.memo"
        self._taking_away = YARD.folder / "published.less"

    def is_current(self) -> bool:
        """Whether public/ is what was last published, and that was all that is complete."""
        try:
            return self._is_as_left(pipeline.all_completed(YARD))
        except StoreError:  # what is complete cannot be read: who publishes says so
            return False

    def _is_as_left(self, completed: Sequence[pipeline.Completed]) -> bool:
        from index.publish import is_current

        state, manifest = self._last()
        pages = [PUBLIC / folder / "simple" / "index.html" for folder in ("", *(one.name for one in completed))]
        return bool(
            state == _state(completed) and is_current(PUBLIC, manifest) and all(page.is_file() for page in pages)
        )

    def _last(self) -> tuple[str, str]:
        """What the last publication was made from, and the hash of its manifest; "" where that is not known."""
        try:
            kept = json.loads(self._kept.read_bytes())
            return str(kept["state"]), str(kept["manifest"])
        except (OSError, *UNLIKE):
            return "", ""

    def findings(self) -> list[str]:
        """What nobody else can tell: that all is as a manifest says which is not the one that was published."""
        from index.publish import is_current
        from index.verify import MANIFEST, interrupted

        _, manifest = self._last()
        is_there = (PUBLIC / MANIFEST).is_file() and not interrupted(PUBLIC)
        is_another = is_there and manifest and not is_current(PUBLIC, manifest)
        return [f"{MANIFEST}: is not the one that was published last"] if is_another else []

    def strangers(self, completed: Sequence[pipeline.Completed]) -> list[str]:
        """Platforms that were published, and of which the workspace has no word: it was lost, or is another one."""
        names = {path.parents[1].name for path in PUBLIC.glob("*/simple/index.html")}
        names -= {"simple", *(one.name for one in completed)}
        said = (PUBLIC / "manifest.json").read_bytes() if names and (PUBLIC / "manifest.json").is_file() else b""
        return sorted(name for name in names if f'"{name}/simple/index.html":'.encode() in said)

    def distrust(self) -> None:
        """The next publication looks at every byte."""
        self._kept.unlink(missing_ok=True)

    @contextmanager
    def taking_away(self) -> Iterator[None]:
        """What is complete becomes less on purpose in this block, then public/ does; killed, the next run goes on."""
        write_file(self._taking_away, b"")
        try:
            yield
        except WheelyardError:
            self._taking_away.unlink()
            raise
        self.publish()

    def publish(self, *, may_wait: bool = False) -> None:
        """Bring public/ up to what is complete; one thread at a time.

        What the workspace does not know is not taken away but on purpose: PublishError, or `may_wait` for its turn.
        """
        from index.errors import TreeError

        with YARD.alone("publish"):
            completed, take_away = pipeline.all_completed(YARD), self._taking_away.exists()
            if not (PUBLIC.exists() or completed) or (self._is_as_left(completed) and not take_away):
                return
            unknown = [] if take_away else self.strangers(completed)
            if unknown and may_wait and self.expected.issuperset(unknown):
                return
            if unknown and RUN.skipped.keys() >= set(unknown):
                YARD.progress.note("public", f"stays as it is: it has {', '.join(unknown)}, which was skipped")
                return
            if unknown:
                raise _strangers(unknown)
            with YARD.progress.during("public", "PUBLISH"):
                try:
                    self._bring_up(completed)
                except TreeError as error:
                    raise PublishError(error.reason, hint=error.hint) from error

    def _bring_up(self, completed: Sequence[pipeline.Completed]) -> None:
        from index.memo import read_memo
        from index.publish import publish
        from index.tree import tree

        state = _state(completed)
        with generations.remembered(YARD, completed):
            made = tree(
                _platforms(completed),
                url=WORKSPACE.publish_url,
                metadata=lambda sha256: YARD.store.blob(sha256).read_bytes(),
                incomplete=standing.incomplete(YARD),
                memo=read_memo(self._memo),
            )
        published = publish(PUBLIC, made, blob=YARD.store.blob_name, memo=self._memo, thorough=not self._kept.exists())
        self.decisions = tuple(decision.text for decision in made.decisions)
        write_file(self._kept, json.dumps({"state": state, "manifest": published.manifest}).encode())
        self._taking_away.unlink(missing_ok=True)


def _strangers(names: Sequence[str]) -> PublishError:
    return PublishError(
        f"public/ has {', '.join(names)}, of which this workspace knows nothing: was .wheelyard/ removed?",
        hint="public/ stays as it is until `doit` has made again what platforms.yaml names. What cannot be made again: "
        "take it out of platforms.yaml, and `doit prune` takes it out of public/",
    )


def _state(completed: Sequence[pipeline.Completed]) -> str:
    """Hash of all that the tree is made from."""
    states = [repr(WORKSPACE.publish_url), standing.digest(YARD), *map(repr, completed)]
    return hashlib.sha256("\n".join(states).encode()).hexdigest()


def _platforms(completed: Sequence[pipeline.Completed]) -> list[PublishedPlatform]:
    records = YARD.store.needed_records(f for one in completed for f in one.fingerprints()).__getitem__
    stands = standing.standings(YARD, completed, records)
    return [_published(one, records, stands[one.name]) for one in completed]


def _published(
    completed: pipeline.Completed, records: Callable[[str], Record], stands: standing.Standing
) -> PublishedPlatform:
    from index.model import PublishedPlatform, PublishedSet

    yanked = dict(completed.yanked)
    # A wheel's record says what its index said when it was made; of what is asked for, the lock knows it as it is now.
    current = {f: records(f)._replace(yanked=yanked.get(f)) for _, asked in completed.sets for f in asked}
    return PublishedPlatform(
        name=completed.name,
        python=completed.python,
        tags=completed.tags,
        libc=completed.libc,
        wheels=tuple(current.get(one) or records(one) for one in completed.wheels),
        sets=tuple(PublishedSet(name=name, wheels=tuple(current[f] for f in asked)) for name, asked in completed.sets),
        statuses=completed.statuses,
        image=stands.image,
        proven=stands.proven,
        unproven=stands.unproven,
        changed=stands.changed,
    )


PUBLICATION = Publication()


def summary(end: RunEnd) -> Summary | None:
    """The run's last words, where a verb of its own has not said them."""
    if RUN.answered and not end.failed:
        return None
    unused = RUN.unused_builds() if any(name.startswith("lock:") for name in end.executed) else ()
    return report.summary(YARD, RUN, end, decisions=(*PUBLICATION.decisions, *unused))


REPORTER = bridge.reporter(YARD.progress, summary, root=WORKSPACE.root, begin=begin)
DOIT_CONFIG = {
    "default_tasks": ["platforms", "index"],
    "reporter": REPORTER,
    "num_process": 12,  # threads that mostly wait: sockets bound fetching, cores and memory bound building
    "par_type": "thread",
    "continue": True,
    "verbosity": 0,
    **bridge.STATELESS,
}
