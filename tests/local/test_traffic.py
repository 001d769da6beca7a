"""The traffic generator against a server that comes and goes."""

import json
import signal
import subprocess
import sys

import pytest

from tests.local.sites import await_true
from weathervane.local.ports import number, reserve

pytestmark = pytest.mark.process


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_reaches_nobody_is_written_down_as_failed(tmp_path, how):
    (tmp_path / "a.jpg").write_bytes(b"a")
    out = tmp_path / "out.jsonl"
    with reserve() as nobody:
        command = subprocess.Popen(
            [
                *(sys.executable, "-m", "weathervane.local.traffic", "--model", "weather"),
                *("--address", f"http://127.0.0.1:{number(nobody)}", "--rate", "100"),
                *("--pictures", str(tmp_path), "--out", str(out)),
            ]
        )
        await_true(lambda: out.exists() and out.read_text().count("\n") >= 20)
        command.send_signal(how)

        assert command.wait(10) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {(line["status"], line["revision"], line["label"]) for line in lines} == {
        (None, None, None)
    }
    assert all("127.0.0.1" in line["error"] for line in lines)


def test_it_keeps_to_its_schedule_and_tells_the_labels(site, traffic):
    stable = site.deploy("slow")
    load = traffic(rate=50)
    load.await_sent(100)

    lines = load.end()

    assert {(line["status"], line["label"], line["error"]) for line in lines} == {
        (200, stable, None)
    }
    assert min(line["seconds"] for line in lines) >= 0.35
    # A slow server does not slow the schedule down.
    sent = sorted(line["at"] for line in lines)
    assert 40 <= (len(sent) - 1) / (sent[-1] - sent[0]) <= 55
