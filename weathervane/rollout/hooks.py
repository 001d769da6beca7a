"""Telling addresses outside of a rollout, and asking them whether it may go on.

In: a plan's webhooks, the environment that holds their secrets, entries of the record. Out: POST
requests with a JSON body, signed in the manner of Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks): ``webhook-id``, ``webhook-timestamp``
(seconds since 1970) and ``webhook-signature``.

A notice that fails is tried again and then let go: a rollout waits for no chat. A gate answers with
2xx or it is shut; the rollout asks it again. Addresses and keys are never shown.
"""

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import urllib3

from weathervane.config import variable
from weathervane.errors import UsageError
from weathervane.rollout.webhook import GateAnswer, HookKind, Webhook, check_address

_THREADS = "webhook"
_RETRIES = urllib3.Retry(
    total=3,
    backoff_factor=0.3,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=None,  # a notice may come twice: its id tells
    redirect=0,
    retry_after_max=5,
)
# What a receiver says is shown, but not more of it than a line.
_LONGEST_ANSWER = 200
# At its end a rollout waits so long for notices that are under way.
_FAREWELL_SECONDS = 10.0

# They would write addresses down, and some are secrets.
for _talkative in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_talkative).addFilter(
        lambda record: not (record.threadName or "").startswith(_THREADS)
    )


@dataclass(frozen=True, kw_only=True)
class _Receiver:
    hook: Webhook
    url: str = field(repr=False)
    key: bytes | None = field(repr=False)


class Hooks:
    """See `Outside`. ``say`` gets a line for each notice that could not be delivered."""

    def __init__(
        self,
        service: str,
        webhooks: Sequence[Webhook],
        *,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        receivers = [_receiver(hook, environment) for hook in webhooks]
        self._service = service
        self._say = say
        self._http = urllib3.PoolManager()
        self._gates = [r for r in receivers if r.hook.kind is HookKind.GATE]
        self._asking = ThreadPoolExecutor(max(1, len(self._gates)), thread_name_prefix=_THREADS)
        # One thread for each who is told: they hear of things in order, and wait for nobody else.
        self._telling = [
            (r, ThreadPoolExecutor(1, thread_name_prefix=_THREADS))
            for r in receivers
            if r.hook.kind is HookKind.NOTICE
        ]
        self._under_way: set[Future[None]] = set()

    def tell(self, entry: Mapping[str, Any]) -> None:
        """See `Outside`."""
        for receiver, thread in self._telling:
            self._under_way.add(thread.submit(self._notify, receiver, entry))
        self._under_way = {notice for notice in self._under_way if not notice.done()}

    def ask(self, entry: Mapping[str, Any]) -> GateAnswer:
        """See `Outside`. Gates are asked all at once; the first that is shut is named."""
        answers = list(self._asking.map(lambda gate: self._question(gate, entry), self._gates))
        shut = [answer for answer in answers if not answer.open]
        return shut[0] if shut else GateAnswer(open=True)

    def finish(self) -> None:
        """See `Outside`."""
        late = wait(self._under_way, timeout=_FAREWELL_SECONDS).not_done
        for thread in (self._asking, *(thread for _, thread in self._telling)):
            thread.shutdown(wait=False, cancel_futures=True)
        if late:
            self._say(f"{len(late)} notices were not delivered in time")

    def _notify(self, receiver: _Receiver, entry: Mapping[str, Any]) -> None:
        try:
            answer = self._post(receiver, entry, _RETRIES)
        except urllib3.exceptions.HTTPError as error:
            self._say(f"webhook {receiver.hook.name} was not told: {_without_address(error)}")
            return
        if not _is_good(answer.status):
            self._say(f"webhook {receiver.hook.name} was not told: it answered {answer.status}")

    def _question(self, gate: _Receiver, entry: Mapping[str, Any]) -> GateAnswer:
        name = gate.hook.name
        try:
            # No retry: the rollout looks again and asks again.
            answer = self._post(gate, entry, urllib3.Retry(0))
            said = answer.read(_LONGEST_ANSWER).decode(errors="replace").strip()
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            return GateAnswer(open=False, message=f"{name} is silent: {_without_address(error)}")
        if _is_good(answer.status):
            return GateAnswer(open=True)
        return GateAnswer(open=False, message=f"{name} answered {answer.status}: {said}")

    def _post(
        self, receiver: _Receiver, entry: Mapping[str, Any], retries: urllib3.Retry
    ) -> urllib3.BaseHTTPResponse:
        body = json.dumps({"service": self._service, **entry}).encode()
        return self._http.request(
            "POST",
            receiver.url,
            body=body,
            headers={"content-type": "application/json", **signed(receiver.key, body)},
            timeout=receiver.hook.timeout_seconds,
            retries=retries,
            preload_content=False,
        )


def signed(key: bytes | None, body: bytes) -> dict[str, str]:
    """Headers that say which message this is, when it was sent and, with a key, by whom."""
    message, timestamp = f"msg_{uuid4().hex}", str(int(time.time()))
    headers = {"webhook-id": message, "webhook-timestamp": timestamp}
    if key is not None:
        headers["webhook-signature"] = signature(key, message, timestamp, body)
    return headers


def signature(key: bytes, message: str, timestamp: str, body: bytes) -> str:
    """``v1,`` and the base64 of the HMAC-SHA256 over ``message.timestamp.body``."""
    told = b".".join((message.encode(), timestamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()}"


def _receiver(hook: Webhook, environment: Mapping[str, str] | None) -> _Receiver:
    whose = f"webhook {hook.name} of the plan"
    url = hook.url or variable(hook.url_env or "", whose, environment)
    check_address(hook.name, url)
    secret = variable(hook.secret_env, whose, environment) if hook.secret_env else None
    return _Receiver(hook=hook, url=url, key=_key(hook, secret) if secret else None)


def _key(hook: Webhook, secret: str) -> bytes:
    """The key that a secret stands for: ``whsec_`` + base64, or any text."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    with suppress(ValueError):
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    raise UsageError(f"{hook.secret_env} begins with whsec_, but what follows is not base64")


def _is_good(status: int) -> bool:
    return 200 <= status < 300


def _without_address(error: urllib3.exceptions.HTTPError) -> str:
    reason = getattr(error, "reason", None) or error
    return type(reason).__name__
