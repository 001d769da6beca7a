"""The sample is the same everywhere; what finds no room or no collector is dropped and counted."""

import socket
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from predictor.metrics import Families, Metrics
from predictor.payloads import MAX_WAITING_BYTES, Payload, PayloadLog, Source, sampled
from tests.predictor.collector import collecting

SMALL = Payload(b"{}", "application/json")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def source(registry: CollectorRegistry) -> Source:
    metrics = Metrics(Families(registry), model="weather", revision="r", digest="d")
    return Source(service="weather", revision="r", digest="d", metrics=metrics)


def outcomes(registry: CollectorRegistry) -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "weathervane_payloads_total"
    }


# Written down, so that a version that chose otherwise would be noticed.
SAMPLE = [11, 27, 49, 55]


def test_the_same_requests_are_sampled_by_every_copy_of_the_predictor():
    assert [number for number in range(60) if sampled(f"request-{number}", 0.1)] == SAMPLE


def test_the_share_is_held_and_a_larger_one_contains_a_smaller():
    ids = [f"request-{number}" for number in range(20_000)]

    tenth = {one for one in ids if sampled(one, 0.1)}
    half = {one for one in ids if sampled(one, 0.5)}

    assert len(tenth) / len(ids) == pytest.approx(0.1, abs=0.01)
    assert len(half) / len(ids) == pytest.approx(0.5, abs=0.02)
    assert tenth < half
    assert all(sampled(one, 1.0) for one in ids)


def test_only_the_sample_is_sent(source: Source):
    ids = [f"request-{number}" for number in range(60)]
    with collecting() as collector:
        with closing(PayloadLog(collector.url, share=0.1)) as log:
            for one in ids:
                log.offer(source, one, SMALL, SMALL)

        sent = [collector.received.get(timeout=10).headers["ce-id"] for _ in range(2 * len(SAMPLE))]

    assert sent == [one for one in ids if sampled(one, 0.1) for _ in range(2)]
    assert collector.received.empty()


def test_what_finds_no_room_is_dropped_at_once(registry: CollectorRegistry, source: Source):
    large = Payload(bytes(MAX_WAITING_BYTES // 4), "application/octet-stream")
    with collecting() as collector:
        collector.may_answer.clear()
        with closing(PayloadLog(collector.url, share=1)) as log:
            for number in range(10):
                log.offer(source, str(number), large, SMALL)
            assert outcomes(registry) == {"dropped": 7}
            collector.may_answer.set()

    assert outcomes(registry) == {"dropped": 7, "sent": 3}


@pytest.mark.parametrize("status", [500, 302])
def test_a_collector_that_fails_is_counted_and_told_of_once(
    registry: CollectorRegistry,
    source: Source,
    caplog: pytest.LogCaptureFixture,
    status: int,
):
    with collecting() as collector:
        collector.status = status
        with closing(PayloadLog(collector.url, share=1)) as log:
            for number in range(5):
                log.offer(source, str(number), SMALL, SMALL)

    assert outcomes(registry) == {"failed": 5}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_no_collector_is_no_more(registry: CollectorRegistry, source: Source):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with closing(PayloadLog(f"http://127.0.0.1:{port}", share=1)) as log:
        log.offer(source, "1", SMALL, SMALL)

    assert outcomes(registry) == {"failed": 1}
