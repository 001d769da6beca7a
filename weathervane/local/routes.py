"""Who serves what: the revisions behind the gateway and the traffic each of them gets. Pure.

In: `Routes`. Out: the two files that Envoy reads, and back. The file of routes is the only memory
of what is stable, what is canary and at which weight: the roles travel as metadata of the route
that carries them out, so the two cannot disagree.

Format: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/discovery/v3/discovery.proto
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from weathervane.errors import DeploymentError
from weathervane.local.ports import LOOPBACK

ROUTE_CONFIG = "weathervane"
# Here the gateway says itself which version of the file of routes it acts on.
VERSION_PATH = "/.weathervane/routes"
# Every answer says in this header which revision gave it, or failed to.
REVISION_HEADER = "x-weathervane-revision"
# Longer than any picture takes; a revision that hangs is an error, not a wait for ever.
ROUTE_SECONDS = 15
# Shorter than any server keeps an idle connection (5 s is usual), or the gateway would send a
# request into one that is just being closed.
_IDLE_SECONDS = 3
_GRPC_SERVICE = "/inference.GRPCInferenceService/"
_GRPC_SUFFIX = "-grpc"
_TYPES = "type.googleapis.com/envoy"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One revision and where it listens."""

    revision: str
    digest: str  # of the package, sha256
    uri: str  # of the package
    http_port: int
    grpc_port: int

    @property
    def clusters(self) -> tuple[str, str]:
        """What Envoy calls it, for REST and for gRPC."""
        return self.revision, self.revision + _GRPC_SUFFIX


@dataclass(frozen=True, kw_only=True)
class Routes:
    """All that is served under one name."""

    service: str
    stable: Route | None = None
    canary: Route | None = None
    weight: int = 0  # percent of the traffic that the canary gets
    last_number: int = 0  # of the revisions ever made; names are never used twice

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def live(self) -> tuple[Route, ...]:
        """Stable and canary, as far as there are any."""
        return tuple(route for route in (self.stable, self.canary) if route)

    def next_name(self) -> str:
        """The name of the revision to come."""
        return f"{self.service}-{self.last_number + 1:05d}"


@dataclass(frozen=True)
class Discovery:
    """One file for Envoy. ``version`` names its content; Envoy reports it once it acts on it."""

    version: str
    text: bytes


def routes_file(routes: Routes) -> Discovery:
    """The file of routes."""
    forward = [
        _route({"prefix": _GRPC_SERVICE, "grpc": {}}, routes, grpc=True),
        _route({"prefix": "/"}, routes, grpc=False),
    ]
    metadata = {"filter_metadata": {"weathervane": asdict(routes)}}
    version = _version(forward, metadata)
    tell = {"match": {"path": VERSION_PATH}, "direct_response": _answer(200, version)}
    resource = {
        "@type": f"{_TYPES}.config.route.v3.RouteConfiguration",
        "name": ROUTE_CONFIG,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [tell, *forward]}],
        "metadata": metadata,
    }
    return _discovery(version, [resource])


def read_routes(text: bytes) -> Routes:
    """Read back what `routes_file` wrote.

    Raises:
        DeploymentError: when it was changed by somebody else.
    """
    try:
        resource = json.loads(text)["resources"][0]
        told = resource["metadata"]["filter_metadata"]["weathervane"]
        return TypeAdapter(Routes).validate_python(told)
    except (ValueError, LookupError, TypeError, ValidationError) as error:
        raise DeploymentError(
            f"the gateway's routes are not as we write them ({error}); move the file away to "
            "serve anew"
        ) from error


def clusters_file(routes: Routes) -> Discovery:
    """The file of clusters: where each live revision listens."""
    clusters = [
        cluster
        for route in routes.live
        for cluster in (
            _cluster(route.clusters[0], route.http_port, grpc=False),
            _cluster(route.clusters[1], route.grpc_port, grpc=True),
        )
    ]
    return _discovery(_version(clusters), clusters)


def read_clusters(text: bytes) -> frozenset[str]:
    """Names of the revisions in a file of clusters."""
    names = (resource["name"] for resource in json.loads(text)["resources"])
    return frozenset(name.removesuffix(_GRPC_SUFFIX) for name in names)


def _route(match: Mapping[str, Any], routes: Routes, *, grpc: bool) -> dict[str, Any]:
    shares = {"stable": 100 - routes.weight, "canary": routes.weight}
    targets = [
        (route, shares[role] if len(routes.live) > 1 else 100)
        for role, route in (("stable", routes.stable), ("canary", routes.canary))
        # A first canary serves nobody before it has a weight.
        if route and (routes.stable or routes.weight)
    ]
    if not targets:
        return {
            "match": match,
            "direct_response": _answer(503, '{"error": "no model is served yet"}\n'),
            "response_headers_to_add": [_header("content-type", "application/json")],
        }
    return {
        "match": match,
        "route": {
            "timeout": f"{ROUTE_SECONDS}s",
            "weighted_clusters": {
                "clusters": [
                    {
                        "name": route.clusters[grpc],
                        "weight": weight,
                        # Also on what Envoy itself answers when the revision does not.
                        "response_headers_to_add": [_header(REVISION_HEADER, route.revision)],
                    }
                    for route, weight in targets
                ]
            },
        },
    }


def _answer(status: int, body: str) -> dict[str, Any]:
    return {"status": status, "body": {"inline_string": body}}


def _header(key: str, value: str) -> dict[str, Any]:
    return {
        "header": {"key": key, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _cluster(name: str, port: int, *, grpc: bool) -> dict[str, Any]:
    protocol = "http2_protocol_options" if grpc else "http_protocol_options"
    address = {"socket_address": {"address": LOOPBACK, "port_value": port}}
    options = f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "@type": f"{_TYPES}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "common_http_protocol_options": {"idle_timeout": f"{_IDLE_SECONDS}s"},
                "explicit_http_config": {protocol: {}},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _version(*content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _discovery(version: str, resources: list[dict[str, Any]]) -> Discovery:
    file = {"version_info": version, "resources": resources}
    return Discovery(version, json.dumps(file, indent=2).encode())
