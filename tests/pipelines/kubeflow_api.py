"""A stand-in for the API of Kubeflow Pipelines, spoken to by its real client over real HTTP.

It keeps experiments, runs and schedules, refuses arguments as the server does, and shows a run's
graph as its script says, one look after the other. What it does was read in kubeflow/pipelines
2.17.0, below backend/src/apiserver:

- paths and fields: backend/api/v2beta1/*.proto; names in snake case: common.CustomMarshaler
- arguments refused, in these words: template/v2_template.go, validatePipelineJobInputs
- errors as {"error", "code", "message", "details"}: grpc-gateway's DefaultHTTPErrorHandler
- nodes of Argo's graph as task details, their children by node id, no pod's name: server/
  api_converter.go, toModelTasks and toApiPipelineTaskDetail; `Omitted` has no state: model/run.go,
  RuntimeState.ToV2; moments that there are not are 1970 or the year 1
- a log as an artifact of the node or of what is below it, base64 in JSON, 404 where the workflow
  controller archives none: server/run_artifact_server.go
- any number of recurring runs of one name: storage/job_store.go has no unique name
"""

import base64
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

V2 = "/apis/v2beta1"
# Of structpb.Value, which is all that the server sees of a value.
_TYPES = {
    "STRING": (str, "string", "string"),
    "NUMBER_INTEGER": ((int, float), "double or integer", "number"),
    "BOOLEAN": (bool, "bool", "bool"),
    "LIST": (list, "list", "list"),
    "STRUCT": (dict, "struct", "struct"),
}


def node(name: str, state: str, seconds: int = 3) -> dict[str, Any]:
    """A node of Argo's graph as a task detail."""
    ended = state in ("SUCCEEDED", "FAILED")
    return {
        "run_id": "r",
        "task_id": f"id-of-{name}",
        "display_name": name,
        "create_time": "2026-11-21T10:00:00Z",
        "start_time": "2026-11-21T10:00:00Z",
        "end_time": f"2026-11-21T10:00:{seconds:02d}Z" if ended else "0001-01-01T00:00:00Z",
        "state": state,
        "child_tasks": [{"pod_name": f"node-below-{name}"}],
    }


def graph(state: str, **nodes: str) -> dict[str, Any]:
    """What a look at a run shows; drivers and executors are nodes beside the tasks."""
    details = [node("root", "RUNNING"), node("root-driver", "SUCCEEDED")]
    for number, (name, its) in enumerate(nodes.items()):
        task = name.replace("_", "-")
        details += [node(task, its, number + 1), node(f"{task}-driver", "SUCCEEDED")]
        details += [node("executor", its, number + 1)]
    for number, one in enumerate(details):
        one["task_id"] = f"{number}-{one['task_id']}"
    return {"state": state, "run_details": {"task_details": details}}


@dataclass
class KubeflowApi:
    """The server; use as a context manager. It listens on loopback only."""

    script: Sequence[Mapping[str, Any]] = ()
    logs: dict[str, str] = field(default_factory=dict)  # by node
    experiments: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    schedules: list[dict[str, Any]] = field(default_factory=list)
    refuse: dict[str, int] = field(default_factory=dict)  # parts of paths, with a status
    looks: int = 0
    looked: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "KubeflowApi":
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api._answer(self, None)

            def do_POST(self) -> None:
                api._answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def do_DELETE(self) -> None:
                api._answer(self, None)

            def log_message(self, *about: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *about: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, request: BaseHTTPRequestHandler, body: dict[str, Any] | None) -> None:
        address = urlsplit(request.path)
        refused = [part for part in self.refuse if part in address.path]
        if refused:
            status = self.refuse[refused[0]]
            found: dict[str, Any] = {"error": "no", "code": 7, "message": f"no to {refused[0]}"}
        else:
            act = f"{request.command} {address.path.removeprefix(V2)}"
            status, found = self._act(act, parse_qs(address.query), body)
        content = json.dumps(found).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _act(  # noqa: PLR0912  one rule for each path
        self, act: str, query: Mapping[str, list[str]], body: dict[str, Any] | None
    ) -> tuple[int, dict[str, Any]]:
        if act == "GET /healthz":
            return 200, {"multi_user": False}
        if act == "GET /experiments":
            return 200, _page("experiments", self.experiments, query)
        if act == "POST /experiments":
            self.experiments.append({**body, "experiment_id": f"e{len(self.experiments)}"})
            return 200, self.experiments[-1]
        if act in ("POST /runs", "POST /recurringruns"):
            if fault := _fault(body):
                return 400, {"error": fault, "code": 3, "message": fault, "details": []}
            if act == "POST /runs":
                self.runs.append({**body, "run_id": f"r{len(self.runs)}", "state": "PENDING"})
                return 200, self.runs[-1]
            status = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[body["mode"]]
            made = {**body, "recurring_run_id": str(uuid4()), "status": status}
            self.schedules.append(made)
            return 200, made
        if act == "GET /recurringruns":
            return 200, _page("recurringRuns", self.schedules, query)
        if one := re.fullmatch(r"DELETE /recurringruns/(\S+)", act):
            self.schedules = [s for s in self.schedules if s["recurring_run_id"] != one[1]]
            return 200, {}
        if one := re.fullmatch(r"GET /runs/\w+/nodes/(\S+)/artifacts/main-logs:read", act):
            if one[1] not in self.logs:
                return 404, {"error_message": "artifact not found: <nil>"}
            return 200, {"data": base64.b64encode(self.logs[one[1]].encode()).decode()}
        if one := re.fullmatch(r"GET /runs/(\w+)", act):
            for run in self.runs:
                if run["run_id"] == one[1]:
                    seen = self.script[min(self.looks, len(self.script) - 1)]
                    self.looks += 1
                    self.looked.set()
                    return 200, {**run, **seen}
            said = f"Run {one[1]} not found"
            return 404, {"error": said, "code": 5, "message": said, "details": []}
        return 501, {"error": act, "code": 12, "message": f"not here: {act}"}


def _page(
    name: str, every: Sequence[dict[str, Any]], query: Mapping[str, list[str]]
) -> dict[str, Any]:
    """One page of those that a filter lets through."""
    if "filter" in query:
        (predicate,) = json.loads(query["filter"][0])["predicates"]
        assert (predicate["operation"], predicate["key"]) == ("EQUALS", "display_name")
        every = [one for one in every if one["display_name"] == predicate["stringValue"]]
    begin = int((query.get("page_token") or ["0"])[0] or 0)
    # Two at a time, so that nobody overlooks the second page.
    more = {"next_page_token": str(begin + 2)} if len(every) > begin + 2 else {}
    return {name: every[begin : begin + 2], **more}


def _fault(body: Mapping[str, Any]) -> str | None:
    known = body["pipeline_spec"]["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
    given = (body.get("runtime_config") or {}).get("parameters") or {}
    for name, one in known.items():
        if name not in given:
            if not one.get("isOptional"):
                return f"parameter {name} is not optional, yet has neither default value nor user"
            continue
        kind, wanted, value = _TYPES[one["parameterType"]]
        if not isinstance(given[name], kind):
            return (
                f"input parameter {name} requires type {wanted}, but the parameter value is not "
                f"of {value} value type"
            )
    extra = [name for name in given if name not in known]
    return f"parameter(s) provided are not required by pipeline: {extra}" if extra else None
