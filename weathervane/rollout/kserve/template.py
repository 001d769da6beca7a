"""What an InferenceService of ours looks like for a package. Pure.

In: a template, a manifest of an InferenceService without a model in it, and a release. Out: the
part of the object that we own. The template's ``args`` may say ``{digest}``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weathervane.errors import UsageError
from weathervane.rollout.port import Release

# The ConfigMap that holds the template of a namespace, for Jobs and whoever names no other.
TEMPLATE = "weathervane-template"
TEMPLATE_KEY = "template.yaml"
MODE = "serving.kserve.io/deploymentMode"
_DIGEST = re.compile(r"[0-9a-f]{64}")
# KServe makes names of revisions, Services and hosts out of it.
_SERVICE = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
# The rollout writes these.
_OURS = ("canaryTrafficPercent", "name")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What runs as one revision: a predictor, with the annotations and labels it was made with."""

    predictor: dict[str, Any]
    annotations: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """Where its package lies; empty when it has none."""
        return str((self.predictor.get("model") or {}).get("storageUri") or "")

    @property
    def digest(self) -> str:
        """The digest of its package; see `digest_of`."""
        return digest_of(self.uri)


@dataclass(frozen=True, kw_only=True)
class Template:
    """A manifest that lacks its package."""

    predictor: dict[str, Any]
    annotations: dict[str, str]
    labels: dict[str, str]

    @property
    def mode(self) -> str:
        """Knative or Standard."""
        return mode_of(self.annotations[MODE])

    def manifest(self, release: Release) -> Manifest:
        """The manifest that serves a release."""
        text = json.dumps(self.predictor).replace("{digest}", release.digest)
        predictor = json.loads(text)
        predictor["model"]["storageUri"] = release.uri
        # As KServe's CRD wants it of a canary.
        predictor["model"].setdefault("name", "kserve-container")
        return Manifest(predictor=predictor, annotations=self.annotations, labels=self.labels)


def read_template(values: Mapping[str, Any], where: str) -> Template:
    """Check a template.

    Args:
        values: the manifest, as read from YAML.
        where: its file, for the error.

    Raises:
        UsageError: naming the field, and what it should be.
    """
    metadata = values.get("metadata") or {}
    predictor = (values.get("spec") or {}).get("predictor") or {}
    annotations = metadata.get("annotations") or {}
    kind = f"{values.get('apiVersion')} {values.get('kind')}"
    if kind != "serving.kserve.io/v1beta1 InferenceService":
        raise _wrong(where, "kind", "serving.kserve.io/v1beta1 InferenceService", kind)
    if mode_of(annotations.get(MODE, "")) not in ("Knative", "Standard"):
        # KServe's own default differs between its code, its chart and its config map.
        raise _wrong(where, f"annotation {MODE}", "Knative or Standard", annotations.get(MODE))
    if not isinstance(predictor.get("model"), Mapping):
        raise _wrong(where, "spec.predictor.model", "a mapping", predictor.get("model"))
    if predictor["model"].get("storageUri"):
        uri = predictor["model"]["storageUri"]
        raise _wrong(where, "spec.predictor.model.storageUri", "absent: a rollout sets it", uri)
    for name in _OURS:
        if name in predictor:
            expected = "absent: a rollout sets it"
            raise _wrong(where, f"spec.predictor.{name}", expected, predictor[name])
    if (values.get("spec") or {}).get("canary"):
        raise _wrong(where, "spec.canary", "absent: a rollout sets it", "something")
    if predictor.get("minReplicas") == 0:
        expected = "at least 1: a revision that is scaled to zero shows nothing to compare"
        raise _wrong(where, "spec.predictor.minReplicas", expected, 0)
    return Template(
        predictor=dict(predictor),
        annotations=dict(annotations),
        labels=dict(metadata.get("labels") or {}),
    )


def check_name(service: str) -> None:
    """Raise `UsageError` when a service's name is none that KServe can work with."""
    if not _SERVICE.fullmatch(service):
        raise UsageError(
            "an InferenceService's name must begin with a lower-case letter and hold lower-case "
            f"letters, digits and '-', at most 40 in all, got {service!r}"
        )


def mode_of(name: str) -> str:
    """The mode in its present name; KServe pkg/constants/constants.go, ParseDeploymentMode."""
    return {"Serverless": "Knative", "RawDeployment": "Standard"}.get(name, name)


def digest_of(uri: str) -> str:
    """The digest that a package's address ends with; empty when it is none of ours."""
    last = uri.rstrip("/").rpartition("/")[2]
    return last if _DIGEST.fullmatch(last) else ""


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """A canary's predictor as KServe builds it: over the stable one's, map by map.

    KServe pkg/controller/v1beta1/inferenceservice/components/predictor.go, buildCanaryPredictor:
    mergo with override, so lists are replaced and empty values do not count.
    """
    both = dict(below)
    for name, value in above.items():
        if isinstance(value, Mapping) and isinstance(both.get(name), Mapping):
            both[name] = merged(both[name], value)
        elif value not in (None, "", [], {}):
            both[name] = value
    return both


def _wrong(where: str, what: str, expected: str, got: object) -> UsageError:
    return UsageError(f"{where}: {what} must be {expected}, got {got!r}")
