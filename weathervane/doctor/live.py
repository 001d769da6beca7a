"""What is live in a namespace, as manifests, and the rights that a cluster would grant there.

In: a cluster. Out: the objects that `checks` looks at, what could not be looked at, and findings
about rights. Of Secrets only names and annotations are asked for, never what they hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from weathervane.doctor.manifests import Finding, Manifest, Manifests
from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.api import (
    CONFIG_MAP,
    DEPLOYMENT,
    INFERENCE_SERVICE,
    PROMETHEUS_RULE,
    ROLE,
    SECRET,
    SERVICE_ACCOUNT,
    Api,
    Kind,
    NotFoundError,
    Object,
)
from weathervane.rollout.kserve.installed import CONFIG, CONTROLLER, KSERVE
from weathervane.rollout.kserve.rights import (
    DRIVER,
    DRIVER_RIGHTS,
    DRIVER_RIGHTS_IN_KSERVE,
    READER_RIGHTS,
    STARTER_RIGHTS,
    Right,
)

_KINDS = (INFERENCE_SERVICE, SERVICE_ACCOUNT, CONFIG_MAP, ROLE, PROMETHEUS_RULE)
_REVIEWS = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True, kw_only=True)
class Live:
    """Objects of a cluster; ``unseen`` says what of it could not be looked at, and why."""

    manifests: Manifests
    unseen: tuple[str, ...]


def read_live(api: Api) -> Live:
    """Read what the checks look at, in a namespace and of KServe's own."""
    found: list[Manifest] = []
    unseen: list[str] = []

    def keep(kind: Kind, objects: list[Object], namespace: str) -> None:
        # The API server leaves out of a list what is the same of each.
        about = {"apiVersion": kind.api, "kind": kind.name}
        found.extend(Manifest(f"namespace {namespace}", {**obj, **about}) for obj in objects)

    for kind in (*_KINDS, SECRET):
        try:
            keep(kind, api.list(kind, {}, only_metadata=kind is SECRET), api.namespace)
        except NotFoundError:
            # A kind that is not installed has no objects.
            continue
        except DeploymentError as error:
            unseen.append(f"{kind.plural} of namespace {api.namespace}: {error}")
    for kind, name in ((CONFIG_MAP, CONFIG), (DEPLOYMENT, CONTROLLER)):
        try:
            installed = api.get(kind, name, namespace=KSERVE)
            keep(kind, [installed] if installed else [], KSERVE)
        except DeploymentError as error:
            unseen.append(f"{kind.name} {name} of namespace {KSERVE}: {error}")
    return Live(manifests=Manifests(found), unseen=tuple(unseen))


def check_live_rights(api: Api, *, standard: bool) -> Iterator[Finding]:
    """Ask the cluster what whoever looks may start, and what the Job's account may do.

    Args:
        api: in the namespace of the service.
        standard: whether something there is in Standard mode, for which the Job looks at KServe.

    Raises:
        DeploymentError: when the cluster does not say; who may not ask about others is told so.
    """
    for right in sorted(STARTER_RIGHTS | READER_RIGHTS):
        if not _allowed(api, right, api.namespace):
            yield Finding(
                where=f"namespace {api.namespace}: you",
                what=f"you may not {_said(right)}, which starting a rollout takes",
                cure="let the Roles weathervane-start and weathervane-read be bound to you",
            )
    account = f"system:serviceaccount:{api.namespace}:{DRIVER}"
    elsewhere: frozenset[Right] = DRIVER_RIGHTS_IN_KSERVE if standard else frozenset()
    for namespace, rights in ((api.namespace, DRIVER_RIGHTS), (KSERVE, elsewhere)):
        for right in sorted(rights):
            if not _allowed(api, right, namespace, account):
                yield Finding(
                    where=f"namespace {namespace}: ServiceAccount {DRIVER}",
                    what=f"it may not {_said(right)}: a rollout would stop in the middle",
                    cure=f"bind the Role {DRIVER} of namespace {namespace} to it",
                )


def _allowed(api: Api, right: Right, namespace: str, user: str = "") -> bool:
    """https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access."""
    verb, resource = right
    plural, _, group = resource.partition(".")
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": plural}
    kind = "LocalSubjectAccessReview" if user else "SelfSubjectAccessReview"
    path = f"/namespaces/{namespace}/{kind.lower()}s" if user else f"/{kind.lower()}s"
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"namespace": namespace} if user else {},
        "spec": {"resourceAttributes": asked, **({"user": user} if user else {})},
    }
    answer = api.call("POST", f"{_REVIEWS}{path}", body=body)
    return bool((answer.get("status") or {}).get("allowed"))


def _said(right: Right) -> str:
    return f"{right[0]} {right[1]}"
