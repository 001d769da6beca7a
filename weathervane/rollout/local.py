"""The deployment of one machine: predictor processes behind Envoy.

In: a state folder with a running platform. Out: the `Deployment` port. What is live stands in the
gateway's file of routes, so a process that is killed in here loses nothing: the next call goes on.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from weathervane.client import classify
from weathervane.config import StoreConfig
from weathervane.errors import DeploymentError, UsageError
from weathervane.local import processes
from weathervane.local.ask import ask
from weathervane.local.ports import LOOPBACK
from weathervane.local.routes import Route, Routes, Use
from weathervane.local.serving import PREDICTOR, Serving, new_route, runs
from weathervane.rollout.counts import Answers, Counts
from weathervane.rollout.port import Capability, Live, Prediction, Release
from weathervane.rollout.predictors import Growth, read_counts

# It becomes part of Envoy's names of figures.
_SERVICE = re.compile(r"[a-z0-9]([a-z0-9-]{0,56}[a-z0-9])?")


class LocalDeployment:
    """See `MirroringDeployment`.

    Packages come from ``store``; a new revision gets so many ``replicas``, each of which is a
    process of the command ``predictor``.
    """

    capabilities = frozenset({Capability.WEIGHT, Capability.MIRROR, Capability.HEADER_ROUTES})

    def __init__(
        self,
        state: Path,
        service: str,
        store: StoreConfig,
        *,
        replicas: int = 1,
        predictor: Sequence[str] = PREDICTOR,
    ) -> None:
        if not _SERVICE.fullmatch(service):
            raise UsageError(
                "a service's name must be lower-case letters, digits and '-', at most 58, "
                f"got {service!r}"
            )
        if replicas < 1:
            raise UsageError(f"a revision has at least 1 replica, got {replicas}")
        self.service = service
        self._replicas = replicas
        self._state = state
        self._serving = Serving(state, store, predictor=predictor)
        self._gateway = self._serving.gateway
        self._growth = Growth()  # by replica

    def observe(self) -> Live:
        """See `Deployment`."""
        routes = self._routes()
        running = processes.running(self._state)
        return Live(
            stable=self._serving.look(routes.stable, running) if routes.stable else None,
            canary=self._serving.look(routes.canary, running) if routes.canary else None,
            weight=routes.weight,
            mirror=routes.mirror,
        )

    def counts(self) -> Mapping[str, Counts]:
        """See `Deployment`. Copies that a canary answered are among its answers, and only there."""
        routes = self._routes()
        told = self._gateway.counts(routes)
        return {
            route.revision: replace(told[route.revision], answers=self._answers(route))
            for route in routes.live
            if route.revision in told
        }

    def mirrored(self) -> Mapping[str, Counts]:
        """See `MirroringDeployment`."""
        return self._gateway.counts(self._routes(), Use.MIRROR)

    def predict(self, revision: str, pictures: Sequence[bytes]) -> list[Prediction]:
        """See `Deployment`."""
        for route in self._routes().live:
            if route.revision == revision:
                address = f"http://{LOOPBACK}:{route.replicas[0].http_port}"
                return list(classify(address, self.service, pictures, probe=True))
        raise DeploymentError(f"there is no revision {revision}")

    def start_canary(self, release: Release) -> None:
        """See `Deployment`."""
        with self._serving.alone():
            self._serving.settle()
            routes = self._routes()
            if routes.canary is None:
                canary = new_route(routes.next_name(), release.digest, release.uri, self._replicas)
                begun = replace(routes, weight=0, mirror=0, last_number=routes.last_number + 1)
                self._serving.begin(begun, "canary", canary)
            elif routes.canary.digest != release.digest:
                raise DeploymentError(
                    f"{routes.canary.revision} is the canary already, of package "
                    f"{routes.canary.digest[:12]}: promote it or take it back first"
                )
            elif not runs(routes.canary, processes.running(self._state)):
                self._serving.begin(routes, "canary", routes.canary)

    def set_weight(self, percent: int) -> None:
        """See `Deployment`."""
        with self._serving.alone():
            routes = self._with_canary(percent)
            self._gateway.route(
                replace(routes, weight=percent, mirror=0 if percent else routes.mirror)
            )

    def set_mirror(self, percent: int) -> None:
        """See `MirroringDeployment`."""
        with self._serving.alone():
            routes = self._with_canary(percent)
            if percent and not routes.stable:
                raise DeploymentError("there is no stable revision whose traffic could be copied")
            if percent and routes.weight:
                raise DeploymentError(
                    f"the canary serves {routes.weight} % of the traffic: copies are for one that "
                    "serves none"
                )
            self._gateway.route(replace(routes, mirror=percent))

    def promote(self) -> None:
        """See `Deployment`."""
        with self._serving.alone():
            routes = self._routes()
            if routes.canary:
                self._gateway.route(
                    replace(routes, stable=routes.canary, canary=None, weight=0, mirror=0)
                )
            self._serving.settle()

    def rollback(self, why: str) -> None:
        """See `Deployment`."""
        with self._serving.alone():
            routes = self._routes()
            if routes.canary:
                self._gateway.route(replace(routes, canary=None, weight=0, mirror=0))
            self._serving.settle()

    def _answers(self, route: Route) -> Answers:
        """What the replicas have answered: of each that does not tell, what it told last."""
        read: dict[str, Counts] = {}
        for replica in route.replicas:
            with suppress(OSError, DeploymentError):
                answer = ask(replica.http_port, "/metrics")
                if answer.status == 200:
                    read[replica.name] = read_counts(answer.text, replica.name)
        return self._growth.add(route.revision, read).answers

    def _with_canary(self, percent: int) -> Routes:
        """The routes, when a share of the traffic can go to their canary."""
        routes = self._routes()
        if routes.canary is None:
            raise DeploymentError("there is no canary to send traffic to")
        if not 0 <= percent <= 100:
            raise DeploymentError(f"a share of the traffic is 0 to 100 percent, got {percent}")
        if not self._gateway.running:
            raise DeploymentError("the gateway does not run; start it again: weathervane local up")
        return routes

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
