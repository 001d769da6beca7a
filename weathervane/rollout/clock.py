"""Time as a rollout knows it, so that tests can be quick and decisions free of the wall clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the engine asks of time. `fake.FakeClock` moves only when somebody sleeps."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def now(self) -> datetime:
        """The wall clock, for people to read; nothing is decided by it."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)
