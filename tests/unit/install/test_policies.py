"""What each role may do in the store, said out loud."""

import pytest

from weathervane.install.policies import ROLES, policy


def said(role: str) -> set[tuple[str, str]]:
    return {
        (action.removeprefix("s3:"), resource.removeprefix("arn:aws:s3:::"))
        for statement in policy(role, "b")["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("predictor", {("ListBucket", "b"), ("GetObject", "b/models/*")}),
        (
            "rollout",
            {("ListBucket", "b"), ("GetObject", "b/models/*"), ("GetObject", "b/probes/*")},
        ),
        (
            "mlflow",
            {
                *(("ListBucket", "b"), ("GetObject", "b/mlflow/*"), ("PutObject", "b/mlflow/*")),
                *(("DeleteObject", "b/mlflow/*"), ("AbortMultipartUpload", "b/mlflow/*")),
                ("ListMultipartUploadParts", "b/mlflow/*"),
            },
        ),
    ],
)
def test_a_role_may_do_this_and_nothing_else(role: str, allowed: set[tuple[str, str]]):
    assert said(role) == allowed


def test_steps_of_pipelines_delete_nothing_and_write_only_what_is_named_by_content():
    allowed = said("pipeline")

    assert not any(action.startswith("Delete") for action, _ in allowed)
    assert {where for action, where in allowed if action == "PutObject"} == {
        *("b/models/*", "b/probes/*", "b/evaluations/*")
    }


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"pipeline"}))
def test_nobody_else_lists_what_it_may_not_read(role: str):
    listing, reading, *_ = policy(role, "b")["Statement"]

    prefixes = listing["Condition"]["StringLike"]["s3:prefix"]
    assert [f"arn:aws:s3:::b/{prefix}" for prefix in prefixes] == reading["Resource"]


@pytest.mark.parametrize("role", ROLES)
def test_no_action_is_a_star(role: str):
    assert not any("*" in action for action, _ in said(role))
