"""The Jobs of rollouts on the platform, each run as a process with what its pod would be given.

In: Jobs that a pipeline's step has created. Out: their containers' ends as the Jobs' status.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chart.rendering import NAMESPACE
from tests.kserve.node import JOB, beside, failures, status_after
from tests.platform.cluster import Cluster
from tests.wiring.nodes import Node, Secrets


@contextmanager
def jobs_run(
    node: Node,
    cluster: Cluster,
    secrets: Secrets,
    config: Mapping[str, Mapping[str, str]],
    kubeconfig: Path,
) -> Iterator[None]:
    """Jobs are run while inside; ``kubeconfig`` stands for their service account's token."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.05):
            for job in cluster.objects.of_kind(JOB, NAMESPACE):
                if not job.get("status", {}).get("conditions"):
                    attempt(job)

    def attempt(job: dict[str, Any]) -> None:
        key = (JOB, NAMESPACE, job["metadata"]["name"])
        cluster.objects.set_status(key, {"active": 1, "failed": failures(job)})
        process = node.start(
            key[2],
            job["spec"]["template"]["spec"],
            secrets,
            # A pod's namespace stands beside its token.
            more=("--namespace", NAMESPACE),
            environment={"KUBECONFIG": str(kubeconfig)},
            config=config,
        )
        cluster.objects.set_status(key, status_after(job, node.ended(process)))

    with beside(run, ended):
        yield
