import pytest

from weathervane.errors import UsageError
from weathervane.rollout.kserve.template import check_name, digest_of, merged, read_template
from weathervane.rollout.port import Release

RELEASE = Release(digest="a" * 64, uri=f"s3://bucket/models/weather/{'a' * 64}")


def values(**changes):
    predictor = {"minReplicas": 2, "model": {"args": ["--digest={digest}"]}, **changes}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
        "spec": {"predictor": predictor},
    }


def test_a_manifest_has_the_packages_address_and_its_digest_as_an_argument():
    manifest = read_template(values(), "t.yaml").manifest(RELEASE)

    assert manifest.uri == RELEASE.uri
    assert manifest.digest == RELEASE.digest
    assert manifest.predictor["model"]["args"] == [f"--digest={RELEASE.digest}"]
    assert manifest.predictor["minReplicas"] == 2


def test_the_old_names_of_the_modes_are_understood():
    template = values()
    template["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] = "RawDeployment"

    assert read_template(template, "t.yaml").mode == "Standard"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minReplicas": 0}, "minReplicas"),
        ({"canaryTrafficPercent": 10}, "canaryTrafficPercent"),
        ({"name": "blue"}, r"predictor\.name"),
        ({"model": None}, r"predictor\.model must"),
        ({"model": {"storageUri": "s3://x/y"}}, "storageUri"),
    ],
)
def test_a_template_that_a_rollout_cannot_work_with_is_refused_by_its_field(changes, said):
    with pytest.raises(UsageError, match=said):
        read_template(values(**changes), "t.yaml")


def test_a_template_without_a_mode_is_refused():
    template = values()
    del template["metadata"]["annotations"]

    with pytest.raises(UsageError, match="deploymentMode must be Knative or Standard"):
        read_template(template, "t.yaml")


@pytest.mark.parametrize("name", ["", "Weather", "1weather", "a.b", "-a", "a-", "a" * 41])
def test_a_name_that_kserve_cannot_work_with_is_refused(name):
    with pytest.raises(UsageError):
        check_name(name)


def test_a_digest_is_the_last_part_of_an_address_and_nothing_else_is():
    assert digest_of(RELEASE.uri + "/") == RELEASE.digest
    assert digest_of("gs://kfserving-examples/models/sklearn/1.0/model") == ""


def test_a_canary_is_laid_over_stable_as_kserve_does_it():
    stable = {"model": {"args": ["--a", "--b"], "env": {"X": 1, "Y": 2}}, "nodeSelector": {"d": 1}}
    canary = {"model": {"args": ["--c"], "env": {"Y": 3}}, "nodeSelector": {}}

    assert merged(stable, canary) == {
        "model": {"args": ["--c"], "env": {"X": 1, "Y": 3}},
        "nodeSelector": {"d": 1},
    }
