"""The deployment of one machine: predictor processes behind Envoy.

In: a state folder with a running platform. Out: the `Deployment` port. What is live stands in the
gateway's file of routes, so a process that is killed in here loses nothing: the next call goes on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from weathervane.client import classify
from weathervane.config import StoreConfig
from weathervane.errors import DeploymentError, UsageError
from weathervane.local import processes
from weathervane.local.ports import LOOPBACK
from weathervane.local.routes import Route, Routes
from weathervane.local.serving import PREDICTOR, Serving
from weathervane.rollout.counts import Counts
from weathervane.rollout.port import Capability, Live, Prediction, Release

# It becomes part of Envoy's names of figures.
_SERVICE = re.compile(r"[a-z0-9]([a-z0-9-]{0,56}[a-z0-9])?")


class LocalDeployment:
    """See `Deployment`. Packages come from ``store``; ``predictor`` is the command that serves."""

    capabilities = frozenset({Capability.WEIGHT})

    def __init__(
        self,
        state: Path,
        service: str,
        store: StoreConfig,
        *,
        predictor: Sequence[str] = PREDICTOR,
    ) -> None:
        if not _SERVICE.fullmatch(service):
            raise UsageError(
                "a service's name must be lower-case letters, digits and '-', at most 58, "
                f"got {service!r}"
            )
        self.service = service
        self._state = state
        self._serving = Serving(state, store, predictor=predictor)
        self._gateway = self._serving.gateway

    def observe(self) -> Live:
        """See `Deployment`."""
        routes = self._routes()
        running = processes.running(self._state)
        return Live(
            stable=self._serving.look(routes.stable, running) if routes.stable else None,
            canary=self._serving.look(routes.canary, running) if routes.canary else None,
            weight=routes.weight,
        )

    def counts(self) -> Mapping[str, Counts]:
        """See `Deployment`."""
        return self._gateway.counts(self._routes())

    def predict(self, revision: str, pictures: Sequence[bytes]) -> list[Prediction]:
        """See `Deployment`."""
        for route in self._routes().live:
            if route.revision == revision:
                address = f"http://{LOOPBACK}:{route.http_port}"
                return list(classify(address, self.service, pictures))
        raise DeploymentError(f"there is no revision {revision}")

    def start_canary(self, release: Release) -> None:
        """See `Deployment`."""
        with self._serving.alone():
            self._serving.settle()
            routes = self._routes()
            if routes.canary is None:
                canary = Route(
                    revision=routes.next_name(),
                    digest=release.digest,
                    uri=release.uri,
                    http_port=0,
                    grpc_port=0,
                )
                begun = replace(routes, weight=0, last_number=routes.last_number + 1)
                self._serving.begin(begun, "canary", canary)
            elif routes.canary.digest != release.digest:
                raise DeploymentError(
                    f"{routes.canary.revision} is the canary already, of package "
                    f"{routes.canary.digest[:12]}: promote it or take it back first"
                )
            elif not processes.find(self._state, routes.canary.revision):
                self._serving.begin(routes, "canary", routes.canary)

    def set_weight(self, percent: int) -> None:
        """See `Deployment`."""
        with self._serving.alone():
            routes = self._routes()
            if routes.canary is None:
                raise DeploymentError("there is no canary to send traffic to")
            if not 0 <= percent <= 100:
                raise DeploymentError(f"a weight is 0 to 100 percent, got {percent}")
            if not self._gateway.running:
                raise DeploymentError(
                    "the gateway does not run; start it again: weathervane local up"
                )
            self._gateway.route(replace(routes, weight=percent))

    def promote(self) -> None:
        """See `Deployment`."""
        with self._serving.alone():
            routes = self._routes()
            if routes.canary:
                self._gateway.route(replace(routes, stable=routes.canary, canary=None, weight=0))
            self._serving.settle()

    def rollback(self, why: str) -> None:
        """See `Deployment`."""
        with self._serving.alone():
            routes = self._routes()
            if routes.canary:
                self._gateway.route(replace(routes, canary=None, weight=0))
            self._serving.settle()

    def _routes(self) -> Routes:
        routes = self._gateway.routes()
        if routes is None or not (routes.live or routes.service == self.service):
            return Routes(service=self.service)
        if routes.service != self.service:
            raise DeploymentError(
                f"{self._state} serves {routes.service!r}; use another WEATHERVANE_STATE for "
                f"{self.service!r}"
            )
        return routes
