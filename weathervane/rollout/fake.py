"""A deployment and a journal in memory: for tests, simulation, and to read the port by example.

Traffic flows as the fake clock moves, split exactly by weight, so that figures are predictable.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from weathervane.errors import DeploymentError, RolloutRunningError
from weathervane.rollout.counts import Counts, observe_latencies
from weathervane.rollout.port import Capability, Live, Prediction, Release, Revision


class FakeClock:
    """Time that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._set_forward = timedelta()

    def monotonic(self) -> float:
        """Seconds slept so far."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self._seconds += seconds

    def now(self) -> datetime:
        """A wall clock that began in 2026."""
        begun = datetime(2026, 1, 1, tzinfo=UTC)
        return begun + timedelta(seconds=self._seconds) + self._set_forward

    def set_forward(self, by: timedelta) -> None:
        """Set the wall clock, as an administrator may; no time passes by it."""
        self._set_forward += by


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How the revisions of one package behave."""

    error_share: float = 0.0
    latency_seconds: float = 0.005
    ready_after_seconds: float = 2.0
    # The label that it gives to each picture; by default what the picture says itself.
    label: Callable[[bytes], str] = bytes.decode


_CAPABILITIES = frozenset({Capability.WEIGHT, Capability.MIRROR, Capability.HEADER_ROUTES})


@dataclass(frozen=True, kw_only=True)
class _Running:
    revision: Revision
    started_at: float


class FakeDeployment:
    """One service in memory. ``behaviours`` are by package digest."""

    def __init__(
        self,
        clock: FakeClock,
        *,
        capabilities: frozenset[Capability] = _CAPABILITIES,
        service: str = "weather",
        requests_per_second: float = 100.0,
        behaviours: Mapping[str, Behaviour] | None = None,
    ) -> None:
        self.capabilities = capabilities
        self.service = service
        self.requests_per_second = requests_per_second
        self.lost = 0  # requests that nobody was there to answer
        self._clock = clock
        self._behaviours = dict(behaviours or {})
        self._stable: _Running | None = None
        self._canary: _Running | None = None
        self._weight = 0
        self._mirror = 0
        self._counts: dict[str, Counts] = {}
        self._mirrored: dict[str, Counts] = {}
        self._flowed_until = clock.monotonic()
        self._started = 0

    def observe(self) -> Live:
        """See `Deployment`."""
        return Live(
            stable=self._seen(self._stable),
            canary=self._seen(self._canary),
            weight=self._weight,
            mirror=self._mirror,
        )

    def counts(self) -> Mapping[str, Counts]:
        """See `Deployment`."""
        self._flow()
        return self._of_live(self._counts)

    def mirrored(self) -> Mapping[str, Counts]:
        """See `MirroringDeployment`."""
        self._flow()
        return self._of_live(self._mirrored)

    def reached_by(self, header: str) -> str | None:
        """The revision that a request with this ``x-weathervane-revision`` reaches.

        None: it is ordinary traffic.
        """
        for role, running in (("stable", self._stable), ("canary", self._canary)):
            if running and header in (role, running.revision.name):
                return running.revision.name
        return None

    def predict(self, revision: str, pictures: Sequence[bytes]) -> list[Prediction]:
        """See `Deployment`."""
        for running in (self._stable, self._canary):
            if running and running.revision.name == revision:
                behaviour = self._behaviour(running)
                return [Prediction(label=behaviour.label(p), confidence=0.9) for p in pictures]
        raise DeploymentError(f"there is no revision {revision}")

    def start_canary(self, release: Release) -> None:
        """See `Deployment`."""
        if self._canary:
            if self._canary.revision.digest != release.digest:
                raise DeploymentError(f"{self._canary.revision.name} is the canary already")
            return
        self._flow()
        self._started += 1
        name = f"{self.service}-{self._started:05d}"
        revision = Revision(name=name, digest=release.digest, ready=False, message="starting")
        self._canary = _Running(revision=revision, started_at=self._clock.monotonic())

    def set_weight(self, percent: int) -> None:
        """See `Deployment`."""
        if not self._canary:
            raise DeploymentError("there is no canary to send traffic to")
        self._flow()
        self._weight = percent
        if percent:
            self._mirror = 0

    def set_mirror(self, percent: int) -> None:
        """See `MirroringDeployment`."""
        if not self._canary:
            raise DeploymentError("there is no canary to send copies to")
        if percent and (self._weight or not self._stable):
            raise DeploymentError("copies are of stable's traffic, for a canary that serves none")
        self._flow()
        self._mirror = percent

    def promote(self) -> None:
        """See `Deployment`."""
        if self._canary:
            self._flow()
            self._stable, self._canary, self._weight, self._mirror = self._canary, None, 0, 0

    def rollback(self, why: str) -> None:
        """See `Deployment`."""
        self._flow()
        self._canary, self._weight, self._mirror = None, 0, 0

    def restart(self) -> None:
        """Let every counter start again at zero, as when a process is restarted."""
        self._flow()
        self._counts.clear()
        self._mirrored.clear()

    def _seen(self, running: _Running | None) -> Revision | None:
        if running is None:
            return None
        age = self._clock.monotonic() - running.started_at
        if age < self._behaviour(running).ready_after_seconds:
            return running.revision
        return replace(running.revision, ready=True, message="")

    def _behaviour(self, running: _Running) -> Behaviour:
        return self._behaviours.get(running.revision.digest, Behaviour())

    def _flow(self) -> None:
        """Let the traffic pass that came since the last time anybody looked."""
        now = self._clock.monotonic()
        requests = round((now - self._flowed_until) * self.requests_per_second)
        if not requests:
            return
        self._flowed_until = now
        to_canary = round(requests * self._weight / 100)
        for running, share in ((self._canary, to_canary), (self._stable, requests - to_canary)):
            if running:
                self._count(running, share, self._counts)
            else:
                self.lost += share
        if self._canary and self._mirror:
            self._count(self._canary, round(requests * self._mirror / 100), self._mirrored)

    def _of_live(self, counts: Mapping[str, Counts]) -> dict[str, Counts]:
        live = [one.revision.name for one in (self._stable, self._canary) if one]
        return {name: counts.get(name, Counts()) for name in live}

    def _count(self, running: _Running, requests: int, into: dict[str, Counts]) -> None:
        behaviour = self._behaviour(running)
        name = running.revision.name
        into[name] = into.get(name, Counts()) + Counts(
            requests=requests,
            errors=round(requests * behaviour.error_share),
            latency=tuple(requests * hit for hit in observe_latencies([behaviour.latency_seconds])),
        )


class MemoryJournal:
    """A journal that lives as long as the test."""

    def __init__(self) -> None:
        self.record: list[dict[str, Any]] = []
        self._state: dict[str, Any] | None = None
        self._requests: list[dict[str, Any]] = []
        self._holder: str | None = None

    @contextmanager
    def claim(self, holder: str) -> Iterator[None]:
        """See `Journal`."""
        if self._holder is not None:
            raise RolloutRunningError(f"{self._holder} drives a rollout of this service")
        self._holder = holder
        try:
            yield
        finally:
            self._holder = None

    def read(self) -> dict[str, Any] | None:
        """See `Journal`."""
        return self._state

    def write(self, state: Mapping[str, Any]) -> None:
        """See `Journal`."""
        self._state = dict(state)

    def append(self, entry: Mapping[str, Any]) -> None:
        """See `Journal`."""
        self.record.append(dict(entry))

    def ask(self, request: Mapping[str, Any]) -> None:
        """See `Journal`."""
        self._requests.append(dict(request))

    def asked(self) -> Sequence[dict[str, Any]]:
        """See `Journal`."""
        return tuple(self._requests)

    def entries(self) -> Sequence[dict[str, Any]]:
        """See `Journal`."""
        return tuple(self.record)
