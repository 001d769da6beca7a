"""How a predictor begins, what it does when it is full, and how it ends."""

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from tests.predictor import faults, trials
from tests.predictor.running import Running, command, running
from tests.predictor.wire import infer, wire
from weathervane.config import StoreConfig
from weathervane.errors import ExitCode
from weathervane.registry.package import GOLDEN_LIST, LITERT_MODEL, Description, Package, seal
from weathervane.registry.store import Store, package_key

pytestmark = pytest.mark.process

INFER = "/v2/models/weather/infer"


def attempt(*options: str, **environment: str) -> tuple[int, str]:
    """Exit code and last line of a predictor that must not come up."""
    ended = subprocess.run(
        command("--http-port", "0", "--grpc-port", "0", *options),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    # LiteRT says a word of its own.
    said = [line for line in ended.stderr.splitlines() if not line.startswith("INFO:")]
    assert "Traceback" not in ended.stderr
    return ended.returncode, "\n".join(said)


def of(package: Package) -> tuple[str, ...]:
    return "--package", str(package.folder), "--digest", package.digest


@pytest.fixture
def copied(tiny_package: Package, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_package.folder, tmp_path / "package")


def resealed(folder: Path, package: Package, **changes: object) -> Package:
    values = {field.name: getattr(package, field.name) for field in fields(Description)}
    return seal(folder, Description(**{**values, **changes}))


def test_another_digest_than_told_ends_with_9(tiny_package: Package):
    code, said = attempt("--package", str(tiny_package.folder), "--digest", "0" * 64)

    assert code == ExitCode.PACKAGE_REFUSED
    assert re.fullmatch(r"error: .* is package [0-9a-f]{64}, expected 0{64}: .*", said)


def test_an_altered_file_ends_with_9(tiny_package: Package, copied: Path):
    with (copied / LITERT_MODEL).open("ab") as model:
        model.write(b"!")

    code, said = attempt("--package", str(copied), "--digest", tiny_package.digest)

    assert code == ExitCode.PACKAGE_REFUSED
    assert re.fullmatch(rf"error: {LITERT_MODEL} of package .* was altered: .*", said)


def test_golden_answers_that_are_not_reproduced_end_with_9(tiny_package: Package, copied: Path):
    listed = json.loads((copied / GOLDEN_LIST).read_text())
    listed[0]["probabilities"].reverse()
    (copied / GOLDEN_LIST).write_text(json.dumps(listed))

    code, said = attempt(*of(resealed(copied, tiny_package)))

    assert code == ExitCode.PACKAGE_REFUSED
    assert re.fullmatch(r"error: golden picture 1 .* this engine must not serve it", said)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": 32}, r".*expected uint8 \[1, 32, 32, 3\]"),
        ({"preprocessing": "0"}, ".*wants preprocessing '0', this predictor has '1'.*"),
    ],
)
def test_a_package_for_another_engine_or_preprocessing_ends_with_9(
    tiny_package: Package, copied: Path, change: dict[str, object], told: str
):
    code, said = attempt(*of(resealed(copied, tiny_package, **change)))

    assert code == ExitCode.PACKAGE_REFUSED
    assert re.fullmatch(f"error: {told}", said)


@pytest.mark.parametrize("option", ["--http-port", "--grpc-port"])
def test_a_port_that_is_taken_ends_with_8(tiny_package: Package, option: str):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        code, said = attempt(*of(tiny_package), option, str(port))

    assert code == ExitCode.PLATFORM
    assert said == (
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use; choose another {option}"
    )


def test_an_address_of_another_machine_ends_with_8(tiny_package: Package):
    # Of no machine at all: RFC 5737.
    code, said = attempt(*of(tiny_package), "--host", "192.0.2.1")

    assert code == ExitCode.PLATFORM
    assert re.fullmatch(r"error: cannot listen on 192\.0\.2\.1:0: .*; choose another --host", said)


def test_a_wrong_option_ends_with_2(tiny_package: Package):
    code, said = attempt(*of(tiny_package), "--threads", "0")

    assert code == ExitCode.USAGE
    assert said == "error: --threads must be at least 1, got 0"


def test_a_package_comes_from_the_store_and_is_fetched_again_when_it_was_altered(
    tiny_package: Package, store: Store, tmp_path: Path
):
    key = package_key("weather", tiny_package.digest)
    place = store.upload_folder(tiny_package.folder, key)
    options = ("--package", place, "--digest", tiny_package.digest, "--cache", str(tmp_path))
    environment = store.config.as_environment()
    kept = tmp_path / tiny_package.digest / LITERT_MODEL

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with running(*options):
            original = kept.read_bytes()
        kept.write_bytes(b"altered")
        with running(*options):
            assert kept.read_bytes() == original

    # What is whole is not fetched: nobody answers here.
    environment["WEATHERVANE_STORE_ENDPOINT"] = "http://127.0.0.1:9"
    shutil.rmtree(tmp_path / tiny_package.digest)
    code, said = attempt(*options, **environment)
    assert code == ExitCode.PLATFORM
    assert said.startswith("error: cannot reach the store http://127.0.0.1:9")


def test_serving_imports_neither_what_trains_nor_what_the_sdk_brings_along(tiny_package: Package):
    script = (
        "import sys; from predictor.sdk import prepare_import; prepare_import();"
        "import predictor.server;"
        "print(*sorted({'tensorflow', 'keras', 'mlflow', 'kfp', 'kubernetes', 'sklearn', "
        "'matplotlib', 'pyarrow', 'minio'} & set(sys.modules)))"
    )

    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == ""


def slow_request() -> dict[str, object]:
    """What keeps a thread busy for seconds, in two mebibytes: large, plain pictures."""
    picture = cv2.imencode(".png", np.zeros((4000, 4000, 3), np.uint8))[1].tobytes()
    data = [base64.b64encode(picture).decode()] * 20
    return {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [len(data)], "data": data}]}


@contextmanager
def full(server: Running) -> Iterator[tuple[Future[httpx.Response], httpx.Response]]:
    """The only place is taken: the request that took it, and the answer to one that found none."""
    request = slow_request()
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(httpx.post, server.rest + INFER, json=request, timeout=60)
        turned_away = httpx.post(server.rest + INFER, content=b"{}")
        while turned_away.status_code != 429:
            if slow.done():
                # A quick one had the place when it came.
                assert slow.result().status_code == 429, "the slow request was not slow"
                slow = pool.submit(httpx.post, server.rest + INFER, json=request, timeout=60)
            turned_away = httpx.post(server.rest + INFER, content=b"{}")
        yield slow, turned_away


def test_a_full_predictor_turns_away_at_once_and_counts_it(tiny_package: Package):
    with running(*of(tiny_package), "--threads", "1", "--queue", "0") as server:
        with full(server) as (slow, turned_away):
            assert turned_away.headers["retry-after"] == "1"
            assert turned_away.json() == {"error": "too much waits already; try again in a second"}
            assert turned_away.elapsed.total_seconds() < 1
            # Who only looks is answered all the same.
            assert httpx.get(server.rest + "/v2/health/ready").json() == {"ready": True}
            assert not slow.done()
            assert slow.result().status_code == 200

        assert httpx.post(server.rest + INFER, content=b"{}").status_code == 400
        assert re.search(
            r'weathervane_requests_total\{code="429",.*\} [1-9]',
            httpx.get(server.rest + "/metrics").text,
        )


def test_sigterm_finishes_what_is_in_work_and_ends_with_0(tiny_package: Package):
    with running(*of(tiny_package), "--threads", "1", "--queue", "0") as server:
        with full(server) as (slow, _):
            server.process.send_signal(signal.SIGTERM)
            assert slow.result().status_code == 200

        assert server.process.wait(10) == ExitCode.DONE
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.rest)


def test_an_end_under_load_loses_nothing_and_is_told_before(tiny_package: Package):
    # Long enough to be in flight when the listener closes.
    options = ("--threads", "1", "--queue", "500", "--max-wait-seconds", "60")
    with running(*of(tiny_package), *options, "--drain-seconds", "0.7") as server:
        end = asyncio.run(trials.drain(server, in_flight=100, picture=trials.plain(1500)))

    assert end.sent > 100
    assert (end.lost, end.exit_code) == (0, ExitCode.DONE)
    assert end.ready_fell < 0.5 < end.refused


def test_while_it_drains_it_serves_and_sends_its_clients_elsewhere(
    tiny_package: Package, pictures: dict[str, bytes]
):
    with running(*of(tiny_package), "--drain-seconds", "60") as server, httpx.Client() as client:
        assert "connection" not in client.get(server.rest + "/v2/health/live").headers
        server.process.send_signal(signal.SIGTERM)
        while client.get(server.rest + "/v2/health/ready").status_code == 200:
            pass
        live = client.get(server.rest + "/v2/health/live")
        answer = client.post(server.rest + "/predict", files={"file": pictures["JPEG"]})

        assert (live.status_code, answer.status_code) == (200, 200)
        assert answer.headers["connection"] == "close"

        # Once more, and it waits no longer.
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == ExitCode.DONE


def test_sigint_does_not_drain_and_ends_with_130(tiny_package: Package):
    with running(*of(tiny_package), "--drain-seconds", "60") as server:
        server.process.send_signal(signal.SIGINT)

        assert server.process.wait(10) == ExitCode.INTERRUPTED


def test_the_second_sigint_waits_for_nobody(tiny_package: Package):
    slow = infer(*[trials.plain(4000)] * 10)

    async def interrupt(server: Running) -> tuple[int, int]:
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(wire(server.port))
            wires = [await stack.enter_async_context(wire(server.port)) for _ in range(12)]
            answers = [asyncio.create_task(one.ask(slow)) for one in wires]
            await trials.thread_is_taken(server)
            server.process.send_signal(signal.SIGINT)
            # It finishes them, and is not ready for more.
            with suppress(EOFError, ConnectionError):
                while (await gateway.ask(trials.READY)).status == 200:
                    pass
            server.process.send_signal(signal.SIGINT)
            code = await asyncio.to_thread(server.process.wait, 30)
            ended = await asyncio.gather(*answers, return_exceptions=True)
        return code, sum(isinstance(one, BaseException) for one in ended)

    options = ("--threads", "1", "--queue", "50", "--max-wait-seconds", "60")
    with running(*of(tiny_package), *options) as server:
        code, cut = asyncio.run(interrupt(server))

    # What a thread is in the middle of cannot be stopped; what waits can.
    assert code == ExitCode.INTERRUPTED
    assert cut >= 10


def test_told_to_stop_while_it_loads_it_stops(tiny_package: Package, tmp_path: Path):
    nowhere = StoreConfig(endpoint="http://127.0.0.1:9", access_key="a", secret_key="s")
    with faults.loading(
        "s3://weathervane/models/m/d", tiny_package, nowhere, tmp_path
    ) as predictor:
        predictor.await_said("asking again", 30)
        predictor.process.send_signal(signal.SIGTERM)

        assert predictor.process.wait(10) == ExitCode.DONE


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_a_store_that_fails_for_a_while_delays_the_start_and_no_more(
    tiny_package: Package, store: Store, tmp_path: Path, fault: str
):
    place = store.upload_folder(tiny_package.folder, package_key("weather", tiny_package.digest))

    seconds = faults.seconds_to_load(fault, tiny_package, place, store.config, tmp_path, lasts=0.5)

    assert seconds <= 60


def test_wrong_keys_are_told_at_once_and_while_it_asks_again(
    tiny_package: Package, store: Store, tmp_path: Path
):
    place = store.upload_folder(tiny_package.folder, package_key("weather", tiny_package.digest))
    wrong = replace(store.config, secret_key="wrong")

    with faults.loading(place, tiny_package, wrong, tmp_path) as predictor:
        predictor.await_said("the secret key is wrong", 30)
        predictor.await_said("asking again for", 1)

        assert not predictor.answers()


def test_the_command_line_serves_as_well(tiny_package: Package):
    command_line = [sys.executable, "-m", "weathervane.cli", "predictor", "serve"]

    helped = subprocess.run([*command_line, "--help"], capture_output=True, text=True, check=True)
    refused = subprocess.run(
        [*command_line, "--package", str(tiny_package.folder), "--digest", "0", "--revision", "r"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "--max-body-mebibytes" in helped.stdout
    assert refused.returncode == ExitCode.USAGE
    assert refused.stderr.startswith("error: --digest must be 64 hex digits")
