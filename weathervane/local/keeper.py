"""Brings predictors of the stable revision back when they have ended: ``keeper STATE``.

In: a state folder, the store in the environment. Out: a process beside the others of the platform
that starts again what the routes call stable, ever more seldom while it keeps ending. A canary that
ended stays so: that is evidence, and its rollout's to judge.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from weathervane.config import store_from_environment
from weathervane.errors import WeathervaneError
from weathervane.local import processes
from weathervane.local.serving import PREDICTOR, Serving

NAME = "keeper"
_LOOK_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """When the next start is due: at once, then after 1, 2, 4, … 60 seconds.

    From the beginning again once as long as the longest has passed without one.
    """

    last: float = float("-inf")  # seconds, of a clock that never goes back
    pause: float = 0.0

    def due(self, now: float) -> bool:
        """Whether a start may be tried."""
        return now >= self.last + self.pause

    def after(self, now: float) -> "Pauses":
        """The same, when one is tried now."""
        if now - self.last > self.pause + _LONGEST_PAUSE_SECONDS:
            return Pauses(last=now, pause=_LOOK_SECONDS)
        return Pauses(last=now, pause=min(max(2 * self.pause, 1.0), _LONGEST_PAUSE_SECONDS))


def keep(
    revive: Callable[[], bool],
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Call ``revive`` when it is due, for ever; it says whether there was anything to start."""
    pauses = Pauses()
    while True:
        sleep(_LOOK_SECONDS)
        now = monotonic()
        if not pauses.due(now):
            continue
        try:
            revived = revive()
        except WeathervaneError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            revived = True
        if revived:
            pauses = pauses.after(now)


def launch(state: Path, environment: dict[str, str]) -> None:
    """Start the keeper of a folder unless it runs."""
    if not processes.find(state, NAME):
        command = [sys.executable, "-P", "-m", "weathervane.local.keeper", str(state.absolute())]
        processes.start(state, NAME, command, environment=environment)


def main(arguments: Sequence[str] | None = None) -> None:
    """Keep until told to end."""
    parser = argparse.ArgumentParser(prog="python -m weathervane.local.keeper")
    parser.add_argument("state", type=Path)
    parser.add_argument("predictor", nargs="*", default=PREDICTOR, help="the command of one")
    options = parser.parse_args(arguments)
    serving = Serving(options.state, store_from_environment(), predictor=options.predictor)

    def revive() -> bool:
        # What was started here and has ended stays in the table until its parent asks.
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return serving.revive()

    keep(revive)


if __name__ == "__main__":
    main()
