"""Traffic of two revisions, look by look, as services have it: made up, but with their vices.

Load moves and jumps; both revisions slow down together with it and by themselves, for seconds at
a time; errors come in waves that both revisions share. In: a world and a seed. Out: `Counts`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weathervane.rollout.counts import LATENCY_BOUNDS, Counts

Floats = NDArray[np.float64]
REQUESTS_PER_LOOK = 120
SHAPES = ("lognormal", "heavy tail", "gamma", "two humps")
_CHUNK = 125


@dataclass(frozen=True, kw_only=True)
class World:
    """How the revisions behave. The canary's figures are times stable's."""

    shape: str = "lognormal"
    error_rate: float = 0.005
    canary_errors: float = 1.0
    canary_latency: float = 1.0


def latencies(shape: str, number: int, rng: np.random.Generator) -> Floats:
    """Seconds that single requests take when nothing is slow; p95 is some 50 to 100 ms."""
    match shape:
        case "lognormal":
            return rng.lognormal(np.log(0.04), 0.5, number)
        case "heavy tail":
            return rng.lognormal(np.log(0.02), 0.8, number)
        case "gamma":
            return rng.gamma(4.0, 0.01, number)
        case "two humps":  # a cache that answers most of them
            slow = rng.random(number) < 0.15
            return np.where(slow, 0.07, 0.02) * rng.lognormal(0.0, 0.3, number)
    raise ValueError(shape)


class Traffic:
    """One rollout's traffic, drawn as it is asked for."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._rng = np.random.default_rng(seed)
        self._shared = 0.0
        self._own = np.zeros(2)
        self._spell = np.zeros(2)
        self._wave = 0
        self._phase = self._rng.uniform(0, 2 * np.pi)
        self._level = 1.0
        self._look = 0
        # How slow both were in each look so far, for tests that know everything.
        self.shared_slowness: list[float] = []

    def looks(self, weight: int, left_over: int = 0) -> Iterator[tuple[Counts, Counts]]:
        """What canary and stable did in each look at ``weight`` percent.

        ``left_over``: requests of the first look that still went to stable alone.
        """
        while True:
            load, slowness, errors = self._conditions()
            requests = self._rng.poisson(REQUESTS_PER_LOOK * load)
            to_canary = self._rng.binomial(requests, weight / 100)
            sent = np.stack([to_canary, requests - to_canary])
            sent[1, 0] += left_over
            left_over = 0
            failed = np.stack(
                [
                    self._rng.binomial(sent[0], np.minimum(errors * self._world.canary_errors, 1)),
                    self._rng.binomial(sent[1], errors),
                ]
            )
            timed = [
                self._timed(sent[0], slowness[0] * self._world.canary_latency),
                self._timed(sent[1], slowness[1]),
            ]
            for look in range(_CHUNK):
                canary, stable = (
                    Counts(
                        int(sent[arm, look]),
                        int(failed[arm, look]),
                        tuple(timed[arm][look].tolist()),
                    )
                    for arm in (0, 1)
                )
                yield canary, stable

    def _conditions(self) -> tuple[Floats, Floats, Floats]:
        """Load, slowness of both revisions and error rate, for each look of a chunk."""
        rng = self._rng
        load, errors = np.empty(_CHUNK), np.empty(_CHUNK)
        slowness = np.empty((2, _CHUNK))
        for look in range(_CHUNK):
            self._look += 1
            if rng.random() < 0.01:  # a campaign begins or ends
                self._level = float(rng.choice([0.4, 1.0, 2.0]))
            load[look] = self._level * (1 + 0.4 * np.sin(self._phase + self._look / 80))
            self._shared = 0.95 * self._shared + rng.normal(0, 0.05)
            self._own = 0.8 * self._own + rng.normal(0, 0.03, 2)
            # Either revision pauses now and then: half as slow again for some looks.
            begins = (self._spell == 0) & (rng.random(2) < 0.004)
            self._spell = np.where(begins, rng.geometric(0.33, 2), np.maximum(self._spell - 1, 0))
            pause = np.where(self._spell > 0, 0.4, 0.0)
            shared = float(np.exp(self._shared) * load[look] ** 0.2)
            self.shared_slowness.append(shared)
            slowness[:, look] = shared * np.exp(self._own + pause)
            self._wave = max(self._wave - 1, 0)
            if rng.random() < 0.003:  # something that both need fails for a while
                self._wave = 5
            errors[look] = self._world.error_rate * (6.0 if self._wave else 0.924)
        return load, slowness, errors

    def _timed(self, requests: NDArray[np.int64], slowness: Floats) -> NDArray[np.int64]:
        """Bucket counts, one row a look."""
        seconds = latencies(self._world.shape, int(requests.sum()), self._rng)
        look = np.repeat(np.arange(len(requests)), requests)
        # As Envoy: whole milliseconds.
        counted = np.round(seconds * slowness[look], 3)
        bucket = np.searchsorted(LATENCY_BOUNDS, counted)
        cells = np.bincount(
            look * len(LATENCY_BOUNDS) + bucket, minlength=len(requests) * len(LATENCY_BOUNDS)
        )
        return cells.reshape(len(requests), len(LATENCY_BOUNDS))
