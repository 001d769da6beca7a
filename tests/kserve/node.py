"""A node that runs the pods of Jobs as processes of this machine, and a service to roll out on.

In: Jobs on the platform. Out: their pods' output, and the Jobs' conditions, as Kubernetes' Job
controller words them: pkg/controller/job/pod_failure_policy.go, matchPodFailurePolicy.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner, Result

from tests.kserve.containers import Container, Ended
from tests.kserve.worlds import PROBES, SERVICE, Stage, manifest
from tests.platform.cluster import NAMESPACE, Cluster
from tests.platform.kinds import CONFIGMAP
from tests.platform.pods import Behaviour
from weathervane.data.probes import make_probe, write_probes
from weathervane.registry.package import DESCRIPTION
from weathervane.registry.store import Store, package_key, probes_key
from weathervane.registry.versions import Registry
from weathervane.rollout.commands import app
from weathervane.rollout.kserve import starting
from weathervane.rollout.kserve.service import open_cluster_service
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release

JOB = "batch/v1/jobs"
_DATA = "d" * 64


def kubeconfig(cluster: Cluster, file: Path, user: str = "driver") -> Path:
    """Two contexts of one cluster; the present one is of another namespace than the service."""
    contexts = [
        {"name": name, "context": {"cluster": "here", "user": user, "namespace": namespace}}
        for name, namespace in (("dev", "elsewhere"), ("live", NAMESPACE))
    ]
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "dev",
        "contexts": contexts,
        "clusters": [{"name": "here", "cluster": {"server": cluster.api.address}}],
        "users": [{"name": user, "user": {"token": user}}],
    }
    file.write_text(yaml.safe_dump(content))
    return file


@dataclass
class Site:
    """Packages in a store, named in a registry, one of them served, with clients who ask it."""

    stage: Stage
    store: Store
    tracking: str
    folder: Path
    ran: list[Ended] = field(default_factory=list)

    def __post_init__(self) -> None:
        probes = self.folder / "probes"
        write_probes(probes, [make_probe(probe.picture, probe.label) for probe in PROBES])
        self.store.upload_folder(probes, probes_key(_DATA), last="probes.json")
        self.registry = Registry(self.tracking, store=self.store.config)
        self.template = self.folder / "template.yaml"
        self.template.write_text(yaml.safe_dump(manifest(self.stage.mode)))
        self.old, self.new, self.other = map(self._package, ("old", "new", "other"))
        self.stage.deploy(self.old)

    def _package(self, name: str) -> Release:
        text = json.dumps({"name": name, "data_digest": _DATA})
        digest = hashlib.sha256(text.encode()).hexdigest()
        package = self.folder / name
        (package / DESCRIPTION).parent.mkdir(parents=True)
        (package / DESCRIPTION).write_text(text)
        uri = self.store.upload_folder(package, package_key(SERVICE, digest))
        self.registry.register(SERVICE, digest, uri)
        return Release(digest=digest, uri=uri)

    @property
    def environment(self) -> dict[str, str]:
        """What whoever speaks to the cluster has."""
        return {**self.reach("driver"), "WEATHERVANE_TEMPLATE": str(self.template)}

    def reach(self, user: str) -> dict[str, str]:
        """How somebody reaches the cluster."""
        file = self.folder / f"kubeconfig-{user}"
        return {"KUBECONFIG": str(kubeconfig(self.stage.cluster, file, user))}

    def lay_template_down(self) -> None:
        """Keep the template in the cluster, as the chart does."""
        data = {"template.yaml": self.template.read_text()}
        config = {"apiVersion": "v1", "kind": "ConfigMap", "data": data}
        key = (CONFIGMAP, NAMESPACE, "weathervane-template")
        self.stage.cluster.objects.create(key, config)

    @property
    def settings(self) -> dict[str, str]:
        """What the Secret of a Job holds."""
        return {**self.store.config.as_environment(), "MLFLOW_TRACKING_URI": self.tracking}

    def container(self, command: list[str]) -> Container:
        """Start a pod's container."""
        assert command[0] == "weathervane"
        arguments = [*command[1:], "--namespace", NAMESPACE]
        return Container(arguments, {**self.environment, **self.settings})

    def type(self, *arguments: str, **environment: str) -> Result:
        """What a person types, who reaches everything."""
        environment = {**self.environment, **self.settings, **environment}
        return CliRunner().invoke(app, arguments, env=environment)

    def spoil(self, release: Release) -> None:
        """Let a package fail most of what it is asked."""
        self.stage.cluster.behaviours[release.digest] = Behaviour(error_share=0.9)

    def start_as_step(self, run: str, plan: Plan) -> None:
        """Create the Job of a pipeline's step, and wait for nothing."""
        service = open_cluster_service(SERVICE, namespace=NAMESPACE)
        who = "weathervane-release"
        starting.start(service, self.new.digest, plan, image="any", who=who, name=run)

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Clients send requests while inside."""
        ended = threading.Event()

        def send() -> None:
            while not ended.wait(0.02):
                self.stage.cluster.send(SERVICE, 20)

        with beside(send, ended):
            yield

    @contextmanager
    def node(self) -> Iterator[None]:
        """Jobs are run while inside."""
        ended = threading.Event()
        cluster = self.stage.cluster

        def run() -> None:
            while not ended.wait(0.02):
                for job in cluster.objects.of_kind(JOB, NAMESPACE):
                    if not job.get("status", {}).get("conditions"):
                        self._attempt(job)

        with beside(run, ended):
            yield

    def _attempt(self, job: dict[str, Any]) -> None:
        key = (JOB, NAMESPACE, job["metadata"]["name"])
        (container,) = job["spec"]["template"]["spec"]["containers"]
        cluster = self.stage.cluster
        cluster.objects.set_status(key, {"active": 1, "failed": failures(job)})
        self.ran.append(self.container(container["command"]).ended())
        cluster.objects.set_status(key, status_after(job, self.ran[-1].returncode))


def failures(job: dict[str, Any]) -> int:
    """How many of a Job's pods have failed so far."""
    return int(job.get("status", {}).get("failed", 0))


def status_after(job: dict[str, Any], code: int) -> dict[str, Any]:
    """A Job's status when its pod has ended with that code."""
    name, spec, failed = job["metadata"]["name"], job["spec"], failures(job)
    if code == 0:
        return {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
    if code in spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]:
        said = f"Container rollout for pod {NAMESPACE}/{name}-x failed with exit code {code}"
        condition = {"type": "Failed", "status": "True", "message": f"{said} matching FailJob"}
        return {"failed": failed + 1, "conditions": [condition]}
    return {"failed": failed + 1}


@contextmanager
def beside(work: Any, ended: threading.Event) -> Iterator[None]:
    """Let ``work`` run in a thread until it hears that it has ``ended``."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
