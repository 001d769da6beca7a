"""The rights of those who take part in a rollout, as pairs of verb and resource.

A test holds them against what was used: each pair is needed, and no other is.
"""

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
