"""What KServe says about an InferenceService, in its own words. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any


def predictor_complaint(isvc: Mapping[str, Any]) -> str:
    """Why the predictor is not ready, as far as KServe says; empty when it is or does not."""
    for condition in (isvc.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PredictorReady" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "")
    return ""


def failure(isvc: Mapping[str, Any]) -> str:
    """Why the model that was asked for last did not load; empty when KServe knows of nothing."""
    told = ((isvc.get("status") or {}).get("modelStatus") or {}).get("lastFailureInfo") or {}
    if not told:
        return ""
    code = f" (exit code {told['exitCode']})" if told.get("exitCode") else ""
    return f"{told.get('reason', 'failed')}: {told.get('message', '')}{code}"


def percents(traffic: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Percent of each revision that a route sends anything to; entries of 0 % are left out."""
    shares: dict[str, int] = {}
    for target in traffic:
        name, percent = str(target.get("revisionName")), int(target.get("percent") or 0)
        if percent:
            shares[name] = shares.get(name, 0) + percent
    return shares
