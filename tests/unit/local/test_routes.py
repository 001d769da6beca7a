import json
import re
from dataclasses import replace

import pytest

from weathervane.errors import DeploymentError
from weathervane.local.clusters import clusters_file, read_clusters
from weathervane.local.routes import VERSION_PATH, Routes, read_routes, routes_file
from weathervane.local.serving import new_route

ONE = new_route("weather-00001", "a" * 64, "s3://b/1", 1).at({"weather-00001.1": (1, 2)})
TWO = new_route("weather-00002", "b" * 64, "s3://b/2", 2).at(
    {"weather-00002.1": (3, 4), "weather-00002.2": (5, 6)}
)
NOTHING = Routes(service="weather")
STABLE = Routes(service="weather", stable=ONE, last_number=1)
BOTH = Routes(service="weather", stable=ONE, canary=TWO, weight=25, last_number=2)
FIRST = Routes(service="weather", canary=ONE, last_number=1)


def all_routes(routes: Routes) -> list[dict]:
    """The routes that Envoy gets, without the one by which it tells their version."""
    resource = json.loads(routes_file(routes).text)["resources"][0]
    return resource["virtual_hosts"][0]["routes"][1:]


def forwards(routes: Routes) -> list[dict]:
    """Where requests go that ask for nobody: gRPC, then REST."""
    return [route for route in all_routes(routes) if "headers" not in route["match"]]


def clusters(routes: Routes) -> dict[str, dict]:
    return {one["name"]: one for one in json.loads(clusters_file(routes).text)["resources"]}


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
        replace(BOTH, mirror=1),
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
    moved = replace(STABLE, stable=ONE.at({"weather-00001.1": (9, 2)}))

    assert clusters_file(moved).version != clusters_file(STABLE).version


def test_a_revision_is_a_cluster_over_all_of_its_replicas_for_each_use():
    told = clusters(BOTH)

    assert sorted(name for name in told if name.startswith("weather-00002")) == [
        *("weather-00002", "weather-00002-direct", "weather-00002-direct-grpc"),
        *("weather-00002-grpc", "weather-00002-mirror"),
    ]
    for name, ports in (("weather-00002-mirror", [3, 5]), ("weather-00002-direct-grpc", [4, 6])):
        endpoints = told[name]["load_assignment"]["endpoints"][0]["lb_endpoints"]
        addresses = [one["endpoint"]["address"]["socket_address"] for one in endpoints]
        assert [address["port_value"] for address in addresses] == ports
        assert {address["address"] for address in addresses} == {"127.0.0.1"}


def test_only_a_lost_connection_makes_a_replica_lose_its_traffic_and_only_to_another_one():
    told = clusters(BOTH)

    assert "outlier_detection" not in told["weather-00001"]
    ejection = told["weather-00002"]["outlier_detection"]
    assert ejection["split_external_local_origin_errors"] is True
    assert [name for name in ejection if name.startswith("enforcing")]
    assert not any(share for name, share in ejection.items() if name.startswith("enforcing"))


@pytest.mark.parametrize(("role", "revision"), [("stable", ONE), ("canary", TWO)])
def test_a_request_that_asks_for_a_role_or_a_revision_goes_there(role, revision):
    asking = [
        route
        for route in all_routes(BOTH)
        for header in route["match"].get("headers", ())
        if re.fullmatch(header["string_match"]["safe_regex"]["regex"], role)
    ]

    for route, suffix in zip(asking, ("-direct-grpc", "-direct"), strict=True):
        (header,) = route["match"]["headers"]
        assert header["name"] == "x-weathervane-revision"
        assert re.fullmatch(header["string_match"]["safe_regex"]["regex"], revision.revision)
        assert route["route"]["cluster"] == revision.revision + suffix


def test_copies_are_of_rest_only_and_only_while_they_are_asked_for():
    grpc, rest = forwards(replace(BOTH, weight=0, mirror=40))

    (policy,) = rest["route"]["request_mirror_policies"]
    assert policy["cluster"] == "weather-00002-mirror"
    assert policy["runtime_fraction"]["default_value"]["numerator"] == 40
    assert "request_mirror_policies" not in grpc["route"]
    assert "request_mirror_policies" not in forwards(BOTH)[1]["route"]


def test_a_request_is_tried_again_for_a_lost_connection_and_for_no_answer():
    for route in all_routes(BOTH):
        assert route["route"]["retry_policy"]["num_retries"] == 1
        assert set(route["route"]["retry_policy"]["retry_on"].split(",")) == {
            *("connect-failure", "refused-stream", "reset")
        }


def test_names_of_revisions_count_up():
    assert NOTHING.next_name() == "weather-00001"
    assert replace(NOTHING, last_number=41).next_name() == "weather-00042"
