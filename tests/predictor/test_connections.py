"""Clients that are slow, greedy, gone or hostile: what becomes of them, and of everybody else."""

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator

import grpc
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from prometheus_client.parser import text_string_to_metric_families

from predictor.limits import Limits
from tests.predictor import fuzz, hostile, trials
from tests.predictor.running import Running, running
from tests.predictor.trials import READY, message, plain
from tests.predictor.wire import INFER, Answer, Wire, head, infer, request, wire
from weathervane.registry.package import Package

pytestmark = pytest.mark.process

HEAD_SECONDS, BODY_SECONDS, QUEUE, CONNECTIONS = 0.8, 1.6, 20, 60
CHUNKED = head(INFER, "transfer-encoding: chunked")


@pytest.fixture(scope="module")
def server(tiny_package: Package) -> Iterator[Running]:
    """Of one thread, and impatient."""
    options = {
        "package": tiny_package.folder,
        "digest": tiny_package.digest,
        "threads": 1,
        "queue": QUEUE,
        "max-wait-seconds": 60,
        "max-head-seconds": HEAD_SECONDS,
        "max-body-seconds": BODY_SECONDS,
        "max-connections": CONNECTIONS,
    }
    with running(*(f"--{name}={value}" for name, value in options.items())) as server:
        yield server


@pytest.fixture
def good(pictures: dict[str, bytes]) -> bytes:
    return infer(pictures["JPEG"])


def refused(answer: Answer, status: int, told: str) -> bool:
    """Whether it is an error as the protocol wants it, and the last word."""
    assert answer.status == status
    assert set(answer.told) == {"error"}
    assert told in answer.told["error"]
    return answer.closes


@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        pytest.param(b"POST /v2 HT", 408, "no whole head", id="half a head"),
        pytest.param(head(INFER, "content-length: 9"), 408, "no whole body", id="no body"),
        pytest.param(head(INFER, "content-length: 9") + b"{", 408, "no whole body", id="half"),
        pytest.param(CHUNKED + b"1\r\n{\r\n", 408, "no whole body", id="no last chunk"),
        pytest.param(b"\0", 400, "not HTTP", id="no HTTP"),
        pytest.param(head(INFER, "content-length: x"), 400, "not HTTP", id="no length"),
        pytest.param(
            head(INFER, "content-length: 2", "transfer-encoding: chunked"),
            *(400, "not HTTP"),
            id="two lengths",
        ),
        pytest.param(CHUNKED + b"x\r\n", 400, "not HTTP", id="no chunk"),
        pytest.param(head("/" + "a" * 40_000), 431, "at most 32768 bytes", id="long address"),
        pytest.param(head("/", "a: " + "a" * 40_000), 431, "at most", id="long header"),
        pytest.param(head("/", *["a: b"] * 9_000), 431, "at most", id="many headers"),
        pytest.param(CHUNKED + b"1\r\na\r\n" * 5_000, 413, "at most 4096 chunks", id="many chunks"),
    ],
)
def test_what_is_no_whole_request_is_told_so_and_ends_the_connection(
    server: Running, sent: bytes, status: int, told: str
):
    async def send() -> None:
        async with wire(server.port) as one, asyncio.timeout(10):
            answer = await one.ask(sent)

            assert refused(answer, status, told)
            assert answer.headers["x-weathervane-revision"]
            assert await one.ended()

    asyncio.run(send())


@pytest.mark.parametrize("sent", [b"", b"\r\n", READY + b"\r\n"])
def test_who_begins_no_request_is_let_go_without_a_word(server: Running, sent: bytes):
    async def wait() -> None:
        async with wire(server.port) as one, asyncio.timeout(10):
            if sent.startswith(READY):
                assert (await one.ask(READY)).status == 200
            await one.send(sent.removeprefix(READY))
            assert await one.ended()

    asyncio.run(wait())


def test_who_sends_a_header_without_end_is_cut_long_before_its_deadline(server: Running):
    async def send(one: Wire) -> None:
        while True:
            await one.send(b"a" * 4096)
            await asyncio.sleep(0)

    async def both() -> Answer:
        async with wire(server.port) as one, asyncio.timeout(HEAD_SECONDS):
            await one.send(b"GET / HTTP/1.1\r\na: ")
            sending = asyncio.create_task(send(one))
            answer = await one.answer()
            sending.cancel()
            return answer

    assert refused(asyncio.run(both()), 431, "at most")


def test_a_body_may_take_its_time_within_the_deadline(server: Running, good: bytes):
    async def drip() -> Answer:
        async with wire(server.port) as one:
            for at in range(0, len(good), 1 + len(good) // 5):
                await one.send(good[at : at + 1 + len(good) // 5])
                await asyncio.sleep(BODY_SECONDS / 10)
            return await one.answer()

    assert asyncio.run(drip()).status == 200


def test_a_connection_may_rest_after_a_body_that_came_later_than_its_answer(server: Running):
    late = request(bytes(1000), path="/nowhere")

    async def rest() -> tuple[int, int]:
        async with wire(server.port) as one:
            await one.send(late[:-500])
            refused = await one.answer()
            await one.send(late[-500:])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(one.ended(), 2 * HEAD_SECONDS)
            return refused.status, (await one.ask(READY)).status

    assert asyncio.run(rest()) == (404, 200)


def test_requests_sent_ahead_are_answered_in_order(server: Running, good: bytes):
    async def ahead() -> list[int]:
        async with wire(server.port) as one:
            await one.send((good + READY + request(b"{}")) * 10)
            return [(await one.answer()).status for _ in range(30)]

    assert asyncio.run(ahead()) == [200, 200, 400] * 10


def test_too_many_requests_ahead_are_refused_after_those_before_are_answered(server: Running):
    async def ahead() -> tuple[int, Answer]:
        async with wire(server.port) as one:
            await one.send(READY * 1000)
            answers = 0
            while (answer := await one.answer()).status == 200:
                answers += 1
            assert await one.ended()
            return answers, answer

    answers, last = asyncio.run(ahead())

    assert answers > Limits.ahead
    assert refused(last, 503, "can be sent ahead")
    assert last.headers["retry-after"] == "1"


def test_what_came_before_a_request_that_is_none_is_answered_first(server: Running, good: bytes):
    async def mixed() -> list[int]:
        async with wire(server.port) as one:
            await one.send(good + READY + b"\0\0\0")
            return [(await one.answer()).status for _ in range(3)]

    assert asyncio.run(mixed()) == [200, 200, 400]


def test_an_offer_of_another_protocol_is_not_taken_up(server: Running, good: bytes):
    offer = good.replace(
        b"host:", b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhost:", 1
    )
    bare = READY.replace(b"host:", b"connection: upgrade\r\nupgrade: websocket\r\nhost:")

    async def ask() -> list[int]:
        async with wire(server.port) as one:
            await one.send(bare + offer + good)
            return [(await one.answer()).status for _ in range(3)]

    assert asyncio.run(ask()) == [200, 200, 200]


def test_who_asks_before_sending_a_body_is_told_before(server: Running, good: bytes):
    at = good.index(b"\r\n\r\n") + 4
    expecting = good[: at - 2] + b"expect: 100-continue\r\n\r\n"

    async def ask() -> None:
        async with wire(server.port) as one:
            assert (await one.ask(expecting)).status == 100
            assert (await one.ask(good[at:])).status == 200
        async with wire(server.port) as one:
            length = f"content-length: {64 * 1024 * 1024}"
            answer = await one.ask(head(INFER, length, "expect: 100-continue"))
            # A body, or the next request: nobody could tell what comes next.
            assert refused(answer, 413, "at most")
            assert await one.ended()

    asyncio.run(ask())


@pytest.mark.parametrize("body", hostile.BODIES, ids=lambda body: body.__name__)
def test_a_body_that_wants_memory_or_time_is_refused(server: Running, body):
    assert asyncio.run(hostile.send(server, body)) == hostile.BODIES[body]


def test_a_newcomer_takes_the_place_of_who_has_sent_no_whole_request(server: Running, good: bytes):
    slow = infer(*[plain(4000)] * 8)

    async def crowd() -> tuple[int, list[bool]]:
        oldest = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
        # It has sent a whole request, and so is not meant.
        waits = asyncio.create_task(oldest.ask(slow))
        await trials.thread_is_taken(server)
        others = []
        for _ in range(CONNECTIONS + 5):
            others.append(Wire(*await asyncio.open_connection("127.0.0.1", server.port)))
            await others[-1].send(good[:-20])
        async with asyncio.timeout(BODY_SECONDS):
            gone = [await one.ended() for one in others[:6]]
        status = (await waits).status
        for one in (oldest, *others):
            one.leave()
        return status, gone

    assert asyncio.run(crowd()) == (200, [True] * 6)


def test_who_leaves_takes_waiting_work_along_and_leaves_no_place_taken(
    server: Running, pictures: dict[str, bytes]
):
    left = asyncio.run(
        trials.leave(server, times=4 * QUEUE, queue=QUEUE, picture=pictures["JPEG"], blocking=12)
    )

    assert (left.places_lost, left.worked_in_vain) == (0, 0)


def test_requests_without_an_answer_are_counted_as_what_they_were(server: Running, good: bytes):
    half = good[: len(good) // 2]

    async def grown(kind: str, before: Counter[str]) -> None:
        async with asyncio.timeout(10):
            while told_of_errors(server)[kind] != before[kind] + 1:
                await asyncio.sleep(0.01)

    async def leave() -> None:
        before = told_of_errors(server)
        async with wire(server.port) as one:
            assert (await one.ask(half)).status == 408
        await grown("slow", before)
        async with wire(server.port) as blocker:
            blocked = asyncio.create_task(blocker.ask(infer(*[plain(4000)] * 8)))
            await trials.thread_is_taken(server)
            for sent, kind in ((half, "malformed"), (good, "left")):
                before = told_of_errors(server)
                async with wire(server.port) as one, wire(server.port) as other:
                    await one.send(sent)
                    await other.ask(READY)
                await grown(kind, before)
            assert (await blocked).status == 200

    asyncio.run(leave())


def told_of_errors(server: Running) -> Counter[str]:
    """Requests that were not answered well, by kind."""
    told = httpx.get(server.rest + "/metrics").text
    return Counter(
        {
            sample.labels["kind"]: int(sample.value)
            for family in text_string_to_metric_families(told)
            for sample in family.samples
            if sample.name == "weathervane_errors_total"
        }
    )


def test_a_good_request_after_a_bad_one_on_one_connection_is_answered(
    server: Running, pictures: dict[str, bytes], good: bytes
):
    bad = trials.bad_requests(pictures["JPEG"], over=12 * 1024 * 1024)

    assert asyncio.run(trials.good_after_bad(server, bad, good, len(bad))) == (len(bad), 0)


def test_what_is_almost_a_request_is_never_our_fault(server: Running, pictures: dict[str, bytes]):
    async def both() -> Counter[str]:
        rest = fuzz.Mutations(1, pictures["JPEG"])
        calls = fuzz.Mutations(2, pictures["JPEG"])
        seen = await fuzz.fuzz_rest(server, rest, 1500)
        return seen + await fuzz.fuzz_grpc(server, calls, 500)

    seen = asyncio.run(both())

    wrong = {"500", "502", "503", "504", "no answer", "late", "bad form", "our fault"}
    assert not wrong & seen.keys(), seen
    # It did come through to what it is meant for.
    assert seen["200"] > 20
    assert seen["400"] > 500
    assert seen["INVALID_ARGUMENT"] > 50


# --- gRPC ----------------------------------------------------------------------------------------


def infer_grpc(server: Running, asked: object, **options: object) -> grpc.RpcError | None:
    with grpc.insecure_channel(
        server.grpc, options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        try:
            GRPCInferenceServiceStub(channel).ModelInfer(asked, **{"timeout": 10, **options})
        except grpc.RpcError as error:
            return error
    return None


@pytest.mark.parametrize(
    ("mebibytes", "compression", "code", "told"),
    [
        (9, grpc.Compression.NoCompression, "RESOURCE_EXHAUSTED", "larger than max"),
        # A thousandth of it is on the wire.
        (64, grpc.Compression.Gzip, "UNIMPLEMENTED", "ompression"),
    ],
)
def test_a_message_that_is_or_grows_too_large_is_refused(
    server: Running, mebibytes: int, compression: grpc.Compression, code: str, told: str
):
    asked = message(bytes(mebibytes * 1024 * 1024))

    error = infer_grpc(server, asked, compression=compression)

    assert error
    assert error.code() is grpc.StatusCode[code]
    assert told in error.details()


def test_a_call_is_over_at_its_deadline_and_its_work_not_done(
    server: Running, pictures: dict[str, bytes]
):
    before, left = trials.classified(server), told_of_errors(server)["left"]
    slow = [plain(4000)] * 10
    with grpc.insecure_channel(server.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)
        holds_up = stub.ModelInfer.future(message(*slow), timeout=60)
        asyncio.run(trials.thread_is_taken(server))
        begun = time.monotonic()

        error = infer_grpc(server, message(pictures["JPEG"]), timeout=0.3)

        assert error
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - begun < 2
        assert not holds_up.done()
        holds_up.result()
    assert trials.classified(server) - before == len(slow)
    # One more came and left to see whether the thread is taken.
    assert told_of_errors(server)["left"] - left == 2


def test_pings_without_end_are_answered_with_goodbye(server: Running):
    def frame(kind: int, payload: bytes = b"") -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload

    host, port = server.grpc.rsplit(":", 1)
    kinds = set()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        # All in one piece: what is written after the server has gone may cost its last word.
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4) + frame(6, bytes(8)) * 20)
        answer = connection.makefile("rb")
        while 7 not in kinds:  # GOAWAY, RFC 9113, section 6.8
            header = answer.read(9)
            assert len(header) == 9, f"the server left after frames of the kinds {kinds}"
            answer.read(int.from_bytes(header[:3], "big"))
            kinds.add(header[3])


def test_after_all_that_it_serves_as_before(server: Running, pictures: dict[str, bytes]):
    answer = httpx.post(server.rest + "/predict", files={"file": pictures["JPEG"]})

    assert answer.status_code == 200
    assert set(json.loads(answer.content)) >= {"label", "confidence"}
    assert infer_grpc(server, message(pictures["JPEG"])) is None
