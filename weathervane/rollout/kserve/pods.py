"""The pods of a revision, asked one by one at their own addresses: figures and predictions.

In: the labels that a revision's pods have. Out: `Counts` over every pod, or nothing when one that
runs cannot be read; answers to pictures; what the pods say about themselves.
"""

from collections.abc import Mapping, Sequence

import httpx

from weathervane.client import decode_answer, encode_request
from weathervane.errors import DeploymentError
from weathervane.rollout.counts import PROBE_HEADER, Counts
from weathervane.rollout.kserve.api import POD, Api, Object
from weathervane.rollout.port import Prediction
from weathervane.rollout.predictors import Growth, read_counts

CONTAINER = "kserve-container"
_SECONDS = 5.0
_DEFAULT_PORT = 8080


class Pods:
    """Reads pods; remembers what each had counted, so that none is counted twice."""

    def __init__(self, api: Api, model: str) -> None:
        self._api = api
        self._model = model
        self._growth = Growth()  # by the pod's uid
        # Pods are not reached through proxies, and come and go: no connection is kept.
        self._client = httpx.Client(
            timeout=_SECONDS,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def counts(self, revision: str, labels: Mapping[str, str]) -> Counts | None:
        """What a revision has answered, over all of its pods; None when one cannot be read."""
        read: dict[str, Counts] = {}
        for pod in self._running(labels):
            try:
                read[pod["metadata"]["uid"]] = _scrape(self._client, pod)
            except (DeploymentError, httpx.HTTPError):
                if pod["metadata"].get("deletionTimestamp"):
                    # On its way out: it may be gone before it is asked.
                    continue
                return None
        return self._growth.add(revision, read)

    def predict(
        self, revision: str, labels: Mapping[str, str], pictures: Sequence[bytes]
    ) -> list[Prediction]:
        """Ask one ready pod of a revision about each picture.

        Raises:
            DeploymentError: when no pod is ready, or it does not answer well.
        """
        ready = [pod for pod in self._running(labels) if _is_ready(pod)]
        if not ready:
            raise DeploymentError(f"no pod of {revision} is ready to be asked")
        url = f"{_address(ready[0])}/v2/models/{self._model}/infer"
        return [self._ask(url, picture) for picture in pictures]

    def _ask(self, url: str, picture: bytes) -> Prediction:
        body, headers = encode_request(picture)
        try:
            response = self._client.post(url, content=body, headers={**headers, PROBE_HEADER: "1"})
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise DeploymentError(f"{url} did not answer: {said}") from error
        if response.is_error:
            raise DeploymentError(f"{url} answered {response.status_code}: {response.text[:200]}")
        try:
            return decode_answer(response.json())
        except ValueError as error:
            raise DeploymentError(f"{url} did not answer JSON") from error

    def complaint(self, labels: Mapping[str, str]) -> str:
        """Why containers of a revision do not run, in their own words; empty when they do."""
        for pod in self._api.list(POD, labels):
            status = pod.get("status") or {}
            for container in (
                *(status.get("initContainerStatuses") or []),
                *(status.get("containerStatuses") or []),
            ):
                if said := _complaint(container):
                    return f"{container['name']}: {said}"
        return ""

    def _running(self, labels: Mapping[str, str]) -> list[Object]:
        return [
            pod
            for pod in self._api.list(POD, labels)
            if pod.get("status", {}).get("phase") == "Running" and pod["status"].get("podIP")
        ]


def _scrape(client: httpx.Client, pod: Object) -> Counts:
    response = client.get(f"{_address(pod)}/metrics")
    response.raise_for_status()
    return read_counts(response.text, f"pod {pod['metadata']['name']}")


def _address(pod: Object) -> str:
    for container in pod["spec"]["containers"]:
        if container["name"] == CONTAINER:
            ports = container.get("ports") or [{}]
            host = pod["status"]["podIP"]
            shown = f"[{host}]" if ":" in host else host
            return f"http://{shown}:{ports[0].get('containerPort', _DEFAULT_PORT)}"
    raise DeploymentError(f"pod {pod['metadata']['name']} has no container {CONTAINER}")


def _is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or []
    return not pod["metadata"].get("deletionTimestamp") and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )


def _complaint(container: Object) -> str:
    """KServe reads the same: inference_service_status.go, PropagateModelStatus."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    ended = (container.get("state") or {}).get("terminated") or {}
    if waiting.get("reason") in ("ImagePullBackOff", "ErrImagePull", "InvalidImageName"):
        return str(waiting.get("message") or waiting["reason"])
    if waiting.get("reason") == "CrashLoopBackOff":
        ended = (container.get("lastState") or {}).get("terminated") or {}
    if ended and ended.get("exitCode") != 0:
        said = ended.get("message") or ended.get("reason") or "ended"
        return f"{said} (exit code {ended.get('exitCode')})"
    return ""
