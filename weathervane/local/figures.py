"""The gateway's figures. In: what Envoy tells Prometheus. Out: `Counts` of each revision. Pure.

Refused connections, timeouts and every other answer that Envoy gives in a revision's place are
charged to that revision by Envoy itself, as 5xx or as a gRPC status. A revision that has too much
to do answers 429, over gRPC UNAVAILABLE. A request that was tried again is one request: an error
by what its client got in the end, and beside that a lost first try when the second was answered.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isclose, isfinite

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from weathervane.errors import DeploymentError
from weathervane.local.routes import Route, Use
from weathervane.rollout.counts import LATENCY_BOUNDS, Counts

_CLUSTER = "envoy_cluster_name"
# Requests that were tried again and then answered.
_ANSWERED_BY_RETRY = "envoy_cluster_upstream_rq_retry_success_total"
# The statuses that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and
# DATA_LOSS. https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_GRPC_FAILURE = re.compile(r"envoy_cluster_grpc_.*_(2|4|13|14|15)_total")


def read_figures(text: str, routes: Sequence[Route], use: Use = Use.SPLIT) -> dict[str, Counts]:
    """Add up the figures of each revision.

    Args:
        text: Prometheus' text format.
        routes: the live revisions and their replicas.
        use: which of their requests.

    Returns:
        Counts by revision, over all of its replicas. One of which anything is missing is left out:
        a cluster that Envoy does not know, a replica that it does not count, a figure that is no
        number.

    Raises:
        DeploymentError: when the latencies are not in the buckets that we asked for.
    """
    samples: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.labels.get(_CLUSTER, ""), []).append(sample)
    figures: dict[str, Counts] = {}
    for route in routes:
        told = [samples.get(name, []) for name in route.clusters(use)]
        if all(_is_whole(one, len(route.replicas)) for one in told):
            figures[route.revision] = sum(map(_counts, told), Counts())
    return figures


def _is_whole(samples: Sequence[Sample], replicas: int) -> bool:
    """Whether a cluster's figures are numbers and cover every replica."""
    members = [one.value for one in samples if one.name == "envoy_cluster_membership_total"]
    return members == [replicas] and all(isfinite(sample.value) for sample in samples)


def _counts(samples: Sequence[Sample]) -> Counts:
    grpc = any(sample.name.startswith("envoy_cluster_grpc_") for sample in samples)
    sums = Counter[str]()
    buckets: dict[float, int] = {}
    for sample in samples:
        if sample.name == "envoy_cluster_upstream_rq_completed_total":
            sums["requests"] += int(sample.value)
        elif sample.name == "envoy_cluster_upstream_rq_time_bucket":
            buckets[float(sample.labels["le"]) / 1000] = int(sample.value)
        elif sample.name == _ANSWERED_BY_RETRY:
            sums["retried"] += int(sample.value)
        elif (
            _GRPC_FAILURE.fullmatch(sample.name)
            # What Envoy answers to a gRPC call itself is counted both ways.
            or (
                (sample.name == "envoy_cluster_upstream_rq_xx_total" or _is_429(sample))
                and not grpc
            )
        ):
            sums["errors"] += int(sample.value)
    return Counts(
        requests=sums["requests"],
        errors=sums["errors"],
        retried=sums["retried"],
        latency=_latency(buckets),
    )


def _is_429(sample: Sample) -> bool:
    code = sample.labels.get("envoy_response_code")
    return sample.name == "envoy_cluster_upstream_rq_total" and bool(code == "429")


def _latency(cumulative: Mapping[float, int]) -> tuple[int, ...]:
    """The part of `Counts` that is its latency; zeros before the first request."""
    if not cumulative:
        return Counts().latency
    bounds = sorted(cumulative)
    if len(bounds) != len(LATENCY_BOUNDS) or not all(map(isclose, bounds, LATENCY_BOUNDS)):
        raise DeploymentError(
            "the gateway counts latencies in other buckets than this version of ours; stop it "
            "and start it again: weathervane local down, then up"
        )
    below = [0, *(cumulative[bound] for bound in bounds)]
    return tuple(b - a for a, b in pairwise(below))
