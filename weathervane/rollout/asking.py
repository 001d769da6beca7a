"""Speaking to whoever drives a rollout: leave a request, wait for its effect or for the end.

In: a journal. Out: requests in it, and an `Outcome`. Nothing here touches the platform.
"""

from weathervane.errors import DeploymentError, UsageError
from weathervane.rollout.clock import Clock, SystemClock
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.port import Journal
from weathervane.rollout.state import Phase, RolloutState, read_state
from weathervane.rollout.wishes import Kind, Request, make_request


class Asking:
    """Speaks to the rollouts of one service."""

    def __init__(self, journal: Journal, clock: Clock | None = None) -> None:
        self._journal = journal
        self._clock = clock or SystemClock()

    def ask(self, kind: Kind, who: str, why: str) -> Request:
        """Leave a request for whoever drives the rollout.

        Raises:
            UsageError: when no rollout runs, or none of its steps waits for the approval.
        """
        state = self._unfinished()
        if state is None:
            raise UsageError(f"no rollout runs: there is nothing to {kind.value}")
        if kind is Kind.APPROVE and state.awaits is None:
            raise UsageError(f"no step of rollout {state.id} waits for a person now")
        step = state.awaits if kind is Kind.APPROVE else None
        request = make_request(state.id, kind, who, why, step=step)
        self._journal.ask(request.as_mapping())
        return request

    def follow(self, *, give_up_after: float, until_held: bool = False) -> Outcome | None:
        """Wait for the end of the rollout that runs; None when none does.

        Args:
            give_up_after: seconds.
            until_held: come back as well when it waits for a person.

        Raises:
            DeploymentError: when it has not ended by then.
        """
        state = self._unfinished()
        give_up = self._clock.monotonic() + give_up_after
        while state and self._clock.monotonic() < give_up:
            last = self.last()
            if last is None or last.id != state.id or last.ended or (until_held and last.held):
                promoted = last is not None and last.phase is Phase.PROMOTED
                why = (last.held or last.why) if last else ""
                return Outcome(promoted=promoted, why=why, state=last)
            self._clock.sleep(min(state.plan.interval_seconds, 1.0))
        if state is None:
            return None
        raise DeploymentError(f"rollout {state.id} did not end within {give_up_after:.0f} s")

    def heeded(self, request: Request, *, within: float) -> bool:
        """Whether a process that drives the rollout took a request into account by then."""
        asked = [values.get("id") for values in self._journal.asked()]
        give_up = self._clock.monotonic() + within
        while self._clock.monotonic() < give_up:
            state = self.last()
            if state is None or state.ended or state.answered > asked.index(request.id):
                return True
            self._clock.sleep(0.1)
        return False

    def last(self) -> RolloutState | None:
        """The rollout that was begun last."""
        values = self._journal.read()
        return None if values is None else read_state(values)

    def _unfinished(self) -> RolloutState | None:
        last = self.last()
        return None if last is None or last.ended else last
