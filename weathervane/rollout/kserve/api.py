"""The API server, spoken to with plain JSON objects over the official client.

In: a kind, a name, a body. Out: the object as the server keeps it, or a `DeploymentError` in the
server's own words. Each call is asked again, with growing pauses and jitter, when the server is
busy, fails or does not answer, and no sooner than its Retry-After says; so every write must bear
being done twice. Writes do: they carry a resourceVersion or a name, and the second one is a
`ConflictError`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException

from weathervane.errors import DeploymentError, UsageError

MANAGER = "weathervane"  # who we are in managedFields
Object: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A namespaced kind of objects. ``api`` is its group and version, or the version alone."""

    api: str
    name: str
    plural: str


INFERENCE_SERVICE = Kind("serving.kserve.io/v1beta1", "InferenceService", "inferenceservices")
REVISION = Kind("serving.knative.dev/v1", "Revision", "revisions")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENT = Kind("v1", "Event", "events")
POD = Kind("v1", "Pod", "pods")
JOB = Kind("batch/v1", "Job", "jobs")
SECRET = Kind("v1", "Secret", "secrets")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
ROLE = Kind("rbac.authorization.k8s.io/v1", "Role", "roles")
PROMETHEUS_RULE = Kind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules")
# https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
_ONLY_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ConflictError(DeploymentError):
    """Somebody else was faster, or we were ourselves: read again, and decide again."""


class AwayError(DeploymentError):
    """The API server does not answer, or answers that it cannot: it may when asked again."""


class NotFoundError(DeploymentError):
    """There is no such object, or no such kind."""


class ForbiddenError(DeploymentError):
    """We lack the right."""


class FieldConflictError(DeploymentError):
    """A field that we want to change belongs to somebody else; both are named."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long calls and waits may take, in seconds."""

    connect_seconds: float = 3.0
    answer_seconds: float = 10.0
    # Calls are repeated so often; pauses double from the first one up to the longest.
    tries: int = 8
    first_pause_seconds: float = 0.2
    longest_pause_seconds: float = 10.0
    # A change that was asked for has to act within this time, looked for so often.
    act_seconds: float = 120.0
    look_seconds: float = 0.5
    # Whoever follows a rollout that a Job drives looks so often.
    follow_seconds: float = 2.0

    def retries(self) -> urllib3.Retry:
        """The library's own retries, for every verb."""
        return urllib3.Retry(
            total=self.tries,
            allowed_methods=None,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
            backoff_factor=self.first_pause_seconds,
            backoff_jitter=self.first_pause_seconds,
            backoff_max=self.longest_pause_seconds,
            retry_after_max=60,
        )


# Of the process that drives: while the API server is away nobody could start it again either, so it
# bears some ten minutes of that, and goes on within the longest pause.
PATIENT = Pace(tries=70)


class Api:
    """One namespace of one cluster."""

    def __init__(
        self, configuration: Configuration, namespace: str, pace: Pace | None = None
    ) -> None:
        self.namespace = namespace
        self.pace = pace or Pace()
        configuration.retries = self.pace.retries()
        self._client = ApiClient(configuration)

    def get(self, kind: Kind, name: str, *, namespace: str = "") -> Object | None:
        """The object, or None."""
        try:
            return self.call("GET", self._path(kind, name, namespace))
        except NotFoundError:
            return None

    def list(
        self, kind: Kind, labels: Mapping[str, str], *, only_metadata: bool = False
    ) -> list[Object]:
        """The objects that have all of these labels; ``only_metadata`` leaves out what they hold.

        Raises:
            NotFoundError: when the cluster has no such kind.
        """
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        accept = _ONLY_METADATA if only_metadata else "application/json"
        answer = self.call("GET", self._path(kind), {"labelSelector": selector}, accept=accept)
        return list(answer.get("items", []))

    def create(self, kind: Kind, name: str, content: Mapping[str, Any]) -> Object:
        """Make an object. Raises `ConflictError` when it is there already."""
        return self.call("POST", self._path(kind), self._manager(), _whole(kind, name, content))

    def replace(self, kind: Kind, name: str, content: Mapping[str, Any]) -> Object:
        """Replace an object. Raises `ConflictError` when its resourceVersion is another one."""
        body = _whole(kind, name, content)
        return self.call("PUT", self._path(kind, name), self._manager(), body)

    def apply(
        self, kind: Kind, name: str, content: Mapping[str, Any], *, force: bool = False
    ) -> Object:
        """Server-side apply: the fields of ``content`` are ours, and no others.

        Raises:
            ConflictError: when the resourceVersion in it is not the present one.
            FieldConflictError: when somebody else owns one of the fields; not with ``force``.
        """
        return self.call(
            "PATCH",
            self._path(kind, name),
            {**self._manager(), "force": "true" if force else "false"},
            _whole(kind, name, content),
            content_type="application/apply-patch+yaml",
        )

    def delete(self, kind: Kind, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete an object if it still is the one meant; one that is gone is no error."""
        body = {"preconditions": dict(preconditions), "propagationPolicy": "Background"}
        try:
            self.call("DELETE", self._path(kind, name), body=body)
        except NotFoundError:
            return

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """One call, asked again as the pace allows."""
        try:
            answer: Object = self._client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                response_type="object",
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _request_timeout=(self.pace.connect_seconds, self.pace.answer_seconds),
            )
        except ApiException as error:
            raise _translated(error, path) from error
        except urllib3.exceptions.HTTPError as error:
            raise AwayError(f"the API server does not answer {method} {path}: {error}") from error
        return answer

    def _path(self, kind: Kind, name: str = "", namespace: str = "") -> str:
        root = "apis" if "/" in kind.api else "api"
        path = f"/{root}/{kind.api}/namespaces/{namespace or self.namespace}/{kind.plural}"
        return f"{path}/{name}" if name else path

    def _manager(self) -> dict[str, str]:
        return {"fieldManager": MANAGER}


def connect(*, context: str = "", namespace: str = "", pace: Pace | None = None) -> Api:
    """Reach the cluster of a kubeconfig's context, or the one that this process runs in.

    Raises:
        UsageError: when there is no such context, or neither a kubeconfig nor a cluster around.
    """
    from pathlib import Path

    from kubernetes import config

    configuration = Configuration()
    inside = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    try:
        if not context and inside.exists():
            config.load_incluster_config(client_configuration=configuration)
            return Api(configuration, namespace or inside.read_text(encoding="utf-8"), pace)
        config.load_kube_config(context=context or None, client_configuration=configuration)
        contexts, active = config.list_kube_config_contexts()
    except (config.ConfigException, OSError) as error:
        raise UsageError(f"cannot reach a cluster: {error}; set KUBECONFIG or --context") from error
    chosen = next((c for c in contexts if c["name"] == context), active)
    return Api(configuration, namespace or chosen["context"].get("namespace", "default"), pace)


def _whole(kind: Kind, name: str, content: Mapping[str, Any]) -> Object:
    metadata = {**content.get("metadata", {}), "name": name}
    return {**content, "apiVersion": kind.api, "kind": kind.name, "metadata": metadata}


def _translated(error: ApiException, path: str) -> DeploymentError:
    try:
        said = str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        said = f"{error.reason}"
    if error.status == 404:
        return NotFoundError(f"{path}: {said}")
    if error.status == 409:
        if said.startswith("Apply failed with"):
            return FieldConflictError(said)
        return ConflictError(said)
    kind = {403: ForbiddenError}.get(error.status, DeploymentError)
    if error.status == 429 or error.status >= 500:
        kind = AwayError
    return kind(f"the API server answered {error.status} to {path}: {said}")
