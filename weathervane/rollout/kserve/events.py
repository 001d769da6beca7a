"""Decisions of a rollout as Kubernetes Events on its InferenceService.

In: entries of the record. Out: Events, for ``kubectl describe`` and ``kubectl events``. Looks that
only wait make none.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.api import EVENT, INFERENCE_SERVICE, MANAGER, Api

_MAX_MESSAGE = (
    1024  # https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
)
_BAD = ("Rollback", "rolled-back")


class Events:
    """Events about one InferenceService."""

    def __init__(self, api: Api, service: str) -> None:
        self._api = api
        self._service = service

    def tell(self, entry: Mapping[str, Any]) -> None:
        """Make an Event of an entry, if it is one that people want to see."""
        what = str(entry.get("decision") or entry.get("event"))
        if what in ("Wait", "Hold", "Probe", "look"):
            return
        try:
            self._create(entry, what)
        except DeploymentError:
            # The record has it; a rollout does not stop because nobody can be told.
            return

    def _create(self, entry: Mapping[str, Any], what: str) -> None:
        isvc = self._api.get(INFERENCE_SERVICE, self._service)
        digest = hashlib.sha256(json.dumps(dict(entry), sort_keys=True).encode()).hexdigest()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        to = f" to {entry['to']} %" if "to" in entry else ""
        message = f"{what}{to} at {entry.get('weight')} %: {entry.get('why') or entry.get('who')}"
        self._api.create(
            EVENT,
            # The same entry twice is one Event.
            f"{self._service}.{digest[:16]}",
            {
                "metadata": {"namespace": self._api.namespace},
                "involvedObject": {
                    "apiVersion": INFERENCE_SERVICE.api,
                    "kind": INFERENCE_SERVICE.name,
                    "namespace": self._api.namespace,
                    "name": self._service,
                    **({"uid": isvc["metadata"]["uid"]} if isvc else {}),
                },
                "reason": f"Rollout{what.title().replace('-', '')}"
                if what.islower()
                else f"Rollout{what}",
                "message": message[:_MAX_MESSAGE],
                "type": "Warning" if what in _BAD else "Normal",
                "source": {"component": MANAGER},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
