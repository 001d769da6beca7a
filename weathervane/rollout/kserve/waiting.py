"""Waiting for the platform to do what it was told."""

import time
from collections.abc import Callable

from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.api import Pace


def until(
    holds: Callable[[], bool],
    pace: Pace,
    what: str,
    said: Callable[[], str] = lambda: "",
    *,
    seconds: float | None = None,
) -> None:
    """Return when ``holds``, looked at again and again for ``seconds`` (default: the pace's).

    Raises:
        DeploymentError: when it does not hold in time: ``what``, and what the platform ``said``.
    """
    allowed = pace.act_seconds if seconds is None else seconds
    give_up = time.monotonic() + allowed
    while not holds():
        if time.monotonic() > give_up:
            words = said()
            raise DeploymentError(
                f"KServe did not {what} within {allowed:.0f} s"
                f"{f'; it says: {words}' if words else ''}"
            )
        time.sleep(pace.look_seconds)
