"""Alerts and the dashboard ask only for figures that predictors have."""

import json
import re

from prometheus_client import CollectorRegistry

from predictor.metrics import Families, Metrics
from tests.chart.rendering import kinds, named, objects

SERIES = re.compile(r"\bweathervane_[a-z_]+")


def exposed() -> set[str]:
    registry = CollectorRegistry()
    Metrics(
        Families(registry), model="m", revision="r", digest="d", labels=("a",), ood_threshold=0.5
    )
    names = set()
    for metric in registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
        names |= {metric.name + suffix for suffix in suffixes.get(metric.type, ("",))}
    return names


def test_every_alert_asks_for_series_that_there_are():
    (rules,) = kinds(objects("default"), "PrometheusRule")
    asked = {
        name
        for group in rules["spec"]["groups"]
        for rule in group["rules"]
        for name in SERIES.findall(rule["expr"])
    }

    assert asked
    assert asked <= exposed()


def test_every_panel_asks_for_series_that_there_are():
    dashboard = json.loads(
        named(objects("default"), "ConfigMap", "weathervane-dashboard")["data"]["weathervane.json"]
    )
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in SERIES.findall(target["expr"])
    }

    assert asked
    assert asked <= exposed()


def test_predictors_are_asked_at_their_own_port():
    (monitor,) = kinds(objects("default"), "PodMonitor")

    assert [one["portNumber"] for one in monitor["spec"]["podMetricsEndpoints"]] == [8080]
