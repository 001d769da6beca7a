"""Where a rollout is written down: its state, its record, the log, and the notices outside.

In: what happens. Out: the same in the journal, whole at any crash. What people asked is recorded
before it is heeded: a crash in between records it twice, under the same id, but never loses it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from weathervane.rollout.clock import Clock
from weathervane.rollout.port import Journal
from weathervane.rollout.state import RolloutState, read_state
from weathervane.rollout.webhook import GateAnswer
from weathervane.rollout.wishes import Request, read_request

# A request is acted upon within this long, however seldom a plan looks at the traffic.
_LONGEST_SLEEP_SECONDS = 1.0


class Outside(Protocol):
    """Who is told of a rollout and who is asked. `hooks.Hooks` calls addresses."""

    def tell(self, entry: Mapping[str, Any]) -> None:
        """Pass an entry of the record on. Never waits for the receiver and never fails."""

    def ask(self, entry: Mapping[str, Any]) -> GateAnswer:
        """Ask every gate. One that refuses or does not answer is shut; nothing is raised."""

    def finish(self) -> None:
        """Wait a moment for what is under way; nothing is told or asked after this."""


class Nobody:
    """Nobody is told, and nobody stands in the way."""

    def tell(self, entry: Mapping[str, Any]) -> None:
        """See `Outside`."""

    def ask(self, entry: Mapping[str, Any]) -> GateAnswer:
        """See `Outside`."""
        return GateAnswer(open=True)

    def finish(self) -> None:
        """See `Outside`."""


class Ledger:
    """The memory of one service's rollouts, with a clock and a voice."""

    def __init__(self, journal: Journal, clock: Clock, announce: Callable[[str], None]) -> None:
        self.outside: Outside = Nobody()
        self._journal = journal
        self._clock = clock
        self._announce = announce
        self._announced = ""

    def last(self) -> RolloutState | None:
        """The rollout that was begun last."""
        values = self._journal.read()
        return None if values is None else read_state(values)

    def unfinished(self) -> RolloutState | None:
        """The rollout that was begun and has not ended."""
        state = self.last()
        return None if state is None or state.ended else state

    def write(self, state: RolloutState) -> None:
        """Write a state down."""
        self._journal.write(state.as_mapping())

    def record(self, state: RolloutState, event: str, entry: Mapping[str, Any]) -> None:
        """Add an entry to the record, and tell those outside what is no mere look."""
        whole = self.entry(state, event, entry)
        self._journal.append(whole)
        if entry.get("decision") not in ("Wait", "Hold", "Probe", "Replay", "AskGates"):
            self.outside.tell(whole)

    def entry(self, state: RolloutState, event: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        """An entry of the record, with when and what it is about."""
        at = self._clock.now().isoformat(timespec="milliseconds")
        return {"at": at, "rollout": state.id, "event": event, "weight": state.weight, **entry}

    def say(self, line: str) -> None:
        """Say a line; a wait that goes on for the same reason is said once."""
        if line != self._announced:
            self._announce(line)
            self._announced = line

    def requests(self, state: RolloutState) -> list[Request]:
        """What was asked of this rollout and has no answer yet."""
        left = [read_request(values) for values in self._journal.asked()[state.answered :]]
        return [request for request in left if request.rollout == state.id]

    def heed(self, state: RolloutState) -> RolloutState:
        """Take what was asked into account; who and why goes into the record."""
        asked = self._journal.asked()
        if len(asked) == state.answered:
            return state
        wishes = state.wishes
        for request in self.requests(state):
            self.record(state, "request", request.as_mapping())
            wishes = wishes.heed(request)
        state = replace(state, wishes=wishes, answered=len(asked))
        self.write(state)
        return state

    def count_asked_before(self, rollout: str) -> int:
        """Requests that were left before the first one for this rollout; all when there is none."""
        asked = [values.get("rollout") for values in self._journal.asked()]
        return asked.index(rollout) if rollout in asked else len(asked)

    def rest(self, state: RolloutState, seconds: float) -> None:
        """Let so many seconds pass, or fewer when somebody asks for something."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _LONGEST_SLEEP_SECONDS))
            if left > _LONGEST_SLEEP_SECONDS and self.requests(state):
                return
