import json

import pytest

from tests.platform import schemas
from weathervane.errors import DeploymentError, ExitCode, UsageError
from weathervane.rollout.kserve.job import Driver, job_name, outcome, rollout_job
from weathervane.rollout.plan import Plan

DIGEST = "a" * 64
DRIVER = Driver(image="weathervane:0.1.0")


def ended(kind: str, message: str = "") -> dict:
    condition = {"type": kind, "status": "True", "message": message}
    return {"metadata": {"name": "w"}, "status": {"conditions": [condition]}}


def test_a_job_carries_its_package_by_digest_and_its_whole_plan():
    job = rollout_job("weather", DIGEST, Plan(steps=(5, 50)), DRIVER, rollout="r-1", who="anna")

    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    plan = json.loads(command[command.index("--plan-json") + 1])
    assert DIGEST in command
    assert plan["steps"] == [5, 50]


def test_a_job_takes_no_alias():
    with pytest.raises(UsageError, match="challenger"):
        rollout_job("weather", "challenger", Plan(), DRIVER, rollout="r-1", who="anna")


@pytest.mark.parametrize("name", ["", "a b", "x" * 64, "-x"])
def test_a_rollouts_name_is_one_that_a_label_can_hold(name):
    with pytest.raises(UsageError, match="name must be"):
        rollout_job("weather", DIGEST, Plan(), DRIVER, rollout=name, who="anna")


def test_a_jobs_name_is_its_rollouts_and_never_too_long_for_its_pods():
    service = "w" * 40

    names = {job_name(service, rollout) for rollout in ("r-1", "r-1", "r-2", "r" * 63)}

    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)


def test_how_a_rollout_ended_is_not_tried_again_and_a_platform_that_was_away_is():
    job = rollout_job("weather", DIGEST, Plan(), DRIVER, rollout="r-1", who="anna")

    final = job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]
    assert ExitCode.ROLLED_BACK in final
    assert not {ExitCode.PLATFORM, ExitCode.INTERRUPTED, ExitCode.DONE, 137} & set(final)


@pytest.mark.parametrize("code", [ExitCode.ROLLED_BACK, ExitCode.ROLLOUT_RUNNING])
def test_the_exit_code_is_read_from_the_words_of_the_jobs_condition(code):
    said = (
        f"Container rollout for pod models/weathervane-x failed with exit code {int(code)} "
        "matching FailJob rule at index 0"
    )

    assert outcome(ended("Failed", said)) is code


def test_a_job_that_goes_on_has_no_outcome_and_one_that_is_complete_is_done():
    assert outcome({"metadata": {"name": "w"}, "status": {"active": 1}}) is None
    assert outcome(ended("Complete")) is ExitCode.DONE


def test_a_job_that_could_not_run_is_an_error_in_kubernetes_words():
    with pytest.raises(DeploymentError, match="backoff limit"):
        outcome(ended("Failed", "Job has reached the specified backoff limit"))


def test_the_job_is_one_that_the_api_server_takes():
    schemas.needed()
    job = rollout_job("weather", DIGEST, Plan(), DRIVER, rollout="r-1", who="anna")

    assert not schemas.faults({**job, "apiVersion": "batch/v1", "kind": "Job"})
