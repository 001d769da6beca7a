"""Looking at a rollout: what the platform says, as figures of the present step.

In: a `Deployment` and the state so far. Out: the state with the counters' growth in it, and what
`decide` has to know.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from weathervane.errors import DeploymentError
from weathervane.rollout.actions import Observed
from weathervane.rollout.clock import Clock
from weathervane.rollout.counts import Counts
from weathervane.rollout.ledger import Ledger
from weathervane.rollout.port import Deployment, Live, MirroringDeployment, Revision
from weathervane.rollout.state import RolloutState
from weathervane.rollout.wishes import Kind

Answer = TypeVar("Answer")


class Watch:
    """Looks at one deployment, and knows how long it has been looking."""

    def __init__(self, deployment: Deployment, clock: Clock, ledger: Ledger) -> None:
        self._deployment = deployment
        self._clock = clock
        self._ledger = ledger
        self._looked_at = 0.0

    def begin(self) -> None:
        """Count seconds from here on: what passed before was not watched, or not this step's."""
        self._looked_at = self._clock.monotonic()

    def look(self, state: RolloutState) -> tuple[RolloutState, Observed, Live]:
        """Take one look.

        Raises:
            DeploymentError: when the platform has not answered for the plan's patience, or does
                not while an abort is asked for.
        """
        live, counts = self.insist(
            state,
            state.plan.patience_seconds,
            lambda: (self._deployment.observe(), self.counts(state)),
        )
        now = self._clock.monotonic()
        passed, self._looked_at = now - self._looked_at, now
        state = state.tally(counts)
        canary = _step_counts(state, live.canary, counts)
        stable = _step_counts(state, live.stable, counts)
        state = replace(
            state,
            evidence=state.evidence.after(state.plan, canary, stable),
            seconds_at_weight=state.seconds_at_weight + passed,
            seconds_held=state.seconds_held + (passed if state.held else 0.0),
        )
        return state, _observed(state, live, canary, stable), live

    def counts(self, state: RolloutState) -> Mapping[str, Counts]:
        """Traffic of each live revision; copies are the canary's while it gets them.

        Raises:
            DeploymentError: when the platform does not answer.
        """
        counts = dict(self._deployment.counts())
        if not state.mirror:
            return counts
        copies = cast(MirroringDeployment, self._deployment).mirrored()
        canary = self._deployment.observe().canary
        if canary and canary.name in counts:
            # Copies that cannot be read are no evidence, and neither is the rest without them.
            of_canary = counts.pop(canary.name)
            if canary.name in copies:
                counts[canary.name] = of_canary + copies[canary.name]
        return counts

    def insist(self, state: RolloutState, seconds: float, call: Callable[[], Answer]) -> Answer:
        """Call the platform until it does as it is asked; a refusal may pass, a conflict too.

        Raises:
            DeploymentError: when it still refuses after so many seconds, or when somebody asks for
                an abort meanwhile.
        """
        since = self._clock.monotonic()
        while True:
            try:
                return call()
            except DeploymentError as error:
                if self._clock.monotonic() - since > seconds or self._abort_came(state):
                    raise
                self._ledger.say(f"the platform does not do it, asked again: {error}")
                self._clock.sleep(min(state.plan.interval_seconds, 1.0))

    def _abort_came(self, state: RolloutState) -> bool:
        return any(request.kind is Kind.ABORT for request in self._ledger.requests(state))


def _observed(
    state: RolloutState, live: Live, of_canary: Counts | None, of_stable: Counts | None
) -> Observed:
    canary, stable = live.canary, live.stable
    failed = state.in_all.get(canary.name, Counts()).errors if canary else 0
    return Observed(
        weight=state.weight,
        mirror=state.mirror,
        seconds_at_weight=state.seconds_at_weight,
        seconds_held=state.seconds_held,
        canary_ready=canary.ready if canary else None,
        canary_message=canary.message if canary else "",
        canary_is_ours=canary is None or canary.digest == state.release.digest,
        has_stable=stable is not None,
        stable_ready=stable is None or stable.ready,
        stable_message=stable.message if stable else "",
        canary=of_canary,
        stable=of_stable,
        evidence=state.evidence,
        probes=state.probes,
        probes_message=state.probes_message,
        flips=state.flips,
        replay_message=state.replay_message,
        canary_failed_in_all=failed,
        gate=state.gate,
        wishes=state.wishes,
    )


def _step_counts(
    state: RolloutState, revision: Revision | None, read: Mapping[str, Counts]
) -> Counts | None:
    """Figures of this step; None when they could not be read in this look."""
    if revision is None:
        return Counts()
    return state.in_step.get(revision.name) if revision.name in read else None
