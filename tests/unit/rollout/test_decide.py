"""The rules of a rollout. Each test varies one thing from a healthy look."""

from dataclasses import replace

import pytest

from weathervane.rollout.actions import (
    Hold,
    Observed,
    Probe,
    Promote,
    Rollback,
    SetWeight,
    Wait,
)
from weathervane.rollout.counts import Counts, observe_latencies
from weathervane.rollout.decide import decide
from weathervane.rollout.evidence import Evidence
from weathervane.rollout.judgement import ProbeFigures
from weathervane.rollout.plan import Plan
from weathervane.rollout.wishes import Wishes

PLAN = Plan(steps=(10, 50), hold_seconds=10, min_requests=1000, patience_seconds=600)


def traffic(requests: int, errors: int = 0, seconds: float = 0.01) -> Counts:
    return Counts(requests, errors, observe_latencies([seconds] * requests))


def probes(canary: int, stable: int | None, total: int = 100) -> ProbeFigures:
    """So many of the probes answered rightly; both are right on the same ones first."""
    return ProbeFigures(
        canary_right=tuple(i < canary for i in range(total)),
        stable_right=None if stable is None else tuple(i < stable for i in range(total)),
    )


HEALTHY = Observed(
    weight=10,
    seconds_at_weight=30,
    canary_ready=True,
    has_stable=True,
    canary=traffic(100),
    stable=traffic(900),
    probes=probes(90, 90),
)
STARTED = replace(HEALTHY, weight=0, seconds_at_weight=3, canary=Counts(), stable=traffic(300))


def test_a_healthy_step_goes_on_to_the_next():
    assert decide(PLAN, HEALTHY) == SetWeight(50, decide(PLAN, HEALTHY).why)


def test_after_the_last_step_the_canary_is_promoted():
    seen = replace(HEALTHY, weight=50, canary=traffic(500), stable=traffic(500))

    assert isinstance(decide(PLAN, seen), Promote)


def test_a_ready_canary_whose_probes_hold_gets_its_first_traffic():
    action = decide(PLAN, STARTED)

    assert isinstance(action, SetWeight)
    assert action.percent == 10


def test_a_ready_canary_is_probed_before_any_traffic():
    assert isinstance(decide(PLAN, replace(STARTED, probes=None)), Probe)


def test_a_step_is_probed_before_it_goes_on():
    assert isinstance(decide(PLAN, replace(HEALTHY, probes=None)), Probe)


def test_wrong_labels_are_taken_back_before_any_traffic():
    action = decide(PLAN, replace(STARTED, probes=probes(10, 90)))

    assert isinstance(action, Rollback)
    assert "10.0%" in action.why


def test_a_loss_that_the_plan_does_not_allow_is_taken_back():
    assert isinstance(decide(PLAN, replace(STARTED, probes=probes(75, 95))), Rollback)


def test_a_loss_within_what_the_plan_allows_goes_on():
    assert isinstance(decide(PLAN, replace(STARTED, probes=probes(86, 90))), SetWeight)


def test_a_loss_that_may_be_chance_goes_on():
    few = probes(17, 19, total=20)

    assert isinstance(decide(PLAN, replace(STARTED, probes=few)), SetWeight)


def test_a_canary_better_than_a_broken_stable_is_not_refused_for_its_accuracy():
    assert isinstance(decide(PLAN, replace(STARTED, probes=probes(40, 20))), SetWeight)


def test_the_first_deployment_is_promoted_by_its_probes_alone():
    seen = replace(STARTED, has_stable=False, stable=Counts(), probes=probes(90, None))

    assert isinstance(decide(PLAN, seen), Promote)


def test_the_first_deployment_is_refused_when_its_probes_fail():
    seen = replace(STARTED, has_stable=False, stable=Counts(), probes=probes(20, None))

    assert isinstance(decide(PLAN, seen), Rollback)


def test_probes_that_nobody_answers_are_asked_again_and_then_given_up():
    silent = replace(STARTED, probes=None, probes_message="no answer")

    assert isinstance(decide(PLAN, silent), Probe)
    assert isinstance(decide(PLAN, replace(silent, seconds_at_weight=121)), Rollback)


def test_a_plan_without_probes_sends_none():
    plan = replace(PLAN, min_probes=0)

    assert isinstance(decide(plan, replace(STARTED, probes=None)), SetWeight)


def test_an_abort_comes_before_everything():
    action = decide(PLAN, replace(HEALTHY, wishes=Wishes(abort="no need (anna)")))

    assert isinstance(action, Rollback)
    assert "anna" in action.why


def test_a_canary_that_vanished_is_taken_back():
    assert isinstance(decide(PLAN, replace(HEALTHY, canary_ready=None)), Rollback)


def test_a_starting_canary_is_waited_for_until_its_deadline():
    starting = replace(STARTED, canary_ready=False, canary_message="loading")

    assert isinstance(decide(PLAN, starting), Wait)
    late = decide(PLAN, replace(starting, seconds_at_weight=121))
    assert isinstance(late, Rollback)
    assert "loading" in late.why


def test_a_canary_that_stops_being_ready_under_traffic_is_taken_back_at_once():
    seen = replace(HEALTHY, canary_ready=False, seconds_at_weight=1)

    assert isinstance(decide(PLAN, seen), Rollback)


def test_errors_beyond_chance_take_back_even_while_it_should_hold():
    canary, stable = traffic(20, errors=5), traffic(180)
    seen = replace(
        HEALTHY,
        canary=canary,
        stable=stable,
        evidence=Evidence().after(PLAN, canary, stable),
        seconds_at_weight=1,
    )

    assert isinstance(decide(PLAN, seen), Rollback)


def test_one_error_among_few_requests_proves_nothing():
    canary, stable = traffic(20, errors=1), traffic(180)
    seen = replace(
        HEALTHY,
        canary=canary,
        stable=stable,
        evidence=Evidence().after(PLAN, canary, stable),
        seconds_at_weight=1,
    )

    assert isinstance(decide(PLAN, seen), Wait)


def test_an_error_rate_above_the_bound_does_not_outlast_a_step():
    seen = replace(HEALTHY, canary=traffic(100, errors=2), stable=traffic(900, errors=2))

    assert isinstance(decide(PLAN, seen), Wait)
    assert isinstance(decide(PLAN, replace(seen, seconds_at_weight=601)), Rollback)


def test_errors_that_stable_has_too_hold_the_rollout():
    seen = replace(HEALTHY, canary=traffic(100, errors=5), stable=traffic(900, errors=90))

    assert isinstance(decide(PLAN, seen), Hold)


def test_lost_first_tries_above_the_bound_do_not_go_on():
    seen = replace(HEALTHY, canary=replace(HEALTHY.canary or Counts(), retried=2))

    action = decide(PLAN, seen)

    assert isinstance(action, Wait)
    assert "lost the first try of 2 of 100 requests" in action.why
    both = replace(seen, stable=replace(HEALTHY.stable or Counts(), retried=20))
    assert isinstance(decide(PLAN, both), Hold)


def test_a_few_lost_first_tries_stop_nothing():
    seen = replace(HEALTHY, canary=replace(HEALTHY.canary or Counts(), retried=1))

    assert isinstance(decide(PLAN, seen), SetWeight)


def test_the_budget_of_failed_requests_is_final_whatever_the_step_shows():
    assert isinstance(decide(PLAN, replace(HEALTHY, canary_failed_in_all=50)), Rollback)


@pytest.mark.parametrize(
    ("canary", "stable"), [(traffic(60), traffic(500)), (traffic(40), traffic(1000))]
)
def test_too_few_requests_wait_and_are_then_taken_back(canary: Counts, stable: Counts):
    seen = replace(HEALTHY, canary=canary, stable=stable)

    assert isinstance(decide(PLAN, seen), Wait)
    assert isinstance(decide(PLAN, replace(seen, seconds_at_weight=601)), Rollback)


def test_no_traffic_at_all_is_said_and_never_promotes():
    silent = replace(HEALTHY, canary=Counts(), stable=Counts())

    action = decide(PLAN, silent)

    assert isinstance(action, Hold)
    assert "no traffic" in action.why
    assert isinstance(decide(PLAN, replace(silent, seconds_at_weight=601)), Rollback)


@pytest.mark.parametrize("missing", ["canary", "stable"])
def test_figures_that_cannot_be_read_wait_and_are_then_taken_back(missing: str):
    seen = replace(HEALTHY, **{missing: None})

    assert isinstance(decide(PLAN, seen), Wait)
    assert isinstance(decide(PLAN, replace(seen, seconds_at_weight=601)), Rollback)


def test_a_split_that_is_not_the_one_asked_for_does_not_go_on():
    seen = replace(HEALTHY, canary=traffic(350), stable=traffic(650))

    action = decide(PLAN, seen)

    assert isinstance(action, Wait)
    assert "35.0%" in action.why


def test_figures_that_stopped_growing_wait_and_are_then_taken_back():
    stale = replace(HEALTHY, evidence=replace(Evidence(), idle_looks=31))

    action = decide(PLAN, stale)

    assert isinstance(action, Wait)
    assert "no new request" in action.why
    assert isinstance(decide(PLAN, replace(stale, seconds_at_weight=601)), Rollback)


def test_a_step_that_lacks_traffic_says_how_long_it_takes():
    slow = replace(HEALTHY, canary=traffic(1), stable=traffic(9), seconds_at_weight=20)

    assert "needs about 33 min, more than the plan's patience of 10 min" in decide(PLAN, slow).why


def test_a_step_lasts_its_time():
    assert isinstance(decide(PLAN, replace(HEALTHY, seconds_at_weight=9)), Wait)
