"""Which deployment a service has: KServe's two modes, and what a cluster really does in them.

In: a cluster, a service, its template. Out: the adapter of its mode, or a refusal before anything
is written, where KServe would take a weight and silently ignore it.
"""

import json

from weathervane.errors import DeploymentError, UsageError
from weathervane.rollout.kserve.api import (
    CONFIG_MAP,
    DEPLOYMENT,
    INFERENCE_SERVICE,
    Api,
    Object,
)
from weathervane.rollout.kserve.installed import (
    CONFIG,
    CONTROLLER,
    KSERVE,
    SPLITS_SINCE,
    controller_version,
)
from weathervane.rollout.kserve.knative import KnativeDeployment
from weathervane.rollout.kserve.notebook import Notebook
from weathervane.rollout.kserve.standard import StandardDeployment
from weathervane.rollout.kserve.template import MODE, Template, check_name, mode_of


def open_deployment(
    api: Api, notebook: Notebook, service: str, template: Template
) -> KnativeDeployment | StandardDeployment:
    """The adapter for a service.

    Raises:
        UsageError: when the service runs in another mode than its template says, or its name
            cannot be one of KServe's.
        DeploymentError: when the cluster would ignore a weight.
    """
    check_name(service)
    live = api.get(INFERENCE_SERVICE, service)
    if live is not None and (present := _mode(live)) not in ("", template.mode):
        raise UsageError(
            f"{service} runs in {present} mode and its template says {template.mode}: a mode "
            "cannot be changed by a rollout, create the service under another name"
        )
    if template.mode == "Knative":
        return KnativeDeployment(api, notebook, service, template)
    check_splitting(api)
    return StandardDeployment(api, notebook, service, template)


def check_splitting(api: Api) -> None:
    """Make sure that Standard mode splits traffic here.

    Raises:
        DeploymentError: saying what is missing, or what could not be found out.
    """
    config = api.get(CONFIG_MAP, CONFIG, namespace=KSERVE)
    if config is None:
        raise DeploymentError(
            f"there is no ConfigMap {CONFIG} in namespace {KSERVE}: is KServe installed?"
        )
    ingress = json.loads((config.get("data") or {}).get("ingress") or "{}")
    if not ingress.get("enableGatewayApi"):
        raise DeploymentError(
            "KServe splits no traffic in Standard mode without the Gateway API and ignores a "
            f"canary's weight: set enableGatewayApi to true under ingress in ConfigMap {CONFIG}, "
            "or use Knative mode"
        )
    version = controller_version(api.get(DEPLOYMENT, CONTROLLER, namespace=KSERVE))
    if version is None:
        raise DeploymentError(
            f"cannot tell KServe's version from the image of Deployment {CONTROLLER}; Standard "
            "mode splits traffic since 0.21 only: use an image with its version as tag"
        )
    if version < SPLITS_SINCE:
        shown = ".".join(map(str, version))
        raise DeploymentError(
            f"KServe {shown} accepts a canary in Standard mode and sends it no traffic: update to "
            "0.21 or newer, or use Knative mode"
        )


def _mode(isvc: Object) -> str:
    """KServe inferenceservice/utils/utils.go, GetDeploymentMode: its status, then annotation."""
    told = (isvc.get("status") or {}).get("deploymentMode")
    return mode_of(told or (isvc["metadata"].get("annotations") or {}).get(MODE) or "")
