"""The Secrets of an installation, on the cluster.

In: the site. Out: every Secret is as `secrets.wanted` says; one that is so already is not written.
"""

from collections.abc import Callable

from weathervane.install.secrets import NAMES, PIPELINE, Secret, decoded, encoded, wanted
from weathervane.install.site import Site
from weathervane.rollout.kserve.api import SECRET, Api, Object


def ensure(site: Site, connect: Callable[[str], Api], tell: Callable[[str], None]) -> None:
    """Make what is missing.

    Args:
        site: the installation.
        connect: gives the API server for a namespace.
        tell: told one line for each Secret, without what is in it.

    Raises:
        UsageError: when a Secret that somebody should have made is not there.
        DeploymentError: when the API server refuses.
    """
    apis = {one: connect(one) for one in {site.namespace, site.pipelines_namespace}}
    found = _read(site, apis)
    values = {place: decoded(secret.get("data")) for place, secret in found.items()}
    # A conflict with somebody else's write ends the Job's pod, and the next one reads again.
    for secret in wanted(site, values):
        tell(_write(apis[secret.namespace], secret, found.get((secret.namespace, secret.name))))


def _read(site: Site, apis: dict[str, Api]) -> dict[tuple[str, str], Object]:
    places = [(site.namespace, name) for name in NAMES]
    places.append((site.pipelines_namespace, PIPELINE))
    given = (site.store_secret, site.tracking_secret, site.database_secret, site.studies_secret)
    places += [(site.namespace, name) for name in given if name]
    found = {}
    for namespace, name in places:
        secret = apis[namespace].get(SECRET, name)
        if secret is not None:
            found[namespace, name] = secret
    return found


def _write(api: Api, secret: Secret, there: Object | None) -> str:
    where = f"Secret {secret.namespace}/{secret.name}"
    content: Object = {
        "metadata": {
            "labels": {"app.kubernetes.io/name": "weathervane"},
            "annotations": dict(secret.annotations),
        },
        "type": "Opaque",
        "data": encoded(secret.values),
    }
    if there is None:
        api.create(SECRET, secret.name, content)
        return f"{where}: made"
    metadata = there["metadata"]
    annotations = {**(metadata.get("annotations") or {}), **secret.annotations}
    if there.get("data") == content["data"] and annotations == (metadata.get("annotations") or {}):
        return f"{where}: as it was"
    changed = {**there, "metadata": {**metadata, "annotations": annotations}}
    api.replace(SECRET, secret.name, {**changed, "data": content["data"]})
    return f"{where}: changed"
