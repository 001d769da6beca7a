"""The port between a rollout and whatever serves the models, and the port for its memory.

Adapters: `local` (processes behind Envoy), `fake` (memory, for tests and simulation), and in time
`kserve`. One contract suite, ``tests/unit/rollout/deployment_contract.py``, runs over all of them.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from weathervane.rollout.counts import Counts


class Capability(StrEnum):
    """What a platform can do with traffic. A plan that needs a missing one is refused."""

    WEIGHT = "weight"
    # It is a `MirroringDeployment`.
    MIRROR = "mirror"
    # A request whose header ``x-weathervane-revision`` names a role (``stable``, ``canary``) or a
    # live revision goes there, outside of the split and of `Deployment.counts`. Any other name is
    # ordinary traffic: whoever keeps to a canary is served when it is gone. The same header of the
    # answer says who gave it.
    HEADER_ROUTES = "header-routes"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A package that may be served: its content's digest and where it lies."""

    digest: str  # sha256, hex
    uri: str  # s3://bucket/models/name/digest


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One running copy of a package, as the platform sees it."""

    name: str
    digest: str
    ready: bool
    message: str = ""  # the platform's own words about its state


@dataclass(frozen=True, kw_only=True)
class Live:
    """What is live now.

    ``weight`` is the percent of traffic that the canary is asked to take, ``mirror`` the percent of
    stable's requests of which it gets a copy.
    """

    stable: Revision | None
    canary: Revision | None
    weight: int
    mirror: int = 0  # percent of stable's traffic of which the canary gets copies


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer: the label, and how sure the model is of it (0 to 1)."""

    label: str
    confidence: float


class Deployment(Protocol):
    """One stable revision and at most one canary behind one address.

    Every method may be called again after a crash at any point of itself and then finishes what
    was begun. Methods raise `DeploymentError` when the platform refuses or does not answer.
    """

    service: str
    capabilities: frozenset[Capability]

    def observe(self) -> Live:
        """Report what is live, as it is now and never as this process remembers it."""

    def counts(self) -> Mapping[str, Counts]:
        """Traffic of each live revision by its name; counters that may start again at zero.

        A revision whose figures cannot be read, of all its replicas, is absent from the answer:
        never zero, never less. A request that was tried again and then answered is none of the
        errors, and one of the retried.
        """

    def predict(self, revision: str, pictures: Sequence[bytes]) -> list[Prediction]:
        """Ask one revision directly, past the traffic split and outside of `counts`."""

    def start_canary(self, release: Release) -> None:
        """Start a revision of ``release`` at weight 0. It need not be ready on return.

        Does nothing when that release is the canary already. Refuses when another is.
        """

    def set_weight(self, percent: int) -> None:
        """Send ``percent`` (0 to 100) of the traffic to the canary; on return it acts.

        A canary that serves gets no copies any more.
        """

    def promote(self) -> None:
        """Make the canary the stable revision with all traffic, and retire the old one.

        Does nothing when there is no canary.
        """

    def rollback(self, why: str) -> None:
        """Send all traffic to stable, end a mirror, then remove the canary. Safe at any moment.

        Does nothing when there is no canary. Without a stable revision nothing is served.
        """


class MirroringDeployment(Deployment, Protocol):
    """A deployment with `Capability.MIRROR`."""

    def set_mirror(self, percent: int) -> None:
        """Send the canary copies of ``percent`` of stable's requests; nobody gets its answers.

        Refused when the canary serves, or when there is no stable revision.
        """

    def mirrored(self) -> Mapping[str, Counts]:
        """Copies that each live revision got, as `counts`, which does not hold them."""


class Journal(Protocol):
    """A rollout's memory in the world, beside what it changes."""

    def claim(self, holder: str) -> AbstractContextManager[None]:
        """Be the only one to drive a rollout of this service while inside.

        A holder that died does not keep its claim.

        Raises:
            RolloutRunningError: naming the holder, when another one is alive.
        """

    def read(self) -> dict[str, Any] | None:
        """The state last written, or None when no rollout was ever begun."""

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the state, whole or not at all."""

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add one line to the rollout record."""

    def entries(self) -> Sequence[dict[str, Any]]:
        """The rollout record, the oldest entry first."""

    def ask(self, request: Mapping[str, Any]) -> None:
        """Leave a request for whoever drives the rollout, behind those that were left before."""

    def asked(self) -> Sequence[dict[str, Any]]:
        """Every request that was ever left, the oldest first. None is ever taken away."""
