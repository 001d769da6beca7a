"""Clusters that would ignore a weight, and Jobs that drive."""

import threading
import time

import pytest

from tests.kserve.worlds import OLD, SERVICE, Stage, api, await_true, template
from tests.platform.cluster import NAMESPACE, Cluster
from tests.platform.kinds import ISVC
from weathervane.errors import DeploymentError, ExitCode, UsageError
from weathervane.rollout.kserve.job import Driver, create_job, follow_job, rollout_job
from weathervane.rollout.kserve.modes import open_deployment
from weathervane.rollout.kserve.notebook import Notebook
from weathervane.rollout.kserve.rights import ASKER_RIGHTS, STARTER_RIGHTS
from weathervane.rollout.kserve.service import ClusterService
from weathervane.rollout.plan import Plan
from weathervane.rollout.wishes import Kind, make_request

pytestmark = pytest.mark.process

JOB = "batch/v1/jobs"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"gateway_api": False}, "enableGatewayApi"),
        ({"version": "v0.20.0"}, "0.20 accepts a canary in Standard mode and sends it no traffic"),
        ({"version": "latest"}, "cannot tell KServe's version"),
    ],
    ids=["no gateway", "an old version", "an unknown version"],
)
def test_a_cluster_that_ignores_a_weight_is_refused_before_any_write(how, said):
    with Cluster(**how) as cluster:
        with pytest.raises(DeploymentError, match=said):
            Stage(cluster, "Standard")

        assert not any(call.writes for call in cluster.api.calls)


def test_on_such_a_cluster_the_weight_would_have_been_ignored():
    """What the refusal is about: everything is accepted, and nothing is split."""
    with Cluster() as cluster:
        stage = Stage(cluster, "Standard")
        cluster.standard.splits = False
        stage.deployment.start_canary(OLD.__class__(digest="d" * 64, uri=f"s3://b/{'d' * 64}"))
        stage.await_ready()
        isvc = cluster.isvc(SERVICE)
        isvc["spec"]["canary"][0]["trafficPercent"] = 50
        cluster.objects.replace((ISVC, NAMESPACE, SERVICE), isvc)

        await_true(lambda: cluster.isvc(SERVICE)["status"]["canaryStatuses"][0]["ready"])
        assert stage.serving == {OLD.digest: 100}


def test_a_service_in_another_mode_than_its_template_is_refused(stage):
    other = "Standard" if stage.mode == "Knative" else "Knative"

    with pytest.raises(UsageError, match=f"runs in {stage.mode} mode"):
        open_deployment(stage.api, Notebook(stage.api, SERVICE), SERVICE, template(other))


def test_knative_refuses_what_kserve_accepted_and_its_words_are_passed_on(cluster):
    stage = Stage(cluster, "Knative")
    with pytest.raises(DeploymentError, match="0 to 100 percent, got 150"):
        stage.deployment.set_weight(150)

    cluster.edit(SERVICE, "spec", "predictor", "canaryTrafficPercent", to=150)

    def said() -> bool:
        conditions = cluster.isvc(SERVICE)["status"]["conditions"]
        return "expected 0 <= 150 <= 100" in conditions[0]["message"]

    await_true(said)


def test_who_starts_a_rollout_creates_a_job_and_reads_it_and_needs_nothing_else(cluster):
    cluster.api.roles = {"ci": set(STARTER_RIGHTS)}
    ci = api(cluster, who="ci")
    driver = Driver(image="weathervane:0.1.0")
    job = rollout_job(SERVICE, OLD.digest, Plan(), driver, rollout="r-1", who="ci")
    name = create_job(ci, job)
    said: list[str] = []

    def end() -> None:
        time.sleep(0.1)
        message = "Container rollout for pod models/x failed with exit code 5 matching FailJob"
        failed = {"type": "Failed", "status": "True", "message": message}
        cluster.objects.set_status((JOB, NAMESPACE, name), {"failed": 1, "conditions": [failed]})

    threading.Thread(target=end).start()

    assert follow_job(ci, name, said.append) is ExitCode.ROLLED_BACK
    assert cluster.api.used["ci"] == STARTER_RIGHTS
    assert said


def test_who_follows_a_job_bears_an_api_server_that_is_away(cluster):
    """The Job goes on by itself, so nobody who waits for it gives up."""
    who = api(cluster)
    job = rollout_job(SERVICE, OLD.digest, Plan(), Driver(image="any"), rollout="r-1", who="ci")
    name = create_job(who, job)
    said: list[str] = []

    def announce(line: str) -> None:
        said.append(line)
        if "running" in line:
            cluster.api.faults.down = True
        elif "does not answer" in line:
            done = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
            cluster.objects.set_status((JOB, NAMESPACE, name), done)
            cluster.api.faults.down = False

    assert follow_job(who, name, announce) is ExitCode.DONE
    assert f"{name}: the API server does not answer; the Job goes on by itself" in said


def test_who_asks_of_a_rollout_that_is_the_first_one_there_uses_each_right_to_ask(cluster):
    cluster.api.roles = {"asker": ASKER_RIGHTS}
    journal = ClusterService(api(cluster, who="asker"), SERVICE).journal

    for why in ("wrong package", "really"):
        journal.ask(make_request("r-1", Kind.ABORT, "anna", why).as_mapping())

    assert [request["why"] for request in journal.asked()] == ["wrong package", "really"]
    assert cluster.api.used == {"asker": ASKER_RIGHTS}
