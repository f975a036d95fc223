"""One run's verbs as the task graph calls them: the pipeline's, less optional platforms, with plans remembered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from builders import pipeline
from builders.errors import BuildError, ConfigurationError, EngineError, StoreError, WheelyardError
from builders.plan import Plan, Step, moved
from builders.platforms import Platform, Workspace
from builders.yaml_nodes import did_you_mean
from builders.yard import Yard

if TYPE_CHECKING:
    from builders.locking import Upgrade


_NAME = re.compile(r'^name = "([^"]+)"$', re.MULTILINE)  # in a lock


class Run:
    """What doit's actions do. `skipped` holds, by platform, why an optional one was left out."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.skipped: dict[str, str] = {}
        self.plans: dict[str, Plan] = {}
        self.answered = False  # a question was answered (what is verified, what was pruned): no summary besides
        self._finished: frozenset[str] | None = None

    def know(self, platform: Platform) -> None:
        """Prepare and probe; an optional platform that this machine cannot have is skipped."""
        try:
            pipeline.know_platform(self.yard, platform)
        except EngineError as error:
            self._skip(platform, error)

    def lock(self, platform: Platform, *, upgrade: Upgrade = False) -> None:
        """Resolve and plan."""
        if platform.name not in self.skipped:
            self._at_first()
            try:
                self._planned(platform, pipeline.lock_platform(self.yard, platform, upgrade=upgrade))
            except EngineError as error:
                self._skip(platform, error)

    def renew(self, upgrade: Upgrade) -> tuple[list[str], list[str]]:
        """Look at every platform again, and lock it anew: lines on what moved, and on what went wrong."""
        kept = {one.name: pipeline.kept_plan(self.yard, one) for one in self.yard.workspace.platforms}
        if isinstance(upgrade, tuple):
            _refuse_unknown(upgrade, self.yard.workspace, kept.values())
        lines: list[str] = []
        failed: list[str] = []
        for platform in self.yard.workspace.platforms:
            try:
                self.know(platform)
                self.lock(platform, upgrade=upgrade)
            except WheelyardError as error:
                failed.append(f"{platform.name}: {error}")
                continue
            before, after = kept[platform.name], self.plans.get(platform.name)
            if platform.name in self.skipped:
                self.yard.progress.note(platform.name, f"skipped: {self.skipped[platform.name]}")
            elif before and after:
                lines += [f"{platform.name}  {line}" for line in moved(before, after)]
            elif after:
                lines.append(f"{platform.name}  locked for the first time")
        return lines, failed

    def make(self, platform: Platform, step: Step) -> None:
        """One wheel."""
        if platform.name not in self.skipped:
            try:
                pipeline.make_step(self.yard, platform, step, self.plans[platform.name])
            except EngineError as error:
                self._skip(platform, error)

    def make_named(self, platform: Platform, name: str) -> None:
        """The same for the step of that name in a plan that is made only now."""
        if platform.name not in self.skipped:
            steps = {step.name: step for step in self.plans[platform.name].steps}
            if name not in steps:
                raise BuildError(f"{name}: platform {platform.name} does not ask for it any more")
            self.make(platform, steps[name])

    def complete(self, platform: Platform) -> None:
        """State that the platform has all its wheels."""
        if platform.name not in self.skipped:
            plan = self.plans[platform.name]
            pipeline.refuse_lacking(self.yard, platform, plan)
            pipeline.note_unknown_extras(self.yard, platform, plan)
            if platform.prove:
                pipeline.prove_platform(self.yard, platform, plan)
            pipeline.complete_platform(self.yard, platform, plan)

    def plan(self, platform: Platform) -> Plan | None:
        """The platform's plan: this run's, or the one that was kept and still holds."""
        if platform.name not in self.plans:
            kept = pipeline.current_plan(self.yard, platform)
            if kept is None:
                return None
            self._planned(platform, kept)
        return self.plans[platform.name]

    def is_finished(self, step: Step) -> bool:
        """Whether the store had this step when the run began; a step that is done by now finds its record."""
        return step.fingerprint in self._at_first()

    def _at_first(self) -> frozenset[str]:
        if self._finished is None:
            self._finished = self.yard.store.finished()
        return self._finished

    def is_complete(self, platform: Platform) -> bool:
        """Whether the platform is stated as complete with just the plan that it has now, and proven if it is to be."""
        plan = self.plan(platform)
        try:
            if plan is None or not pipeline.is_complete(self.yard, platform, plan):
                return False
        except StoreError:  # who completes it says so
            return False
        return not platform.prove or pipeline.is_proven(self.yard, platform, plan)

    def steps(self, platform: Platform) -> Iterator[tuple[Step, tuple[str, ...]]]:
        """The platform's steps with the names of the steps that each waits for.

        What is fetched comes first, then what is built, the largest first: a long build that begins last runs alone.
        """
        plan = self.plan(platform)
        if plan is not None and platform.name not in self.skipped:
            names = {step.fingerprint: step.name for step in plan.steps}
            for step in sorted(plan.steps, key=self._turn):
                yield step, tuple(sorted(names[fingerprint] for fingerprint in step.environment))

    def _turn(self, step: Step) -> tuple[bool, int]:
        """When a step's turn comes; the size of the sdist is the only word on the length of a build."""
        if not step.built:
            return False, 0
        try:
            return True, -self.yard.store.blob(step.file.sha256).stat().st_size
        except OSError:  # it was not fetched so far
            return True, -(step.file.size or 0)

    def stale_names(self, platform: Platform) -> tuple[str, ...]:
        """The steps of a kept plan that does not hold any more: who mended platforms.yaml tries one of them again."""
        kept = None if self.plan(platform) else pipeline.kept_plan(self.yard, platform)
        return tuple(step.name for step in kept.steps) if kept else ()

    def unfinished(self, platform: Platform) -> Iterator[tuple[Step, tuple[str, ...]]]:
        """The same without all that the store had: a task, which doit looks at several times, only for real work."""
        steps = [(step, waits_for) for step, waits_for in self.steps(platform) if not self.is_finished(step)]
        done = self.yard.store.finished()  # by now: locking made what builds are built with
        names = {step.name for step, _ in steps if step.fingerprint not in done}
        for step, waits_for in steps:
            # doit lets those that waited for one task go in no order at all, and these have one.
            yield step, tuple(name for name in waits_for if name in names)

    def unused_builds(self) -> list[str]:
        """A line for each project of `builds` that no lock has, once all are known: most likely it is misspelt."""
        workspace = self.yard.workspace
        plans = [plan for one in workspace.platforms if (plan := self.plan(one))]
        known = {str(step.project) for plan in plans for step in plan.steps}
        unused = [build.project for build in workspace.builds if build.project not in known]
        lines = [f"builds: {name}: no lock has it{did_you_mean(name, sorted(known))}" for name in unused]
        return lines if len(plans) == len(workspace.platforms) else []

    def _planned(self, platform: Platform, plan: Plan) -> None:
        self.plans[platform.name] = plan
        reused = sum(self.is_finished(step) for step in plan.steps)
        self.yard.progress.plan(platform.name, len(plan.steps), reused=reused)

    def _skip(self, platform: Platform, error: EngineError) -> None:
        if not platform.optional:
            raise error
        self.skipped[platform.name] = error.reason


def _refuse_unknown(names: Iterable[str], workspace: Workspace, plans: Iterable[Plan | None]) -> None:
    """A name that no plan, lock or set has moves nothing: most likely it is misspelt."""
    known = {str(step.project) for plan in plans if plan for step in plan.steps}
    for path in (workspace.root / "locks").glob("**/*.pylock.toml"):
        with suppress(OSError):
            known.update(_NAME.findall(path.read_text(encoding="utf-8", errors="replace")))
    asked = {line for platform in workspace.platforms for one in platform.sets for line in one.requirements}
    known.update(canonicalize_name(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in asked)
    unknown = [name for name in names if canonicalize_name(name) not in known]
    if unknown:
        raise ConfigurationError(
            "\n".join(f"nothing asks for {name!r}{did_you_mean(name, sorted(known))}" for name in unknown),
            hint="nothing was moved",
        )
