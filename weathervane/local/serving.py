"""The predictors behind the gateway: started, retired, and brought back after a crash.

In: `Routes`, which say what is to be served. Out: processes that do. Every step may be cut off and
done again: what shall be is written down before it is done, and `settle` finishes what was begun.
"""

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from weathervane.config import StoreConfig
from weathervane.errors import DeploymentError
from weathervane.local import processes
from weathervane.local.ask import ask
from weathervane.local.gateway import Gateway
from weathervane.local.ports import LOOPBACK, number, reserve
from weathervane.local.processes import Running
from weathervane.local.routes import REVISION_HEADER, Replica, Route, Routes
from weathervane.rollout.port import Revision

# -P: a folder named `predictor` where the user happens to stand is not ours.
PREDICTOR = (sys.executable, "-P", "-m", "predictor")
_REPLICA = re.compile(r"(.+-\d{5})\.\d+")
_RETIRE_SECONDS = 1.0
_LOCK_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class Serving:
    """What one state folder serves. ``store`` is where its predictors fetch packages."""

    def __init__(
        self, state: Path, store: StoreConfig, *, predictor: Sequence[str] = PREDICTOR
    ) -> None:
        self.gateway = Gateway(state)
        self._state = state
        self._store = store
        self._predictor = tuple(predictor)
        self._seen: Running = {}  # by the last `revive`

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from changing what is served.

        Raises:
            DeploymentError: when somebody else does so for a minute.
        """
        self._state.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._state / "serving.lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise DeploymentError(
                f"another process changes what {self._state} serves; try again when it is done"
            ) from error

    def begin(self, routes: Routes, role: Literal["stable", "canary"], route: Route) -> Routes:
        """Start the replicas of ``route`` that do not run; returns the routes with its ports.

        The ports that a replica had are taken again when they are free.
        """
        running = processes.running(self._state)
        with ExitStack() as stack:
            sockets = {
                replica.name: [
                    stack.enter_context(reserve(port or None))
                    for port in (replica.http_port, replica.grpc_port)
                ]
                for replica in route.replicas
                if replica.name not in running
            }
            ports = {name: tuple(map(number, held)) for name, held in sockets.items()}
            route = route.at(ports)
            routes = replace(
                routes,
                stable=route if role == "stable" else routes.stable,
                canary=route if role == "canary" else routes.canary,
            )
            # A route to a revision that Envoy does not know would cost requests.
            self.gateway.know(routes)
            self.gateway.route(routes)
            for replica in route.replicas:
                if replica.name in sockets:
                    processes.start(
                        self._state,
                        replica.name,
                        self._command(routes.service, route, replica),
                        environment=self._store.as_environment(),
                        sockets=sockets[replica.name],
                    )
        return routes

    def settle(self) -> None:
        """Retire every revision that no route leads to any more; none of its requests is lost."""
        routes = self.gateway.routes() or Routes(service="")
        wanted = {route.revision for route in routes.live}
        forgotten = self.gateway.known - wanted
        if forgotten:
            # Whoever wrote the routes may have been killed before Envoy acted on them.
            self.gateway.route(routes)
            for revision in sorted(forgotten):
                self.gateway.drain(revision)
            self.gateway.know(routes)
        retired = [
            name
            for name in processes.running(self._state)
            if (ours := _REPLICA.fullmatch(name)) and ours[1] not in wanted
        ]
        if retired:
            # Nothing is under way to them: what one does before it ends need not be waited for.
            processes.stop(self._state, *retired, grace_seconds=_RETIRE_SECONDS)

    def resume(self) -> None:
        """Start every predictor that the routes name and that does not run."""
        with self.alone():
            self.settle()
            routes = self.gateway.routes()
            if routes is None:
                return
            running = processes.running(self._state)
            if routes.stable and not runs(routes.stable, running):
                routes = self.begin(routes, "stable", routes.stable)
            if routes.canary and not runs(routes.canary, running):
                self.begin(routes, "canary", routes.canary)

    def revive(self) -> bool:
        """Start what has ended of the stable revision, and nothing else; whether there was any."""
        if not self._stable_has_ended():
            return False
        with self.alone():
            routes = self.gateway.routes()
            # What was stable may just have been retired.
            if routes is None or routes.stable is None or not self._stable_has_ended():
                return False
            self.begin(routes, "stable", routes.stable)
            return True

    def _stable_has_ended(self) -> bool:
        routes = self.gateway.routes()
        if routes is None or routes.stable is None:
            return False
        # To look through all processes of the machine costs more than to look at those again.
        if not runs(routes.stable, processes.still(self._seen)):
            self._seen = processes.running(self._state)
        return not runs(routes.stable, self._seen)

    def await_ready(self, route: Route, seconds: float) -> None:
        """Return when every replica answers.

        Raises:
            DeploymentError: when one ends or does not answer in time, with its last words.
        """
        give_up = time.monotonic() + seconds
        while True:
            running = processes.running(self._state)
            seen = self.look(route, running)
            if seen.ready:
                return
            if not runs(route, running) or time.monotonic() > give_up:
                logs = processes.log_file(self._state, f"{route.revision}.*")
                raise DeploymentError(
                    f"{route.revision} is not ready{f': {seen.message}' if seen.message else ''}; "
                    f"its log is {logs}"
                )
            time.sleep(_LOOK_SECONDS)

    def look(self, route: Route, running: Running) -> Revision:
        """How a revision is, by its processes and their own word; ready when each of them is."""
        complaints = [self._complaint(route.revision, one, running) for one in route.replicas]
        unready = [complaint for complaint in complaints if complaint is not None]
        return Revision(
            name=route.revision,
            digest=route.digest,
            ready=not unready,
            # Who has something to say says more than who just starts.
            message=max(unready, key=len, default=""),
        )

    def _complaint(self, revision: str, replica: Replica, running: Running) -> str | None:
        """Why a replica is not ready, empty while it starts; None when it is."""
        if not running.get(replica.name):
            said = processes.last_words(self._state, replica.name)
            return f"process {replica.name} has ended{f': {said}' if said else ''}"
        try:
            answer = ask(replica.http_port, "/v2/health/ready")
        except ConnectionRefusedError:
            return ""
        except OSError as error:
            return f"no answer at port {replica.http_port}: {str(error) or type(error).__name__}"
        if answer.headers.get(REVISION_HEADER) != revision:
            return f"another server answers at port {replica.http_port}"
        return None if answer.status == 200 else f"it answers {answer.status} when asked if ready"

    def _command(self, service: str, route: Route, replica: Replica) -> list[str]:
        # Two revisions share this machine: neither may take all of it.
        threads = (os.cpu_count() or 2) // (2 * len(route.replicas))
        return [
            *self._predictor,
            *("--package", route.uri, "--digest", route.digest),
            *("--name", service, "--revision", route.revision, "--host", LOOPBACK),
            *("--http-port", str(replica.http_port), "--grpc-port", str(replica.grpc_port)),
            *("--cache", str(self._state / "packages")),
            # Nothing is sent any more to one that is told to stop, and the store is our own.
            *("--drain-seconds", "0", "--store-seconds", "10"),
            *("--threads", str(max(1, threads))),
        ]


def new_route(revision: str, digest: str, uri: str, replicas: int) -> Route:
    """A revision that has no ports yet: `Serving.begin` gives them."""
    names = [f"{revision}.{count + 1}" for count in range(replicas)]
    return Route(
        revision=revision,
        digest=digest,
        uri=uri,
        replicas=tuple(Replica(name=name, http_port=0, grpc_port=0) for name in names),
    )


def runs(route: Route, running: Running) -> bool:
    """Whether every replica has a process."""
    return all(replica.name in running for replica in route.replicas)
