"""The engine of a rollout: observe, decide, write it down, apply, again until it ends.

In: a `Deployment`, a `Journal`, a release, a plan, labelled probes. Out: an `Outcome`. Each intent
is written before it is carried out, and every step of carrying out may be repeated, so the
process can be killed anywhere and started again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from weathervane.data.probes import Probe as LabelledPicture
from weathervane.errors import DeploymentError, RolloutRunningError, UsageError
from weathervane.rollout.clock import Clock, SystemClock
from weathervane.rollout.counts import Counts
from weathervane.rollout.decide import (
    Action,
    Hold,
    Observed,
    Probe,
    Promote,
    SetWeight,
    Wait,
    decide,
)
from weathervane.rollout.judgement import ProbeFigures
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Deployment, Journal, Live, Release, Revision
from weathervane.rollout.record import decision, figures
from weathervane.rollout.state import Phase, RolloutState, read_state


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a rollout ended. ``state`` holds its figures."""

    promoted: bool
    why: str
    state: RolloutState | None = None  # None when there was nothing to do


class Rollout:
    """Drives one service's rollouts."""

    def __init__(
        self,
        deployment: Deployment,
        journal: Journal,
        *,
        clock: Clock | None = None,
        announce: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._deployment = deployment
        self._journal = journal
        self._clock = clock or SystemClock()
        self._announce = announce
        self._announced = ""
        self._looked_at = 0.0

    def start(
        self, release: Release, plan: Plan, probes: Sequence[LabelledPicture], who: str
    ) -> Outcome:
        """Roll ``release`` out, or go on with its rollout where a killed process left it.

        Raises:
            RolloutRunningError: when another rollout of the service is alive or unfinished.
            UsageError: when there are fewer probes than the plan asks for.
            DeploymentError: when the platform does not do as it is asked.
        """
        with self._journal.claim(who):
            state = self.unfinished()
            if state is None:
                live = self._deployment.observe()
                if live.canary is None and live.stable and live.stable.digest == release.digest:
                    return Outcome(promoted=True, why="it is the stable revision already")
                state = self._begin(release, plan, probes, who, live)
            elif state.release.digest != release.digest:
                raise RolloutRunningError(
                    f"rollout {state.id} of package {state.release.digest[:12]} is unfinished: "
                    "start it again with that package, or abort it"
                )
            else:
                self._say(f"going on with rollout {state.id} at {state.weight} %")
            return self._drive(state, probes)

    def abort(self, who: str, why: str) -> Outcome | None:
        """End the present rollout by taking the canary back. None when there is no rollout."""
        state = self.unfinished()
        if state is None:
            return None
        self._journal.ask({"rollout": state.id, "who": who, "why": why})
        try:
            with self._journal.claim(who):
                left = self.unfinished()
                return self._drive(left, ()) if left else None
        except RolloutRunningError:
            self._say("the process that drives the rollout has been told")
            return self._await_end(state)

    @property
    def deployment(self) -> Deployment:
        """What it moves the traffic of."""
        return self._deployment

    def unfinished(self) -> RolloutState | None:
        """The rollout that was begun and has not ended."""
        state = self.last()
        return None if state is None or state.ended else state

    def last(self) -> RolloutState | None:
        """The rollout that was begun last."""
        values = self._journal.read()
        return None if values is None else read_state(values)

    def _begin(
        self,
        release: Release,
        plan: Plan,
        probes: Sequence[LabelledPicture],
        who: str,
        live: Live,
    ) -> RolloutState:
        if len(probes) < plan.min_probes:
            raise UsageError(
                f"the plan asks for at least {plan.min_probes} labelled probes, got "
                f"{len(probes)}; give more, or set min_probes in the plan"
            )
        now = self._clock.now()
        state = RolloutState(
            id=f"{now:%Y%m%d-%H%M%S}-{uuid4().hex[:6]}",
            release=release,
            plan=plan,
            stable_digest=live.stable.digest if live.stable else None,
            begun_at=now.isoformat(timespec="seconds"),
            begun_by=who,
            # What stable did before this rollout is not this rollout's evidence.
            last=self._deployment.counts(),
        )
        self._write(state)
        self._record(state, "begun", {"who": who, "package": release.digest})
        return state

    def _drive(self, state: RolloutState, probes: Sequence[LabelledPicture]) -> Outcome:
        self._looked_at = self._clock.monotonic()
        # What is to be taken back need not be brought back first.
        if state.phase is Phase.RUNNING and self._abort_asked(state) is None:
            state = self._converge(state)
        while state.phase is Phase.RUNNING:
            state, seen, live = self._look(state)
            action = decide(state.plan, seen)
            self._record(state, "look", {**figures(seen), **decision(action)})
            state = self._apply(state, action, live, probes)
        if state.phase is Phase.PROMOTING:
            state = self._promote(state)
        if state.phase is Phase.ROLLING_BACK:
            state = self._count_last_failures(state)
            self._deployment.rollback(state.why)
            state = replace(state, phase=Phase.ROLLED_BACK)
        self._write(state)
        self._record(state, state.phase.value, {"why": state.why})
        self._say(f"{state.phase.value}: {state.why}")
        return Outcome(promoted=state.phase is Phase.PROMOTED, why=state.why, state=state)

    def _promote(self, state: RolloutState) -> RolloutState:
        """Make the canary stable; one that somebody removed meanwhile is not called promoted."""
        self._deployment.promote()
        stable = self._deployment.observe().stable
        if stable and stable.digest == state.release.digest:
            return replace(state, phase=Phase.PROMOTED)
        why = "the canary was gone when it should have become stable: something else removed it"
        state = replace(state, phase=Phase.ROLLING_BACK, why=why)
        self._write(state)
        return state

    def _count_last_failures(self, state: RolloutState) -> RolloutState:
        """Take the traffic away first: with the canary its counters go, and each failure counts."""
        live = self._deployment.observe()
        if live.canary is None or live.stable is None or live.weight == 0:
            return state
        self._deployment.set_weight(0)
        self._clock.sleep(state.plan.settle_seconds)
        state = state.tally(self._deployment.counts())
        self._write(state)
        return state

    def _converge(self, state: RolloutState) -> RolloutState:
        """Carry out again what was written down last; a crash may have come in between."""
        if state.weight == 0:
            self._deployment.start_canary(state.release)
            return state
        live = self._deployment.observe()
        if live.canary and (live.weight != state.weight or not state.step_begun):
            return self._begin_step(state)
        return state

    def _begin_step(self, state: RolloutState) -> RolloutState:
        """Ask for the state's weight; the step's figures begin once it acts."""
        self._deployment.set_weight(state.weight)
        self._clock.sleep(state.plan.settle_seconds)
        # What ended before the new weight acted belongs to the rollout, not to this step.
        state = replace(state.tally(self._deployment.counts()), in_step={}, step_begun=True)
        self._looked_at = self._clock.monotonic()
        self._write(state)
        return state

    def _look(self, state: RolloutState) -> tuple[RolloutState, Observed, Live]:
        live, counts = self._read(state.plan)
        now = self._clock.monotonic()
        state = replace(
            state.tally(counts),
            seconds_at_weight=state.seconds_at_weight + now - self._looked_at,
        )
        self._looked_at = now
        canary = live.canary
        return (
            state,
            Observed(
                weight=state.weight,
                seconds_at_weight=state.seconds_at_weight,
                canary_ready=canary.ready if canary else None,
                canary_message=canary.message if canary else "",
                has_stable=live.stable is not None,
                canary=_step_counts(state, canary, counts),
                stable=_step_counts(state, live.stable, counts),
                probes=state.probes,
                probes_message=state.probes_message,
                canary_failed_in_all=state.in_all[canary.name].errors
                if canary and canary.name in state.in_all
                else 0,
                abort=self._abort_asked(state),
            ),
            live,
        )

    def _read(self, plan: Plan) -> tuple[Live, Mapping[str, Counts]]:
        """Look at the platform; one that does not answer is asked again, within patience."""
        since = self._clock.monotonic()
        while True:
            try:
                return self._deployment.observe(), self._deployment.counts()
            except DeploymentError as error:
                if self._clock.monotonic() - since > plan.patience_seconds:
                    raise
                self._say(f"the platform does not answer: {error}")
                self._clock.sleep(plan.interval_seconds)

    def _apply(
        self,
        state: RolloutState,
        action: Action,
        live: Live,
        probes: Sequence[LabelledPicture],
    ) -> RolloutState:
        if isinstance(action, Wait | Hold):
            self._say(f"{state.weight:3d} % | {action.why}")
            self._write(state)
            self._clock.sleep(state.plan.interval_seconds)
            return state
        if isinstance(action, Probe):
            state = self._probe(state, live, probes)
            self._write(state)
            return state
        if isinstance(action, SetWeight):
            self._say(f"{state.weight:3d} % → {action.percent} % | {action.why}")
            state = state.at_step(action.percent)
            self._write(state)
            return self._begin_step(state)
        phase = Phase.PROMOTING if isinstance(action, Promote) else Phase.ROLLING_BACK
        state = replace(state, phase=phase, why=action.why)
        self._write(state)
        return state

    def _probe(
        self, state: RolloutState, live: Live, probes: Sequence[LabelledPicture]
    ) -> RolloutState:
        """Send the probes to both revisions; an answer that fails is said, never guessed."""
        if live.canary is None:
            return state
        try:
            figures = ProbeFigures(
                canary_right=self._answers(live.canary, probes),
                stable_right=self._answers(live.stable, probes) if live.stable else None,
            )
        except DeploymentError as error:
            self._say(f"{state.weight:3d} % | probes: {error}")
            self._clock.sleep(state.plan.interval_seconds)
            return replace(state, probes=None, probes_message=str(error))
        return replace(state, probes=figures, probes_message="")

    def _answers(self, revision: Revision, probes: Sequence[LabelledPicture]) -> tuple[bool, ...]:
        answers = self._deployment.predict(revision.name, [probe.picture for probe in probes])
        return tuple(
            answer.label == probe.label for answer, probe in zip(answers, probes, strict=True)
        )

    def _abort_asked(self, state: RolloutState) -> str | None:
        request = self._journal.asked()
        if request is None or request.get("rollout") != state.id:
            return None
        return f"{request.get('why')} ({request.get('who')})"

    def _await_end(self, state: RolloutState) -> Outcome:
        """Wait for the process that drives the rollout to carry out an abort."""
        give_up = self._clock.monotonic() + state.plan.start_seconds
        while self._clock.monotonic() < give_up:
            last = self.last()
            if last is None or last.id != state.id or last.ended:
                promoted = last is not None and last.phase is Phase.PROMOTED
                return Outcome(promoted=promoted, why=last.why if last else "", state=last)
            self._clock.sleep(state.plan.interval_seconds)
        raise DeploymentError(
            f"rollout {state.id} did not end within {state.plan.start_seconds:.0f} s of the abort"
        )

    def _write(self, state: RolloutState) -> None:
        self._journal.write(state.as_mapping())

    def _record(self, state: RolloutState, event: str, entry: Mapping[str, Any]) -> None:
        at = self._clock.now().isoformat(timespec="milliseconds")
        about = {"at": at, "rollout": state.id, "event": event, "weight": state.weight}
        self._journal.append({**about, **entry})

    def _say(self, line: str) -> None:
        # A wait that goes on for the same reason is said once.
        if line != self._announced:
            self._announce(line)
            self._announced = line


def _step_counts(
    state: RolloutState, revision: Revision | None, read: Mapping[str, Counts]
) -> Counts | None:
    """Figures of this step; None when they could not be read in this look."""
    if revision is None:
        return Counts()
    return state.in_step.get(revision.name) if revision.name in read else None
