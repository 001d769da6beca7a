"""``weathervane rollout`` on a cluster: the process that drives, and what a person types."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import kube_config
from pydantic import TypeAdapter

from tests.kserve.node import JOB, Site
from tests.kserve.worlds import SERVICE, SHORT, Stage, await_true
from tests.platform.cluster import NAMESPACE
from tests.platform.pods import Behaviour
from weathervane.errors import ExitCode, UsageError
from weathervane.registry.store import Store
from weathervane.registry.versions import CHALLENGER, CHAMPION
from weathervane.rollout.kserve.job import Driver, rollout_job
from weathervane.rollout.kserve.rights import (
    ABORTER_RIGHTS,
    DRIVER_RIGHTS,
    DRIVER_RIGHTS_IN_KSERVE,
    STARTER_RIGHTS,
)
from weathervane.rollout.plan import Plan
from weathervane.rollout.wishes import Kind

pytestmark = pytest.mark.process

QUICK = replace(SHORT, settle_seconds=0.1, interval_seconds=0.1, min_probes=2)
HERE = ("--namespace", NAMESPACE)
IMAGE = "weathervane:0.1.0"


@pytest.fixture
def site(
    stage: Stage, store: Store, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Site:
    site = Site(stage, store, tracking_uri, tmp_path)
    # The library reads KUBECONFIG once, when it is imported.
    config = site.environment["KUBECONFIG"]
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", config)
    return site


knative = pytest.mark.parametrize("mode", ["Knative"])


def written(plan: Plan, folder: Path) -> str:
    file = folder / "plan.yaml"
    values = TypeAdapter(Plan).dump_python(plan, mode="json", exclude_defaults=True)
    file.write_text(yaml.safe_dump(values))
    return str(file)


def drive(site: Site, digest: str, *more: str) -> Any:
    text = TypeAdapter(Plan).dump_json(QUICK).decode()
    drive = ("drive", digest, "--who", "anna", "--plan-json", text, *HERE)
    return site.type(*drive, *more)


def jobs(site: Site) -> list[Any]:
    return site.stage.cluster.objects.of_kind(JOB, NAMESPACE)


@knative
def test_a_rollout_that_is_started_is_driven_by_its_job_to_the_end(site: Site, tmp_path):
    """In Standard mode: each way to start one, in test_ways."""
    site.registry.set_alias(SERVICE, CHALLENGER, site.new.digest)
    summary = tmp_path / "summary.md"
    site.stage.cluster.api.roles = {
        "driver": STARTER_RIGHTS | DRIVER_RIGHTS,
        "driver@kserve": DRIVER_RIGHTS_IN_KSERVE,
    }
    start = ("start", "--plan", written(QUICK, tmp_path), "--image", IMAGE, *HERE)

    with site.traffic(), site.node():
        done = site.type(*start, "--summary", str(summary))

    assert done.exit_code == ExitCode.DONE, (done.output, done.exception, site.ran)
    assert site.stage.settled(site.new)
    champion = site.registry.alias(SERVICE, CHAMPION)
    assert champion is not None
    assert champion.digest == site.new.digest
    # The pod's output is the record, one JSON object a line.
    (pod,) = site.ran
    printed = [json.loads(line) for line in pod.stdout.splitlines()]
    assert next(e["event"] for e in printed if e["event"] != "look") == "begun"
    assert "promoted" in {entry["event"] for entry in printed}
    assert site.new.digest in summary.read_text()


@knative
def test_a_bad_package_is_taken_back_with_its_code_and_again_is_said_once(site: Site):
    site.stage.cluster.behaviours[site.new.digest] = Behaviour(error_share=0.9)
    with site.traffic():
        assert drive(site, site.new.digest, "--name", "r-1").exit_code == ExitCode.ROLLED_BACK
        assert site.stage.settled(site.old)
        again = ("--name", "r-2", "--again")
        assert drive(site, site.new.digest, *again).exit_code == ExitCode.ROLLED_BACK
        second = site.stage.rollout().last()
        assert second is not None
        assert second.id == "r-2"
        # A pod that is started again after its rollout has ended begins no other one.
        assert drive(site, site.new.digest, *again).exit_code == ExitCode.ROLLED_BACK

    assert site.stage.rollout().last() == second


@knative
def test_a_package_that_is_not_in_the_store_ends_its_job_at_once_with_its_address(site: Site):
    digest = "e" * 64

    with site.node():
        done = site.type("start", digest, "--image", IMAGE, *HERE)

    assert done.exit_code == ExitCode.PACKAGE_REFUSED, (done.output, site.ran)
    (pod,) = site.ran
    assert f"there is no package {digest} in the store" in pod.stderr
    assert site.stage.rollout().last() is None


@knative
def test_an_abort_before_the_jobs_rollout_has_begun_ends_it_before_it_changes_anything(
    site: Site, tmp_path
):
    site.stage.cluster.api.roles = {"driver": ABORTER_RIGHTS | STARTER_RIGHTS}
    plan = ("--plan", written(QUICK, tmp_path))
    site.type("start", site.new.digest, *plan, "--no-wait", "--image", IMAGE, *HERE)
    (job,) = jobs(site)

    aborted = site.type("abort", "--why", "wrong package", "--who", "carla", *HERE)
    before = site.stage.cluster.isvc(SERVICE)["metadata"]["generation"]
    with site.node():
        await_true(lambda: site.ran, seconds=60)

    assert f"Job {job['metadata']['name']} has not begun yet" in aborted.output
    assert site.ran[0].returncode == ExitCode.ROLLED_BACK
    assert site.stage.cluster.isvc(SERVICE)["metadata"]["generation"] == before
    last = site.stage.rollout().last()
    assert last is not None
    assert last.why == "aborted: wrong package (carla)"
    assert last.id == job["metadata"]["labels"]["weathervane/rollout"]
    assert ("list", "jobs.batch") in site.stage.cluster.api.used["driver"]
    # Once more there is nothing to end.
    again = site.type("abort", "--why", "wrong package", *HERE)
    assert "no rollout runs" in again.output


def test_who_starts_makes_exactly_the_job_and_needs_no_more_than_jobs(site: Site):
    cluster = site.stage.cluster
    cluster.api.roles = {"driver": STARTER_RIGHTS}
    before = len(cluster.api.calls)

    done = site.type(
        *("start", site.new.digest, "--no-wait", "--image", IMAGE, "--who", "ci", *HERE),
        MLFLOW_TRACKING_URI="",
    )

    assert done.exit_code == ExitCode.DONE, done.exception
    (job,) = jobs(site)
    steps = {"Knative": (10, 25, 50), "Standard": ()}[site.stage.mode]
    rollout = job["metadata"]["labels"]["weathervane/rollout"]
    wanted = rollout_job(
        *(SERVICE, site.new.digest, Plan(steps=steps), Driver(image=IMAGE)),
        rollout=rollout,
        who="ci",
    )
    assert job["spec"] == wanted["spec"]
    assert job["metadata"]["labels"] == wanted["metadata"]["labels"]
    assert job["metadata"]["name"] in done.output
    assert [call.resource for call in cluster.api.calls[before:]] == ["jobs.batch"]


@knative
def test_a_plan_is_explained_with_the_steps_of_its_mode_and_the_traffic_of_the_cluster(site: Site):
    with site.traffic():
        explained = site.type("plan", *HERE)

    assert explained.exit_code == ExitCode.DONE, explained.exception
    assert "at 50 %: " in explained.output
    assert "at 100 %" not in explained.output
    assert "requests/s" in explained.output


@knative
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--plan", "plan.yaml", "--image", IMAGE), "must end below 100"),
        (("--probes", "."), "reads no folder"),
        ((), "WEATHERVANE_IMAGE"),
    ],
)
def test_what_cannot_go_well_is_refused_before_any_write(
    site: Site, tmp_path, monkeypatch, options, said
):
    monkeypatch.chdir(tmp_path)
    Path("plan.yaml").write_text("strategy: blue-green")
    before = len(site.stage.cluster.api.calls)

    refused = site.type("start", site.new.digest, *options, *HERE)

    assert isinstance(refused.exception, UsageError)
    assert said in str(refused.exception)
    assert not any(call.writes for call in site.stage.cluster.api.calls[before:])


@knative
def test_the_template_that_the_job_gets_serves_who_names_none(site: Site):
    start = ("start", site.new.digest, "--no-wait", "--image", IMAGE, *HERE)

    refused = site.type(*start, WEATHERVANE_TEMPLATE="")
    assert isinstance(refused.exception, UsageError)
    assert "give --template" in str(refused.exception)

    site.lay_template_down()
    assert site.type(*start, WEATHERVANE_TEMPLATE="").exit_code == ExitCode.DONE


@knative
def test_what_people_ask_reaches_the_process_that_drives(site: Site):
    """Without traffic a rollout waits at its step, and people have the time to ask."""
    ends: list[Any] = []
    driving = threading.Thread(
        target=lambda: ends.append(site.stage.run(site.new, replace(QUICK, patience_seconds=1e6))),
        daemon=True,
    )
    site.stage.clock.requests_per_second = 0
    driving.start()
    await_true(
        lambda: (last := site.stage.rollout().last()) and last.weight == 50 and last.step_begun
    )

    status = site.type("status", *HERE, MLFLOW_TRACKING_URI="")
    paused = site.type("pause", "--why", "lunch", "--who", "bert", *HERE)
    aborted = site.type("abort", "--why", "enough", "--who", "carla", "--context", "live")
    driving.join()

    assert f"{site.new.digest[:12]} 50 % ready" in status.output
    assert "alias champion is not looked at: set MLFLOW_TRACKING_URI" in status.output
    assert "pause: the rollout knows" in paused.output, paused.exception
    assert aborted.exit_code == ExitCode.DONE
    (end,) = ends
    assert "enough" in end.why
    assert site.stage.settled(site.old)
    asked = [e for e in site.stage.journal.entries() if e["event"] == "request"]
    assert [(e["kind"], e["who"]) for e in asked] == [(Kind.PAUSE, "bert"), (Kind.ABORT, "carla")]
    waited = site.type("wait", *HERE, WEATHERVANE_TEMPLATE="")
    assert waited.exit_code == ExitCode.ROLLED_BACK
    assert "taken back" in site.type("history", *HERE, WEATHERVANE_TEMPLATE="").output
