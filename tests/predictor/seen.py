"""What trials of a predictor saw, to be held against bounds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Drained:
    """An end under load."""

    sent: int
    lost: int
    ready_fell: float  # seconds after SIGTERM
    refused: float  # the first connection that was refused, seconds after SIGTERM
    exit_code: int


@dataclass(frozen=True)
class Left:
    """After clients that left."""

    times: int
    places_lost: int  # of the queue, seen by the next clients
    worked_in_vain: int  # pictures classified for nobody
