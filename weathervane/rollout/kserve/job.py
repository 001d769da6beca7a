"""The Job that drives a rollout, and who waits for it. The Job's content is pure.

In: a service, a package, a plan, who asks for it. Out: a Job; in the end, its exit code. A command,
a pipeline step and CI all come this way: they create and read Jobs, and need no other right.
"""

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from weathervane.errors import DeploymentError, ExitCode, UsageError
from weathervane.rollout.kserve.api import JOB, Api, AwayError, ConflictError, Object
from weathervane.rollout.kserve.template import TEMPLATE, TEMPLATE_KEY
from weathervane.rollout.kserve.waiting import until
from weathervane.rollout.plan import Plan

CONTAINER = "rollout"
SERVICE_LABEL = "weathervane/service"
ROLLOUT_LABEL = "weathervane/rollout"  # the name that its rollout has, or will have
_PLAN = TypeAdapter(Plan)
_DIGEST = re.compile(r"[0-9a-f]{64}")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
# These say how the rollout ended. Anything else, such as a lost node or an API server that was
# away, is a reason to start the pod again: it goes on where the last one was.
_ENDS = (
    *(ExitCode.UNEXPECTED, ExitCode.USAGE, ExitCode.DATA_REFUSED, ExitCode.GATE_REFUSED),
    *(ExitCode.ROLLED_BACK, ExitCode.HELD, ExitCode.ROLLOUT_RUNNING, ExitCode.PACKAGE_REFUSED),
)
# A volume of its own.
_TMP = "/tmp"  # noqa: S108  # nosec B108
_RESTARTS = 20
_KEPT_SECONDS = 7 * 24 * 3600
# Who waits for a Job bears an API server that is away for so long: the Job goes on by itself.
_AWAY_SECONDS = 900.0
# How Kubernetes words a condition of a Job that a rule of its podFailurePolicy ended:
# k8s.io/kubernetes pkg/controller/job/pod_failure_policy.go, matchPodFailurePolicy.
_FAILED_WITH = re.compile(r"failed with exit code (\d+)")


@dataclass(frozen=True, kw_only=True)
class Driver:
    """What a Job of ours runs with; the chart makes these objects."""

    image: str
    service_account: str = "weathervane-rollout"
    template: str = TEMPLATE  # a ConfigMap, key template.yaml
    settings: str = "weathervane-settings"  # a Secret: WEATHERVANE_STORE_…, MLFLOW_TRACKING_URI


def is_digest(package: str) -> bool:
    """Whether a package is named by its content."""
    return bool(_DIGEST.fullmatch(package))


def job_name(service: str, rollout: str) -> str:
    """The Job that drives a rollout: the same name for the same rollout, never too long."""
    return f"weathervane-{service}-{hashlib.sha256(rollout.encode()).hexdigest()[:8]}"


def rollout_job(
    service: str,
    digest: str,
    plan: Plan,
    driver: Driver,
    *,
    rollout: str,
    who: str,
    again: bool = False,
) -> Object:
    """A Job that rolls a package out.

    ``rollout`` is the name that the rollout will have. It is given, not made by the pod: one that
    is started again after the rollout has ended begins no other, whatever ``again`` says, and what
    people ask of the rollout before it has begun is heeded when it does.

    Raises:
        UsageError: when ``digest`` is none: an alias may name something else when the pod starts.
            When the rollout's name is none that a label can hold.
    """
    if not is_digest(digest):
        raise UsageError(f"a rollout's Job takes a package's digest, got {digest!r}")
    if not _NAME.fullmatch(rollout):
        raise UsageError(
            "a rollout's name must be letters, digits, '-', '_' and '.', at most 63, "
            f"got {rollout!r}"
        )
    labels = {
        "app.kubernetes.io/name": "weathervane",
        "app.kubernetes.io/component": "rollout",
        SERVICE_LABEL: service,
        ROLLOUT_LABEL: rollout,
    }
    command = ["weathervane", "rollout", "drive", digest, "--model", service, "--who", who]
    command += ["--name", rollout, *(["--again"] if again else [])]
    container = {
        "name": CONTAINER,
        "image": driver.image,
        "command": [*command, "--plan-json", _PLAN.dump_json(plan).decode()],
        "env": [{"name": "WEATHERVANE_TEMPLATE", "value": f"/template/{TEMPLATE_KEY}"}],
        "envFrom": [{"secretRef": {"name": driver.settings}}],
        "volumeMounts": [
            {"name": "template", "mountPath": "/template", "readOnly": True},
            {"name": "tmp", "mountPath": _TMP},
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "metadata": {"name": job_name(service, rollout), "labels": labels},
        "spec": {
            "backoffLimit": _RESTARTS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": CONTAINER,
                            "operator": "In",
                            "values": sorted(map(int, _ENDS)),
                        },
                    },
                    # A node that is drained is nobody's fault.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                ]
            },
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": driver.service_account,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [container],
                    "volumes": [
                        {"name": "template", "configMap": {"name": driver.template}},
                        {"name": "tmp", "emptyDir": {}},
                    ],
                },
            },
        },
    }


def create_job(api: Api, job: Object) -> str:
    """Create the Job of a rollout; its name."""
    name = str(job["metadata"]["name"])
    # There is one only when the answer to our own first call was lost, or whoever starts this
    # rollout was killed and does so again.
    with suppress(ConflictError):
        api.create(JOB, name, job)
    return name


def follow_job(
    api: Api,
    name: str,
    announce: Callable[[str], None] = lambda line: None,
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> ExitCode:
    """Wait until a Job has ended, however long that takes; how it ended.

    ``meanwhile`` is called at each look, and once more at the end. An API server that does not
    answer is waited for: what it keeps us from seeing goes on.

    Raises:
        DeploymentError: when it is gone, its pods could not run, or nothing answers for too long.
    """
    shown = ""
    answered_at = time.monotonic()
    found: ExitCode | None = None

    def say(state: str) -> None:
        nonlocal shown
        if state != shown:
            announce(f"{name}: {state}")
            shown = state

    def ended() -> bool:
        nonlocal answered_at, found
        try:
            job = api.get(JOB, name)
            meanwhile()
        except AwayError:
            if time.monotonic() - answered_at > _AWAY_SECONDS:
                raise
            say("the API server does not answer; the Job goes on by itself")
            return False
        answered_at = time.monotonic()
        if job is None:
            raise DeploymentError(f"Job {name} is gone: somebody deleted it")
        say(_state(job))
        found = outcome(job)
        return found is not None

    pace = replace(api.pace, look_seconds=api.pace.follow_seconds)
    until(ended, pace, f"end Job {name}", seconds=float("inf"))
    assert found is not None  # noqa: S101  what `until` waited for
    with suppress(AwayError):
        meanwhile()
    return found


def outcome(job: Object) -> ExitCode | None:
    """How a Job ended, or None while it runs.

    Raises:
        DeploymentError: when it ended without a word of the rollout, in Kubernetes' words.
    """
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return ExitCode.DONE
        if condition["type"] == "Failed":
            said = str(condition.get("message") or condition.get("reason") or "")
            if match := _FAILED_WITH.search(said):
                return ExitCode(int(match.group(1)))
            raise DeploymentError(f"Job {job['metadata']['name']} failed: {said}")
    return None


def _state(job: Object) -> str:
    status = job.get("status") or {}
    return (
        f"{status.get('active') or 0} running, {status.get('failed') or 0} to be started again"
        if not status.get("succeeded")
        else "done"
    )
