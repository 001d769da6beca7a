"""The gateway's figures. In: what Envoy tells Prometheus. Out: `Counts` of each revision. Pure.

Refused connections, timeouts and every other answer that Envoy gives in a revision's place are
charged to that revision by Envoy itself, as 5xx or as a gRPC status.
"""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from math import isclose

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from weathervane.errors import DeploymentError
from weathervane.rollout.counts import LATENCY_BOUNDS, Counts

_CLUSTER = "envoy_cluster_name"
# The statuses that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and
# DATA_LOSS. https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_GRPC_FAILURE = re.compile(r"envoy_cluster_grpc_.*_(2|4|13|14|15)_total")


def read_figures(text: str, revisions: Mapping[str, str]) -> dict[str, Counts]:
    """Add up the figures of each revision.

    Args:
        text: Prometheus' text format.
        revisions: the revision that each cluster belongs to.

    Returns:
        Counts by revision; one that has a cluster which the text does not know is left out.

    Raises:
        DeploymentError: when the latencies are not in the buckets that we asked for.
    """
    samples: dict[str, list[Sample]] = {cluster: [] for cluster in revisions}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get(_CLUSTER) in samples:
                samples[sample.labels[_CLUSTER]].append(sample)
    unknown = {revisions[cluster] for cluster, told in samples.items() if not told}
    figures: dict[str, Counts] = {}
    for cluster, revision in revisions.items():
        if revision not in unknown:
            figures[revision] = figures.get(revision, Counts()) + _counts(samples[cluster])
    return figures


def _counts(samples: list[Sample]) -> Counts:
    grpc = any(sample.name.startswith("envoy_cluster_grpc_") for sample in samples)
    sums = Counter[str]()
    buckets: dict[float, int] = {}
    for sample in samples:
        if sample.name == "envoy_cluster_upstream_rq_completed_total":
            sums["requests"] += int(sample.value)
        elif sample.name == "envoy_cluster_upstream_rq_time_bucket":
            buckets[float(sample.labels["le"]) / 1000] = int(sample.value)
        elif _GRPC_FAILURE.fullmatch(sample.name) or (
            # What Envoy answers to a gRPC call itself is counted both ways.
            sample.name == "envoy_cluster_upstream_rq_xx_total" and not grpc
        ):
            sums["errors"] += int(sample.value)
    return Counts(requests=sums["requests"], errors=sums["errors"], latency=_latency(buckets))


def _latency(cumulative: Mapping[float, int]) -> tuple[int, ...]:
    """Requests in each of our buckets; Envoy tells of none before the first request."""
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
