"""What is wrong with manifests, each with its cure. Pure.

In: `Manifests`, from files or from a cluster. Out: findings. Each check names where the behaviour
that it warns of was read or reported.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from weathervane.doctor.manifests import Finding, Manifest, Manifests
from weathervane.rollout.kserve.installed import (
    CONFIG,
    CONTROLLER,
    KSERVE,
    SPLITS_SINCE,
    controller_version,
)
from weathervane.rollout.kserve.rights import granted, needed
from weathervane.rollout.kserve.template import MODE, digest_of, mode_of
from weathervane.rollout.plan import Plan, Strategy

# KServe pkg/credentials/s3/s3_secret.go
_S3 = "serving.kserve.io/s3-"
_S3_NAMES = frozenset(
    {"endpoint", "region", "verifyssl", "usehttps", "usevirtualbucket", "useaccelerate"}
    | {"useanoncredential", "cabundle-configmap", "cabundle"}
)
# An object of ours says by this annotation which Secrets it makes on the cluster, with commas.
MAKES_SECRETS = "weathervane/makes-secrets"
# Gone with Knative 1.19; pkg/queue/request_metric.go has the new one.
_OLD_METRICS = ("revision_request_count", "revision_request_latencies", "revision_app_request")
_NEW_METRIC = "kn_serving_invocation_duration_seconds (label kn_revision_name)"


def check_s3_annotations(manifests: Manifests) -> Iterator[Finding]:
    """KServe ignores S3 annotations under another prefix without a word (kserve#1991)."""
    for manifest in manifests.of("Secret", "ServiceAccount"):
        for name, value in manifest.annotations.items():
            prefix, _, setting = name.rpartition("/s3-")
            if not setting or "serving" not in prefix:
                continue
            if prefix != "serving.kserve.io" or setting not in _S3_NAMES:
                yield Finding(
                    where=str(manifest),
                    what=f"KServe ignores the annotation {name}",
                    cure=f"write {_S3}… with one of {', '.join(sorted(_S3_NAMES))}",
                )
            elif setting == "endpoint" and "://" in value:
                yield Finding(
                    where=str(manifest),
                    what=f"the S3 endpoint {value} has a scheme; KServe puts one before it",
                    cure=f'write {value.partition("://")[2]}, and {_S3}usehttps: "0" for http',
                )


def check_service_accounts(manifests: Manifests) -> Iterator[Finding]:
    """The storage initializer gets the secrets of the service account and no others."""
    made = {
        name.strip()
        for manifest in manifests
        for name in manifest.annotations.get(MAKES_SECRETS, "").split(",")
    }
    for isvc in manifests.of("InferenceService"):
        predictor = isvc.spec.get("predictor") or {}
        uri = str((predictor.get("model") or {}).get("storageUri") or "")
        account = predictor.get("serviceAccountName")
        if account is None:
            # A template names no package: the rollout puts one of an S3 store there.
            if not uri or uri.startswith("s3://"):
                yield Finding(
                    where=str(isvc),
                    what="it loads from S3 without a serviceAccountName: no credentials reach it",
                    cure="set spec.predictor.serviceAccountName to one that lists the S3 secret",
                )
            continue
        found = manifests.find("ServiceAccount", account)
        if found is None:
            yield Finding(
                where=str(isvc),
                what=f"there is no ServiceAccount {account}",
                cure="add it, with the S3 secret under secrets",
            )
            continue
        listed = [secret.get("name") for secret in found.body.get("secrets") or []]
        if not listed:
            yield Finding(
                where=str(found),
                what="it lists no secret: KServe passes no S3 credentials on",
                cure="name the S3 secret under secrets",
            )
        for secret in listed:
            if secret not in made and manifests.find("Secret", str(secret)) is None:
                yield Finding(
                    where=str(found),
                    what=f"its secret {secret} does not exist",
                    cure=f"add Secret {secret}, or name the right one; what makes it on the "
                    f"cluster says so by the annotation {MAKES_SECRETS}",
                )


def check_modes(manifests: Manifests) -> Iterator[Finding]:
    """Each mode silently ignores the other's split (kserve#4074, #5335)."""
    for isvc in manifests.of("InferenceService"):
        mode = mode_of(isvc.annotations.get(MODE, ""))
        percent = (isvc.spec.get("predictor") or {}).get("canaryTrafficPercent")
        if mode not in ("Knative", "Standard"):
            yield Finding(
                where=str(isvc),
                what=f"the annotation {MODE} does not say its mode; KServe's defaults differ",
                cure=f"set {MODE} to Knative or Standard",
            )
        elif mode == "Standard" and percent is not None:
            yield Finding(
                where=str(isvc),
                what="canaryTrafficPercent is ignored in Standard mode: nothing is split",
                cure="leave it out and let the rollout write spec.canary, or use Knative mode",
            )
        elif mode == "Knative" and isvc.spec.get("canary"):
            yield Finding(
                where=str(isvc),
                what="spec.canary is refused in Knative mode",
                cure="leave it out: the rollout writes canaryTrafficPercent",
            )
        if isinstance(percent, int) and not 0 <= percent <= 100:
            yield Finding(
                where=str(isvc),
                what=f"canaryTrafficPercent is {percent}: KServe takes it and Knative refuses it",
                cure="leave the field to the rollout",
            )


def check_gateway(manifests: Manifests) -> Iterator[Finding]:
    """Standard mode splits by an HTTPRoute, which KServe makes only when it is told to."""
    standard = list(in_mode(manifests, "Standard"))
    config = manifests.find("ConfigMap", CONFIG)
    if not standard or config is None:
        return
    ingress = _json((config.body.get("data") or {}).get("ingress"))
    if not ingress.get("enableGatewayApi"):
        yield Finding(
            where=str(config),
            what=f"enableGatewayApi is off: {standard[0].name} gets all traffic, its canary none",
            cure="set enableGatewayApi to true under ingress",
        )


def check_version(manifests: Manifests) -> Iterator[Finding]:
    """Before 0.21 Standard mode takes a canary and sends it nothing (kserve#5912)."""
    controller = manifests.find("Deployment", CONTROLLER)
    if controller is None or not any(in_mode(manifests, "Standard")):
        return
    version = controller_version(controller.body)
    if version is None:
        yield Finding(
            where=str(controller),
            what="its image does not tell KServe's version: a rollout refuses what it cannot know",
            cure="use an image with its version as tag",
        )
    elif version < SPLITS_SINCE:
        yield Finding(
            where=str(controller),
            what=f"KServe {'.'.join(map(str, version))} accepts a canary in Standard mode and "
            "sends it no traffic",
            cure="update to 0.21 or newer, or use Knative mode",
        )


def check_metrics(manifests: Manifests) -> Iterator[Finding]:
    """A query for a series that is gone answers nothing, and an alert on it never fires."""
    for manifest in manifests.of("PrometheusRule", "ConfigMap"):
        text = json.dumps([manifest.spec, manifest.body.get("data")])
        for old in _OLD_METRICS:
            if old in text:
                yield Finding(
                    where=str(manifest),
                    what=f"it asks for {old}*, which Knative has no more since 1.19",
                    cure=f"ask for {_NEW_METRIC}",
                )


def check_seccomp(manifests: Manifests) -> Iterator[Finding]:
    """KServe's storage initializer sets no seccomp profile of its own (kserve#5373)."""
    for isvc in manifests.of("InferenceService"):
        predictor = isvc.spec.get("predictor") or {}
        profile = (predictor.get("securityContext") or {}).get("seccompProfile") or {}
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield Finding(
                where=str(isvc),
                what="its pods set no seccomp profile: Pod Security `restricted` refuses them",
                cure="set spec.predictor.securityContext.seccompProfile.type to RuntimeDefault",
            )


def check_scraping(manifests: Manifests) -> Iterator[Finding]:
    """What Prometheus asks through the queue proxy counts as traffic (kserve#3591)."""
    for isvc in in_mode(manifests, "Knative"):
        for name in ("enable-prometheus-scraping", "enable-metric-aggregation"):
            if str(isvc.annotations.get(f"serving.kserve.io/{name}")).lower() == "true":
                yield Finding(
                    where=str(isvc),
                    what=f"{name} counts as traffic and can keep old revisions up",
                    cure="take the annotation away and scrape the pods' own port by a PodMonitor",
                )


def check_digests(manifests: Manifests) -> Iterator[Finding]:
    """A predictor refuses a package that is not the one it was told."""
    for isvc in manifests.of("InferenceService"):
        model = (isvc.spec.get("predictor") or {}).get("model") or {}
        digest = digest_of(str(model.get("storageUri") or ""))
        told = _told_digest(model.get("args") or [])
        if digest and told and told not in (digest, "{digest}"):
            yield Finding(
                where=str(isvc),
                what=f"storageUri holds package {digest[:12]} and --digest says {told[:12]}",
                cure="let the rollout write both: start it with the package's digest",
            )


def check_rights(manifests: Manifests) -> Iterator[Finding]:
    """Whoever takes part in a rollout needs each right of its role, and no other."""
    for manifest in manifests.of("Role", "ClusterRole"):
        in_kserve = manifest.metadata.get("namespace") == KSERVE
        wanted = needed(manifest.name, in_kserve=in_kserve)
        if wanted is None:
            continue
        allowed = frozenset(granted(manifest.body.get("rules") or []))
        for verb, resource in sorted(wanted - allowed):
            yield Finding(
                where=str(manifest),
                what=f"it does not allow to {verb} {resource}",
                cure="add the rule; docs/rollout-on-kserve.md lists them all",
            )
        for verb, resource in sorted(allowed - wanted):
            yield Finding(
                where=str(manifest),
                what=f"it allows to {verb} {resource}, which nothing of ours does",
                cure="take the rule away; docs/rollout-on-kserve.md lists what is needed",
            )


def check_plan(manifests: Manifests, plan: Plan) -> Iterator[Finding]:
    """Knative takes stable down at 100 %, so a plan that goes there is refused at its start."""
    # A canary without steps gets those of the mode.
    weights = plan.weights if plan.steps or plan.strategy is not Strategy.CANARY else ()
    for isvc in in_mode(manifests, "Knative"):
        if 100 in weights:
            yield Finding(
                where=str(isvc),
                what=f"the plan's steps {list(weights)} end at 100, and it is in Knative mode",
                cure="end the steps below 100, or serve it in Standard mode",
            )


def in_mode(manifests: Manifests, mode: str) -> Iterator[Manifest]:
    """The InferenceServices that say to be in this mode."""
    for isvc in manifests.of("InferenceService"):
        if mode_of(isvc.annotations.get(MODE, "")) == mode:
            yield isvc


CHECKS: tuple[Callable[[Manifests], Iterator[Finding]], ...] = (
    check_s3_annotations,
    check_service_accounts,
    check_modes,
    check_gateway,
    check_version,
    check_metrics,
    check_seccomp,
    check_scraping,
    check_digests,
    check_rights,
)


def examine(manifests: Manifests) -> list[Finding]:
    """Every finding of every check, in their order, each once."""
    found = (finding for check in CHECKS for finding in check(manifests))
    return list(dict.fromkeys(found))


def _told_digest(args: list[Any]) -> str:
    for argument, following in zip(args, [*args[1:], ""], strict=True):
        name, _, value = str(argument).partition("=")
        if name == "--digest":
            return value or str(following)
    return ""


def _json(text: object) -> Mapping[str, Any]:
    try:
        read = json.loads(str(text or "{}"))
    except ValueError:
        return {}
    return read if isinstance(read, Mapping) else {}
