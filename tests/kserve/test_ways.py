"""The three ways to start a rollout on a cluster: typed, as a pipeline's step, from CI."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl
from kubernetes.config import kube_config

from components.roll_out import roll_out
from components.take_back import take_back
from tests.kserve.node import JOB, Site
from tests.kserve.test_commands import HERE, IMAGE, QUICK, written
from tests.kserve.worlds import SERVICE, Stage, await_true
from tests.platform.cluster import NAMESPACE, Cluster
from weathervane.errors import ExitCode
from weathervane.registry.store import Store
from weathervane.rollout.kserve.rights import (
    ASKER_RIGHTS,
    DRIVER_RIGHTS,
    DRIVER_RIGHTS_IN_KSERVE,
    READER_RIGHTS,
    STARTER_RIGHTS,
)

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
RUN = "5f0c3c2e-9c0d-4b5e-8a43-2f2f5a3a3b11"  # a pipeline's


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch) -> Callable[[Site, str], Mapping[str, str]]:
    """Be somebody: what they have in their environment, and nothing else of ours."""

    def become(site: Site, user: str) -> Mapping[str, str]:
        environment = site.reach(user)
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", environment["KUBECONFIG"])
        monkeypatch.delenv("WEATHERVANE_TEMPLATE", raising=False)
        return environment

    return become


def opened(cluster: Cluster, store: Store, tracking: str, folder: Path, mode: str) -> Site:
    folder.mkdir()
    site = Site(Stage(cluster, mode), store, tracking, folder)
    site.lay_template_down()
    cluster.api.used.clear()
    cluster.api.roles = {
        "starter": STARTER_RIGHTS | READER_RIGHTS,
        "pipeline": STARTER_RIGHTS | ASKER_RIGHTS,
        "driver": DRIVER_RIGHTS,
        "driver@kserve": DRIVER_RIGHTS_IN_KSERVE,
    }
    return site


def typed(site: Site, environment: Mapping[str, str], summary: Path) -> int:
    plan = ("--plan", written(QUICK, site.folder))
    done = site.type(
        *("start", site.new.digest, "--wait", *plan, "--image", IMAGE, "--who", "anna", *HERE),
        *("--summary", str(summary)),
        **environment,
        WEATHERVANE_TEMPLATE="",
        MLFLOW_TRACKING_URI="",
    )
    assert "SetWeight 50 %" in done.output, (done.output, done.exception, site.ran)
    return done.exit_code


def step(site: Site, environment: Mapping[str, str], summary: Path) -> int:
    promoted = roll_out.python_func(
        model=SERVICE,
        digest=site.new.digest,
        uri=site.new.uri,
        plan=yaml.safe_load(Path(written(QUICK, site.folder)).read_text()),
        who="weathervane-release",
        namespace=NAMESPACE,
        image=IMAGE,
        run=RUN,
        summary=dsl.Markdown(uri=str(summary)),
    )
    return ExitCode.DONE if promoted else ExitCode.ROLLED_BACK


def script(site: Site, environment: Mapping[str, str], summary: Path) -> int:
    return subprocess.run(
        [
            *(ROOT / ".ci" / "rollout", NAMESPACE, site.new.digest),
            *("--plan", written(QUICK, site.folder)),
        ],
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **environment,
            "WEATHERVANE_IMAGE": IMAGE,
            "GITHUB_ACTOR": "octocat",
            "GITHUB_STEP_SUMMARY": str(summary),
        },
        check=False,
    ).returncode


def told(site: Site) -> list[dict[str, Any]]:
    """The record without times, names, people and figures."""
    kept = ("event", "weight", "decision", "to", "package", "plan")
    shown = [
        {name: entry[name] for name in kept if name in entry}
        for entry in site.stage.journal.entries()
    ]
    # How often it had to look is a matter of the traffic.
    return [entry for entry in shown if entry.get("decision") not in ("Wait", "Hold")]


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
def test_each_way_ends_with_the_same_record_by_exactly_the_rights_of_its_role(
    bad, store, tracking_uri, tmp_path, reach
):
    """The other mode is the driver's affair alone: who starts sees nothing of it."""
    code = ExitCode.ROLLED_BACK if bad else ExitCode.DONE
    records, used = [], []
    # A command's code of a bad one is seen elsewhere, and each way takes seconds.
    ways = (step, script) if bad else (typed, step, script)
    for number, way in enumerate(ways):
        with Cluster() as cluster:
            site = opened(cluster, store, tracking_uri, tmp_path / way.__name__, "Standard")
            if bad:
                site.spoil(site.new)
            summary = tmp_path / f"{way.__name__}.md"
            user = "pipeline" if way is step else "starter"
            with site.traffic(), site.node():
                assert way(site, reach(site, user), summary) == code, site.ran
            used.append(dict(cluster.api.used))
            assert site.stage.settled(site.old if bad else site.new)
            assert site.new.digest in summary.read_text()
            assert ("Taken back" if bad else "Promoted") in summary.read_text()
            records.append(told(site))
        assert records[number] == records[0]
        # To take back what it left is the exit handler's, and is seen below.
        assert used[number].pop(user) == STARTER_RIGHTS | READER_RIGHTS
        assert used[number].pop("driver@kserve") == DRIVER_RIGHTS_IN_KSERVE
        assert used[number].pop("driver") == (
            # No first deployment that fails, no memory that is missing, and the other mode's.
            DRIVER_RIGHTS
            - {("delete", "inferenceservices.serving.kserve.io"), ("create", "configmaps")}
            - {("list", "revisions.serving.knative.dev")}
        )
        assert not used[number]


def test_what_a_run_of_the_pipeline_has_left_is_taken_back_by_its_job(
    store, tracking_uri, tmp_path, reach
):
    status = dsl.PipelineTaskFinalStatus(
        state="FAILED",
        pipeline_job_resource_name="a run",
        pipeline_task_name="roll-out",
        error_code=None,
        error_message=None,
    )
    handler = {"model": SERVICE, "who": "weathervane-release", "namespace": NAMESPACE}

    with Cluster() as cluster:
        site = opened(cluster, store, tracking_uri, tmp_path / "left", "Knative")
        reach(site, "pipeline")
        # Nothing was begun: nothing is done.
        take_back.python_func(**handler, run=RUN, status=status)
        before = cluster.api.used["pipeline"]
        assert before == {("get", "jobs.batch")}
        with site.node():
            # Without traffic it waits at its step. Whoever waited is gone.
            site.start_as_step(RUN, QUICK)
            await_true(lambda: site.stage.serving.get(site.new.digest) == 50, seconds=60)

            take_back.python_func(**handler, run=RUN, status=status)

        assert site.stage.settled(site.old)
        (pod,) = site.ran
        assert pod.returncode == ExitCode.ROLLED_BACK
        last = site.stage.rollout().last()
        assert last is not None
        assert last.why.endswith(
            "the release ended (FAILED) before its rollout (weathervane-release)"
        )
        assert cluster.api.used["pipeline"] == (STARTER_RIGHTS | ASKER_RIGHTS) - {
            ("create", "configmaps")
        }


def test_a_step_that_is_tried_again_follows_the_job_of_its_first_try(
    store, tracking_uri, tmp_path, reach
):
    with Cluster() as cluster:
        site = opened(cluster, store, tracking_uri, tmp_path / "twice", "Knative")
        environment = reach(site, "pipeline")
        with site.traffic(), site.node():
            first = step(site, environment, tmp_path / "first.md")
            again = step(site, environment, tmp_path / "again.md")

        assert (first, again) == (ExitCode.DONE, ExitCode.DONE)
        assert len(site.ran) == 1
        assert len(cluster.objects.of_kind(JOB, NAMESPACE)) == 1
