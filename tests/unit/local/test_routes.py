import json
from dataclasses import replace

import pytest

from weathervane.errors import DeploymentError
from weathervane.local.routes import (
    VERSION_PATH,
    Route,
    Routes,
    clusters_file,
    read_clusters,
    read_routes,
    routes_file,
)

ONE = Route(revision="weather-00001", digest="a" * 64, uri="s3://b/1", http_port=1, grpc_port=2)
TWO = Route(revision="weather-00002", digest="b" * 64, uri="s3://b/2", http_port=3, grpc_port=4)
NOTHING = Routes(service="weather")
STABLE = Routes(service="weather", stable=ONE, last_number=1)
BOTH = Routes(service="weather", stable=ONE, canary=TWO, weight=25, last_number=2)
FIRST = Routes(service="weather", canary=ONE, last_number=1)


def forwards(routes: Routes) -> list[dict]:
    """The routes that Envoy gets, without the one by which it tells their version."""
    resource = json.loads(routes_file(routes).text)["resources"][0]
    return resource["virtual_hosts"][0]["routes"][1:]


def shares(route: dict) -> dict[str, int]:
    clusters = route["route"]["weighted_clusters"]["clusters"]
    return {cluster["name"]: cluster["weight"] for cluster in clusters}


@pytest.mark.parametrize("routes", [NOTHING, STABLE, BOTH, FIRST])
def test_routes_are_read_back_as_they_were_written(routes):
    assert read_routes(routes_file(routes).text) == routes


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"resources": [{}]}',
        b'{"resources": [{"metadata": {"filter_metadata": {"weathervane": {"weight": 1}}}}]}',
    ],
)
def test_routes_of_somebody_else_are_an_error(text):
    with pytest.raises(DeploymentError, match="not as we write them"):
        read_routes(text)


def test_rest_and_grpc_get_the_same_weights():
    grpc, rest = forwards(BOTH)

    assert shares(rest) == {"weather-00001": 75, "weather-00002": 25}
    assert shares(grpc) == {"weather-00001-grpc": 75, "weather-00002-grpc": 25}


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (STABLE, {"weather-00001": 100}),
        (replace(BOTH, weight=0), {"weather-00001": 100, "weather-00002": 0}),
        (replace(BOTH, weight=100), {"weather-00001": 0, "weather-00002": 100}),
        # Without a stable revision there is nobody to share with.
        (replace(FIRST, weight=10), {"weather-00001": 100}),
    ],
)
def test_the_shares_add_up_to_all_traffic(routes, expected):
    assert shares(forwards(routes)[1]) == expected


@pytest.mark.parametrize("routes", [NOTHING, FIRST])
def test_nobody_is_sent_to_a_first_canary_without_a_weight(routes):
    for route in forwards(routes):
        assert route["direct_response"]["status"] == 503


def test_every_answer_is_marked_with_the_revision_that_gave_it():
    for route in forwards(BOTH):
        for cluster in route["route"]["weighted_clusters"]["clusters"]:
            header = cluster["response_headers_to_add"][0]["header"]
            assert header["key"] == "x-weathervane-revision"
            assert header["value"] == cluster["name"].removesuffix("-grpc")


@pytest.mark.parametrize(
    "other",
    [
        replace(BOTH, weight=26),
        replace(BOTH, stable=TWO, canary=ONE),
        replace(BOTH, last_number=3),
        STABLE,
    ],
)
def test_another_content_has_another_version(other):
    assert routes_file(other).version != routes_file(BOTH).version
    assert routes_file(BOTH).version == routes_file(replace(BOTH)).version


def test_the_gateway_can_tell_which_version_it_acts_on():
    file = routes_file(BOTH)
    resource = json.loads(file.text)["resources"][0]
    tell = resource["virtual_hosts"][0]["routes"][0]

    assert tell["match"] == {"path": VERSION_PATH}
    assert tell["direct_response"]["body"]["inline_string"] == file.version


def test_clusters_are_read_back_as_the_revisions_they_belong_to():
    assert read_clusters(clusters_file(BOTH).text) == {"weather-00001", "weather-00002"}
    assert read_clusters(clusters_file(NOTHING).text) == frozenset()


def test_a_moved_port_gives_another_version_of_the_clusters():
    moved = replace(STABLE, stable=replace(ONE, http_port=9))

    assert clusters_file(moved).version != clusters_file(STABLE).version


def test_names_of_revisions_count_up():
    assert NOTHING.next_name() == "weather-00001"
    assert replace(NOTHING, last_number=41).next_name() == "weather-00042"
