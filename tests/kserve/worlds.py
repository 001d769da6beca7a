"""A service on the platform of tests, in either mode, and all that a rollout of it needs."""

import threading
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from kubernetes.client import Configuration

from tests.platform.cluster import NAMESPACE, Cluster
from tests.platform.kinds import REVISION
from weathervane.data.probes import Probe
from weathervane.errors import DeploymentError
from weathervane.rollout.fake import FakeClock
from weathervane.rollout.kserve.api import Api, Pace
from weathervane.rollout.kserve.events import Events
from weathervane.rollout.kserve.journal import ClusterJournal
from weathervane.rollout.kserve.knative import KnativeDeployment
from weathervane.rollout.kserve.lease import Claim
from weathervane.rollout.kserve.modes import open_deployment
from weathervane.rollout.kserve.notebook import Notebook
from weathervane.rollout.kserve.standard import StandardDeployment
from weathervane.rollout.kserve.template import Template, read_template
from weathervane.rollout.loop import Outcome, Rollout
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release

SERVICE = "weather"
MODES = ("Knative", "Standard")
OLD, NEW, OTHER = (
    Release(digest=digit * 64, uri=f"s3://bucket/models/weather/{digit * 64}") for digit in "abc"
)
# The pods label a picture by what it says.
PROBES = tuple(
    Probe(picture=label.encode(), label=label, sha256=f"{label}{i}")
    for label in ("sunny", "rainy")
    for i in range(5)
)
PLAN = Plan(
    steps=(10, 50),
    hold_seconds=2,
    min_requests=400,
    min_canary_requests=20,
    min_probes=10,
    patience_seconds=15,
    start_seconds=15,
)
# One step, and nothing to wait for: every write of a rollout is in it.
SHORT = replace(PLAN, steps=(50,), hold_seconds=0, min_requests=100)
PACE = Pace(
    connect_seconds=2,
    answer_seconds=2,
    first_pause_seconds=0.005,
    longest_pause_seconds=0.1,
    act_seconds=10,
    look_seconds=0.005,
    follow_seconds=0.02,
)


def manifest(mode: str, **predictor: Any) -> dict[str, Any]:
    """A template as a user writes it."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"annotations": {"serving.kserve.io/deploymentMode": mode}},
        "spec": {
            "predictor": {
                "minReplicas": 2,
                **predictor,
                "model": {
                    "modelFormat": {"name": "weathervane"},
                    "args": ["--digest={digest}"],
                },
            }
        },
    }


def template(mode: str, **predictor: Any) -> Template:
    return read_template(manifest(mode, **predictor), "template.yaml")


def api(cluster: Cluster, who: str = "driver", pace: Pace = PACE) -> Api:
    configuration = Configuration()
    configuration.host = cluster.api.address
    configuration.api_key = {"authorization": f"Bearer {who}"}
    return Api(configuration, NAMESPACE, pace)


class Killed(BaseException):
    """The process is no more."""


class MortalApi(Api):
    """Dies at its so-manieth moment: before its first write, after it, before the second…"""

    def __init__(self, cluster: Cluster, moment: int) -> None:
        configuration = Configuration()
        configuration.host = cluster.api.address
        super().__init__(configuration, NAMESPACE, PACE)
        self._left = moment
        self._thread = threading.current_thread()
        self.dead = False

    def call(self, method: str, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if method == "GET":
            self._live()
            return super().call(method, path, *args, **kwargs)
        self._pass()
        answer = super().call(method, path, *args, **kwargs)
        self._pass()
        return answer

    def _pass(self) -> None:
        self._live()
        self.dead = self._left == 0
        self._left -= 1
        self._live()

    def _live(self) -> None:
        if self.dead:
            # Its other threads end by themselves once the first one is gone.
            mine = threading.current_thread() is self._thread
            raise Killed if mine else DeploymentError("the process is no more")


def await_true(holds: Callable[[], object], seconds: float = 10.0) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "in vain"
        time.sleep(0.002)


class TrafficClock(FakeClock):
    """A clock that moves when somebody sleeps, while clients send requests."""

    def __init__(self, cluster: Cluster, requests_per_second: float) -> None:
        super().__init__()
        self.requests_per_second = requests_per_second
        self.sent = self.failed = 0
        self.asleep: list[Callable[[float], None]] = []
        self._cluster = cluster

    def sleep(self, seconds: float) -> None:
        """Move on, with requests; the platform goes on in its own time."""
        super().sleep(seconds)
        requests = round(seconds * self.requests_per_second)
        self.sent += requests
        self.failed += requests - self._cluster.send(SERVICE, requests)
        time.sleep(0.004)
        for happens in list(self.asleep):
            happens(self.monotonic())


@dataclass
class Stage:
    """A service whose stable revision is OLD, unless ``first``."""

    cluster: Cluster
    mode: str
    first: bool = False
    requests_per_second: float = 200.0
    said: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    lease_seconds: int = 1
    pace: Pace = PACE

    def __post_init__(self) -> None:
        self.clock = TrafficClock(self.cluster, self.requests_per_second)
        self.open()
        if not self.first:
            self.deploy(OLD)

    def open(self, through: Api | None = None, **predictor: Any) -> None:
        """As a new process does."""
        self.api = through or api(self.cluster, pace=self.pace)
        self.notebook = Notebook(self.api, SERVICE)
        self.deployment: KnativeDeployment | StandardDeployment = open_deployment(
            self.api, self.notebook, SERVICE, template(self.mode, **predictor)
        )
        self.journal = ClusterJournal(
            self.notebook,
            Claim(self.api, SERVICE, seconds=self.lease_seconds),
            Events(self.api, SERVICE),
            tell=lambda entry: self.told.append(dict(entry)),
        )

    def another(self) -> "Stage":
        """Another process that looks at the same service."""
        other = copy(self)
        other.open()
        return other

    def taken_by(self, digest: str) -> int:
        """Requests that the pods of a package have answered, by their own figures."""
        return self.cluster.workloads.taken_by(digest)

    def deploy(self, release: Release) -> None:
        self.deployment.start_canary(release)
        self.await_ready()
        self.deployment.promote()

    def await_ready(self) -> None:
        def ready() -> bool:
            canary = self.deployment.observe().canary
            return canary is not None and canary.ready

        await_true(ready)

    def await_revision(self, number: int) -> None:
        """Return when Knative has made a revision of that number."""
        name = f"{SERVICE}-predictor-{number:05d}"
        await_true(lambda: self.cluster.objects.find((REVISION, NAMESPACE, name)))
        await_true(lambda: name in str(self.cluster.isvc(SERVICE)["status"]))

    def rollout(self) -> Rollout:
        return Rollout(self.deployment, self.journal, clock=self.clock, announce=self.said.append)

    def run(self, release: Release = NEW, plan: Plan = PLAN, *, again: bool = False) -> Outcome:
        return self.rollout().start(release, plan, PROBES, "anna", again=again)

    @property
    def serving(self) -> dict[str, int]:
        """Percent of traffic by the package that gets it, as the gateway does it."""
        shares: dict[str, int] = {}
        for name, percent in self.cluster.split(SERVICE):
            digest = self.cluster.workloads.of(name)[0].group.uri.rpartition("/")[2]
            if percent:
                shares[digest] = shares.get(digest, 0) + percent
        return shares

    def settled(self, release: Release) -> bool:
        """Whether exactly this release is served, and nothing is left of a rollout."""
        live = self.deployment.observe()
        return (
            live.canary is None
            and live.weight == 0
            and live.stable is not None
            and live.stable.digest == release.digest
            and self.serving == {release.digest: 100}
            and self.uri == release.uri
            and self.rollout().unfinished() is None
        )

    @property
    def uri(self) -> str:
        """What the object says shall be served: what a GitOps tool would apply again."""
        spec = self.cluster.isvc(SERVICE)["spec"]
        assert not spec.get("canary")
        return str(spec["predictor"]["model"]["storageUri"])
