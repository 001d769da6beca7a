"""Who serves what: the revisions behind the gateway and the traffic each of them gets. Pure.

In: `Routes`. Out: the file of routes that Envoy reads, and back. It is the only memory of what is
stable, what is canary and at which weight: the roles travel as metadata of the route that carries
them out, so the two cannot disagree.

Format: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/discovery/v3/discovery.proto
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from weathervane.errors import DeploymentError
from weathervane.rollout.counts import PROBE_HEADER

ROUTE_CONFIG = "weathervane"
# Here the gateway says itself which version of the file of routes it acts on.
VERSION_PATH = "/.weathervane/routes"
# Every answer says in this header which revision gave it, or failed to. A request that names a role
# or a live revision in it goes there; any other name is no more than a wish.
REVISION_HEADER = "x-weathervane-revision"
# Longer than any picture takes; a revision that hangs is an error, not a wait for ever.
ROUTE_SECONDS = 15
_GRPC_SERVICE = "/inference.GRPCInferenceService/"
_TYPES = "type.googleapis.com/envoy"
# A request whose connection is refused or lost is sent once more, to another replica if there is
# one: a classification has no effect, so it may be done twice. What a server answers is its answer.
# (A body of more than 1 MiB, which Envoy does not keep, is not sent again.)
_RETRIES: Mapping[str, Any] = {
    "retry_on": "connect-failure,refused-stream,reset",
    "num_retries": 1,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": f"{_TYPES}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            },
        }
    ],
    "host_selection_retry_max_attempts": 5,
}
_FORWARD: Mapping[str, Any] = {"timeout": f"{ROUTE_SECONDS}s", "retry_policy": _RETRIES}


class Use(StrEnum):
    """Why a request goes to a revision. Envoy counts each of them apart."""

    SPLIT = ""  # by weight: the traffic that a rollout judges
    DIRECT = "-direct"  # it asked for this revision in its header
    MIRROR = "-mirror"  # a copy, whose answer nobody gets


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One process of a revision and where it listens."""

    name: str
    http_port: int
    grpc_port: int


@dataclass(frozen=True, kw_only=True)
class Route:
    """One revision and the replicas that serve it."""

    revision: str
    digest: str  # of the package, sha256
    uri: str  # of the package
    replicas: tuple[Replica, ...]

    def at(self, ports: Mapping[str, tuple[int, ...]]) -> "Route":
        """The same with other ports (REST, gRPC) for the replicas that ``ports`` names."""
        moved = (
            Replica(name=one.name, http_port=ports[one.name][0], grpc_port=ports[one.name][1])
            if one.name in ports
            else one
            for one in self.replicas
        )
        return replace(self, replicas=tuple(moved))

    def cluster(self, use: Use, *, grpc: bool = False) -> str:
        """What Envoy calls its replicas as the target of such requests."""
        return f"{self.revision}{use}{'-grpc' * grpc}"

    def clusters(self, use: Use) -> tuple[str, ...]:
        """All clusters of one use; gRPC is not copied, for Envoy tells no status of copies."""
        rest = self.cluster(use)
        return (rest,) if use is Use.MIRROR else (rest, self.cluster(use, grpc=True))


@dataclass(frozen=True, kw_only=True)
class Routes:
    """All that is served under one name."""

    service: str
    stable: Route | None = None
    canary: Route | None = None
    weight: int = 0  # percent of the traffic that the canary gets
    mirror: int = 0  # percent of the traffic of which the canary gets copies
    last_number: int = 0  # of the revisions ever made; names are never used twice

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def live(self) -> tuple[Route, ...]:
        """Stable and canary, as far as there are any."""
        return tuple(self.by_role.values())

    @property
    def by_role(self) -> dict[str, Route]:
        """The same by the name of the role."""
        roles = {"stable": self.stable, "canary": self.canary}
        return {role: route for role, route in roles.items() if route}

    def next_name(self) -> str:
        """The name of the revision to come."""
        return f"{self.service}-{self.last_number + 1:05d}"


@dataclass(frozen=True)
class Discovery:
    """One file for Envoy. ``version`` names its content; Envoy reports it once it acts on it."""

    version: str
    text: bytes

    @classmethod
    def of(cls, resources: Sequence[Mapping[str, Any]], version: str) -> "Discovery":
        """The file that holds these resources."""
        file = {"version_info": version, "resources": resources}
        return cls(version, json.dumps(file, indent=2).encode())


def routes_file(routes: Routes) -> Discovery:
    """The file of routes."""
    forward = [
        *(
            _direct(role, route, grpc=grpc)
            for role, route in routes.by_role.items()
            for grpc in (True, False)
        ),
        _split(routes, grpc=True),
        _split(routes, grpc=False),
    ]
    metadata = {"filter_metadata": {"weathervane": asdict(routes)}}
    version = version_of(forward, metadata)
    tell = {"match": {"path": VERSION_PATH}, "direct_response": _answer(200, version)}
    resource = {
        "@type": f"{_TYPES}.config.route.v3.RouteConfiguration",
        "name": ROUTE_CONFIG,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [tell, *forward]}],
        "metadata": metadata,
    }
    return Discovery.of([resource], version)


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


def version_of(*content: object) -> str:
    """A name of some content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _match(*, grpc: bool) -> dict[str, Any]:
    return {"prefix": _GRPC_SERVICE, "grpc": {}} if grpc else {"prefix": "/"}


def _direct(role: str, route: Route, *, grpc: bool) -> dict[str, Any]:
    """Requests that ask for a revision by its role or its name."""
    names = {"safe_regex": {"regex": f"{role}|{re.escape(route.revision)}"}}
    asks = {"name": REVISION_HEADER, "string_match": names}
    return {
        "match": {**_match(grpc=grpc), "headers": [asks]},
        "route": {**_FORWARD, "cluster": route.cluster(Use.DIRECT, grpc=grpc)},
        # Who is asked for is no share of the traffic: the predictor counts it apart as well.
        "request_headers_to_add": [_header(PROBE_HEADER, "1")],
        "response_headers_to_add": [_header(REVISION_HEADER, route.revision)],
    }


def _split(routes: Routes, *, grpc: bool) -> dict[str, Any]:
    """All other requests, by weight."""
    shares = {"stable": 100 - routes.weight, "canary": routes.weight}
    targets = [
        (route, shares[role] if len(routes.live) > 1 else 100)
        for role, route in routes.by_role.items()
        # A first canary serves nobody before it has a weight.
        if routes.stable or routes.weight
    ]
    if not targets:
        return {
            "match": _match(grpc=grpc),
            "direct_response": _answer(503, '{"error": "no model is served yet"}\n'),
            "response_headers_to_add": [_header("content-type", "application/json")],
        }
    return {
        "match": _match(grpc=grpc),
        # Whoever comes this way is traffic, and counted as such.
        "request_headers_to_remove": [PROBE_HEADER],
        "route": {
            **_FORWARD,
            **({} if grpc else _mirroring(routes)),
            "weighted_clusters": {
                "clusters": [
                    {
                        "name": route.cluster(Use.SPLIT, grpc=grpc),
                        "weight": weight,
                        # Also on what Envoy itself answers when the revision does not.
                        "response_headers_to_add": [_header(REVISION_HEADER, route.revision)],
                    }
                    for route, weight in targets
                ]
            },
        },
    }


def _mirroring(routes: Routes) -> dict[str, Any]:
    if not (routes.canary and routes.mirror):
        return {}
    share = {"default_value": {"numerator": routes.mirror, "denominator": "HUNDRED"}}
    copies = {"cluster": routes.canary.cluster(Use.MIRROR), "runtime_fraction": share}
    return {"request_mirror_policies": [copies]}


def _answer(status: int, body: str) -> dict[str, Any]:
    return {"status": status, "body": {"inline_string": body}}


def _header(key: str, value: str) -> dict[str, Any]:
    return {
        "header": {"key": key, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
