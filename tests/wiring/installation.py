"""What `helm install` would have made of the chart, as processes of this machine.

In: the rendered chart, a cluster of tests, a node. Out: what the chart's Jobs did, and what each
role's Secret gives it: keys of the store, a log-in to MLflow, an environment for code.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from minio import Minio

from tests.chart.rendering import CHART, NAMESPACE, named
from tests.chart.test_rights import rights
from tests.kserve.node import kubeconfig
from tests.platform.cluster import Cluster
from tests.wiring.nodes import PATIENCE_SECONDS, PATIENT, Node, decoded, pods_of
from weathervane.config import store_from_environment
from weathervane.registry.store import Store

SECRET = "v1/secrets"
# What somebody put into weathervane-settings before anything was installed: a webhook names it.
PLANTED = {"WEBHOOK_TOKEN": f"canary-{uuid4().hex}"}
# Where each role's keys of the store are.
KEYS = {
    "predictor": ("weathervane-predictor", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "mlflow": ("weathervane-mlflow", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "rollout": (
        *("weathervane-settings", "WEATHERVANE_STORE_ACCESS_KEY", "WEATHERVANE_STORE_SECRET_KEY"),
    ),
    "pipeline": (
        *("weathervane-pipeline", "WEATHERVANE_STORE_ACCESS_KEY", "WEATHERVANE_STORE_SECRET_KEY"),
    ),
    "root": ("weathervane-store", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"),
}


@dataclass
class Installation:
    """What `helm install` would have made, running; ``found`` is what was rendered."""

    node: Node
    cluster: Cluster
    found: tuple[dict[str, Any], ...]
    folder: Path

    def start(self) -> None:
        """Everything, in the order in which Helm does it."""
        self.credentials()
        node, secrets = self.node, self.secrets
        store = pods_of(self.found, "StatefulSet", "weathervane-store")
        mlflow = pods_of(self.found, "Deployment", "weathervane-mlflow")
        node.serve("store", store, secrets, node.store, "/minio/health/ready")
        node.serve("mlflow", mlflow, secrets, node.tracking, "/health")
        self.access()

    @property
    def secrets(self) -> dict[str, dict[str, str]]:
        """What the cluster's Secrets hold, by name and key."""
        every = self.cluster.objects.of_kind(SECRET, NAMESPACE)
        return {one["metadata"]["name"]: decoded(one) for one in every}

    def credentials(self) -> str:
        """The first Job, with the rights of its role."""
        config = kubeconfig(self.cluster, self.folder / "kubeconfig", user="install")
        role = rights(named(self.found, "Role", "weathervane-install"))
        self.cluster.api.roles = {**(self.cluster.api.roles or {}), "install": role}
        pod = pods_of(self.found, "Job", "weathervane-credentials")
        return self.node.run("credentials", pod, {}, environment={"KUBECONFIG": str(config)})

    def access(self) -> str:
        """The second Job, with what its Secrets say."""
        pod = pods_of(self.found, "Job", "weathervane-access")
        return self.node.run("access", pod, self.secrets)

    def client(self, secret: str) -> dict[str, str]:
        """The environment of a role, on this machine."""
        values = self.secrets[secret]
        return PATIENT | {key: self.node.here(value, "client") for key, value in values.items()}

    def mlflow(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask MLflow as anybody may."""
        address = f"http://127.0.0.1:{self.node.tracking}/api/2.0/mlflow/{path}"
        return httpx.request(method, address, timeout=PATIENCE_SECONDS, **more)

    def keys(self, role: str) -> tuple[str, str]:
        """A role's access key and secret key of the store."""
        secret, access, hidden = KEYS[role]
        values = self.secrets[secret]
        return values[access], values[hidden]

    def store(self, role: str) -> Minio:
        """The bare store as a role sees it; ``nobody`` has no keys."""
        keys: dict[str, str] = {}
        if role != "nobody":
            keys = dict(zip(("access_key", "secret_key"), self.keys(role), strict=True))
        address = f"127.0.0.1:{self.node.store}"
        return Minio(endpoint=address, secure=False, region="us-east-1", **keys)

    def packages(self) -> Store:
        """The store as steps of pipelines use it."""
        return Store(store_from_environment(self.client("weathervane-pipeline")))

    def in_the_role(self, secret: str, code: str, **other: str) -> str:
        """What code says that has a role's environment and nothing else; ``other`` comes first."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(CHART.parents[1]),
                **self.client(secret),
                **other,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr
