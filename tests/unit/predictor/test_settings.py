"""Options that cannot work are refused before anything is loaded."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from predictor.__main__ import parse
from predictor.limits import Limits
from predictor.settings import ServeConfig, revision_of
from weathervane.errors import ExitCode, UsageError

HEALTHY = ServeConfig(
    package="folder", digest="0" * 64, name="weather", revision="weather-00001", cache=Path("cache")
)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"digest": "0" * 63}, "--digest must be 64 hex digits"),
        ({"digest": "A" * 64}, "--digest must be 64 hex digits"),
        ({"digest": ""}, "say what to serve: --package and --digest"),
        ({"package": ""}, "say what to serve: --package and --digest"),
        ({"packages": "folder"}, "leave out --package and --digest"),
        ({"name": "x" * 65}, "at most 64"),
        ({"name": ""}, "--name must be"),
        ({"name": "a/b"}, "--name must be"),
        ({"revision": "two words"}, "--revision must be"),
        ({"revision": "line\nbreak"}, "--revision must be"),
        ({"http_port": 65536}, "--http-port must be from 0"),
        ({"grpc_port": -1}, "--grpc-port must be from 0"),
        ({"http_port": 9000, "grpc_port": 9000}, "are both 9000"),
        ({"threads": 0}, "--threads must be at least 1"),
        ({"queue": -1}, "--queue must be at least 0"),
        ({"max_wait_seconds": 0}, "--max-wait-seconds must be above 0"),
        ({"max_body_mebibytes": 0}, "--max-body-mebibytes must be at least 1"),
        ({"limits": Limits(connections=0)}, "--max-connections must be at least 1"),
        ({"limits": Limits(head_seconds=0)}, "--max-head-seconds must be above 0"),
        ({"limits": Limits(body_seconds=float("nan"))}, "--max-body-seconds must be above 0"),
        ({"drain_seconds": -1}, "--drain-seconds must be at least 0, got -1"),
        ({"store_seconds": float("inf")}, "--store-seconds must be at least 0, got inf"),
        ({"payload_share": 0.0}, "--payload-share must be above 0"),
        ({"payload_share": 1.1}, "--payload-share must be above 0 and at most 1, got 1.1"),
        ({"payload_log": "collector:8080"}, "--payload-log must be http"),
        ({"payload_log": "file:///etc/passwd"}, "--payload-log must be http"),
        ({"payload_log": "http://"}, "--payload-log must be http"),
        ({"payload_log": "http://host:99999"}, "--payload-log must be http"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(change: dict[str, Any], told: str):
    with pytest.raises(UsageError, match=told):
        replace(HEALTHY, **change)


def test_packages_to_choose_from_take_the_place_of_one():
    alone = replace(HEALTHY, package="", digest="", packages="folder", name="0" * 64)

    assert (alone.packages, alone.name) == ("folder", "0" * 64)


def test_both_ports_may_be_any_free_one():
    assert replace(HEALTHY, http_port=0, grpc_port=0)


@pytest.mark.parametrize(
    ("environment", "revision"),
    [
        ({"K_REVISION": "weather-predictor-00003"}, "weather-predictor-00003"),
        ({"WEATHERVANE_REVISION": "canary"}, "canary"),
        ({"K_REVISION": "knative", "WEATHERVANE_REVISION": "label"}, "knative"),
        ({"K_REVISION": ""}, None),
        ({}, None),
    ],
)
def test_the_platform_may_name_the_revision(environment: dict[str, str], revision: str | None):
    assert revision_of(environment) == revision


NEEDED = ("--package", "folder", "--digest", "0" * 64)


def test_the_command_line_says_it_louder_than_the_platform(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("K_REVISION", "weather-predictor-00003")

    assert parse(NEEDED, "predictor").revision == "weather-predictor-00003"
    assert parse((*NEEDED, "--revision", "mine"), "predictor").revision == "mine"


def test_a_copy_without_a_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in ("K_REVISION", "WEATHERVANE_REVISION"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(SystemExit) as refused:
        parse(NEEDED, "predictor")

    assert refused.value.code == ExitCode.USAGE
    assert "--revision" in capsys.readouterr().err
