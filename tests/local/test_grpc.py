"""gRPC through the gateway: the same listener, the same weights, its real status in the counts."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import grpc
import pytest

from weathervane.local.routes import Route, Routes
from weathervane.local.serving import new_route

pytestmark = pytest.mark.process

SERVICE = "inference.GRPCInferenceService"


def infer(request: bytes, context: grpc.ServicerContext) -> bytes:
    if request != b"OK":
        context.abort(grpc.StatusCode[request.decode()], "as asked")
    return b"answer"


@dataclass
class Revision:
    server: grpc.Server
    route: Route


@pytest.fixture
def revisions() -> Iterator[list[Revision]]:
    begun = []
    for number in (1, 2):
        server = grpc.server(ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(infer)
        methods = grpc.method_handlers_generic_handler(SERVICE, {"ModelInfer": handler})
        server.add_generic_rpc_handlers((methods,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        route = new_route(f"weather-{number:05d}", "", "", replicas=1)
        begun.append(Revision(server, route.at({route.replicas[0].name: (1, port)})))
    yield begun
    for revision in begun:
        revision.server.stop(None).wait()


def ask(address: str, requests: list[bytes]) -> Counter[tuple[str, str]]:
    """Statuses by the revision that the answer names."""
    told: Counter[tuple[str, str]] = Counter()
    with grpc.insecure_channel(address.removeprefix("http://")) as channel:
        call = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        for request in requests:
            try:
                _, made = call.with_call(request, timeout=5)
            except grpc.RpcError as error:
                made = error
            metadata = dict([*made.initial_metadata(), *made.trailing_metadata()])
            told[metadata["x-weathervane-revision"], made.code().name] += 1
    return told


def test_statuses_weights_and_refused_connections_are_in_the_counts(site, revisions):
    gateway = site.gateway
    stable, canary = (revision.route for revision in revisions)
    routes = Routes(service="weather", stable=stable, canary=canary, weight=50, last_number=2)
    gateway.know(routes)
    gateway.route(routes)
    requests = [b"OK", b"INTERNAL", b"INVALID_ARGUMENT", b"UNAVAILABLE"] * 50

    told = ask(site.address, requests)
    revisions[1].server.stop(None).wait()
    told += ask(site.address, [b"OK"] * 50)

    counts = gateway.counts(routes)
    for name in (stable.revision, canary.revision):
        seen = {status: number for (revision, status), number in told.items() if revision == name}
        failed = seen.get("INTERNAL", 0) + seen.get("UNAVAILABLE", 0)
        assert (counts[name].requests, counts[name].errors) == (sum(seen.values()), failed)
        # Six standard deviations of binomial(250, 0.5).
        assert 72 <= sum(seen.values()) <= 178

    gateway.route(replace(routes, weight=0))
    assert {revision for revision, _ in ask(site.address, [b"OK"] * 30)} == {stable.revision}
