"""What Envoy is told at its start; all that changes later stands in files that it watches. Pure.

In: a folder and two ports. Out: Envoy's bootstrap configuration.
https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/bootstrap/v3/bootstrap.proto
"""

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any, Literal, TypeAlias

from weathervane.local.ports import LOOPBACK
from weathervane.local.routes import ROUTE_CONFIG
from weathervane.rollout.counts import LATENCY_BOUNDS

Kind: TypeAlias = Literal["clusters", "routes"]
_FILTERS = "type.googleapis.com/envoy.extensions.filters"


def watched_file(folder: Path, kind: Kind) -> Path:
    """A file that Envoy reads again when it is replaced by a rename."""
    # In a folder of its own: Envoy reads its file again after any rename beside it.
    return folder / kind / f"{kind}.json"


def bootstrap(folder: Path, port: int, admin_port: int) -> dict[str, Any]:
    """The configuration. ``folder`` is absolute and holds the watched files."""
    # Envoy counts milliseconds.
    buckets = [round(bound * 1000) for bound in LATENCY_BOUNDS if bound < inf]
    return {
        "node": {"id": "gateway", "cluster": "weathervane"},
        "admin": {"address": _address(admin_port)},
        # Histograms are brought together at each flush: no figure is older than this.
        "stats_flush_interval": "0.250s",
        "stats_config": {
            "histogram_bucket_settings": [
                {"match": {"suffix": "upstream_rq_time"}, "buckets": buckets}
            ]
        },
        "dynamic_resources": {"cds_config": _watched(folder, "clusters")},
        "static_resources": {
            "listeners": [
                {
                    "name": "gateway",
                    "address": _address(port),
                    # Else a second Envoy could bind the same port and take half of the traffic.
                    "enable_reuse_port": False,
                    "filter_chains": [{"filters": [_connections(folder)]}],
                }
            ]
        },
    }


def _connections(folder: Path) -> dict[str, Any]:
    kind = f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": kind,
            "stat_prefix": "gateway",
            "server_header_transformation": "PASS_THROUGH",
            # Nobody is trusted: with an `x-envoy-` header of its own a client could choose its
            # retries, its time, even where it is counted. Envoy removes such headers unless they
            # come from an internal address, which loopback is unless another range is named; this
            # one (RFC 5737) is nobody's.
            "use_remote_address": True,
            "internal_address_config": {
                "cidr_ranges": [{"address_prefix": "192.0.2.0", "prefix_len": 32}]
            },
            "preserve_external_request_id": True,
            "rds": {
                "route_config_name": ROUTE_CONFIG,
                "config_source": _watched(folder, "routes"),
            },
            "http_filters": [
                # A failed gRPC call is an HTTP 200; this filter counts its real status.
                _http_filter("grpc_stats", "FilterConfig", {"stats_for_all_methods": True}),
                _http_filter("router", "Router", {"suppress_envoy_headers": True}),
            ],
        },
    }


def _http_filter(name: str, kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": f"{_FILTERS}.http.{name}.v3.{kind}", **settings},
    }


def _watched(folder: Path, kind: Kind) -> dict[str, Any]:
    file = watched_file(folder, kind)
    return {
        "resource_api_version": "V3",
        "path_config_source": {
            "path": str(file),
            "watched_directory": {"path": str(file.parent)},
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
