"""Secrets of an installation: given ones come first, then those that are there, then new ones."""

from dataclasses import replace

import pytest

from weathervane.config import store_from_environment
from weathervane.errors import UsageError
from weathervane.install.secrets import (
    MLFLOW,
    PIPELINE,
    PREDICTOR,
    SETTINGS,
    STORE,
    decoded,
    encoded,
    wanted,
)
from weathervane.install.site import Site, read_site

SITE = Site(
    namespace="models",
    pipelines_namespace="kubeflow",
    endpoint="http://weathervane-store.models.svc:9000",
    bucket="weathervane",
    region="us-east-1",
    tracking_uri="http://weathervane-mlflow.models.svc:5000",
)
GIVEN_KEYS = {
    f"{role}-{part}-key": f"{role}-{part}"
    for role in ("predictor", "rollout", "pipeline", "mlflow")
    for part in ("access", "secret")
}


def by_place(site=SITE, found=None):
    return {(one.namespace, one.name): one for one in wanted(site, found or {})}


def as_found(secrets):
    return {place: one.values for place, one in secrets.items()}


def test_a_new_installation_gets_every_secret_and_no_two_values_are_the_same():
    made = by_place()
    hidden = [
        value
        for place, one in made.items()
        for key, value in one.values.items()
        if place[0] == "models" and any(word in key for word in ("SECRET", "PASSWORD"))
    ]

    assert set(made) == {
        *(("models", name) for name in (STORE, PREDICTOR, SETTINGS, PIPELINE, MLFLOW)),
        ("kubeflow", PIPELINE),
    }
    assert len(set(hidden)) == len(hidden) == 9
    assert all(len(value) == 40 for value in hidden)


def test_installing_again_changes_nothing():
    first = by_place()

    assert by_place(found=as_found(first)) == first


def test_a_secret_that_somebody_deleted_is_made_anew_and_the_others_stay():
    first = by_place()
    left = {place: values for place, values in as_found(first).items() if place[1] != SETTINGS}

    again = by_place(found=left)

    assert {place for place in first if again[place] != first[place]} == {("models", SETTINGS)}


def test_the_copy_for_pipelines_follows_the_one_that_stays():
    made = by_place(found={("kubeflow", PIPELINE): {"WEATHERVANE_STORE_SECRET_KEY": "stale"}})

    assert made["kubeflow", PIPELINE].values == made["models", PIPELINE].values


def test_what_we_do_not_know_stays_in_a_secret():
    kept = by_place(found={("models", SETTINGS): {"CHAT_HOOK": "https://chat.example.org"}})

    assert kept["models", SETTINGS].values["CHAT_HOOK"] == "https://chat.example.org"


def test_the_jobs_environment_is_what_our_settings_read():
    values = by_place()["models", SETTINGS].values

    store = store_from_environment(values)

    assert (store.endpoint, store.bucket) == (SITE.endpoint, SITE.bucket)
    assert values["MLFLOW_TRACKING_URI"] == SITE.tracking_uri
    assert values["MLFLOW_TRACKING_PASSWORD"]


@pytest.mark.parametrize(("endpoint", "https"), [("http://s:9000", "0"), ("https://s", "1")])
def test_kserve_is_told_of_the_store_in_its_own_words(endpoint: str, https: str):
    annotations = by_place(replace(SITE, endpoint=endpoint))["models", PREDICTOR].annotations

    assert annotations["serving.kserve.io/s3-endpoint"] == endpoint.partition("://")[2]
    assert annotations["serving.kserve.io/s3-usehttps"] == https


def test_keys_to_your_store_are_handed_on_and_no_root_is_made():
    yours = replace(SITE, own_store=False, store_secret="my-keys")

    made = by_place(yours, {("models", "my-keys"): GIVEN_KEYS})

    assert ("models", STORE) not in made
    assert made["models", SETTINGS].values["WEATHERVANE_STORE_SECRET_KEY"] == "rollout-secret"
    assert made["kubeflow", PIPELINE].values["WEATHERVANE_STORE_ACCESS_KEY"] == "pipeline-access"
    assert made["models", PREDICTOR].values["AWS_ACCESS_KEY_ID"] == "predictor-access"
    assert made["models", MLFLOW].values["AWS_SECRET_ACCESS_KEY"] == "mlflow-secret"


def test_a_key_that_changed_in_your_secret_is_taken_over():
    yours = replace(SITE, own_store=False, store_secret="my-keys")
    first = by_place(yours, {("models", "my-keys"): GIVEN_KEYS})
    changed = {**GIVEN_KEYS, "rollout-secret-key": "another"}

    again = by_place(yours, {**as_found(first), ("models", "my-keys"): changed})

    assert again["models", SETTINGS].values["WEATHERVANE_STORE_SECRET_KEY"] == "another"


def test_an_mlflow_without_log_ins_gets_none():
    made = by_place(replace(SITE, own_tracking=False))

    assert ("models", MLFLOW) not in made
    assert not any("MLFLOW_TRACKING_PASSWORD" in one.values for one in made.values())


def test_a_database_for_mlflow_is_named_by_a_secret():
    site = replace(SITE, database_secret="db")
    found = {("models", "db"): {"uri": "postgresql://u:p@db/runs", "auth-uri": "postgresql://l"}}

    values = by_place(site, found)["models", MLFLOW].values

    assert values["MLFLOW_BACKEND_STORE_URI"] == "postgresql://u:p@db/runs"
    assert "database_uri = postgresql://l\n" in values["basic_auth.ini"]


@pytest.mark.parametrize(
    ("site", "found", "said"),
    [
        (replace(SITE, own_store=False, store_secret="gone"), {}, "no Secret gone in namespace"),
        (
            replace(SITE, own_store=False, store_secret="half"),
            {("models", "half"): {}},
            "Secret half has no key predictor-access-key",
        ),
        (replace(SITE, database_secret="gone"), {}, "no Secret gone in namespace models"),
    ],
)
def test_a_secret_that_you_forgot_is_named(site, found, said: str):
    with pytest.raises(UsageError, match=said):
        wanted(site, found)


def test_nothing_hidden_is_in_what_python_prints():
    made = by_place()["models", STORE]

    assert made.values["MINIO_ROOT_PASSWORD"] not in repr(made)


def test_text_survives_a_secret():
    assert decoded(encoded({"a": "ä = ü\n"})) == {"a": "ä = ü\n"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "--site is not JSON"),
        ("{}", "namespace"),
        (
            '{"namespace":"a","pipelines_namespace":"a","endpoint":"e","bucket":"b","region":"r",'
            '"tracking_uri":"t","own_store":false}',
            "store_secret must name",
        ),
    ],
)
def test_a_site_that_is_none_is_refused(text: str, said: str):
    with pytest.raises(UsageError, match=said):
        read_site(text)
