from math import inf

import pytest

from weathervane.errors import DeploymentError
from weathervane.local.figures import read_figures
from weathervane.local.routes import Use
from weathervane.local.serving import new_route
from weathervane.rollout.counts import LATENCY_BOUNDS, Counts

ROUTES = (new_route("w-00001", "", "", replicas=1),)
KNOWN = """\
# TYPE envoy_cluster_membership_total gauge
envoy_cluster_membership_total{envoy_cluster_name="w-00001"} 1
envoy_cluster_membership_total{envoy_cluster_name="w-00001-grpc"} 1
"""


def rest(requests: int, failed: int) -> str:
    return f"""\
# TYPE envoy_cluster_upstream_rq_completed counter
envoy_cluster_upstream_rq_completed{{envoy_cluster_name="w-00001"}} {requests}
# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{{envoy_response_code_class="5",envoy_cluster_name="w-00001"}} {failed}
"""


def grpc(requests: int, statuses: dict[int, int]) -> str:
    cluster = 'envoy_cluster_name="w-00001-grpc"'
    lines = [
        "# TYPE envoy_cluster_upstream_rq_completed counter",
        f"envoy_cluster_upstream_rq_completed{{{cluster}}} {requests}",
        # What Envoy answers itself it counts as 503, too.
        "# TYPE envoy_cluster_upstream_rq_xx counter",
        f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="5",{cluster}}} 1',
    ]
    for status, number in statuses.items():
        name = f"envoy_cluster_grpc_ModelInfer_{status}"
        lines += [f"# TYPE {name} counter", f"{name}{{{cluster}}} {number}"]
    return "\n".join(lines) + "\n"


def latency(bounds: tuple[float, ...]) -> str:
    name = "envoy_cluster_upstream_rq_time"
    lines = [f"# TYPE {name} histogram"]
    for count, bound in enumerate(bounds):
        le = "+Inf" if bound == inf else f"{bound * 1000:g}"
        lines.append(f'{name}_bucket{{envoy_cluster_name="w-00001",le="{le}"}} {2 * count}')
    lines.append(f'{name}_count{{envoy_cluster_name="w-00001"}} {2 * len(bounds) - 2}')
    return "\n".join(lines) + "\n"


def test_a_revision_that_has_seen_nothing_has_counts_of_zero():
    assert read_figures(KNOWN, ROUTES) == {"w-00001": Counts()}


@pytest.mark.parametrize("text", ["", KNOWN.replace("w-00001-grpc", "other")])
def test_a_revision_that_envoy_does_not_know_is_absent(text):
    assert read_figures(text, ROUTES) == {}


@pytest.mark.parametrize("members", [1, 3])
def test_figures_that_do_not_cover_each_replica_are_absent_never_less(members):
    text = KNOWN.replace('"} 1', f'"}} {members}') + rest(10, 3)

    assert read_figures(text, (new_route("w-00001", "", "", replicas=2),)) == {}


@pytest.mark.parametrize("nonsense", ["NaN", "+Inf"])
def test_a_figure_that_is_no_number_makes_its_revision_absent(nonsense):
    text = KNOWN + rest(10, 3).replace("} 10", f"}} {nonsense}")

    assert read_figures(text, ROUTES) == {}


def test_a_request_that_a_second_try_has_saved_is_one_request_and_no_error():
    name = "envoy_cluster_upstream_rq_retry_success"
    saved = f'# TYPE {name} counter\n{name}{{envoy_cluster_name="w-00001"}} 2\n'

    counts = read_figures(KNOWN + rest(10, 3) + saved, ROUTES)["w-00001"]

    assert (counts.requests, counts.errors, counts.retried) == (10, 3, 2)


def test_each_use_of_a_revision_is_counted_by_itself():
    members = KNOWN + 'envoy_cluster_membership_total{envoy_cluster_name="w-00001-mirror"} 1\n'
    copies = 'envoy_cluster_upstream_rq_completed{envoy_cluster_name="w-00001-mirror"} 4\n'
    requests = f"{members}# TYPE envoy_cluster_upstream_rq_completed counter\n{copies}"
    text = requests + copies.replace("-mirror", "").replace(" 4", " 10")

    assert read_figures(text, ROUTES)["w-00001"].requests == 10
    assert read_figures(text, ROUTES, Use.MIRROR)["w-00001"].requests == 4


def test_requests_that_ended_with_5xx_are_errors():
    counts = read_figures(KNOWN + rest(10, 3), ROUTES)["w-00001"]

    assert (counts.requests, counts.errors) == (10, 3)


def test_an_answer_that_too_much_waits_is_an_error_of_the_revision_and_other_4xx_are_not():
    def answered(code: int, number: int) -> str:
        labels = f'envoy_response_code="{code}",envoy_cluster_name="w-00001"'
        return f"envoy_cluster_upstream_rq{{{labels}}} {number}\n"

    by_code = "# TYPE envoy_cluster_upstream_rq counter\n" + answered(429, 2) + answered(400, 4)
    counts = read_figures(KNOWN + rest(10, 3) + by_code, ROUTES)["w-00001"]

    assert (counts.requests, counts.errors) == (10, 5)


@pytest.mark.parametrize(
    ("statuses", "errors"),
    [
        ({0: 5}, 0),
        ({2: 1, 4: 1, 13: 1, 14: 1, 15: 1}, 5),
        # What the caller did wrong is not the revision's fault: INVALID_ARGUMENT, NOT_FOUND,
        # RESOURCE_EXHAUSTED, UNIMPLEMENTED.
        ({3: 1, 5: 1, 8: 1, 12: 1}, 0),
    ],
)
def test_grpc_is_judged_by_its_own_status_and_counted_once(statuses, errors):
    counts = read_figures(KNOWN + grpc(5, statuses), ROUTES)["w-00001"]

    assert (counts.requests, counts.errors) == (5, errors)


def test_rest_and_grpc_are_added_up():
    counts = read_figures(KNOWN + rest(10, 3) + grpc(5, {14: 2}), ROUTES)["w-00001"]

    assert (counts.requests, counts.errors) == (15, 5)


def test_latencies_lose_their_accumulation():
    counts = read_figures(KNOWN + latency(LATENCY_BOUNDS), ROUTES)["w-00001"]

    assert counts.latency == (0,) + (2,) * (len(LATENCY_BOUNDS) - 1)


@pytest.mark.parametrize("bounds", [LATENCY_BOUNDS[1:], (0.0011, *LATENCY_BOUNDS[1:])])
def test_latencies_in_other_buckets_are_an_error(bounds):
    with pytest.raises(DeploymentError, match="buckets"):
        read_figures(KNOWN + latency(bounds), ROUTES)
