"""The predictors behind the gateway: started, retired, and brought back after a crash.

In: `Routes`, which say what is to be served. Out: processes that do. Every step may be cut off and
done again: what shall be is written down before it is done, and `settle` finishes what was begun.
"""

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from weathervane.local.routes import REVISION_HEADER, Route, Routes
from weathervane.rollout.port import Revision

# -P: a folder named `predictor` where the user happens to stand is not ours.
PREDICTOR = (sys.executable, "-P", "-m", "predictor")
_PREDICTOR_NAME = re.compile(r".+-\d{5}")
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
        """Start the predictor of ``route`` in its role; returns the routes with its ports.

        The ports that it had are taken again when they are free.
        """
        with reserve(route.http_port or None) as http, reserve(route.grpc_port or None) as grpc:
            route = replace(route, http_port=number(http), grpc_port=number(grpc))
            routes = replace(
                routes,
                stable=route if role == "stable" else routes.stable,
                canary=route if role == "canary" else routes.canary,
            )
            # A route to a revision that Envoy does not know would cost requests.
            self.gateway.know(routes)
            self.gateway.route(routes)
            processes.start(
                self._state,
                route.revision,
                self._command(routes.service, route),
                environment=self._store.as_environment(),
                sockets=(http, grpc),
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
            if _PREDICTOR_NAME.fullmatch(name) and name not in wanted
        ]
        if retired:
            processes.stop(self._state, *retired)

    def resume(self) -> None:
        """Start every predictor that the routes name and that does not run."""
        with self.alone():
            self.settle()
            routes = self.gateway.routes()
            if routes is None:
                return
            running = processes.running(self._state)
            if routes.stable and routes.stable.revision not in running:
                routes = self.begin(routes, "stable", routes.stable)
            if routes.canary and routes.canary.revision not in running:
                self.begin(routes, "canary", routes.canary)

    def await_ready(self, route: Route, seconds: float) -> None:
        """Return when a predictor answers.

        Raises:
            DeploymentError: when it ends or does not answer in time, with its last words.
        """
        give_up = time.monotonic() + seconds
        while not (seen := self.look(route, processes.running(self._state))).ready:
            ended = not processes.find(self._state, route.revision)
            if ended or time.monotonic() > give_up:
                raise DeploymentError(
                    f"{route.revision} is not ready{f': {seen.message}' if seen.message else ''}; "
                    f"its log is {processes.log_file(self._state, route.revision)}"
                )
            time.sleep(_LOOK_SECONDS)

    def look(self, route: Route, running: Running) -> Revision:
        """How a revision is, by its process and its own word."""
        message = self._complaint(route, running)
        return Revision(
            name=route.revision, digest=route.digest, ready=message is None, message=message or ""
        )

    def _complaint(self, route: Route, running: Running) -> str | None:
        """Why a revision is not ready, empty while it starts; None when it is."""
        if not running.get(route.revision):
            said = processes.last_words(self._state, route.revision)
            return f"its process has ended{f': {said}' if said else ''}"
        try:
            answer = ask(route.http_port, "/v2/health/ready")
        except ConnectionRefusedError:
            return ""
        except OSError as error:
            return f"no answer at port {route.http_port}: {str(error) or type(error).__name__}"
        if answer.headers.get(REVISION_HEADER) != route.revision:
            return f"another server answers at port {route.http_port}"
        return None if answer.status == 200 else f"it answers {answer.status} when asked if ready"

    def _command(self, service: str, route: Route) -> list[str]:
        return [
            *self._predictor,
            *("--package", route.uri, "--digest", route.digest),
            *("--name", service, "--revision", route.revision, "--host", LOOPBACK),
            *("--http-port", str(route.http_port), "--grpc-port", str(route.grpc_port)),
            *("--cache", str(self._state / "packages")),
            # Nothing is sent any more to one that is told to stop, and the store is our own.
            *("--drain-seconds", "0", "--store-seconds", "10"),
            # Two revisions share this machine: neither may take all of it.
            *("--threads", str(max(1, (os.cpu_count() or 2) // 2))),
        ]
