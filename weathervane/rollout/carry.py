"""Carrying out what was decided: each intent is written down first, and may be carried out again.

In: a state and an action. Out: the state after it. A process that is killed anywhere in here is
followed by one that reads the state and calls `Carrier.converge` or the same step once more.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from weathervane.data.probes import Probe as LabelledPicture
from weathervane.errors import DeploymentError
from weathervane.rollout.actions import (
    Action,
    AskGates,
    Conclude,
    Hold,
    Probe,
    Promote,
    Replay,
    Rollback,
    SetMirror,
    SetWeight,
    Wait,
)
from weathervane.rollout.clock import Clock
from weathervane.rollout.judgement import ProbeFigures, compare_labels
from weathervane.rollout.ledger import Ledger
from weathervane.rollout.port import Capability, Deployment, Live, MirroringDeployment, Revision
from weathervane.rollout.state import Phase, RolloutState
from weathervane.rollout.watch import Answer, Watch


class Carrier:
    """Carries out the actions of one rollout. ``replayed`` are pictures without labels."""

    def __init__(
        self,
        deployment: Deployment,
        clock: Clock,
        ledger: Ledger,
        watch: Watch,
        *,
        probes: Sequence[LabelledPicture],
        replayed: Sequence[bytes],
    ) -> None:
        self._deployment = deployment
        self._clock = clock
        self._ledger = ledger
        self._watch = watch
        self._probes = probes
        self._replayed = replayed

    def converge(self, state: RolloutState) -> RolloutState:
        """Carry out again what was written down last; a crash may have come in between."""
        asked = state.weight, state.mirror
        if asked == (0, 0):
            self._insist(state, lambda: self._deployment.start_canary(state.release))
        live = self._insist(state, self._deployment.observe)
        # Traffic that nobody of us asked for would be nobody's evidence.
        if live.canary and ((live.weight, live.mirror) != asked or not state.step_begun):
            return self._begin_step(state)
        return state

    def apply(self, state: RolloutState, action: Action, live: Live) -> RolloutState:
        """Carry out one action.

        Raises:
            DeploymentError: when the platform goes on refusing.
        """
        match action:
            case Wait() | Hold():
                return self._wait(state, action)
            case Probe():
                state = self._probe(state, live)
            case Replay():
                state = self._replay(state, live)
            case AskGates():
                state = self._ask_gates(state, action)
            case SetWeight() | SetMirror():
                return self._next_step(state, action)
            case Promote():
                state = replace(state, phase=Phase.PROMOTING, why=action.why)
            case Conclude():
                state = replace(state, phase=Phase.CONCLUDING, why=action.why)
            case Rollback():
                return self.turn_back(state, action)
        self._ledger.write(state)
        return state

    def turn_back(self, state: RolloutState, action: Rollback) -> RolloutState:
        """Write down that the canary is to be taken back; `end` does it."""
        state = replace(state, phase=Phase.ROLLING_BACK, why=action.why)
        self._ledger.write(state)
        return state

    def end(self, state: RolloutState) -> RolloutState:
        """Carry out the end that was decided; the state says which it became.

        Raises:
            DeploymentError: when the platform goes on refusing.
        """
        if state.phase is Phase.PROMOTING:
            state = self._promote(state)
        if state.phase is Phase.ROLLING_BACK:
            return replace(self._take_back(state), phase=Phase.ROLLED_BACK)
        if state.phase is Phase.CONCLUDING:
            return replace(self._take_back(state), phase=Phase.CONCLUDED)
        return state

    def _wait(self, state: RolloutState, action: Wait | Hold) -> RolloutState:
        self._ledger.say(f"{state.weight:3d} % | {action.why}")
        held, awaits = "", None
        if isinstance(action, Hold) and action.for_person:
            held, awaits = action.why, action.awaits
        # Said once for each waiting, whatever the figures are meanwhile.
        if held and (not state.held or awaits != state.awaits):
            self._ledger.record(state, "held", {"why": held, "awaits": awaits})
        # A gate that was open before something else came in between is asked again.
        state = replace(state, held=held, awaits=awaits, gate=None)
        self._ledger.write(state)
        self._ledger.rest(state, state.plan.interval_seconds)
        return state

    def _next_step(self, state: RolloutState, action: SetWeight | SetMirror) -> RolloutState:
        if isinstance(action, SetWeight):
            said, after = f"{action.percent} %", state.at_step(action.percent)
        else:
            said = f"a copy of {action.percent} % of the traffic"
            after = state.at_step(0, mirror=action.percent)
        self._ledger.say(f"{state.weight:3d} % → {said} | {action.why}")
        self._ledger.write(after)
        return self._begin_step(after)

    def _begin_step(self, state: RolloutState) -> RolloutState:
        """Ask for the state's traffic; the step's figures begin once it flows."""
        self._insist(state, lambda: self._route(state.weight, state.mirror))
        self._clock.sleep(state.plan.settle_seconds)
        # What ended before the new weight acted belongs to the rollout, not to this step.
        counts = self._insist(state, lambda: self._watch.counts(state))
        evidence = state.evidence.restarted()
        state = replace(state.tally(counts), in_step={}, evidence=evidence, step_begun=True)
        self._watch.begin()
        self._ledger.write(state)
        return state

    def _route(self, weight: int, mirror: int) -> None:
        self._deployment.set_weight(weight)
        # A canary that serves gets no copies any more.
        if not weight and Capability.MIRROR in self._deployment.capabilities:
            cast(MirroringDeployment, self._deployment).set_mirror(mirror)

    def _promote(self, state: RolloutState) -> RolloutState:
        """Make the canary stable; one that somebody removed or replaced is not promoted."""
        live = self._insist(state, self._deployment.observe)
        if live.canary is None or live.canary.digest == state.release.digest:
            self._insist(state, self._deployment.promote)
            live = self._insist(state, self._deployment.observe)
        if live.stable and live.stable.digest == state.release.digest:
            return replace(state, phase=Phase.PROMOTED)
        why = "the canary was gone when it should have become stable: something else removed it"
        state = replace(state, phase=Phase.ROLLING_BACK, why=why)
        self._ledger.write(state)
        return state

    def _take_back(self, state: RolloutState) -> RolloutState:
        """Remove the canary, and see that what is left is what was there before.

        Raises:
            DeploymentError: when the canary or its traffic is still there.
        """
        state = self._count_last_failures(state)
        self._insist(state, lambda: self._deployment.rollback(state.why))
        live = self._insist(state, self._deployment.observe)
        if live.canary or live.weight or live.mirror:
            raise DeploymentError(
                f"the canary was taken back, but the platform still sends it {live.weight} % of "
                "the traffic; abort again, and look at the platform"
            )
        stable = live.stable.digest if live.stable else None
        if stable != state.stable_digest:
            told = f"stable is {_short(stable)} now, and was {_short(state.stable_digest)} before"
            state = replace(state, why=f"{state.why}; {told}: something else changed it")
        return state

    def _count_last_failures(self, state: RolloutState) -> RolloutState:
        """Take the traffic away first: with the canary its counters go, and each failure counts."""
        try:
            live = self._insist(state, self._deployment.observe)
            if live.canary is None or live.stable is None or not (live.weight or live.mirror):
                return state
            self._insist(state, lambda: self._route(0, 0))
            self._clock.sleep(state.plan.settle_seconds)
            state = state.tally(self._watch.counts(state))
        except DeploymentError as error:
            # Neither figures that cannot be read nor a platform that is held for an edit of
            # somebody's hold the way back up: the rollback takes the traffic away itself.
            self._ledger.say(f"the last figures cannot be read: {error}")
            return state
        self._ledger.write(state)
        return state

    def _probe(self, state: RolloutState, live: Live) -> RolloutState:
        """Send the probes to both revisions; an answer that fails is said, never guessed."""
        pictures = [probe.picture for probe in self._probes]
        try:
            canary = self._right(live.canary, pictures)
            stable = self._right(live.stable, pictures) if live.stable else None
        except DeploymentError as error:
            self._failed(state, f"probes: {error}")
            return replace(state, probes=None, probes_message=str(error))
        figures = ProbeFigures(canary_right=canary, stable_right=stable)
        return replace(state, probes=figures, probes_message="")

    def _replay(self, state: RolloutState, live: Live) -> RolloutState:
        """Send the same pictures to both revisions and compare."""
        try:
            flips = compare_labels(
                self._labels(live.stable, self._replayed), self._labels(live.canary, self._replayed)
            )
        except DeploymentError as error:
            self._failed(state, f"replay: {error}")
            return replace(state, flips=None, replay_message=str(error))
        return replace(state, flips=flips, replay_message="")

    def _ask_gates(self, state: RolloutState, action: AskGates) -> RolloutState:
        entry = {"decision": "AskGates", "why": action.why, "package": state.release.digest}
        answer = self._ledger.outside.ask(self._ledger.entry(state, "gate", entry))
        if not answer.open:
            self._failed(state, f"gate: {answer.message}")
        return replace(state, gate=answer, held="", awaits=None)

    def _failed(self, state: RolloutState, why: str) -> None:
        self._ledger.say(f"{state.weight:3d} % | {why}")
        self._ledger.rest(state, state.plan.interval_seconds)

    def _right(self, revision: Revision | None, pictures: Sequence[bytes]) -> tuple[bool, ...]:
        labels = self._labels(revision, pictures)
        return tuple(
            label == probe.label for label, probe in zip(labels, self._probes, strict=True)
        )

    def _labels(self, revision: Revision | None, pictures: Sequence[bytes]) -> list[str]:
        if revision is None:
            raise DeploymentError("there is no such revision any more")
        answers = self._deployment.predict(revision.name, pictures)
        if len(answers) != len(pictures):
            raise DeploymentError(
                f"{revision.name} answered {len(answers)} of {len(pictures)} pictures"
            )
        return [answer.label for answer in answers]

    def _insist(self, state: RolloutState, call: Callable[[], Answer]) -> Answer:
        return self._watch.insist(state, state.plan.start_seconds, call)


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "none"
