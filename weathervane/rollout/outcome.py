"""How a rollout ended."""

from dataclasses import dataclass

from weathervane.errors import ExitCode
from weathervane.rollout.state import Phase, RolloutState


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a rollout ended, or where it stands. ``state`` holds its figures."""

    promoted: bool
    why: str
    state: RolloutState | None = None  # None when there was nothing to do

    @property
    def exit_code(self) -> ExitCode:
        """What a command that waited for it leaves with."""
        if self.promoted or (self.state and self.state.phase is Phase.CONCLUDED):
            return ExitCode.DONE
        return ExitCode.HELD if self.state and not self.state.ended else ExitCode.ROLLED_BACK
