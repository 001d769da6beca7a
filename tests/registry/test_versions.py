"""Versions and aliases on a real MLflow database, with its files in a real store."""

import os
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from weathervane.errors import TrackingError
from weathervane.registry.store import Store
from weathervane.registry.versions import CHALLENGER, CHAMPION, Registry
from weathervane.rollout.port import Release

A, B = "a" * 64, "b" * 64


def test_one_digest_is_one_version_however_often_it_is_registered(tracking_uri: str):
    registry = Registry(tracking_uri)

    first = registry.register("weather", A, f"s3://bucket/models/weather/{A}", {"accuracy": "0.8"})
    again = registry.register("weather", A, f"s3://bucket/models/weather/{A}", {"accuracy": "0.9"})
    other = registry.register("weather", B, f"s3://bucket/models/weather/{B}")

    assert first == again != other
    tags = registry._client.get_model_version("weather", str(first)).tags
    assert tags == {"digest": A, "accuracy": "0.9"}


def test_two_processes_at_once_end_with_one_version(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch
):
    registry, other = Registry(tracking_uri), Registry(tracking_uri)
    create = registry._client.create_model_version

    def second_comes_first(*args: object, **kwargs: object) -> object:
        monkeypatch.undo()
        other.register("weather", A, "s3://bucket/a")
        return create(*args, **kwargs)

    monkeypatch.setattr(registry._client, "create_model_version", second_comes_first)

    assert registry.register("weather", A, "s3://bucket/a") == 1
    assert [v.version for v in registry._client.search_model_versions("name='weather'")] == [1]


def test_an_alias_names_a_digest_and_an_address(tracking_uri: str):
    registry = Registry(tracking_uri)
    for digest in (A, B):
        registry.register("weather", digest, f"s3://bucket/{digest}")

    registry.set_alias("weather", CHALLENGER, A)
    registry.set_alias("weather", CHALLENGER, B)

    assert registry.alias("weather", CHALLENGER) == Release(digest=B, uri=f"s3://bucket/{B}")
    assert registry.alias("weather", CHAMPION) is None
    assert registry.alias("never-trained", CHAMPION) is None


def test_an_alias_of_what_was_never_registered_is_refused(tracking_uri: str):
    registry = Registry(tracking_uri)
    registry.register("weather", A, "s3://bucket/a")

    with pytest.raises(TrackingError, match=f"no version of weather with digest {B}"):
        registry.set_alias("weather", CHAMPION, B)


def test_an_alias_that_somebody_moved_to_a_foreign_version_is_refused(tracking_uri: str):
    registry = Registry(tracking_uri)
    registry._client.create_registered_model("weather")
    registry._client.create_model_version("weather", source="s3://elsewhere")
    registry._client.set_registered_model_alias("weather", CHAMPION, "1")

    with pytest.raises(TrackingError, match=r"version 1 of weather.*has no tag digest"):
        registry.alias("weather", CHAMPION)


def test_a_run_keeps_settings_figures_curves_and_files(
    tracking_uri: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-elses")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    report = tmp_path / "report.html"
    report.write_text("<h1>seen</h1>")
    registry = Registry(tracking_uri, store=store.config)

    run_id = registry.log_run(
        experiment="weather",
        name="cnn",
        parameters={"epochs": 2, "architecture": "cnn"},
        metrics={"accuracy": 0.9},
        curves={"loss": [1.5, 0.5]},
        tags={"data_digest": A},
        artifacts=[report],
    )

    run = registry._client.get_run(run_id)
    curve = registry._client.get_metric_history(run_id, "loss")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "cnn"
    assert run.data.params == {"epochs": "2", "architecture": "cnn"}
    assert run.data.metrics == {"accuracy": 0.9, "loss": 0.5}
    assert run.data.tags["data_digest"] == A
    assert [(point.step, point.value) for point in curve] == [(1, 1.5), (2, 0.5)]
    assert store.read(f"mlflow/{run_id}/artifacts/report.html") == b"<h1>seen</h1>"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "somebody-elses"
    assert "AWS_SECRET_ACCESS_KEY" not in os.environ


def test_a_run_that_cannot_be_written_whole_is_marked_failed(tracking_uri: str, tmp_path: Path):
    registry = Registry(tracking_uri)

    with pytest.raises(TrackingError, match="could not record cnn"):
        registry.log_run(
            experiment="weather",
            name="cnn",
            parameters={},
            metrics={},
            artifacts=[tmp_path / "absent.html"],
        )

    experiment = registry._client.get_experiment_by_name("weather")
    (run,) = registry._client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"


def test_runs_go_below_the_run_of_the_platform(tracking_uri: str):
    platform = Registry(tracking_uri)
    parent = platform.log_run(experiment="pipelines", name="nightly", parameters={}, metrics={})

    run_id = Registry(tracking_uri, parent_run=parent).log_run(
        experiment="weather", name="cnn", parameters={}, metrics={}
    )

    child, above = platform._client.get_run(run_id), platform._client.get_run(parent)
    assert child.data.tags["mlflow.parentRunId"] == parent
    assert child.info.experiment_id == above.info.experiment_id


def test_a_server_that_does_not_answer_is_told_within_ten_seconds():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    began = time.monotonic()

    with pytest.raises(TrackingError, match=f"MLflow at {address} could not .* is it running"):
        Registry(address).alias("weather", CHAMPION)

    assert time.monotonic() - began < 10


def test_a_file_that_is_no_database_is_told(tmp_path: Path):
    (tmp_path / "mlflow.db").write_text("not a database" * 100)

    with pytest.raises(TrackingError, match="not a database") as raised:
        Registry(f"sqlite:///{tmp_path}/mlflow.db")

    assert "\n" not in str(raised.value)


def test_a_database_that_another_process_holds_is_told(tracking_uri: str, tmp_path: Path):
    registry = Registry(f"{tracking_uri}?timeout=0.1")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackingError, match="locked"):
            registry.register("weather", A, "s3://bucket/a")


def test_a_password_in_the_address_is_not_repeated():
    with pytest.raises(TrackingError) as raised:
        Registry("nonsense://mlflow:hunter2@127.0.0.1/mlflow")

    assert "hunter2" not in str(raised.value)
    assert "***" in str(raised.value)
