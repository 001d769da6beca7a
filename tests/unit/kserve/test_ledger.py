from dataclasses import replace

import pytest

from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.ledger import (
    DriftError,
    Ledger,
    Page,
    differences,
    read_ledger,
    write_ledger,
)
from weathervane.rollout.kserve.template import Manifest

STABLE = Manifest(predictor={"model": {"storageUri": "s3://b/old"}})
CANARY = Manifest(predictor={"model": {"storageUri": "s3://b/new"}})
AT_0 = Page(
    spec={"predictor": {**CANARY.predictor, "canaryTrafficPercent": 0}},
    annotations={"mode": "Knative"},
    stable=STABLE,
    canary=CANARY,
)
AT_10 = replace(AT_0, spec={"predictor": {**CANARY.predictor, "canaryTrafficPercent": 10}})


def live(page: Page, **predictor):
    return {
        "metadata": {
            "name": "weather",
            "annotations": {**page.annotations, "of": "others"},
            "managedFields": [{"manager": "weathervane"}, {"manager": "kubectl-edit"}],
        },
        "spec": {"predictor": {**page.spec["predictor"], **predictor}},
    }


def test_an_object_is_on_the_page_that_was_asked_for_whatever_kserve_filled_in():
    ledger = Ledger(asked=AT_10, before=AT_0)

    assert ledger.page(live(AT_10, timeout=60)) == AT_10


def test_an_object_of_a_process_that_was_killed_before_it_asked_is_on_the_page_before():
    assert Ledger(asked=AT_10, before=AT_0).page(live(AT_0)) == AT_0


def test_a_change_in_mid_rollout_is_named_with_its_field_and_who_writes():
    changed = live(AT_10, canaryTrafficPercent=90)

    with pytest.raises(DriftError, match=r"canaryTrafficPercent is 90, expected 10.*kubectl-edit"):
        Ledger(asked=AT_10, before=AT_0).page(changed)


def test_a_split_that_nobody_asked_for_is_a_difference():
    rest = Page(spec={"predictor": STABLE.predictor}, stable=STABLE)

    assert list(differences(rest, live(rest, canaryTrafficPercent=10)))


def test_without_a_rollout_the_live_object_is_the_truth():
    rest = Page(spec={"predictor": STABLE.predictor}, stable=STABLE)
    edited = live(rest, model={"storageUri": "s3://b/hotfix"})

    page = Ledger(asked=rest).page(edited)

    assert page.stable is not None
    assert page.stable.uri == "s3://b/hotfix"
    assert not page.busy


def test_a_ledger_is_read_as_it_was_written():
    ledger = Ledger(asked=AT_10, before=AT_0, number=7)

    assert read_ledger(write_ledger(ledger)) == ledger
    assert read_ledger("") == Ledger()


def test_a_corrupt_ledger_is_an_error_that_says_what_to_do():
    with pytest.raises(DeploymentError, match="move it away"):
        read_ledger('{"asked": 3}')
