"""The compiled pipelines beside their sources are what the sources compile to."""

from pathlib import Path

import yaml

from pipelines.compile import BESIDE, compile_all


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
        definition, _ = yaml.safe_load_all(compiled.read_text(encoding="utf-8"))
        executors = definition["deploymentSpec"]["executors"].values()
        assert {one["container"]["image"] for one in executors} == {image}
