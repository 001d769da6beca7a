"""Kubeflow Pipelines, as far as we use it: its own client, asked with a timeout, errors in words.

In: an address, a pipeline and its arguments, a run's id. Out: frozen values. Paths and
meanings are those of its API (backend/api/v2beta1 of kubeflow/pipelines 2.17).
"""

import base64
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipelines.runs import Run, Schedule, read_run, read_schedule
from weathervane.errors import PlatformError, UsageError

# Seconds to connect and to wait for an answer. The client itself would wait for ever.
_TIMEOUT = (5.0, 30.0)
_PAGE = 100
_LOG = "/apis/v2beta1/runs/{run_id}/nodes/{node_id}/artifacts/main-logs:read"


class Kubeflow:
    """One installation of Kubeflow Pipelines.

    Raises:
        PlatformError: from every method, when it does not answer, refuses us or fails.
        UsageError: from every method, when it refuses what it was given.
    """

    def __init__(self, endpoint: str) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise UsageError(f"an endpoint starts with http:// or https://, got {endpoint!r}")
        self._endpoint = endpoint.rstrip("/")
        self._reach()
        with warnings.catch_warnings():
            # Of the versions that it speaks to.
            warnings.simplefilter("ignore", FutureWarning)
            from kfp import Client

            with self._asking("was asked who it is"):
                self._client = Client(host=self._endpoint)
        self._namespace = self._client.get_user_namespace() or None

    def submit(
        self,
        definition: Mapping[str, Any],
        arguments: Mapping[str, Any],
        *,
        name: str,
        experiment: str,
    ) -> str:
        """Start a run and return its id; ``definition`` is that of `compile.as_submitted`."""
        from kfp_server_api import V2beta1Run

        body = V2beta1Run(
            experiment_id=self._experiment(experiment),
            display_name=name,
            pipeline_spec=definition,
            runtime_config=_parameters(arguments),
        )
        with self._asking(f"was asked to run {name}"):
            made = self._client.runs.run_service_create_run(run=body, _request_timeout=_TIMEOUT)
        return str(made.run_id)

    def run(self, run_id: str) -> Run:
        """Look at a run."""
        with self._asking(f"was asked about run {run_id}"):
            found = self._client.runs.run_service_get_run(run_id, _request_timeout=_TIMEOUT)
        return read_run(run_id, found)

    def log(self, run_id: str, node: str) -> list[str] | None:
        """The lines of a step's log; None where the workflow controller archives none."""
        import kfp_server_api

        # Served beside the API that its client was generated from: apiserver/main.go.
        api = self._client.runs.run_service_get_run.__self__.api_client
        try:
            found = api.call_api(
                _LOG,
                "GET",
                path_params={"run_id": run_id, "node_id": node},
                header_params={"Accept": "application/json"},
                response_type="object",
                auth_settings=["Bearer"],
                _return_http_data_only=True,
                _request_timeout=_TIMEOUT,
            )
        except kfp_server_api.ApiException:
            return None
        return base64.b64decode(found["data"]).decode(errors="replace").splitlines()

    def schedule(
        self,
        definition: Mapping[str, Any],
        arguments: Mapping[str, Any],
        *,
        name: str,
        experiment: str,
        every_seconds: int | None = None,
        cron: str | None = None,
    ) -> str:
        """Start a run again and again; returns the schedule's id. Others of that name go."""
        import kfp_server_api as api

        trigger = api.V2beta1Trigger(
            periodic_schedule=every_seconds
            and api.V2beta1PeriodicSchedule(interval_second=str(every_seconds)),
            cron_schedule=cron and api.V2beta1CronSchedule(cron=cron),
        )
        body = api.V2beta1RecurringRun(
            experiment_id=self._experiment(experiment),
            display_name=name,
            pipeline_spec=definition,
            runtime_config=_parameters(arguments),
            trigger=trigger,
            mode=api.RecurringRunMode.ENABLE,
            max_concurrency="1",
            no_catchup=True,  # what was missed is not made up for: pictures are as they are now
        )
        with self._asking(f"was asked to schedule {name}"):
            made = self._client.recurring_runs.recurring_run_service_create_recurring_run(
                recurring_run=body, _request_timeout=_TIMEOUT
            )
        # Only now, so that there is one at any moment.
        self._delete(one for one in self.schedules(name) if one.id != made.recurring_run_id)
        return str(made.recurring_run_id)

    def schedules(self, name: str | None = None) -> tuple[Schedule, ...]:
        """Every schedule, or those of a name."""
        told: dict[str, Any] = {"page_size": _PAGE, "_request_timeout": _TIMEOUT}
        if self._namespace:
            told["namespace"] = self._namespace
        if name is not None:
            told["filter"] = _named(name)
        found: list[Schedule] = []
        begin = ""
        while True:
            with self._asking("was asked for its schedules"):
                page = self._client.recurring_runs.recurring_run_service_list_recurring_runs(
                    page_token=begin, **told
                )
            found += map(read_schedule, page.recurring_runs or ())
            begin = page.next_page_token or ""
            if not begin:
                return tuple(found)

    def unschedule(self, name: str) -> int:
        """End every schedule of a name; how many there were. Runs that have begun go on."""
        return self._delete(self.schedules(name))

    def _delete(self, schedules: Iterable[Schedule]) -> int:
        count = 0
        for one in schedules:
            with self._asking(f"was asked to end schedule {one.name}"):
                self._client.recurring_runs.recurring_run_service_delete_recurring_run(
                    one.id, _request_timeout=_TIMEOUT
                )
            count += 1
        return count

    def _experiment(self, name: str) -> str:
        from kfp_server_api import V2beta1Experiment

        told = {"namespace": self._namespace} if self._namespace else {}
        with self._asking(f"was asked for experiment {name}"):
            found = self._client.experiments.experiment_service_list_experiments(
                filter=_named(name), _request_timeout=_TIMEOUT, **told
            ).experiments
            if not found:
                made = V2beta1Experiment(display_name=name, **told)
                found = [
                    self._client.experiments.experiment_service_create_experiment(
                        experiment=made, _request_timeout=_TIMEOUT
                    )
                ]
        return str(found[0].experiment_id)

    def _reach(self) -> None:
        """Before kfp's client, which asks five times without a word when nobody is there."""
        import urllib3

        try:
            answer = urllib3.request(
                "GET",
                f"{self._endpoint}/apis/v2beta1/healthz",
                timeout=urllib3.Timeout(connect=_TIMEOUT[0], read=_TIMEOUT[1]),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._silent(error) from error
        if answer.status != 200:
            raise PlatformError(
                f"{self._endpoint} answered {answer.status}: is this Kubeflow Pipelines' API, and "
                "may you use it?"
            )

    def _silent(self, error: Exception) -> PlatformError:
        return PlatformError(
            f"Kubeflow Pipelines does not answer at {self._endpoint} ({type(error).__name__}); "
            "its port can be had by `kubectl port-forward -n kubeflow service/ml-pipeline 8888`"
        )

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Its errors as ours: what it refuses as wrong is the caller's, all else the platform's."""
        import urllib3
        from kfp_server_api import ApiException

        try:
            yield
        except ApiException as error:
            kind = UsageError if error.status in (400, 404, 409) else PlatformError
            raise kind(f"Kubeflow Pipelines {what}: {_message(error)}") from error
        except urllib3.exceptions.HTTPError as error:
            raise self._silent(error) from error


def _message(error: Any) -> str:  # noqa: ANN401  the generated client has no types
    """The words of an answer: grpc-gateway sends ``{"code": …, "message": …}``."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"


def _named(name: str) -> str:
    one = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [one]})


def _parameters(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401  as above
    from kfp_server_api import V2beta1RuntimeConfig

    return V2beta1RuntimeConfig(parameters=dict(arguments))
