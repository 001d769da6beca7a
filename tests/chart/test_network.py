"""Who reaches whom, read out of the rendered policies."""

from typing import Any

import pytest

from tests.chart.rendering import NAMESPACE, kinds, named, objects


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = (selector.get("matchLabels") or {}).items()
    expressions = selector.get("matchExpressions") or []
    assert all(one["operator"] == "In" for one in expressions)
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


def pod(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "weathervane", "app.kubernetes.io/component": component}


def peer(rule: dict[str, Any], side: str, labels: dict[str, str], namespace: str) -> bool:
    """Whether a rule's peers hold a pod; a rule without peers holds everybody."""
    if side not in rule:
        return True
    for one in rule[side]:
        where = one.get("namespaceSelector")
        here = (
            matches(where, {"kubernetes.io/metadata.name": namespace})
            if where is not None
            else namespace == NAMESPACE
        )
        if "ipBlock" not in one and here and matches(one.get("podSelector") or {}, labels):
            return True
    return False


def allowed(
    found: tuple[dict[str, Any], ...],
    source: dict[str, str],
    target: dict[str, str],
    port: int,
    *,
    source_namespace: str = NAMESPACE,
    target_namespace: str = NAMESPACE,
) -> bool:
    """Whether a connection passes the policies at both of its ends."""

    ends = (
        ("Egress", "to", source, source_namespace),
        ("Ingress", "from", target, target_namespace),
    )
    for (kind, side, own, where), (*_, other, elsewhere) in zip(ends, ends[::-1], strict=True):
        policies = [
            one["spec"]
            for one in kinds(found, "NetworkPolicy")
            if one["metadata"]["namespace"] == where
            and kind in one["spec"]["policyTypes"]
            and matches(one["spec"]["podSelector"], own)
        ]
        rules = [rule for one in policies for rule in one.get(kind.lower()) or []]
        if policies and not any(
            peer(rule, side, other, elsewhere)
            and ("ports" not in rule or port in [one["port"] for one in rule["ports"]])
            for rule in rules
        ):
            return False
    return True


NEEDED = [
    ("install", "store", 9000),
    ("install", "mlflow", 5000),
    ("mlflow", "store", 9000),
    ("predictor", "store", 9000),
    ("pipeline", "store", 9000),
    ("pipeline", "mlflow", 5000),
    ("rollout", "store", 9000),
    ("rollout", "mlflow", 5000),
    ("rollout", "predictor", 8080),
]
PARTS = ("install", "store", "mlflow", "predictor", "pipeline", "rollout", "test")
PORTS = (5000, 8080, 8081, 9000)


@pytest.mark.parametrize("scenario", ["default", "kind"])
def test_our_pods_reach_each_other_where_they_must_and_nowhere_else(scenario: str):
    found = objects(scenario)
    open_ones = [
        (source, target, port)
        for source in PARTS
        for target in PARTS
        for port in PORTS
        if allowed(found, pod(source), pod(target), port)
    ]

    assert sorted(open_ones) == sorted(NEEDED)


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("target", ["store", "mlflow", "predictor"])
def test_a_stranger_in_our_namespace_or_another_reaches_nothing(target: str, port: int):
    found = objects("default")

    assert not allowed(found, {"app": "stranger"}, pod(target), port)
    assert not allowed(found, {}, pod(target), port, source_namespace="elsewhere")
    assert not allowed(found, {"app": "stranger"}, {}, port, target_namespace="elsewhere")


def test_requests_come_from_the_gateway_and_figures_go_to_monitoring():
    found = objects("default")

    assert allowed(found, {}, pod("predictor"), 8012, source_namespace="knative-serving")
    assert allowed(found, {}, pod("predictor"), 8080, source_namespace="monitoring")
    assert allowed(found, {}, pod("store"), 9000, source_namespace="monitoring")
    assert not allowed(found, {}, pod("predictor"), 8012, source_namespace="monitoring")


def test_pipelines_elsewhere_reach_store_and_mlflow_only():
    found = objects("kind")
    reached = [
        (target, port)
        for target in ("store", "mlflow", "predictor")
        for port in PORTS
        if allowed(found, {"any": "step"}, pod(target), port, source_namespace="kubeflow")
    ]

    assert reached == [("store", 9000), ("mlflow", 5000)]


def test_only_who_speaks_to_the_api_server_reaches_its_ports():
    found = objects("default")
    reach = {
        part
        for part in PARTS
        if allowed(found, pod(part), {}, 6443, target_namespace="outside-of-the-cluster")
    }

    assert reach == {"install", "pipeline", "rollout"}


def test_names_are_looked_up_by_all_of_ours():
    found = objects("default")

    for part in PARTS:
        assert allowed(found, pod(part), {}, 53, target_namespace="kube-system")


def test_a_block_of_addresses_is_opened_by_value():
    policy = named(objects("external"), "NetworkPolicy", "weathervane-outside")

    (rule,) = policy["spec"]["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "203.0.113.0/24"}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]


def test_the_whole_namespace_is_closed_unless_it_is_shared():
    ours = {"matchLabels": {"app.kubernetes.io/name": "weathervane"}}
    name = "weathervane-default-deny"
    shared = objects("default", "networkPolicy.wholeNamespace=false")

    assert named(objects("default"), "NetworkPolicy", name)["spec"]["podSelector"] == {}
    assert named(shared, "NetworkPolicy", name)["spec"]["podSelector"] == ours
