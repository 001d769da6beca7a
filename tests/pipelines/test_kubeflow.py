"""`weathervane pipeline submit`, `follow` and `schedule`, through kfp's real client over HTTP."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.cluster_commands import register
from pipelines.following import follow
from pipelines.kubeflow import Kubeflow
from tests.pipelines.kubeflow_api import KubeflowApi, graph
from weathervane.errors import (
    DataError,
    PackageError,
    PlatformError,
    UsageError,
    WeathervaneError,
)

DATA = "data=s3://weathervane/data/sample"
DIGEST = "a" * 64
TRAINED = graph(
    "SUCCEEDED",
    **dict.fromkeys(
        ("validate", "preprocess", "train", "evaluate", "gate", "condition_1", "upload"),
        "SUCCEEDED",
    ),
    register="SUCCEEDED",
)
REFUSED = graph("SUCCEEDED", validate="SUCCEEDED", gate="SUCCEEDED", condition_1="SKIPPED")
PROMOTED = graph("SUCCEEDED", resolve="SUCCEEDED", roll_out="SUCCEEDED", condition_1="SKIPPED")
TAKEN_BACK = graph("SUCCEEDED", resolve="SUCCEEDED", roll_out="SUCCEEDED", rolled_back="SUCCEEDED")
# As the main container's log looks: kfp's executor, the step, its traceback, the launcher.
LOG = """[KFP Executor 2026-11-21 10:00:00,000 INFO]: Looking for component `{step}`
3 readable pictures
Traceback (most recent call last):
  File "/tmp/x/ephemeral_component.py", line 30, in {step}
    raise
{error}
I1121 10:00:03.000000      12 launcher_v2.go:194] publish success.
F1121 10:00:03.100000      12 main.go:53] failed to execute component: exit status 1
"""


@pytest.fixture(scope="module", autouse=True)
def commands() -> None:
    if not any(
        one.callback and one.callback.__name__ == "submit" for one in app.registered_commands
    ):
        register(app)


@pytest.fixture
def api() -> Iterator[KubeflowApi]:
    with KubeflowApi() as one:
        yield one


def run(api: KubeflowApi, *words: str) -> Result:
    options = ["--endpoint", api.endpoint]
    if words[0] in ("submit", "schedule"):
        options += ["--image", "registry.example.org/pipeline:1"]
    if words[0] == "follow" or "--wait" in words:
        options += ["--pause-seconds", "0.01"]
    return CliRunner().invoke(app, [*words, *options])


def test_a_training_is_submitted_with_its_arguments_as_the_pipeline_types_them(api: KubeflowApi):
    done = run(
        api,
        *("submit", "training", DATA, "architectures=[cnn, cnn-small]", "image_size=64"),
        "settings={train: {epochs: 2}}",
    )

    assert done.exit_code == 0, done.exception
    (sent,) = api.runs
    assert sent["runtime_config"]["parameters"] == {
        "data": "s3://weathervane/data/sample",
        "architectures": ["cnn", "cnn-small"],
        "image_size": 64,
        "settings": {"train": {"epochs": 2}},
    }
    assert sent["experiment_id"] == "e0"
    spec = sent["pipeline_spec"]
    assert spec["pipeline_spec"]["pipelineInfo"]["name"] == "weathervane-training"
    containers = spec["pipeline_spec"]["deploymentSpec"]["executors"].values()
    assert {one["container"]["image"] for one in containers} == {"registry.example.org/pipeline:1"}
    assert spec["platform_spec"]["platforms"]["kubernetes"]
    assert f"weathervane pipeline follow r0 --endpoint {api.endpoint}" in done.stdout


def test_the_experiment_is_made_once(api: KubeflowApi):
    run(api, "submit", "training", DATA)
    run(api, "submit", "training", DATA)

    assert [one["display_name"] for one in api.experiments] == ["weathervane"]
    assert {one["experiment_id"] for one in api.runs} == {"e0"}


def test_the_job_of_a_rollout_runs_what_the_steps_run(api: KubeflowApi):
    done = run(api, "submit", "release", "namespace=models", "plan={steps: [50]}")

    assert done.exit_code == 0, done.exception
    sent = api.runs[0]["runtime_config"]["parameters"]
    assert sent == {
        "image": "registry.example.org/pipeline:1",
        "namespace": "models",
        "plan": {"steps": [50]},
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("training",), "the pipeline needs data=…"),
        (("training", DATA, "setings={}"), "no argument setings; did you mean settings?"),
        (("training", DATA, DATA), "data is given twice"),
        (("training", DATA, "cnn"), "name=value, got 'cnn'"),
        (("training", DATA, "image_size=big"), "image_size must be a whole number, got 'big'"),
        (("training", DATA, "image_size=true"), "image_size must be a whole number"),
        (("training", DATA, "architectures=cnn"), "architectures must be a list such as"),
        (("training", DATA, "architectures=[vgg]"), "there is no architecture vgg"),
        (("training", DATA, "settings={gate: {min_acuracy: 1}}"), "did you mean min_accuracy"),
        (("training", DATA, "settings=@absent.yaml"), "cannot read absent.yaml"),
        (("training", "data=pictures"), "a cluster reads pictures from the store"),
        (("training-in-shards", DATA, "shards=[]"), "such as [1/2, 2/2], got []"),
        (("release",), "say where the service is: namespace=NAMESPACE"),
        (
            ("training-in-shards", DATA, "shards=[1/3, 2/3]"),
            "shards are all parts of a whole, such as [1/2, 2/2], got ['1/3', '2/3']",
        ),
        (("release", "namespace=models", "plan={step: [5]}"), "did you mean steps"),
        (
            ("evaluation",),
            "there are training, training-in-shards, release",
        ),
    ],
)
def test_what_the_pipeline_would_refuse_is_refused_before_anything_is_sent(
    api: KubeflowApi, words: tuple[str, ...], said: str
):
    done = run(api, "submit", *words)

    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
    assert api.runs == api.experiments == []


def test_progress_is_told_once_a_step_and_without_what_kubeflow_does_for_itself(api: KubeflowApi):
    api.script = (
        {"state": "PENDING"},  # no details yet
        graph("RUNNING", validate="RUNNING"),
        graph("RUNNING", validate="RUNNING"),
        graph("RUNNING", validate="SUCCEEDED", preprocess="RUNNING"),
        TRAINED,
    )

    done = run(api, "submit", "training", DATA, "--wait")

    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "run r0 is submitted",
        "validate: begun",
        "validate: done in 1 s",
        "preprocess: begun",
        "preprocess: done in 2 s",
    ]
    assert lines[-1] == "run r0 succeeded"
    assert not [line for line in lines if "driver" in line or "executor" in line or "root" in line]


@pytest.mark.parametrize(
    ("words", "end", "code", "said"),
    [
        (("training", DATA), TRAINED, 0, "succeeded"),
        (("training", DATA), REFUSED, 4, "the gate refused every candidate"),
        (("release", "namespace=models"), PROMOTED, 0, "succeeded"),
        (("release", "namespace=models"), TAKEN_BACK, 5, "the package was taken back"),
    ],
)
def test_a_run_ends_the_command_as_the_same_run_does_here(
    api: KubeflowApi, words: tuple[str, ...], end: dict, code: int, said: str
):
    api.script = (end,)

    done = run(api, "submit", *words, "--wait")

    assert (done.exit_code, done.exception if code == 0 else None) == (code, None)
    assert said in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("step", "error", "kind"),
    [
        ("preprocess", "weathervane.errors.DataError: 3 pictures are damaged", DataError),
        ("verify", "weathervane.errors.PackageError: a file is altered", PackageError),
        ("resolve", "weathervane.errors.TrackingError: MLflow is away", PlatformError),
        ("train", "ValueError: something else", WeathervaneError),
    ],
)
def test_a_failed_step_is_the_error_that_it_raised(
    api: KubeflowApi, step: str, error: str, kind: type[WeathervaneError]
):
    api.script = (graph("FAILED", validate="SUCCEEDED", **{step: "FAILED"}),)
    api.logs = {f"node-below-{step}": LOG.format(step=step, error=error)}
    pipeline = ("training", DATA) if step in ("preprocess", "train") else ("release", "namespace=n")

    done = run(api, "submit", *pipeline, "--wait")

    assert isinstance(done.exception, kind)
    assert done.exception.exit_code == kind.exit_code
    assert error.split(": ", 1)[1] in str(done.exception)
    assert f"{step}: failed" in done.stdout


def test_of_several_failed_steps_the_first_is_told(api: KubeflowApi):
    api.script = (graph("FAILED", roll_out="FAILED", take_back="FAILED"),)
    api.logs = {
        f"node-below-{step}": LOG.format(step=step, error=f"weathervane.errors.{kind}: its own")
        for step, kind in (("roll-out", "DataError"), ("take-back", "PlatformError"))
    }

    done = run(api, "submit", "release", "namespace=n", "--wait")

    assert type(done.exception) is DataError


def test_without_logs_the_step_that_failed_is_named_all_the_same(api: KubeflowApi):
    api.script = (graph("FAILED", train="FAILED"),)

    done = run(api, "submit", "training", DATA, "--wait")

    assert type(done.exception) is WeathervaneError
    assert "step train of run r0: its log cannot be read here" in str(done.exception)


def test_an_end_that_says_nothing_is_no_success(api: KubeflowApi):
    api.script = ({"state": "SUCCEEDED"},)

    done = run(api, "submit", "release", "namespace=n", "--wait")

    assert "what became of it cannot be read" in str(done.exception)


def test_a_run_that_somebody_terminated_is_an_error(api: KubeflowApi):
    api.script = ({"state": "CANCELED"},)

    done = run(api, "submit", "training", DATA, "--wait")

    assert "run r0 was canceled before its end" in str(done.exception)


def test_a_run_can_be_followed_later(api: KubeflowApi):
    run(api, "submit", "training", DATA)
    api.script = (REFUSED,)

    done = run(api, "follow", "r0")

    assert done.exit_code == 4


def test_a_run_that_there_is_not_is_told(api: KubeflowApi):
    done = run(api, "follow", "r7")

    assert isinstance(done.exception, UsageError)
    assert "Run r7 not found" in str(done.exception)
    assert "goes on" not in done.output


def test_an_endpoint_that_is_silent_is_one_line_and_says_how_to_reach_it():
    with KubeflowApi() as gone:
        endpoint = gone.endpoint

    done = CliRunner().invoke(app, ["schedules", "--endpoint", endpoint])

    assert isinstance(done.exception, PlatformError)
    assert f"does not answer at {endpoint}" in str(done.exception)
    assert "kubectl port-forward" in str(done.exception)


@pytest.mark.parametrize(
    ("part", "status", "kind", "said"),
    [
        ("healthz", 404, PlatformError, "is this Kubeflow Pipelines' API"),
        ("healthz", 401, PlatformError, "may you use it"),
        ("/runs", 403, PlatformError, "no to /runs"),
        ("/runs", 400, UsageError, "no to /runs"),
        ("/experiments", 500, PlatformError, "was asked for experiment weathervane"),
    ],
)
def test_what_it_refuses_is_told_in_its_words(
    api: KubeflowApi, part: str, status: int, kind: type[WeathervaneError], said: str
):
    api.refuse = {part: status}

    done = run(api, "submit", "training", DATA)

    assert type(done.exception) is kind
    assert said in str(done.exception)


def test_an_api_that_is_away_for_a_while_is_waited_for(api: KubeflowApi):
    run(api, "submit", "training", DATA)
    kubeflow = Kubeflow(api.endpoint)
    api.script = (TRAINED,)
    api.refuse = {"/runs/": 503}
    said: list[str] = []

    def come_back(line: str) -> None:
        said.append(line)
        api.refuse = {}

    ended = follow(kubeflow, "r0", come_back, pause_seconds=0.01)

    assert "asking again" in said[0]
    assert ended.state == "SUCCEEDED"


def test_an_api_that_stays_away_ends_the_waiting_and_not_the_run(api: KubeflowApi):
    run(api, "submit", "training", DATA)
    kubeflow = Kubeflow(api.endpoint)
    api.refuse = {"/runs/": 503}

    with pytest.raises(PlatformError, match="no to /runs/"):
        follow(kubeflow, "r0", print, pause_seconds=0.01, away_seconds=0.05)


def test_ctrl_c_leaves_the_run_running_and_says_how_to_follow_it(api: KubeflowApi):
    api.script = (graph("RUNNING", validate="RUNNING"),)
    command = [sys.executable, "-m", "weathervane.cli", "pipeline", "submit", "training", DATA]
    command += ["--wait", "--endpoint", api.endpoint, "--image", "i", "--pause-seconds", "0.01"]
    with subprocess.Popen(
        command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert api.looked.wait(60)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)

    assert process.returncode == 130
    assert (
        f"the run goes on; to follow it: weathervane pipeline follow r0 --endpoint {api.endpoint}"
        in complaints
    )
    assert [one["state"] for one in api.runs] == ["PENDING"]  # nobody terminated it


@pytest.mark.parametrize(
    ("when", "trigger"),
    [
        (("--every", "12h"), {"periodic_schedule": {"interval_second": "43200"}}),
        (("--cron", "0 0 3 * * *"), {"cron_schedule": {"cron": "0 0 3 * * *"}}),
    ],
)
def test_a_schedule_takes_the_place_of_those_of_its_name(
    api: KubeflowApi, when: tuple[str, str], trigger: dict
):
    others = ({"display_name": name} for name in ("mine", *["weathervane-training"] * 3))
    api.schedules = [
        {**one, "recurring_run_id": f"old{number}", "trigger": trigger}
        for number, one in enumerate(others)
    ]

    done = run(api, "schedule", "training", DATA, *when)

    assert done.exit_code == 0, done.exception
    mine, made = api.schedules
    assert mine["display_name"] == "mine"
    assert made["trigger"] == trigger
    assert (made["max_concurrency"], made["no_catchup"], made["mode"]) == ("1", True, "ENABLE")
    assert made["runtime_config"]["parameters"] == {"data": "s3://weathervane/data/sample"}


def test_a_schedule_that_is_refused_leaves_the_one_that_is_there(api: KubeflowApi):
    run(api, "schedule", "training", DATA, "--every", "1d")
    before = list(api.schedules)
    api.refuse = {"/recurringruns": 400}

    done = run(api, "schedule", "training", DATA, "--every", "7d")

    assert isinstance(done.exception, UsageError)
    assert api.schedules == before


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ((), "say either --every or --cron"),
        (("--every", "1d", "--cron", "0 0 3 * * *"), "say either --every or --cron"),
        (("--every", "soon"), "30m, 12h, 7d; got 'soon'"),
        (("--every", "0h"), "got '0h'"),
        (("--cron", "0 3 * * *"), "six fields, seconds first"),
    ],
)
def test_a_time_that_is_none_is_refused(api: KubeflowApi, when: tuple[str, ...], said: str):
    done = run(api, "schedule", "training", DATA, *when)

    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)


def test_schedules_are_listed_and_ended_by_name(api: KubeflowApi):
    assert run(api, "schedules").stdout == "nothing is scheduled\n"
    run(api, "schedule", "training", DATA, "--every", "30m")
    run(api, "schedule", "release", "namespace=n", "--cron", "0 0 3 * * *", "--name", "nightly")

    listed = run(api, "schedules").stdout
    ended = run(api, "unschedule", "nightly")
    again = run(api, "unschedule", "nightly")

    assert listed == "weathervane-training\tevery 1800 s\ton\nnightly\t0 0 3 * * *\ton\n"
    assert ended.exit_code == 0
    assert isinstance(again.exception, UsageError)
    assert [one["display_name"] for one in api.schedules] == ["weathervane-training"]
