"""The test platform's server-side apply, against the rules of Kubernetes' documentation."""

import pytest

from tests.platform.ownership import FieldConflictError, applied, as_fields_v1, paths, updated

LIVE = {"spec": {"uri": "old", "args": ["a"], "percent": 5}}
OURS = {("us", "Apply"): paths(LIVE)}


def test_a_field_that_we_leave_out_goes_when_nobody_else_owns_it():
    result = applied(LIVE, OURS, {"spec": {"uri": "old"}}, "us", force=False)

    assert result.obj == {"spec": {"uri": "old"}}


def test_a_field_that_somebody_changed_is_theirs_and_ours_is_a_conflict():
    edited = {"spec": {**LIVE["spec"], "uri": "edited"}}
    owners = updated(LIVE, OURS, edited, "kubectl-edit")

    with pytest.raises(FieldConflictError) as error:
        applied(edited, owners, {"spec": {"uri": "new"}}, "us", force=False)

    assert error.value.conflicts == [("kubectl-edit", ("spec", "uri"))]


def test_force_takes_the_field_over():
    owners = {("them", "Update"): paths(LIVE)}

    result = applied(LIVE, owners, {"spec": {"uri": "new"}}, "us", force=True)

    assert result.obj["spec"] == {"uri": "new", "args": ["a"], "percent": 5}
    assert ("spec", "uri") not in result.owners["them", "Update"]


def test_the_same_value_is_owned_by_both_and_stays_when_one_lets_go():
    owners = {("them", "Apply"): paths(LIVE)}
    both = applied(LIVE, owners, LIVE, "us", force=False)

    result = applied(both.obj, both.owners, {"spec": {"uri": "old"}}, "us", force=False)

    assert result.obj == LIVE


def test_paths_are_spelled_as_managed_fields_are():
    assert as_fields_v1(frozenset({("spec", "uri")})) == {"f:spec": {"f:uri": {}}}
