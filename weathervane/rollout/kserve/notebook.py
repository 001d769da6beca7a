"""The rollout's page in the cluster: one ConfigMap, changed by compare-and-swap only.

In: a change of its texts by name. Out: the texts as they are. Who claimed the service writes its
token here, and a process that lost its claim meanwhile can change nothing any more (fencing).
"""

from collections.abc import Callable

from weathervane.errors import DeploymentError, RolloutRunningError
from weathervane.rollout.kserve.api import CONFIG_MAP, INFERENCE_SERVICE, Api, ConflictError

_TRIES = 20
_HOLDER = "holder"

Texts = dict[str, str]


def page_name(service: str) -> str:
    """Name of the ConfigMap and of the Lease beside it."""
    return f"weathervane-{service}"


class Notebook:
    """The ConfigMap of one service; made when something is first written."""

    def __init__(self, api: Api, service: str) -> None:
        self.api = api
        self.service = service
        self._name = page_name(service)
        self._token: str | None = None

    def read(self) -> Texts:
        """All texts by their names; empty when nothing was ever written."""
        found = self.api.get(CONFIG_MAP, self._name)
        return dict(found.get("data") or {}) if found else {}

    def update(self, change: Callable[[Texts], None], *, fenced: bool = True) -> None:
        """Change texts, whole or not at all, however many others do so at the same time.

        ``change`` may be called several times, each time with what is there now.

        Raises:
            RolloutRunningError: when ``fenced`` and another process has taken the claim over.
            DeploymentError: when others are faster again and again.
        """
        for _ in range(_TRIES):
            found = self.api.get(CONFIG_MAP, self._name)
            texts = dict(found.get("data") or {}) if found else {}
            if fenced and self._token and texts.get(_HOLDER, self._token) != self._token:
                raise RolloutRunningError(
                    f"another process has taken the rollout of {self.service} over"
                )
            before = dict(texts)
            change(texts)
            if found and texts == before:
                return
            try:
                if found is None:
                    self.api.create(CONFIG_MAP, self._name, {"data": texts})
                else:
                    self.api.replace(CONFIG_MAP, self._name, {**found, "data": texts})
            except ConflictError:
                continue
            return
        raise DeploymentError(
            f"ConfigMap {self._name} is changed by somebody else again and again; who is it? "
            f"kubectl get configmap {self._name} --show-managed-fields -o yaml"
        )

    def take(self, token: str) -> None:
        """Write as the holder of ``token`` from now on; whoever wrote before no longer can."""
        self._token = token

        def sign(texts: Texts) -> None:
            texts[_HOLDER] = token

        self.update(sign, fenced=False)

    def belong_to(self, uid: str) -> None:
        """Let the page go together with the InferenceService of that uid.

        Only once something is stable: until then a rollout may delete the InferenceService
        itself, and must remember why.
        """
        for _ in range(_TRIES):
            found = self.api.get(CONFIG_MAP, self._name)
            if found is None:
                return
            owner = {
                "apiVersion": INFERENCE_SERVICE.api,
                "kind": INFERENCE_SERVICE.name,
                "name": self.service,
                "uid": uid,
            }
            metadata = found["metadata"]
            if metadata.get("ownerReferences") == [owner]:
                return
            metadata["ownerReferences"] = [owner]
            try:
                self.api.replace(CONFIG_MAP, self._name, found)
            except ConflictError:
                continue
            return
