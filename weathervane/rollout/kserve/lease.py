"""The claim on a service's rollouts: a Lease, held as client-go's leader election holds one.

In: who wants it. Out: it is theirs while they are inside, or a `RolloutRunningError`. No clock of
another machine is trusted: a holder is alive as long as its Lease changes, and dead when it has
not changed for its duration as measured here.
https://github.com/kubernetes/client-go/blob/master/tools/leaderelection/leaderelection.go
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from uuid import uuid4

from weathervane.errors import DeploymentError, RolloutRunningError
from weathervane.rollout.kserve.api import LEASE, Api, ConflictError, Object
from weathervane.rollout.kserve.notebook import page_name

_TRIES = 20


class Claim:
    """The Lease of one service. ``seconds``: a holder that is silent for so long is dead."""

    def __init__(self, api: Api, service: str, *, seconds: int = 15) -> None:
        self._api = api
        self._service = service
        self._name = page_name(service)
        self._seconds = seconds

    @contextmanager
    def held(self, holder: str) -> Iterator[str]:
        """Hold the claim while inside; gives a token that is this claim's alone.

        Raises:
            RolloutRunningError: naming the holder, when another one is alive.
        """
        token = f"{holder} {uuid4().hex[:12]}"
        self._acquire(token)
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(token, ended), daemon=True)
        renewing.start()
        try:
            yield token
        finally:
            ended.set()
            renewing.join()
            # A courtesy: without it the next one waits until the duration is over.
            with suppress(DeploymentError):
                self._release(token)

    def _acquire(self, token: str) -> None:
        seen, since = None, time.monotonic()
        for _ in range(_TRIES):
            lease = self._api.get(LEASE, self._name)
            holder = _holder(lease)
            if holder == token:
                # We got it by a call whose answer was lost.
                return
            if lease is not None and holder:
                version = lease["metadata"]["resourceVersion"]
                if seen not in (None, version):
                    raise RolloutRunningError(
                        f"{holder.rpartition(' ')[0]} drives a rollout of {self._service}; wait "
                        "for its end or abort it"
                    )
                if seen is None or time.monotonic() - since < _duration(lease):
                    seen = version
                    self._watch(lease, since)
                    continue
            try:
                if lease is None:
                    self._api.create(LEASE, self._name, _content(token, self._seconds, 0))
                else:
                    number = int(lease["spec"].get("leaseTransitions") or 0) + 1
                    renewed = _content(token, self._seconds, number)
                    self._api.replace(LEASE, self._name, {**lease, **renewed})
            except ConflictError:
                continue
            return
        raise RolloutRunningError(
            f"others want to drive a rollout of {self._service} at the same time"
        )

    def _watch(self, lease: Object, since: float) -> None:
        """Wait until the Lease has changed or its duration is over."""
        while time.monotonic() - since < _duration(lease):
            time.sleep(min(0.5, _duration(lease) / 10))
            now = self._api.get(LEASE, self._name)
            if (
                now is None
                or now["metadata"]["resourceVersion"] != (lease["metadata"]["resourceVersion"])
            ):
                return

    def _renew(self, token: str, ended: threading.Event) -> None:
        while not ended.wait(self._seconds / 3):
            try:
                lease = self._api.get(LEASE, self._name)
                if lease is None or _holder(lease) != token:
                    # Lost. What we still write is refused by the token in the ConfigMap.
                    return
                lease["spec"]["renewTime"] = _now()
                self._api.replace(LEASE, self._name, lease)
            except DeploymentError:
                # The next round tries again; past the duration somebody else may take over.
                continue

    def _release(self, token: str) -> None:
        for _ in range(_TRIES):
            lease = self._api.get(LEASE, self._name)
            if lease is None or _holder(lease) != token:
                return
            lease["spec"]["holderIdentity"] = ""
            try:
                self._api.replace(LEASE, self._name, lease)
            except ConflictError:
                continue
            return


def _holder(lease: Object | None) -> str:
    return str(lease["spec"].get("holderIdentity") or "") if lease else ""


def _duration(lease: Object) -> float:
    return float(lease["spec"].get("leaseDurationSeconds") or 15)


def _content(token: str, seconds: int, transitions: int) -> Object:
    now = _now()
    return {
        "spec": {
            "holderIdentity": token,
            "leaseDurationSeconds": seconds,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
    }


def _now() -> str:
    """For people; nothing is decided by it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
