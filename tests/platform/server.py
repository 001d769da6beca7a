"""The API server over HTTP: the paths, verbs, faults, rights and watches that a client meets.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.platform.listening import Listener
from tests.platform.objects import Change, Key, Object, Objects, RefusedError, not_found

_APPLY = "application/apply-patch+yaml"
_REVIEWS = {f"authorization.k8s.io/v1/{name}subjectaccessreviews" for name in ("self", "local")}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request as it came in."""

    method: str
    key: Key  # without a name when it is about all of them
    query: dict[str, str]
    body: Any
    content_type: str
    token: str
    accept: str = ""

    @property
    def resource(self) -> str:
        """As in the rules of a role: plural.group, or the plural alone."""
        group, _, plural = self.key[0].rpartition("/")
        return f"{plural}.{group.split('/')[0]}" if "/" in group else plural

    @property
    def verb(self) -> str:
        """As in the rules of a role."""
        if self.method == "GET":
            if self.key[2]:
                return "get"
            return "watch" if self.query.get("watch") in ("true", "True", "1") else "list"
        return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[
            self.method
        ]

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one call. ``done`` says whether it was carried out all the same."""

    status: int = 0  # 0: the connection is closed without an answer
    done: bool = False
    retry_after: str = ""
    seconds: float = 0.0


@dataclass
class Faults:
    """Faults on demand. ``next`` come first, in order; then each call by chance."""

    share: float = 0.0
    kinds: tuple[Fault, ...] = (
        Fault(status=409),
        Fault(status=429, retry_after="0"),
        Fault(status=500),
        Fault(status=500, done=True),
        Fault(),
        Fault(done=True),
    )
    down: bool = False
    seed: int = 0
    next: list[tuple[Callable[[Call], bool], Fault]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._lock = threading.Lock()

    def of(self, call: Call) -> Fault | None:
        with self._lock:
            if self.down:
                return Fault()
            for number, (matches, fault) in enumerate(self.next):
                if matches(call):
                    del self.next[number]
                    return fault
            if self._chance.random() >= self.share:
                return None
            fault = self._chance.choice(self.kinds)
            # A conflict is an answer to a change; and what was refused was not done.
            return Fault(status=500) if fault.status == 409 and not call.writes else fault


class ApiServer:
    """``roles`` name for each token the (verb, resource) pairs that it may use; None: no check.

    They count in the namespace ``home``; elsewhere those of ``token@namespace`` do, and ``used``
    tells the two apart in the same way.
    """

    def __init__(self, objects: Objects, home: str) -> None:
        self.home = home
        self.objects = objects
        self.faults = Faults()
        self.calls: list[Call] = []
        self.roles: dict[str, set[tuple[str, str]]] | None = None
        self.used: dict[str, set[tuple[str, str]]] = {}
        # Reads of these kinds answer with what was there so many versions ago.
        self.stale: dict[str, int] = {}
        self.stale_share = 1.0
        self._chance = random.Random(7)
        self._server = Listener(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def carry_out(self, call: Call) -> tuple[int, Object]:
        """The answer to a call that has the right to be answered."""
        if call.key[0] in _REVIEWS:
            return 201, self._review(call)
        self._authorize(call)
        if call.method == "GET":
            return 200, self._read(call)
        manager = call.query.get("fieldManager") or "python"
        if call.method == "POST":
            name = call.body["metadata"]["name"]
            return 201, self.objects.create((*call.key[:2], name), call.body, manager)
        if call.method == "PUT":
            return 200, self.objects.replace(call.key, call.body, manager)
        if call.method == "PATCH" and call.content_type == _APPLY:
            force = call.query.get("force") in ("true", "True")
            return 200, self.objects.apply(call.key, call.body, manager, force=force)
        if call.method == "DELETE":
            preconditions = (call.body or {}).get("preconditions")
            return 200, self.objects.delete(call.key, preconditions)
        raise RefusedError(415, "UnsupportedMediaType", f"{call.method} of {call.content_type}")

    def _allows(self, user: str, right: tuple[str, str], namespace: str) -> bool:
        who = user if namespace == self.home else f"{user}@{namespace}"
        return self.roles is None or right in self.roles.get(who, set())

    def _review(self, call: Call) -> Object:
        """Anybody may ask about themselves, and about others who has the right.

        https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
        """
        if call.key[1]:
            self._authorize(call)
        asked = call.body["spec"]["resourceAttributes"]
        group = f".{asked['group']}" if asked["group"] else ""
        right = (asked["verb"], f"{asked['resource']}{group}")
        user = call.body["spec"].get("user", call.token)
        return {**call.body, "status": {"allowed": self._allows(user, right, asked["namespace"])}}

    def _authorize(self, call: Call) -> None:
        right, namespace = (call.verb, call.resource), call.key[1]
        who = call.token if namespace == self.home else f"{call.token}@{namespace}"
        if not self._allows(call.token, right, namespace):
            raise RefusedError(
                403,
                "Forbidden",
                f'{call.resource} "{call.key[2]}" is forbidden: User "{call.token}" cannot '
                f'{call.verb} resource "{call.resource}" in the namespace "{call.key[1]}"',
            )
        self.used.setdefault(who, set()).add(right)

    def _read(self, call: Call) -> Object:
        kind, namespace, name = call.key
        if name:
            lag = self.stale.get(kind)
            if lag and self._chance.random() < self.stale_share:
                return self._stale(call.key, lag)
            return self.objects.get(call.key)
        items = self.objects.of_kind(kind, namespace)
        for term in filter(None, call.query.get("labelSelector", "").split(",")):
            label, _, value = term.partition("=")
            items = [i for i in items if i["metadata"].get("labels", {}).get(label) == value]
        if "PartialObjectMetadataList" in call.accept:
            items = [{"metadata": item["metadata"]} for item in items]
        # The items of a list say neither their kind nor its version.
        items = [{k: v for k, v in i.items() if k not in ("apiVersion", "kind")} for i in items]
        return {"metadata": {"resourceVersion": str(self.objects.version)}, "items": items}

    def _stale(self, key: Key, lag: int) -> Object:
        """As an API server that lags behind etcd answers: an older state that was once true."""
        with self.objects.changed:
            past = [change for change in self.objects.log if change.key == key]
        if not past or past[-1].kind == "DELETED":
            raise not_found(key)
        since_created = [
            c for c in past if c.obj["metadata"]["uid"] == past[-1].obj["metadata"]["uid"]
        ]
        return since_created[max(0, len(since_created) - 1 - lag)].obj

    def events(self, call: Call, deadline: float) -> Any:
        """Yield what a watch sends, until its time is over."""
        self._authorize(call)
        kind, namespace, _ = call.key
        version = int(call.query.get("resourceVersion") or self.objects.version)
        if version < self.objects.compacted:
            # "too old resource version": 410, as an event of its own within a good answer.
            yield {"type": "ERROR", "object": _status(410, "Expired", "too old resource version")}
            return
        wanted = call.query.get("fieldSelector", "").removeprefix("metadata.name=")
        while time.monotonic() < deadline:
            with self.objects.changed:
                news = [c for c in self.objects.log if c.version > version]
                if not news:
                    self.objects.changed.wait(min(0.2, max(0.0, deadline - time.monotonic())))
                    continue
            for change in news:
                version = change.version
                if _watched(change, kind, namespace, wanted):
                    yield {"type": change.kind, "object": change.obj}
            if call.query.get("allowWatchBookmarks"):
                yield {
                    "type": "BOOKMARK",
                    "object": {"metadata": {"resourceVersion": str(version)}},
                }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body in one piece: two would wait for each other on a kept connection.
            wbufsize = -1
            disable_nagle_algorithm = True

            def answer(self) -> None:
                call = self._call()
                platform.calls.append(call)
                fault = platform.faults.of(call)
                if fault:
                    time.sleep(fault.seconds)
                    if fault.done:
                        try:
                            platform.carry_out(call)
                        except RefusedError:
                            fault = Fault(status=500)
                    self._fail(fault)
                    return
                try:
                    if call.verb == "watch":
                        self._stream(call)
                        return
                    status, obj = platform.carry_out(call)
                except RefusedError as refused:
                    status, obj = (
                        refused.status,
                        _status(refused.status, refused.reason, refused.message),
                    )
                self._send(status, obj)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

            def _call(self) -> Call:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                return Call(
                    method=self.command,
                    key=_key(parts.path),
                    query={name: values[0] for name, values in parse_qs(parts.query).items()},
                    body=json.loads(body) if body else None,
                    content_type=self.headers.get("Content-Type", ""),
                    token=self.headers.get("Authorization", "").removeprefix("Bearer "),
                    accept=self.headers.get("Accept", ""),
                )

            def _fail(self, fault: Fault) -> None:
                if not fault.status:
                    self.close_connection = True
                    return
                headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
                reason = {409: "Conflict", 429: "TooManyRequests"}.get(
                    fault.status, "InternalError"
                )
                self._send(fault.status, _status(fault.status, reason, "on demand"), headers)

            def _send(
                self, status: int, obj: Object, headers: dict[str, str] | None = None
            ) -> None:
                body = json.dumps(obj).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def _stream(self, call: Call) -> None:
                seconds = float(call.query.get("timeoutSeconds") or 30)
                news = platform.events(call, time.monotonic() + seconds)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                for event in news:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    self.wfile.flush()

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def _watched(change: Change, kind: str, namespace: str, name: str) -> bool:
    return change.key[:2] == (kind, namespace) and name in ("", change.key[2])


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def _key(path: str) -> Key:
    """``/apis/<group>/<version>/namespaces/<namespace>/<plural>/<name>`` and its like."""
    parts = path.strip("/").split("/")
    group = "/".join(parts[1:3]) if parts[0] == "apis" else parts[1]
    rest = parts[3:] if parts[0] == "apis" else parts[2:]
    if len(rest) == 1:
        return (f"{group}/{rest[0]}", "", "")
    if len(rest) < 3 or rest[0] != "namespaces":
        raise ValueError(f"no namespaced resource: {path}")
    return (f"{group}/{rest[2]}", rest[1], rest[3] if len(rest) > 3 else "")
