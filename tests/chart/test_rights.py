"""Who may do what: every verb and resource of every role is one that the code uses."""

from typing import Any

import pytest

from tests.chart.rendering import NAMESPACE, SCENARIOS, kinds, named, objects, pods
from weathervane.rollout.kserve.rights import DRIVER_RIGHTS_IN_KSERVE, ROLES

# `weathervane.install.credentials`.
INSTALL_RIGHTS = {("create", "secrets"), ("get", "secrets"), ("update", "secrets")}


def rights(role: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (verb, f"{resource}.{group}" if group else resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_role_may_do_what_its_code_does_and_nothing_else(scenario: str):
    needed = {
        **ROLES,
        f"weathervane-rollout-{NAMESPACE}": DRIVER_RIGHTS_IN_KSERVE,
        "weathervane-install": INSTALL_RIGHTS,
    }

    for role in kinds(objects(scenario), "Role"):
        assert rights(role) == needed[role["metadata"]["name"]], role["metadata"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_granted_by_a_star_or_for_the_whole_cluster(scenario: str):
    found = objects(scenario)

    assert kinds(found, "ClusterRole") == kinds(found, "ClusterRoleBinding") == []
    for role in kinds(found, "Role"):
        for rule in role["rules"]:
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"], role


def test_in_standard_mode_the_rollout_reads_two_objects_of_kserves_namespace():
    role = named(objects("standard"), "Role", f"weathervane-rollout-{NAMESPACE}")

    assert role["metadata"]["namespace"] == "kserve"
    assert [rule["resourceNames"] for rule in role["rules"]] == [
        ["inferenceservice-config"],
        ["kserve-controller-manager"],
    ]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_installation_reads_secrets_by_name_and_changes_only_its_own(scenario: str):
    for role in kinds(objects(scenario), "Role"):
        for rule in role["rules"]:
            if "secrets" not in rule["resources"] or rule["verbs"] == ["create"]:
                continue
            assert rule["resourceNames"], role["metadata"]
            if "update" in rule["verbs"]:
                assert all(name.startswith("weathervane-") for name in rule["resourceNames"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_account_that_is_bound_has_its_role_and_every_role_is_bound(scenario: str):
    found = objects(scenario)
    roles = {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in kinds(found, "Role")
    }
    bound = {
        (one["metadata"]["namespace"], one["roleRef"]["name"])
        for one in kinds(found, "RoleBinding")
    }
    accounts = {
        (one["metadata"]["namespace"], one["metadata"]["name"])
        for one in kinds(found, "ServiceAccount")
    }
    subjects = {
        (subject["namespace"], subject["name"])
        for one in kinds(found, "RoleBinding")
        for subject in one["subjects"]
    }

    assert roles == bound
    assert subjects - accounts <= {("kubeflow", "pipeline-runner")}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_only_the_job_that_makes_secrets_gets_a_token(scenario: str):
    found = objects(scenario)
    with_token = {
        where for where, pod in pods(found) if pod.get("automountServiceAccountToken") is not False
    }
    automounted = {
        one["metadata"]["name"]
        for one in kinds(found, "ServiceAccount")
        if one.get("automountServiceAccountToken") is not False
    }

    assert with_token == {"Job weathervane-credentials"}
    # What a rollout's Job and a pipeline's step run as; both speak to the API server.
    assert automounted <= {"weathervane-rollout", "weathervane-pipeline"}


def test_ci_may_start_a_rollout_and_see_no_secret():
    found = objects("default")
    of_ci = {
        one["roleRef"]["name"]
        for one in kinds(found, "RoleBinding")
        if any(subject["name"] == "weathervane-ci" for subject in one["subjects"])
    }

    assert of_ci == {"weathervane-start", "weathervane-read"}
