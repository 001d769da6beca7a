"""Each fault alone in otherwise sound manifests is found, and nothing is found without one."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.unit.doctor.faults import FAULTS, SOUND, Objects, objects
from weathervane.cli import app
from weathervane.doctor.checks import examine
from weathervane.doctor.manifests import read_manifests
from weathervane.errors import UsageError
from weathervane.rollout.kserve.template import read_template
from weathervane.rollout.port import Release


def write(folder: Path, every: Objects) -> Path:
    file = folder / "service.yaml"
    file.write_text(yaml.safe_dump_all(every.values()))
    return folder


def test_sound_manifests_have_no_findings():
    assert examine(read_manifests(SOUND)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_alone_with_its_cure(fault, tmp_path):
    break_it, said = FAULTS[fault]
    every = objects()
    break_it(every)

    findings = examine(read_manifests(write(tmp_path, every)))

    # One of the service, and one of the template that is wrong in the same way at most.
    assert findings
    assert all(said in finding.what for finding in findings), findings
    assert len({finding.where for finding in findings}) == len(findings)
    assert findings[0].cure
    assert findings[0].where.startswith("service.yaml: ")


@pytest.mark.parametrize(("made", "findings"), [("weathervane-store", 0), ("another", 1)])
def test_a_secret_that_is_made_on_the_cluster_need_not_lie_among_the_manifests(
    made, findings, tmp_path
):
    every = objects()
    del every["Secret"]
    annotations = {"weathervane/makes-secrets": f"weathervane-mlflow, {made}"}
    every["Job"] = {"kind": "Job", "metadata": {"name": "makes", "annotations": annotations}}

    assert len(examine(read_manifests(write(tmp_path, every)))) == findings


def test_the_command_says_what_to_do_and_leaves_with_2(tmp_path):
    every = objects()
    every["InferenceService"]["spec"]["predictor"]["canaryTrafficPercent"] = 10

    result = CliRunner().invoke(app, ["doctor", str(write(tmp_path, every))])

    assert result.exit_code == 2
    assert "InferenceService weather" in result.output
    assert "use Knative mode" in result.output


def test_the_command_leaves_with_0_when_all_is_well():
    result = CliRunner().invoke(app, ["doctor", str(SOUND)])

    assert result.exit_code == 0
    assert "nothing found" in result.output


@pytest.mark.parametrize("steps", ["[10, 50]", "[10, 100]"])
def test_a_plan_that_ends_at_100_is_none_for_knative_mode(steps, tmp_path):
    every = objects()
    annotations = every["InferenceService"]["metadata"]["annotations"]
    annotations["serving.kserve.io/deploymentMode"] = "Knative"
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"steps: {steps}")
    folder = tmp_path / "manifests"
    folder.mkdir()

    result = CliRunner().invoke(app, ["doctor", str(write(folder, every)), "--plan", str(plan)])

    assert result.exit_code == (2 if "100" in steps else 0), result.output
    assert ("end at 100, and it is in Knative mode" in result.output) is ("100" in steps)


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_nothing_is_wrong_with_what_a_rollout_makes_of_the_template_of_the_page(mode, tmp_path):
    page = Path(__file__).parents[3] / "docs" / "rollout-on-kserve.md"
    text = page.read_text().partition("```yaml\n")[2].partition("```")[0]
    values = yaml.safe_load(text.replace("deploymentMode: Standard", f"deploymentMode: {mode}"))
    release = Release(digest="a" * 64, uri=f"s3://weathervane/models/weather/{'a' * 64}")
    made = read_template(values, "the page").manifest(release)
    every = objects()
    every["InferenceService"] = {
        **{name: values[name] for name in ("apiVersion", "kind")},
        "metadata": {"name": "weather", "annotations": made.annotations},
        "spec": {"predictor": made.predictor},
    }

    assert examine(read_manifests(write(tmp_path, every))) == []


@pytest.mark.parametrize("where", [[], ["manifests", "-n", "models"]])
def test_the_command_looks_at_a_folder_or_at_a_cluster(where):
    result = CliRunner().invoke(app, ["doctor", *where])

    assert isinstance(result.exception, UsageError)
