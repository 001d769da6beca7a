"""A plan in words, and what its probes can see."""

import pytest

from weathervane.rollout.explain import explain, step_seconds
from weathervane.rollout.plan import Plan, PlanStep, Strategy
from weathervane.rollout.webhook import HookKind, Webhook


def test_a_step_takes_as_long_as_its_scarcest_evidence():
    plan = Plan(steps=(1, 50), min_requests=1000, min_canary_requests=50, settle_seconds=1)

    # The canary's 50 requests at 1 % of 10 a second, and 1,000 requests at 10 a second.
    assert step_seconds(plan, 1, 10) == pytest.approx(501)
    assert step_seconds(plan, 50, 10) == pytest.approx(101)
    assert step_seconds(plan, 50, 1e9) == pytest.approx(1 + plan.hold_seconds)


def test_a_canary_is_explained():
    hooks = (
        Webhook(name="board", kind=HookKind.GATE, url="https://example.org"),
        Webhook(name="chat", url="https://example.org"),
    )
    plan = Plan(steps=(10, PlanStep(weight=50, pause=True)), webhooks=hooks)

    words = "\n".join(explain(plan, probes=90, requests_per_second=25))

    for said in (
        "canary: 10 %, 50 % of the traffic",
        "90 probes find a loss of",
        "at 50 %: a person approves first",
        "about 41 s at the present traffic",
        "gate board must answer 2xx",
        "chat is told",
        "in all: 82 s at 25.0 requests/s, besides its start, and the time that people take",
    ):
        assert said in words


def test_too_little_traffic_is_said_before_the_rollout_begins():
    words = "\n".join(explain(Plan(), requests_per_second=1))

    assert "this step needs 17 min, and the plan's patience ends after 10 min" in words


def test_no_traffic_is_said_to_take_for_ever():
    assert "needs for ever" in "\n".join(explain(Plan(), requests_per_second=0))


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(strategy=Strategy.BLUE_GREEN), "one switch from 0 % to 100 %"),
        (Plan(strategy=Strategy.SHADOW, min_replayed=50), "a verdict; the new revision is removed"),
        (Plan(strategy=Strategy.SHADOW, mirror_percent=20), "copies of 20 % of stable's requests"),
        (Plan(strategy=Strategy.SHADOW, mirror_percent=20, promote=True), "the new revision is st"),
        (Plan(min_probes=0), "wrong labels go unseen"),
        (Plan(min_probes=5), "5 probes cannot prove any loss"),
        (Plan(min_probes=20), "20 probes find a loss of 20%"),
    ],
)
def test_what_matters_of_each_plan_is_said(plan: Plan, said: str):
    assert said in "\n".join(explain(plan))
