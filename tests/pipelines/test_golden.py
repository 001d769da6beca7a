"""The compiled pipelines beside their sources are what the sources compile to."""

import re
from pathlib import Path

import pytest
import yaml

from components.image import IMAGE
from pipelines.compile import BESIDE, NAMES, as_submitted, compile_all
from pipelines.needs import STEPS


def test_the_compiled_pipelines_are_up_to_date(tmp_path: Path):
    for compiled in compile_all(tmp_path):
        golden = (BESIDE / compiled.name).read_text(encoding="utf-8")
        assert compiled.read_text(encoding="utf-8") == golden, (
            f"{compiled.name} changed: look at the difference, then run "
            "python -m pipelines.compile and check it in"
        )


def test_steps_run_in_the_image_that_a_cluster_can_pull(tmp_path: Path):
    image = "registry.example.org/weathervane-pipeline@sha256:" + "a" * 64

    for compiled in compile_all(tmp_path, image):
        images = re.findall(r"^ +image: (.*)$", compiled.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(images) == {image}
        assert len(images) >= 6


def both(name: str) -> tuple[dict, dict]:
    definition, platform = yaml.safe_load_all((BESIDE / f"{name}.yaml").read_text())
    return definition, platform["platforms"]["kubernetes"]


def tasks(definition: dict) -> dict[str, dict]:
    dags = (one.get("dag", {}) for one in (definition["root"], *definition["components"].values()))
    return {name: task for dag in dags for name, task in dag.get("tasks", {}).items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_step_says_what_it_needs_and_when_it_has_taken_too_long(name: str):
    definition, platform = both(name)

    for label, executor in definition["deploymentSpec"]["executors"].items():
        resources = executor["container"]["resources"]
        for kind in ("Cpu", "Memory"):
            assert resources[f"resource{kind}Request"], label
            assert resources[f"resource{kind}Limit"], label
        assert int(platform["deploymentSpec"]["executors"][label]["activeDeadlineSeconds"]) >= 600


def test_steps_that_refuse_or_move_traffic_are_never_tried_again():
    tried = {}
    for name in NAMES:
        for task, told in tasks(both(name)[0]).items():
            tried[task.replace("-", "_")] = told.get("retryPolicy", {}).get("maxRetryCount", 0)

    assert {step: count for step, count in tried.items() if count} == {
        "upload": 2,
        "register": 2,
        "take_back": 2,
    }
    assert set(STEPS) <= set(tried)


@pytest.mark.parametrize("name", NAMES)
def test_the_objects_for_a_cluster_hold_the_same_pipeline(name: str):
    definition, platform = both(name)
    file = (BESIDE / f"{name}.yaml").with_suffix(".manifest.yaml")

    pipeline, version = yaml.safe_load_all(file.read_text())

    assert (pipeline["kind"], version["kind"]) == ("Pipeline", "PipelineVersion")
    assert version["spec"]["pipelineName"] == pipeline["metadata"]["name"]
    assert version["spec"]["pipelineSpec"] == definition
    assert version["spec"]["platformSpec"]["platforms"]["kubernetes"] == platform


@pytest.mark.parametrize("name", NAMES)
def test_what_is_submitted_is_what_is_compiled(name: str):
    definition, platform = yaml.safe_load_all((BESIDE / f"{name}.yaml").read_text())

    assert as_submitted(name, IMAGE) == {"pipeline_spec": definition, "platform_spec": platform}
