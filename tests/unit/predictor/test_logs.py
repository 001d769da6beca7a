"""One line a record, whatever is in it."""

import json
import logging

import pytest

from predictor import logs


def written(message: str, *arguments: object, **extra: object) -> dict[str, object]:
    record = logging.LogRecord("room", logging.INFO, "file", 1, message, arguments, None)
    vars(record).update(extra)
    line = logs.JsonLines().format(record)
    assert "\n" not in line
    told: dict[str, object] = json.loads(line)
    return told


def test_a_record_is_one_json_object():
    told = written("two\nlines of %s", "it", request={"request_id": "7", "status": 200})

    assert told.pop("time", "").endswith("+00:00")
    assert told == {
        "level": "INFO",
        "logger": "room",
        "message": "two\nlines of it",
        "request_id": "7",
        "status": 200,
    }


def test_an_error_brings_its_traceback():
    try:
        int("why")
    except ValueError as error:
        told = written("failed", exc_info=(ValueError, error, error.__traceback__))

    assert str(told["error"]).startswith("Traceback")
    assert str(told["error"]).endswith("'why'")


def test_a_request_is_told_when_that_was_asked_for(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logs.requests.name):
        logs.answered("GET", "/", status=404, seconds=0.1, request="7")
    assert caplog.records == []

    with caplog.at_level(logging.INFO, logs.requests.name):
        logs.answered("POST", "/a\nb", status=400, seconds=0.0012, request="7", kind="malformed")

    (record,) = caplog.records
    assert record.getMessage() == "POST /a%0Ab: 400 malformed in 1.2 ms, request 7"


@pytest.mark.parametrize("given", [None, "", "a b", "a\nb", "é", "x" * 129])
def test_an_id_that_cannot_be_written_anywhere_is_replaced(given: str | None):
    assert logs.request_id(given) != given
    assert logs.request_id(given) != logs.request_id(given)
