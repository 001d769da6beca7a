"""What KServe's webhooks and its CRD refuse, and what they let pass."""

import re
from typing import Any

from tests.platform.objects import RefusedError

# config/crd/full/serving.kserve.io_inferenceservices.yaml, spec.predictor.name
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def admit(isvc: dict[str, Any]) -> None:
    """Check and default an InferenceService.

    KServe pkg/apis/serving/v1beta1/inference_service_validation.go, validateCanarySpecs. A
    `canaryTrafficPercent` of 150 passes here: the CRD has no bounds for it.
    """
    spec = isvc["spec"]
    percent = spec["predictor"].get("canaryTrafficPercent")
    if percent is not None and not isinstance(percent, int):
        raise RefusedError(
            422, "Invalid", "spec.predictor.canaryTrafficPercent must be of type integer"
        )
    canaries = spec.get("canary") or []
    if (
        canaries
        and isvc["metadata"].get("annotations", {}).get("serving.kserve.io/deploymentMode")
        != "Standard"
    ):
        raise _denied("canary is only supported in Standard deployment mode")
    stable = spec["predictor"]
    total = 0
    _check_names([stable, *(canary["predictor"] for canary in canaries)])
    for number, canary in enumerate(canaries):
        predictor = canary["predictor"]
        name = predictor.get("name")
        if not name:
            raise _denied(f"canary[{number}] predictor.name is required")
        if name == stable.get("name"):
            raise _denied(f'canary predictor.name "{name}" conflicts with stable predictor name')
        if "name" not in predictor.get("model", {}):
            # As the CRD has it: `model` of a canary requires `name`.
            raise RefusedError(
                422, "Invalid", f"spec.canary[{number}].predictor.model.name: Required"
            )
        for field in ("maxReplicas", "scaleTarget", "scaleMetric", "autoScaling"):
            if predictor.get(field):
                raise _denied(f'canary "{name}" must not set {field}')
        if predictor.get("minReplicas", 0) > stable.get("minReplicas", 1):
            raise _denied(
                f'canary "{name}" minReplicas must not exceed stable predictor minReplicas'
            )
        total += canary["trafficPercent"]
        if not 0 <= canary["trafficPercent"] <= 100:
            raise _denied(f'canary "{name}" trafficPercent must be between 0 and 100')
    if total > 100:
        raise _denied(f"sum of canary trafficPercent values ({total}) must be <= 100")
    # The defaulter fills in what nobody asked for; it must not look like somebody's edit.
    stable.get("model", {}).setdefault("resources", {"requests": {"cpu": "1", "memory": "2Gi"}})


def _check_names(predictors: list[dict[str, Any]]) -> None:
    for predictor in predictors:
        if not _NAME.fullmatch(predictor.get("name", "a")):
            raise RefusedError(422, "Invalid", f"predictor.name {predictor['name']!r} is invalid")


def _denied(said: str) -> RefusedError:
    return RefusedError(
        403,
        "Forbidden",
        'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the request: '
        + said,
    )
