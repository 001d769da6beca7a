"""Where each live revision listens, as Envoy is told. Pure.

In: `Routes`. Out: the file of clusters, and back. A revision is several clusters over the same
replicas, one for each use of it, so that Envoy counts each use by itself.

https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/cluster/v3/cluster.proto
"""

import json
from collections.abc import Mapping
from typing import Any

from weathervane.local.ports import LOOPBACK
from weathervane.local.routes import Discovery, Route, Routes, Use, version_of

# Shorter than any server keeps an idle connection (5 s is usual), or the gateway would send a
# request into one that is just being closed.
_IDLE_SECONDS = 3
_TYPES = "type.googleapis.com/envoy"
# A replica that refuses or loses connections gets no traffic for a moment when another can take it.
# Not for longer: while one that is back is left out, the death of the other one loses requests.
# What a replica answers never has that effect: bad answers are for the rollout to see and count.
_EJECTION: Mapping[str, Any] = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 2,
    "interval": "0.250s",
    "base_ejection_time": "0.500s",
    "max_ejection_time": "0.500s",
    "max_ejection_percent": 50,
    "enforcing_consecutive_5xx": 0,
    "enforcing_consecutive_gateway_failure": 0,
    "enforcing_success_rate": 0,
    "enforcing_local_origin_success_rate": 0,
}


def clusters_file(routes: Routes) -> Discovery:
    """The file of clusters."""
    clusters = [
        _cluster(name, route, grpc=name.endswith("-grpc"))
        for route in routes.live
        for use in Use
        for name in route.clusters(use)
    ]
    return Discovery.of(clusters, version_of(clusters))


def read_clusters(text: bytes) -> frozenset[str]:
    """Names of the revisions in a file of clusters."""
    return frozenset(
        resource["metadata"]["filter_metadata"]["weathervane"]["revision"]
        for resource in json.loads(text)["resources"]
    )


def _cluster(name: str, route: Route, *, grpc: bool) -> dict[str, Any]:
    protocol = "http2_protocol_options" if grpc else "http_protocol_options"
    ports = [replica.grpc_port if grpc else replica.http_port for replica in route.replicas]
    options = f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "@type": f"{_TYPES}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "metadata": {"filter_metadata": {"weathervane": {"revision": route.revision}}},
        # By default three requests may be tried again at once; a replica that dies has more.
        "circuit_breakers": {"thresholds": [{"max_retries": 1024}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "common_http_protocol_options": {"idle_timeout": f"{_IDLE_SECONDS}s"},
                "explicit_http_config": {protocol: {}},
            }
        },
        **({"outlier_detection": _EJECTION} if len(ports) > 1 else {}),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_endpoint(port) for port in ports]}],
        },
    }


def _endpoint(port: int) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": LOOPBACK, "port_value": port}}}}
