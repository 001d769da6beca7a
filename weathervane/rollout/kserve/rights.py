"""The rights of those who take part in a rollout, as pairs of verb and resource.

The one truth about them: tests hold them against what was used (each pair is needed, and no other
is), the tables in docs/rollout-on-kserve.md and the Roles of the chart are held against them, and
``weathervane doctor`` names what an account lacks.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

Right: TypeAlias = tuple[str, str]  # a verb, and a resource as ``plural`` or ``plural.group``

# The service account of the Job, in the namespace of the service.
DRIVER_RIGHTS = frozenset(
    {
        ("get", "inferenceservices.serving.kserve.io"),
        ("patch", "inferenceservices.serving.kserve.io"),
        # Only a first deployment that fails is deleted.
        ("delete", "inferenceservices.serving.kserve.io"),
        ("get", "configmaps"),
        ("create", "configmaps"),
        ("update", "configmaps"),
        ("get", "leases.coordination.k8s.io"),
        ("create", "leases.coordination.k8s.io"),
        ("update", "leases.coordination.k8s.io"),
        ("create", "events"),
        ("list", "pods"),
        # Knative mode.
        ("list", "revisions.serving.knative.dev"),
        # Standard mode.
        ("get", "httproutes.gateway.networking.k8s.io"),
    }
)
# The same account in KServe's namespace, for Standard mode: whether it splits traffic here.
DRIVER_RIGHTS_IN_KSERVE = frozenset({("get", "configmaps"), ("get", "deployments.apps")})
# Whoever starts a rollout and waits for it: a person, a pipeline step, CI.
STARTER_RIGHTS = frozenset({("create", "jobs.batch"), ("get", "jobs.batch")})
# Who wants to see its steps, a summary, or uses the template of the cluster.
READER_RIGHTS = frozenset({("get", "configmaps")})
# Who asks something of a rollout: `pause`, `approve`, or a pipeline's exit handler for the end. It
# is created only when nothing was ever rolled out there.
ASKER_RIGHTS = READER_RIGHTS | {("create", "configmaps"), ("update", "configmaps")}
# An abort is carried out by whoever asks when nobody drives, and finds Jobs that have not begun.
ABORTER_RIGHTS = DRIVER_RIGHTS | {("list", "jobs.batch")}

DRIVER = "weathervane-rollout"  # the Job's service account, and its Role
# What each Role of ours grants in the namespace of the service. A person and CI have the second and
# the third; a pipeline has the last one as well, for its exit handler.
ROLES = {
    DRIVER: DRIVER_RIGHTS,
    "weathervane-start": STARTER_RIGHTS,
    "weathervane-read": READER_RIGHTS,
    "weathervane-ask": ASKER_RIGHTS,
}


def needed(role: str, *, in_kserve: bool = False) -> frozenset[Right] | None:
    """The rights that a Role of ours grants, by its name; None when it is none of ours.

    In KServe's namespace the Job's Role may have more behind its name: several may lie there.
    """
    if in_kserve:
        return DRIVER_RIGHTS_IN_KSERVE if role.startswith(DRIVER) else None
    return ROLES.get(role)


def rules(rights: Iterable[Right]) -> list[dict[str, Any]]:
    """The rules of a Role that grant exactly these rights, one for each resource, in order."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for verb, resource in sorted(rights):
        plural, _, group = resource.partition(".")
        verbs.setdefault((group, plural), []).append(verb)
    return [
        {"apiGroups": [group], "resources": [plural], "verbs": allowed}
        for (group, plural), allowed in sorted(verbs.items())
    ]


def granted(rules: Iterable[Mapping[str, Any]]) -> Iterator[Right]:
    """Every right that the rules of a Role grant."""
    for rule in rules:
        for group in rule.get("apiGroups") or []:
            for resource in rule.get("resources") or []:
                for verb in rule.get("verbs") or []:
                    yield verb, f"{resource}.{group}" if group else resource
