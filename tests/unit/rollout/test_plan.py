"""What a plan takes, what it refuses, and how it says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from weathervane.config import from_mapping
from weathervane.errors import UsageError
from weathervane.rollout.plan import Plan, PlanStep, Strategy, schema
from weathervane.rollout.port import Capability

SCHEMA = Path(__file__).parents[3] / "docs/plan.schema.json"


def read(**values: Any) -> Plan:
    return from_mapping(Plan, values, "plan.yaml")


def test_the_published_schema_is_that_of_the_code():
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))

    assert published == schema(), "write it anew: make golden"


def test_every_key_of_the_schema_explains_itself():
    whole = schema()
    for part in (whole, whole["$defs"]["PlanStep"], whole["$defs"]["Webhook"]):
        for name, about in part["properties"].items():
            assert about.get("description"), name


def test_a_canary_goes_up_in_four_steps_by_default():
    assert Plan().weights == (10, 25, 50, 100)


def test_blue_green_has_one_step():
    assert Plan(strategy=Strategy.BLUE_GREEN).weights == (100,)


def test_a_step_says_where_it_differs_from_the_plan():
    plan = read(steps=[10, {"weight": 50, "hold_seconds": 60, "min_requests": 9, "pause": True}])

    assert (plan.at(10), plan.at(50).hold_seconds, plan.at(50).min_requests) == (plan, 60, 9)
    assert plan.after(10) == PlanStep(weight=50, hold_seconds=60, min_requests=9, pause=True)
    assert plan.after(50) is None


@pytest.mark.parametrize(
    ("values", "needs"),
    [
        ({}, {Capability.WEIGHT}),
        ({"strategy": "blue-green"}, {Capability.WEIGHT}),
        ({"strategy": "shadow", "mirror_percent": 10}, {Capability.MIRROR}),
        ({"strategy": "shadow", "min_replayed": 10}, set()),
    ],
)
def test_a_plan_says_what_the_platform_must_be_able_to_do(values: Any, needs: Any):
    assert read(**values).needs == needs


HOOK = {"name": "chat", "url": "https://example.org/hook"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"hold_secnds": 5}, "did you mean hold_seconds, got 5", id="misspelt"),
        pytest.param(
            {"steps": [{"weight": 5, "puase": True}]}, "did you mean pause", id="misspelt in a step"
        ),
        pytest.param({"strategy": "cannary"}, "'canary', 'blue-green' or", id="unknown strategy"),
        pytest.param({"min_requests": -1}, "min_requests.*equal to 0, got -1", id="negative"),
        pytest.param({"max_error_rate": 1.5}, "max_error_rate.*equal to 1", id="no share"),
        pytest.param({"hold_seconds": float("nan")}, "hold_seconds.*finite", id="no number"),
        pytest.param({"patience_seconds": float("inf")}, "finite number", id="for ever"),
        pytest.param({"hold_seconds": True}, "hold_seconds.*valid number, got True", id="yes"),
        pytest.param({"steps": ["10"]}, "steps.0.*valid integer, got '10'", id="text"),
        pytest.param({"steps": [0, 10]}, "steps.0.*equal to 1, got 0", id="nothing"),
        pytest.param({"steps": [101]}, "steps.0.*equal to 100, got 101", id="too much"),
        pytest.param({"steps": [50, 10]}, r"rising.*\[50, 10\]", id="falling"),
        pytest.param({"steps": [10, 10]}, "rising", id="twice"),
        pytest.param({"patience_seconds": 1}, r"patience_seconds \(1.*hold_seconds", id="hasty"),
        pytest.param(
            {"steps": [{"weight": 5, "hold_seconds": 700}]}, "700.* at 5 %", id="hasty at a step"
        ),
        pytest.param(
            {"strategy": "blue-green", "steps": [50, 100]}, "switches once", id="blue-green"
        ),
        pytest.param({"strategy": "shadow"}, "something to compare", id="shadow of nothing"),
        pytest.param(
            {"strategy": "shadow", "mirror_percent": 1, "steps": [5]}, "no steps", id="shadow steps"
        ),
        pytest.param({"mirror_percent": 5}, "belongs to strategy shadow", id="canary mirrors"),
        pytest.param({"promote": True}, "belongs to strategy shadow", id="canary told to promote"),
        pytest.param({"webhooks": [HOOK, HOOK]}, "different names", id="hooks of one name"),
        pytest.param({"webhooks": [{"name": "chat"}]}, "one of url and url_env", id="no address"),
        pytest.param(
            {"webhooks": [{**HOOK, "url": "ftp://example.org"}]}, "http:// or https", id="scheme"
        ),
        pytest.param(
            {"webhooks": [{**HOOK, "timeout_seconds": 60}]}, "equal to 5, got 60", id="slow gate"
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_value_and_what_was_expected(values: Any, said: str):
    with pytest.raises(UsageError, match=said) as refused:
        read(**values)

    assert str(refused.value).startswith("plan.yaml: ")


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match="holds a password") as refused:
        read(webhooks=[{**HOOK, "url": "https://anna:secret@example.org/"}])

    assert "secret@" not in str(refused.value)


@pytest.mark.parametrize(
    "values", [{"min_requests": -1}, {"significance": 1.0}, {"hold_seconds": float("nan")}]
)
def test_the_same_bounds_hold_for_code(values: Any):
    with pytest.raises(UsageError, match=f"the plan's {next(iter(values))} must be"):
        Plan(**values)
