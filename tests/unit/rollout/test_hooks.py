"""Webhooks against a real server on loopback."""

import base64
import json
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from tests.unit.rollout.stage import NEW, OLD, PLAN, Person, Stage
from weathervane.errors import UsageError
from weathervane.rollout import hooks as module
from weathervane.rollout.hooks import Hooks, signature
from weathervane.rollout.plan import PlanStep
from weathervane.rollout.webhook import HookKind, Webhook
from weathervane.rollout.wishes import Kind

KEY = "planted-key-0451"
ENVIRONMENT = {"HOOK_KEY": KEY}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Retries come at once."""
    monkeypatch.setattr(module, "_RETRIES", module._RETRIES.new(backoff_factor=0))


@dataclass
class Receiver:
    """A server that answers with ``statuses``, one after the other, the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [204])
    silent: Event | None = None
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.heard]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
            if receiver.silent:
                receiver.silent.wait(10)
            status = receiver.statuses.pop(0) if receiver.statuses[1:] else receiver.statuses[0]
            self.send_response(status)
            self.send_header("content-length", "0" if status == 204 else "4")
            self.end_headers()
            if status != 204:
                self.wfile.write(b"why?")

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/planted-path"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    if receiver.silent:
        receiver.silent.set()
    server.shutdown()
    thread.join()
    server.server_close()


def notice(url: str, **changes: Any) -> Webhook:
    return Webhook(name="chat", url=url, **changes)


def gate(url: str, **changes: Any) -> Webhook:
    return Webhook(name="board", kind=HookKind.GATE, url=url, **changes)


def hooks(*webhooks: Webhook, said: list[str] | None = None) -> Hooks:
    say = said.append if said is not None else print
    return Hooks("weather", webhooks, environment=ENVIRONMENT, say=say)


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/planted-path"


def test_a_notice_is_signed_as_standard_webhooks_are(receiver):
    outside = hooks(notice(receiver.url, secret_env="HOOK_KEY"))
    outside.tell({"event": "begun", "weight": 0})
    outside.finish()

    ((headers, body),) = receiver.heard
    assert json.loads(body) == {"service": "weather", "event": "begun", "weight": 0}
    assert headers["webhook-signature"] == signature(
        KEY.encode(), headers["webhook-id"], headers["webhook-timestamp"], body
    )
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60


def test_the_signature_is_that_of_the_published_example():
    """The example of the Standard Webhooks libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    assert (
        signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_secret_in_the_form_of_standard_webhooks_is_decoded(receiver):
    secret = "whsec_" + base64.b64encode(KEY.encode()).decode()
    hook = notice(receiver.url, secret_env="HOOK_KEY")
    outside = Hooks("weather", [hook], environment={"HOOK_KEY": secret})
    outside.tell({})
    outside.finish()

    ((headers, body),) = receiver.heard
    assert headers["webhook-signature"] == signature(
        KEY.encode(), headers["webhook-id"], headers["webhook-timestamp"], body
    )


def test_a_notice_that_is_refused_for_a_while_is_told_again_under_its_id(receiver):
    receiver.statuses = [503, 429, 200]
    outside = hooks(notice(receiver.url))
    outside.tell({"event": "begun"})
    outside.finish()

    assert len(receiver.heard) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1


def test_notices_come_in_the_order_of_what_happened(receiver):
    outside = hooks(notice(receiver.url))
    for number in range(20):
        outside.tell({"number": number})
    outside.finish()

    assert [entry["number"] for entry in receiver.told] == list(range(20))


@pytest.mark.parametrize("status", [400, 302])
def test_a_notice_that_is_not_taken_is_said_and_nothing_more(receiver, status: int):
    receiver.statuses = [status]
    said: list[str] = []
    outside = hooks(notice(receiver.url), said=said)
    outside.tell({})
    outside.finish()

    assert said == [f"webhook chat was not told: it answered {status}"]
    assert len(receiver.heard) == 1


@pytest.mark.parametrize(("status", "is_open"), [(200, True), (204, True), (403, False)])
def test_a_gate_is_open_when_it_answers_well(receiver, status: int, is_open: bool):
    receiver.statuses = [status]

    answer = hooks(gate(receiver.url)).ask({"why": "before 10 %"})

    assert answer.open is is_open
    assert is_open or answer.message == "board answered 403: why?"


def test_a_gate_that_does_not_answer_in_time_is_shut(receiver):
    receiver.silent = Event()

    answer = hooks(gate(receiver.url, timeout_seconds=0.1)).ask({})

    assert not answer.open
    assert answer.message == "board is silent: ReadTimeoutError"


def test_one_gate_that_is_shut_shuts_the_way(receiver):
    other = Webhook(name="second", kind=HookKind.GATE, url=nobody())

    answer = hooks(gate(receiver.url), other).ask({})

    assert not answer.open
    assert answer.message == "second is silent: NewConnectionError"


@pytest.mark.parametrize("key", ["url_env", "secret_env"])
def test_a_variable_that_is_not_set_is_named(key: str):
    given = {"url": "http://127.0.0.1:1/"} | {"url_env": None, key: "NOT_SET"}
    if key == "url_env":
        del given["url"]

    with pytest.raises(UsageError, match="set NOT_SET: webhook chat"):
        hooks(Webhook(name="chat", **given))


def test_an_address_from_the_environment_is_checked_and_not_repeated():
    hook = Webhook(name="chat", url_env="HOOK_KEY")

    with pytest.raises(UsageError, match="http") as refused:
        hooks(hook)

    assert KEY not in str(refused.value)


def run(stage: Stage, *webhooks: Webhook, patience: float = 60) -> Any:
    plan = replace(PLAN, steps=(10,), webhooks=webhooks, patience_seconds=patience)
    stage.outside = hooks(*webhooks, said=stage.said)
    return stage.run(plan=plan)


def test_a_rollout_tells_each_decision_and_asks_before_each_step(receiver):
    stage = Stage()

    assert run(stage, notice(receiver.url), gate(receiver.url)).promoted

    told = [entry.get("decision", entry["event"]) for entry in receiver.told]
    assert sorted(told) == sorted(
        ["begun", "AskGates", "SetWeight", "AskGates", "Promote", "promoted"]
    )


def test_that_a_person_is_needed_is_told_once(receiver):
    webhooks = (notice(receiver.url),)
    stage = Stage(people=(Person(Kind.APPROVE, lambda state: state.seconds_held > 30),))
    stage.outside = hooks(*webhooks)

    steps = (10, PlanStep(weight=50, pause=True))
    assert stage.run(plan=replace(PLAN, steps=steps, webhooks=webhooks)).promoted

    (told,) = [entry for entry in receiver.told if entry["event"] == "held"]
    assert (told["why"], told["awaits"]) == ("a person must approve 50 %", 50)


def test_a_gate_that_refuses_holds_the_rollout_and_then_takes_it_back(receiver):
    receiver.statuses = [403]
    stage = Stage()

    outcome = run(stage, gate(receiver.url))

    assert outcome.why == "gate: board answered 403: why?, after 60 s"
    stage.assert_settled(OLD.digest)
    assert len(receiver.heard) > 30
    assert all(entry["weight"] == 0 for entry in stage.journal.record)


def test_a_gate_that_opens_after_a_while_lets_the_rollout_go_on(receiver):
    receiver.statuses = [403, 403, 200]
    stage = Stage()

    assert run(stage, gate(receiver.url)).promoted
    stage.assert_settled(NEW.digest)


def test_a_receiver_that_is_not_there_changes_nothing():
    stage = Stage()

    assert run(stage, notice(nobody())).promoted
    assert any("was not told: NewConnectionError" in line for line in stage.said)


def test_neither_address_nor_key_is_written_down_anywhere(receiver, caplog):
    caplog.set_level(logging.DEBUG)
    receiver.statuses = [503]
    stage = Stage()
    environment = {"HOOK_KEY": KEY, "HOOK_URL": receiver.url, "DEAD_URL": nobody()}
    webhooks = (
        Webhook(name="chat", url_env="HOOK_URL", secret_env="HOOK_KEY"),
        Webhook(name="dead", url_env="DEAD_URL", secret_env="HOOK_KEY"),
        Webhook(name="board", url_env="DEAD_URL", kind=HookKind.GATE, secret_env="HOOK_KEY"),
    )
    stage.outside = Hooks("weather", webhooks, environment=environment, say=stage.said.append)

    stage.run(plan=replace(PLAN, webhooks=webhooks))

    written = [stage.journal.record, stage.journal.read(), stage.said, caplog.text, stage.outside]
    for secret in (KEY, "planted-path"):
        assert secret not in repr(written)
    assert any("chat was not told" in line for line in stage.said)
