"""The chart's Jobs: what they make, and what each role may do afterwards."""

import io
import json

import pytest
from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException, S3Error

from tests.wiring.installation import PLANTED, Installation
from weathervane.errors import TrackingError
from weathervane.registry.versions import CHAMPION


def test_installing_again_changes_no_secret_and_no_right(installed: Installation):
    before = installed.secrets

    said = installed.credentials()
    installed.access()

    assert installed.secrets == before
    assert said.count("as it was") == 5


def test_a_secret_that_somebody_began_is_completed_and_keeps_what_it_had(installed: Installation):
    settings = installed.secrets["weathervane-settings"]

    assert settings.items() >= PLANTED.items()
    assert settings["WEATHERVANE_STORE_SECRET_KEY"]


def test_the_installation_used_every_right_that_it_has(installed: Installation):
    used = installed.cluster.api.used["install"]

    assert used <= {(verb, "secrets") for verb in ("create", "get", "update")}
    assert {("create", "secrets"), ("get", "secrets")} <= used


# For each role: what it does with a key, and whether the store lets it.
STORE_RIGHTS = [
    ("predictor", "read", "models/weather/x", True),
    ("predictor", "list", "models/weather/", True),
    ("predictor", "read", "probes/x", False),
    ("predictor", "read", "mlflow/x", False),
    ("predictor", "list", "", False),
    ("predictor", "write", "models/weather/new", False),
    ("predictor", "delete", "models/weather/x", False),
    ("rollout", "read", "models/weather/x", True),
    ("rollout", "read", "probes/x", True),
    ("rollout", "list", "probes/", True),
    ("rollout", "read", "mlflow/x", False),
    ("rollout", "read", "data/x", False),
    ("rollout", "write", "models/weather/new", False),
    ("rollout", "write", "probes/new", False),
    ("rollout", "delete", "probes/x", False),
    ("pipeline", "read", "data/x", True),
    ("pipeline", "read", "models/weather/x", True),
    ("pipeline", "write", "models/weather/new", True),
    ("pipeline", "write", "probes/new", True),
    ("pipeline", "write", "evaluations/new", True),
    ("pipeline", "write", "mlflow/new", False),
    ("pipeline", "write", "data/new", False),
    ("pipeline", "delete", "models/weather/x", False),
    ("pipeline", "delete", "data/x", False),
    ("mlflow", "write", "mlflow/new", True),
    ("mlflow", "read", "mlflow/x", True),
    ("mlflow", "delete", "mlflow/new", True),
    ("mlflow", "read", "models/weather/x", False),
    ("mlflow", "write", "models/weather/new", False),
    ("nobody", "read", "models/weather/x", False),
    ("nobody", "list", "models/", False),
    ("predictor", "list", "mlflow/", False),
    ("rollout", "list", "data/", False),
    ("mlflow", "list", "models/", False),
    *(
        (role, act, "models/weather/x", False)
        for role in ("predictor", "rollout", "pipeline", "mlflow", "nobody")
        for act in ("open to all", "make a bucket", "take the bucket away")
    ),
]


@pytest.fixture(scope="module")
def filled(installed: Installation) -> Installation:
    root = installed.store("root")
    for key in ("models/weather/x", "probes/x", "data/x", "mlflow/x"):
        root.put_object(bucket_name="weathervane", object_name=key, data=io.BytesIO(b"x"), length=1)
    return installed


@pytest.mark.parametrize(("role", "act", "key", "may"), STORE_RIGHTS)
def test_each_role_may_do_in_the_store_what_it_must_and_nothing_else(
    filled: Installation, role: str, act: str, key: str, may: bool
):
    client = filled.store(role)
    bucket = "weathervane"
    acts = {
        "read": lambda: client.get_object(bucket_name=bucket, object_name=key).read(),
        "list": lambda: list(client.list_objects(bucket_name=bucket, prefix=key)),
        "write": lambda: client.put_object(
            bucket_name=bucket, object_name=key, data=io.BytesIO(b"y"), length=1
        ),
        "delete": lambda: client.remove_object(bucket_name=bucket, object_name=key),
        "open to all": lambda: client.set_bucket_policy(
            bucket_name=bucket, policy=json.dumps({"Version": "2012-10-17", "Statement": []})
        ),
        "make a bucket": lambda: client.make_bucket(bucket_name="another"),
        "take the bucket away": lambda: client.remove_bucket(bucket_name=bucket),
    }

    if may:
        acts[act]()
    else:
        with pytest.raises(S3Error) as refused:
            acts[act]()
        assert refused.value.code == "AccessDenied"


@pytest.mark.parametrize("role", ["predictor", "rollout", "pipeline", "mlflow"])
def test_a_role_may_make_no_users_of_the_store(installed: Installation, role: str):
    access, hidden = installed.keys(role)
    admin = MinioAdmin(
        endpoint=f"127.0.0.1:{installed.node.store}",
        credentials=StaticProvider(access, hidden),
        secure=False,
    )

    with pytest.raises(MinioAdminException, match="AccessDenied"):
        admin.user_add("eve", "x" * 12)


def test_nobody_gets_into_mlflow_without_a_log_in(installed: Installation):
    ask, name = installed.mlflow, {"name": "weather"}
    eve = {"username": "eve", "password": "x" * 12}
    wrong = ("admin", "password")

    assert ask("GET", "registered-models/get", params=name).status_code == 401
    assert ask("GET", "registered-models/get", params=name, auth=wrong).status_code == 401
    assert ask("POST", "users/create", json=eve).status_code == 401


@pytest.mark.parametrize("secret", ["weathervane-settings", "weathervane-pipeline"])
def test_a_role_may_make_no_users_and_delete_no_models(installed: Installation, secret: str):
    ask, values = installed.mlflow, installed.client(secret)
    auth = (values["MLFLOW_TRACKING_USERNAME"], values["MLFLOW_TRACKING_PASSWORD"])
    eve, model = {"username": "eve", "password": "x" * 12}, {"name": "weather"}

    assert ask("POST", "users/create", json=eve, auth=auth).status_code == 403
    assert ask("DELETE", "registered-models/delete", json=model, auth=auth).status_code == 403


def test_another_host_name_is_refused_by_mlflow(installed: Installation):
    ask, path = installed.mlflow, "experiments/search"

    assert ask("GET", path, headers={"Host": "evil.example.org"}).status_code == 403
    assert ask("GET", path, headers={"Host": "weathervane-mlflow:5000"}).status_code == 401


WHO_IS_CHAMPION = f"""
from weathervane.config import tracking_uri
from weathervane.registry.versions import Registry
Registry(tracking_uri()).alias("weather", "{CHAMPION}")
"""


def test_a_wrong_password_is_refused_in_one_line(installed: Installation):
    said = installed.in_the_role(
        "weathervane-settings", WHO_IS_CHAMPION, MLFLOW_TRACKING_PASSWORD="wrong"
    )

    assert TrackingError.__name__ in said
    assert "wrong" not in said.splitlines()[-1]
