"""What the rows of `tests.soak.rollout` stand on: predictors behind real Envoy, a store, clients.

In: a folder, and a package to make others of. Out: a service with a stable revision, releases for
it, rollouts of them, and what became of every request that clients sent meanwhile.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import count, permutations
from pathlib import Path
from typing import Any

from tests.local.sites import NO_STORE, NOISE, STAND_IN, Site, Traffic, await_true
from tests.local.sites import release as stand_in_release
from weathervane.client import classify
from weathervane.config import StoreConfig
from weathervane.data.probes import Probe, make_probe
from weathervane.data.scenes import WEATHERS, render_jpeg
from weathervane.local import gateway, processes, store_server
from weathervane.local.gateway import Gateway
from weathervane.local.ports import PortBook
from weathervane.local.routes import Routes
from weathervane.local.servers import await_ready, launch
from weathervane.local.serving import PREDICTOR, Serving
from weathervane.registry.package import Description, Package, seal
from weathervane.registry.spoil import relabel_package
from weathervane.registry.store import Store, package_key
from weathervane.rollout.journal import FileJournal
from weathervane.rollout.local import LocalDeployment
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release

SERVICE = "weather"
# Every label stands for another one.
_DERANGED = [
    labels
    for labels in permutations(WEATHERS)
    if not any(one == other for one, other in zip(labels, WEATHERS, strict=True))
]


@dataclass
class Ground:
    """A service in a state folder, its stable revision served."""

    site: Site
    good: Callable[[], Release]  # another good package at each call
    bad: Callable[[], Release]  # another that answers, but wrongly
    pictures: Sequence[bytes]
    store: StoreConfig
    predictor: Sequence[str] = PREDICTOR
    probes: Sequence[Probe] = ()
    _folders: Iterator[int] = field(default_factory=count)

    @property
    def deployment(self) -> LocalDeployment:
        return self.site.deployment

    @property
    def serving(self) -> Serving:
        """What brings predictors back."""
        return Serving(self.site.state, self.store, predictor=self.predictor)

    @property
    def gateway(self) -> Gateway:
        return self.site.gateway

    @property
    def journal(self) -> FileJournal:
        return FileJournal(self.site.state / "rollouts" / SERVICE)

    def rollout(self) -> Rollout:
        """An engine as a new process would have it."""
        return Rollout(self.deployment, self.journal)

    def plan(self, **asked: Any) -> Plan:
        """A quick plan, with what the row needs."""
        quick = {"hold_seconds": 0.2, "settle_seconds": 0.3, "interval_seconds": 0.1}
        few = {"min_requests": 30, "min_canary_requests": 5, "min_probes": len(self.probes)}
        # No row is about latency, and a busy machine must not decide one.
        return Plan(**{**quick, **few, "latency_slack_seconds": 10.0, **asked})

    def live(self) -> tuple[str | None, bool, int]:
        """The stable package's digest, whether there is a canary, and its weight."""
        seen = self.deployment.observe()
        return seen.stable.digest if seen.stable else None, seen.canary is not None, seen.weight

    def routes(self) -> Routes:
        routes = self.gateway.routes()
        assert routes
        return routes

    def stable(self) -> str:
        """The stable revision's name."""
        stable = self.routes().stable
        assert stable
        return stable.revision

    def serve(self, package: Release) -> None:
        """Make a package stable, without a rollout."""
        self.deployment.start_canary(package)

        def ready() -> bool:
            canary = self.deployment.observe().canary
            assert canary
            assert "ended" not in canary.message, canary.message
            return canary.ready

        await_true(ready, 60)
        self.deployment.promote()

    def await_canary(self, weight: int) -> str:
        """Return the canary's name once it serves so much, and a request has reached it."""

        def serves() -> bool:
            routes = self.routes()
            if not routes.canary or routes.weight != weight:
                return False
            counted = self.deployment.counts().get(routes.canary.revision)
            return weight == 0 or (counted is not None and counted.requests > 0)

        await_true(serves, 60)
        canary = self.routes().canary
        assert canary
        return canary.revision

    def record(self) -> list[dict[str, Any]]:
        """The entries of the last rollout."""
        lines = self.journal.record.read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if entry["rollout"] == entries[-1]["rollout"]]

    @contextmanager
    def clients(self, rate: float) -> Iterator["Clients"]:
        """Clients that send so many requests a second until the end."""
        folder = self.site.state / f"clients-{next(self._folders)}"
        folder.mkdir()
        clients = Clients(Traffic(self.site, folder, rate, self.pictures))
        try:
            yield clients
            clients.lines = clients.traffic.end()
        finally:
            clients.traffic.kill()


@dataclass
class Clients:
    """Clients, and once they have ended a line for each of their requests."""

    traffic: Traffic
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Requests that were not answered with 2xx."""
        return [one for one in self.lines if one["status"] is None or one["status"] // 100 != 2]


@contextmanager
def real_ground(tiny: Package, *, replicas: int = 1) -> Iterator[Ground]:
    """With the predictors that everybody gets, and a store that they fetch packages from."""
    with _state() as state:
        server = store_server.server(state)
        launch(state, server)
        await_ready(state, server)
        config = store_server.config(state, PortBook(state / "ports.json").get(server.name) or 0)
        store = Store(config)
        store.ensure_bucket()
        shelf = _Shelf(tiny, store, state / "shelf")
        deployment = LocalDeployment(state, SERVICE, config, replicas=replicas)
        pictures = [
            render_jpeg(WEATHERS[number % len(WEATHERS)], 5_000 + number) for number in range(40)
        ]
        ground = Ground(Site(state, deployment), shelf.good, shelf.bad, pictures, config)
        ground.serve(ground.good())
        answers = classify(ground.site.address, SERVICE, pictures)
        labelled = zip(pictures, answers, strict=True)
        ground.probes = [make_probe(picture, answer.label) for picture, answer in labelled]
        yield ground


@contextmanager
def stand_in_ground(*, replicas: int = 1) -> Iterator[Ground]:
    """With stand-ins for predictors: for rows about the rollout and the gateway alone."""
    numbers = count()
    with _state() as state:
        deployment = LocalDeployment(
            state, SERVICE, NO_STORE, predictor=STAND_IN, replicas=replicas
        )
        ground = Ground(
            Site(state, deployment),
            lambda: stand_in_release(f"good-{next(numbers)}-"),
            lambda: stand_in_release(f"fail-{next(numbers)}-"),
            NOISE,
            NO_STORE,
            STAND_IN,
        )
        ground.serve(ground.good())
        yield ground


@contextmanager
def _state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "state")
        state.mkdir()
        try:
            launch(state, gateway.server(state))
            await_ready(state, gateway.server(state))
            yield state
        finally:
            processes.stop(state, grace_seconds=5)


class _Shelf:
    """Packages made of one, in the store."""

    def __init__(self, tiny: Package, store: Store, folder: Path) -> None:
        self._tiny = tiny
        self._store = store
        self._folder = folder
        self._numbers = count()

    def good(self) -> Release:
        """The same model as another version of the code would have packaged it."""
        number = next(self._numbers)
        folder = self._folder / str(number)
        shutil.copytree(self._tiny.folder, folder)
        told = {one.name: getattr(self._tiny, one.name) for one in fields(Description)}
        description = replace(Description(**told), code_version=f"0.1.{number}")
        return self._publish(seal(folder, description))

    def bad(self) -> Release:
        """The same model with every label in another's place; another one each time."""
        number = next(self._numbers)
        labels = _DERANGED[number % len(_DERANGED)]
        return self._publish(relabel_package(self._tiny, labels, self._folder / str(number)))

    def _publish(self, package: Package) -> Release:
        uri = self._store.upload_folder(package.folder, package_key(SERVICE, package.digest))
        return Release(digest=package.digest, uri=uri)
