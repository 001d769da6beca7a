"""The platform of one machine as a whole: up, status, down.

In: a state folder. Out: object store, gateway, predictors and MLflow on loopback, each started
unless it runs; or none of them left. Any number of platforms live beside each other in folders of
their own.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weathervane.config import StoreConfig, state_folder, store_from_environment
from weathervane.errors import PlatformError
from weathervane.local import gateway, keeper, processes, store_server, tracking_server
from weathervane.local.folder import check_room, claimed
from weathervane.local.ports import LOOPBACK, PortBook, require
from weathervane.local.processes import Running
from weathervane.local.routes import Replica, Route, Routes
from weathervane.local.servers import Server, await_ready, is_ready, launch
from weathervane.local.serving import Serving

_PREDICTOR_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the platform listens: ``http://127.0.0.1:port`` each, unless the store is elsewhere."""

    gateway: str
    gateway_admin: str
    tracking: str
    store: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """One process of the platform. ``state``: "ready", "starting" or "stopped"."""

    name: str
    state: str
    address: str
    message: str = ""


class Platform:
    """The platform in one state folder. ``environment`` may name a store that takes ours' place."""

    def __init__(self, state: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.state = state
        self._environment = environment
        self._book = PortBook(state / "ports.json")

    def up(
        self, *, port: int | None = None, progress: Callable[[str], None] = lambda line: None
    ) -> Addresses:
        """Start what does not run, and return when all of it answers.

        What this call has started is stopped again when it fails or is interrupted.

        Args:
            port: for the gateway; None: the one that it had last, or any free one.
            progress: is told each part that answers.

        Raises:
            StoreError: when a store named by the environment does not let us in.
            PlatformError: when the port is taken, the folder cannot be written, or a server does
                not start.
        """
        with claimed(self.state):
            before = processes.running(self.state).keys()
            try:
                return self._up(port, progress)
            except BaseException:
                started = processes.running(self.state).keys() - before
                if started:
                    processes.stop(self.state, *started)
                raise

    def down(self) -> None:
        """Stop every process of the platform; return when there is none."""
        if not self.state.is_dir():
            processes.stop(self.state)
            return
        with claimed(self.state):
            processes.stop(self.state)

    def status(self) -> list[Status]:
        """Every part, as it is now; nothing in a folder where no platform ever was."""
        if not self._book.known:
            return []
        running = processes.running(self.state)
        return [
            *(self._look(server, running) for server in self._servers()),
            *(
                self._look_at(route, replica, running)
                for route in self._live()
                for replica in route.replicas
            ),
        ]

    def routes(self) -> Routes | None:
        """What is served; None before anything ever was."""
        return gateway.Gateway(self.state).routes()

    def addresses(self) -> Addresses:
        """Where the platform listens.

        Raises:
            PlatformError: when it does not run.
        """
        if not processes.find(self.state, gateway.NAME):
            raise PlatformError(f"no platform runs in {self.state}; start it: weathervane local up")
        return Addresses(
            gateway=self._at(gateway.NAME),
            gateway_admin=self._at(gateway.ADMIN),
            tracking=self._at(tracking_server.NAME),
            store=self.store().endpoint,
        )

    def store(self) -> StoreConfig:
        """How to reach the object store.

        Raises:
            UsageError: when the environment names a store without its keys.
            PlatformError: when it is ours and was never started.
        """
        if self._store_is_elsewhere:
            return store_from_environment(self._environment)
        port = self._book.get(store_server.NAME)
        if port is None:
            raise PlatformError(f"no platform was started in {self.state}: weathervane local up")
        return store_server.config(self.state, port)

    def environment(self) -> dict[str, str]:
        """The variables by which commands and components find this platform."""
        return {
            **self.store().as_environment(),
            "MLFLOW_TRACKING_URI": self._at(tracking_server.NAME),
            "WEATHERVANE_STATE": str(self.state.absolute()),
        }

    def _servers(self) -> list[Server]:
        ours = [] if self._store_is_elsewhere else [store_server.server(self.state)]
        tracking = tracking_server.server(self.state, self.store())
        return [*ours, gateway.server(self.state), tracking]

    def _live(self) -> tuple[Route, ...]:
        routes = self.routes()
        return routes.live if routes else ()

    def _look(self, server: Server, running: Running) -> Status:
        state = "starting" if server.name in running else "stopped"
        if is_ready(self.state, server):
            state = "ready"
        return Status(name=server.title, state=state, address=self._at(server.ports[0]))

    def _look_at(self, route: Route, replica: Replica, running: Running) -> Status:
        seen = self._serving().look(replace(route, replicas=(replica,)), running)
        state = "starting" if replica.name in running else "stopped"
        return Status(
            name=replica.name,
            state="ready" if seen.ready else state,
            address=f"http://{LOOPBACK}:{replica.http_port}",
            message=seen.message,
        )

    def _up(self, port: int | None, progress: Callable[[str], None]) -> Addresses:
        from weathervane.registry.store import Store

        check_room(self.state)
        self._choose_port(port)
        if self._store_is_elsewhere:
            # Nothing is worth starting when it does not let us in.
            Store(self.store()).ensure_bucket()
        else:
            launch(self.state, store_server.server(self.state))
        # The store's address is known from here on. MLflow takes by far the longest and is waited
        # for at the end.
        store = self.store()
        tracking, envoy = tracking_server.server(self.state, store), gateway.server(self.state)
        launch(self.state, tracking)
        launch(self.state, envoy)
        if not self._store_is_elsewhere:
            await_ready(self.state, store_server.server(self.state))
            Store(store).ensure_bucket()
        progress(f"object store: {store.endpoint}")
        await_ready(self.state, envoy)
        progress(f"gateway: {self._at(gateway.NAME)}")
        serving = self._serving()
        serving.resume()
        for route in self._live():
            serving.await_ready(route, _PREDICTOR_SECONDS)
            progress(f"{route.revision} serves package {route.digest[:12]}")
        keeper.launch(self.state, store.as_environment())
        await_ready(self.state, tracking)
        progress(f"MLflow: {self._at(tracking_server.NAME)}")
        return self.addresses()

    def _choose_port(self, port: int | None) -> None:
        runs = bool(processes.find(self.state, gateway.NAME))
        if port is None or (runs and port == self._book.get(gateway.NAME)):
            return
        if runs:
            raise PlatformError(
                f"the gateway runs already, at {self._at(gateway.NAME)}; to move it to port "
                f"{port}, stop it first: weathervane local down"
            )
        require(port)
        self._book.put(gateway.NAME, port)

    def _serving(self) -> Serving:
        return Serving(self.state, self.store())

    @property
    def _store_is_elsewhere(self) -> bool:
        # A command started by us finds our own store in its environment.
        key = self._environment.get("WEATHERVANE_STORE_ACCESS_KEY", "")
        named = "WEATHERVANE_STORE_ENDPOINT" in self._environment
        return named and not store_server.owns(self.state, key)

    def _at(self, name: str) -> str:
        return f"http://{LOOPBACK}:{self._book.get(name)}"


def gateway_address(state: Path | None = None) -> str:
    """Where the platform of this folder, or of the environment, answers requests.

    Raises:
        PlatformError: when it does not run.
    """
    return Platform(state or state_folder()).addresses().gateway
