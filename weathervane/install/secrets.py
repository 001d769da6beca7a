"""Which Secrets an installation has, and what is in them. Pure but for the dice.

In: the site, and the Secrets that are there. Out: every Secret as it should be. A value that
somebody gave comes first, then the one that is there, and only then a new one: nothing changes by
being installed again. What is there and is none of ours stays.
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from weathervane.errors import UsageError
from weathervane.install.site import Site

# Names that the chart's manifests and the rollout's Job rely on.
STORE = "weathervane-store"  # the store's own root
PREDICTOR = "weathervane-predictor"  # KServe's storage initializer
SETTINGS = "weathervane-settings"  # the rollout's Job
PIPELINE = "weathervane-pipeline"  # the steps of pipelines, in their namespace
MLFLOW = "weathervane-mlflow"
# What a client of store and MLflow finds in its Secret; log-ins only where MLflow asks for them.
CLIENT_KEYS = (
    *("WEATHERVANE_STORE_ENDPOINT", "WEATHERVANE_STORE_BUCKET", "WEATHERVANE_STORE_REGION"),
    *("WEATHERVANE_STORE_ACCESS_KEY", "WEATHERVANE_STORE_SECRET_KEY", "MLFLOW_TRACKING_URI"),
)
LOG_IN_KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
STUDIES = "WEATHERVANE_STUDIES"  # of `weathervane tune`, where processes share them
NAMES = (STORE, PREDICTOR, SETTINGS, PIPELINE, MLFLOW)
USERS = ("pipeline", "rollout")  # of MLflow, besides its admin

_DATABASE = "sqlite:////data/mlflow.db"
_LOGINS = "sqlite:////data/logins.db"
# Whoever has a log-in may read; what a role may change is granted in `tracking`.
_AUTH = """[mlflow]
default_permission = READ
database_uri = {logins}
"""
Values = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Secret:
    """One Secret: its text by key."""

    namespace: str
    name: str
    values: Values = field(repr=False)
    annotations: Values = field(default_factory=dict)


def wanted(site: Site, found: Mapping[tuple[str, str], Values]) -> list[Secret]:
    """Every Secret of an installation.

    Args:
        site: the installation.
        found: what is there, by namespace and name.

    Raises:
        UsageError: naming the Secret or the key that somebody should have made and has not.
    """
    here = site.namespace
    store = found.get((here, STORE), {})
    mlflow = found.get((here, MLFLOW), {})
    places = {
        "predictor": ((here, PREDICTOR), "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        "rollout": ((here, SETTINGS), *CLIENT_KEYS[3:5]),
        "pipeline": ((here, PIPELINE), *CLIENT_KEYS[3:5]),
        "mlflow": ((here, MLFLOW), "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    }
    keys: dict[str, tuple[str, str]] = {}
    for role in site.roles:
        place, access, secret = places[role]
        if not site.own_store:
            given = _given(found, here, site.store_secret)
            keys[role] = (
                _needed(given, f"{role}-access-key", site.store_secret),
                _needed(given, f"{role}-secret-key", site.store_secret),
            )
        else:
            kept = found.get(place, {})
            keys[role] = (kept.get(access) or f"weathervane-{role}", kept.get(secret) or _random())

    def of_a_client(role: str) -> dict[str, str]:
        access, secret = keys[role]
        user, password = _user(site, found, role, places[role][0])
        values = (site.endpoint, site.bucket, site.region, access, secret, site.tracking_uri)
        login = dict(zip(LOG_IN_KEYS, (user, password), strict=True))
        return {**dict(zip(CLIENT_KEYS, values, strict=True)), **(login if user else {})}

    def of_aws(role: str) -> dict[str, str]:
        return dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), keys[role], strict=True))

    of_steps = of_a_client("pipeline")
    if site.studies_secret:
        given = _given(found, here, site.studies_secret)
        of_steps[STUDIES] = _needed(given, "uri", site.studies_secret)
    made = [
        Secret(
            namespace=here,
            name=PREDICTOR,
            values=of_aws("predictor"),
            annotations={
                "serving.kserve.io/s3-endpoint": site.host,
                "serving.kserve.io/s3-region": site.region,
                "serving.kserve.io/s3-usehttps": "1" if site.endpoint.startswith("https") else "0",
                "serving.kserve.io/s3-usevirtualbucket": "0",
            },
        ),
        Secret(namespace=here, name=SETTINGS, values=of_a_client("rollout")),
        *(
            # A pod reads Secrets of its own namespace only; the one here is what stays.
            Secret(namespace=namespace, name=PIPELINE, values=of_steps)
            for namespace in dict.fromkeys((here, site.pipelines_namespace))
        ),
    ]
    if site.own_store:
        root = {
            "MINIO_ROOT_USER": store.get("MINIO_ROOT_USER") or "weathervane-root",
            "MINIO_ROOT_PASSWORD": store.get("MINIO_ROOT_PASSWORD") or _random(),
        }
        made.append(Secret(namespace=here, name=STORE, values=root))
    if site.own_tracking:
        database, logins = _DATABASE, _LOGINS
        if site.database_secret:
            given = _given(found, here, site.database_secret)
            database = _needed(given, "uri", site.database_secret)
            logins = _needed(given, "auth-uri", site.database_secret)
        server = {
            **of_aws("mlflow"),
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": mlflow.get("MLFLOW_FLASK_SERVER_SECRET_KEY")
            or _random(),
            "MLFLOW_AUTH_ADMIN_USERNAME": mlflow.get("MLFLOW_AUTH_ADMIN_USERNAME") or "admin",
            "MLFLOW_AUTH_ADMIN_PASSWORD": mlflow.get("MLFLOW_AUTH_ADMIN_PASSWORD") or _random(),
            "basic_auth.ini": _AUTH.format(logins=logins),
        }
        made.append(Secret(namespace=here, name=MLFLOW, values=server))
    return [
        Secret(
            namespace=one.namespace,
            name=one.name,
            values={**found.get((one.namespace, one.name), {}), **one.values},
            annotations=one.annotations,
        )
        for one in made
    ]


def _user(
    site: Site, found: Mapping[tuple[str, str], Values], role: str, place: tuple[str, str]
) -> tuple[str, str]:
    """A role's log-in to MLflow; a server of somebody else's may ask for none."""
    if not site.own_tracking:
        if not site.tracking_secret:
            return "", ""
        given = _given(found, site.namespace, site.tracking_secret)
        return given.get(f"{role}-username", ""), given.get(f"{role}-password", "")
    kept = found.get(place, {})
    return (
        kept.get("MLFLOW_TRACKING_USERNAME") or f"weathervane-{role}",
        kept.get("MLFLOW_TRACKING_PASSWORD") or _random(),
    )


def _given(found: Mapping[tuple[str, str], Values], namespace: str, name: str) -> Values:
    if (namespace, name) not in found:
        raise UsageError(f"there is no Secret {name} in namespace {namespace}: make it first")
    return found[namespace, name]


def _needed(values: Values, key: str, name: str) -> str:
    if not values.get(key):
        raise UsageError(f"Secret {name} has no key {key}")
    return values[key]


def _random() -> str:
    # MinIO takes secret keys of 8 to 40 characters; none of these needs quoting anywhere.
    return secrets.token_hex(20)


def decoded(data: Mapping[str, str] | None) -> dict[str, str]:
    """The text of a Secret's ``data``."""
    return {key: base64.b64decode(value).decode() for key, value in (data or {}).items()}


def encoded(values: Values) -> dict[str, str]:
    """A Secret's ``data``."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
