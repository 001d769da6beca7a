"""MLflow: what was trained and how, and which package is champion and which is challenger.

In: settings, figures and curves of a candidate; the digest and the address of a package. Out: runs,
versions of a registered model (one for each digest), aliases; a `TrackingError` in one line when
MLflow refuses or cannot be reached.

One registered model has the name of one service. A version's source is the package's address in the
store, its tag ``digest`` the package's digest; an alias is only ever read as that pair.
"""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from urllib.parse import urlsplit

from weathervane.config import StoreConfig
from weathervane.errors import TrackingError
from weathervane.lean import import_mlflow
from weathervane.rollout.port import Release

CHAMPION = "champion"  # what is live, or was a moment ago
CHALLENGER = "challenger"  # what may be released next

# Whoever sets these for MLflow has a reason; otherwise a silent server is given up after about
# ten seconds instead of half an hour, nothing is sent to anybody, and only warnings are said.
_MANNERS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class Registry:
    """MLflow at one address: an ``http(s)://`` server, or a database such as ``sqlite:///…``.

    Args:
        tracking_uri: the address.
        store: where MLflow keeps files when it is a database, and the credentials for them when
            its server hands out addresses in the store. None leaves both to MLflow.
        parent_run: the run of the platform's pipeline, below which ours are made: one run cannot
            hold the curves of two candidates.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        store: StoreConfig | None = None,
        parent_run: str | None = None,
    ) -> None:
        self.tracking_uri = tracking_uri
        self._store = store
        self._parent_run = parent_run
        for name, value in _MANNERS.items():
            os.environ.setdefault(name, value)
        with self._translated("open it"):
            import_mlflow()
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)

    def log_run(
        self,
        *,
        experiment: str,
        name: str,
        parameters: Mapping[str, object],
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[float]] | None = None,
        tags: Mapping[str, str] | None = None,
        artifacts: Sequence[Path] = (),
    ) -> str:
        """Record one training: what it was given and what came of it.

        Args:
            experiment: made when there is none; a parent run brings its own.
            name: what people see in the list of runs.
            parameters: plain values by name.
            metrics: figures of the finished model.
            curves: for each metric one value an epoch; steps count from 1.
            tags: such as ``data_digest``.
            artifacts: files and folders to keep.

        Returns:
            The run's id. A run that could not be written whole is marked FAILED.
        """
        with self._translated(f"record {name}"):
            from mlflow.entities import Metric, Param, RunTag

            now = int(time() * 1000)
            labels = dict(tags or {})
            if self._parent_run:
                experiment_id = self._client.get_run(self._parent_run).info.experiment_id
                labels["mlflow.parentRunId"] = self._parent_run
            else:
                experiment_id = self._experiment(experiment)
            run_id: str = self._client.create_run(experiment_id, run_name=name).info.run_id
            status = "FAILED"
            try:
                self._client.log_batch(
                    run_id,
                    metrics=[Metric(key, value, now, 0) for key, value in metrics.items()]
                    + [
                        Metric(key, value, now, step)
                        for key, values in (curves or {}).items()
                        for step, value in enumerate(values, start=1)
                    ],
                    params=[Param(key, str(value)) for key, value in parameters.items()],
                    tags=[RunTag(key, value) for key, value in labels.items()],
                )
                with self._artifact_credentials():
                    for path in artifacts:
                        self._client.log_artifact(run_id, str(path))
                status = "FINISHED"
            finally:
                self._client.set_terminated(run_id, status)
        return run_id

    def register(
        self,
        model: str,
        digest: str,
        uri: str,
        tags: Mapping[str, str] | None = None,
        *,
        run_id: str | None = None,
    ) -> int:
        """Make a version of ``model`` for the package, or find the one that was made before.

        Args:
            model: the registered model, made when there is none.
            digest: the package's; the same digest always gives the same version.
            uri: where the package lies in the store.
            tags: such as ``data_digest`` and figures; those of an existing version are set anew.
            run_id: the run that trained it; it is told the digest.

        Returns:
            The version's number.
        """
        with self._translated(f"register {model}"):
            from mlflow.exceptions import MlflowException

            try:
                self._client.create_registered_model(model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            if not self._versions(model, digest):
                self._client.create_model_version(
                    model, source=uri, run_id=run_id, tags={**(tags or {}), "digest": digest}
                )
            # When two processes registered the same digest at once, both keep the first version.
            first, *rest = self._versions(model, digest)
            for version in rest:
                self._client.delete_model_version(model, str(version))
            for key, value in (tags or {}).items():
                self._client.set_model_version_tag(model, str(first), key, value)
            if run_id:
                self._client.set_tag(run_id, "package_digest", digest)
        return first

    def set_alias(self, model: str, alias: str, digest: str) -> None:
        """Let ``alias`` name the version of this digest, which must be registered."""
        with self._translated(f"set alias {alias} of {model}"):
            versions = self._versions(model, digest)
            if not versions:
                raise TrackingError(
                    f"MLflow has no version of {model} with digest {digest}; register it first"
                )
            self._client.set_registered_model_alias(model, alias, str(versions[0]))

    def alias(self, model: str, alias: str) -> Release | None:
        """The package that ``alias`` names; None when there is no such alias or no such model."""
        with self._translated(f"read alias {alias} of {model}"):
            from mlflow.exceptions import MlflowException

            try:
                version = self._client.get_model_version_by_alias(model, alias)
            except MlflowException as error:
                absent = (
                    error.error_code == "RESOURCE_DOES_NOT_EXIST"
                    or f"alias {alias} not found" in error.message
                )
                if not absent:
                    raise
                return None
        if not version.tags.get("digest"):
            raise TrackingError(
                f"version {version.version} of {model}, which alias {alias} names, has no tag "
                "digest: it was not registered by us; move the alias"
            )
        return Release(digest=version.tags["digest"], uri=version.source)

    def _versions(self, model: str, digest: str) -> list[int]:
        """Numbers of the versions with this digest, the oldest first."""
        found = self._client.search_model_versions(f"name='{model}' and tags.digest='{digest}'")
        return sorted(int(version.version) for version in found)

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            # A server knows where it keeps files; a database would take the working folder.
            is_server = self.tracking_uri.startswith(("http://", "https://"))
            location = (
                f"s3://{self._store.bucket}/mlflow" if self._store and not is_server else None
            )
            try:
                return str(self._client.create_experiment(name, artifact_location=location))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                # Somebody else made it since we looked; unless it is in MLflow's bin.
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    @contextmanager
    def _artifact_credentials(self) -> Iterator[None]:
        """Let MLflow's S3 client find the store, and forget it again: the rest keeps its own."""
        if self._store is None:
            yield
            return
        values = {
            "MLFLOW_S3_ENDPOINT_URL": self._store.endpoint,
            "AWS_ACCESS_KEY_ID": self._store.access_key,
            "AWS_SECRET_ACCESS_KEY": self._store.secret_key,
            "AWS_DEFAULT_REGION": self._store.region,
        }
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Turn errors of MLflow and of what lies below it into one line."""
        with warnings.catch_warnings():
            # MLflow imports as it goes, and its libraries deprecate each other.
            warnings.simplefilter("ignore")
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError

            try:
                yield
            except (
                *(MlflowException, SQLAlchemyError, OSError),
                *(Boto3Error, BotoCoreError, ClientError),
            ) as error:
                raise TrackingError(
                    _without_password(
                        f"MLflow at {self.tracking_uri} could not {what}: {_reason(error)}",
                        self.tracking_uri,
                    )
                ) from error


def _without_password(text: str, uri: str) -> str:
    """The text without the password that a database's address may hold."""
    password = urlsplit(uri).password
    return text.replace(f":{password}@", ":***@") if password else text


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "Max retries exceeded" in text or "Connection" in text:
        return "it does not answer; is it running?"
    return text[:200]
