"""A release on the platform of tests, which has KServe's rules, with what the chart made for it.

In: an installation. Out: what the release pipeline's steps said; which package serves.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import local
from pipelines.compile import BESIDE, RELEASE
from tests.chart.rendering import NAMESPACE, named
from tests.wiring.installation import Installation
from tests.wiring.jobs import jobs_run

# Service accounts of a rollout, and their Roles of the chart.
ACCOUNTS = {
    "pipeline": ("weathervane-start", "weathervane-read", "weathervane-ask"),
    "rollout": ("weathervane-rollout",),
}
PLAN = {"steps": [50], "min_probes": 3, "hold_seconds": 0.2, "interval_seconds": 0.2}


@dataclass
class Serving:
    """Our platform of tests with the chart's template, and the accounts that a rollout needs."""

    site: Installation
    kubeconfigs: dict[str, Path]

    def release(self, package: str) -> dict[str, Any]:
        """The compiled release pipeline with the steps' Secret and account; outputs by step."""
        site = self.site
        template = named(site.found, "ConfigMap", "weathervane-template")
        config = {"weathervane-template": template["data"]}
        with jobs_run(site.node, site.cluster, site.secrets, config, self.kubeconfigs["rollout"]):
            steps = local.run(
                BESIDE / RELEASE,
                {"package": package, "namespace": NAMESPACE, "image": "any", "plan": PLAN},
                folder=site.folder / "releases",
                environment={
                    **site.client("weathervane-pipeline"),
                    "KUBECONFIG": str(self.kubeconfigs["pipeline"]),
                },
                progress=lambda line: None,
            )
        return {step.name: step.outputs for step in steps}

    @property
    def digest(self) -> str:
        """Of the package that serves."""
        predictor = self.site.cluster.isvc("weather")["spec"]["predictor"]
        return str(predictor["model"]["storageUri"]).rpartition("/")[2]
