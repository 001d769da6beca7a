"""Starting a rollout on a cluster, whoever does: a command, a pipeline step, CI.

In: a service, a package, a plan, who asks. Out: a Job that drives the rollout, and its end. Who
starts needs `rights.STARTER_RIGHTS`, and to see the steps `READER_RIGHTS`: the Job has an account
of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from weathervane.errors import (
    DeploymentError,
    ExitCode,
    PackageError,
    RolloutRunningError,
    UsageError,
    WeathervaneError,
)
from weathervane.rollout.asking import Asking
from weathervane.rollout.history import moments_of, rollouts_of
from weathervane.rollout.kserve.api import JOB, ForbiddenError
from weathervane.rollout.kserve.job import (
    ROLLOUT_LABEL,
    SERVICE_LABEL,
    Driver,
    create_job,
    follow_job,
    is_digest,
    job_name,
    outcome,
    rollout_job,
)
from weathervane.rollout.kserve.service import ClusterService
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.plan import Plan
from weathervane.rollout.release import resolve
from weathervane.rollout.state import make_name
from weathervane.rollout.wishes import Kind, make_request

Announce = Callable[[str], None]
# What an end that is neither a promotion nor a rollback means to who waited.
_ERRORS: dict[ExitCode, type[WeathervaneError]] = {
    ExitCode.USAGE: UsageError,
    ExitCode.ROLLOUT_RUNNING: RolloutRunningError,
    ExitCode.PACKAGE_REFUSED: PackageError,
}


@dataclass(frozen=True, kw_only=True)
class Started:
    """A rollout's name, the Job that drives it, and the package."""

    rollout: str
    job: str
    digest: str


def digest_named(service: ClusterService, package: str) -> str:
    """The digest of a package; whoever names it by its digest need not reach the registry.

    Raises:
        UsageError: when the alias names nothing.
    """
    if is_digest(package):
        return package
    return resolve(service.registry, service.store, service.name, package).digest


def start(
    service: ClusterService,
    digest: str,
    plan: Plan,
    *,
    image: str,
    who: str,
    again: bool = False,
    name: str = "",
) -> Started:
    """Create the Job that drives a rollout.

    Args:
        service: on which cluster.
        digest: of the package.
        plan: how.
        image: what the Job runs.
        who: asks for it.
        again: try a package once more that was taken back.
        name: of the rollout; by default a new one. Starting the same one twice is starting it once.

    Raises:
        UsageError: when the mode cannot carry the plan out. Nothing has been written then.
    """
    if not image:
        raise UsageError("say which image the rollout's Job runs: --image, or WEATHERVANE_IMAGE")
    plan = service.suited(plan)
    service.check_plan(plan)
    name = name or make_name(datetime.now(UTC))
    job = rollout_job(
        service.name, digest, plan, Driver(image=image), rollout=name, who=who, again=again
    )
    return Started(rollout=name, job=create_job(service.api, job), digest=digest)


def follow(
    service: ClusterService, started: Started, announce: Announce = lambda line: None
) -> ExitCode:
    """Wait until a rollout's Job has ended, telling its steps as they come; how it ended.

    Raises:
        DeploymentError: when the Job is gone, or its pods could not run.
    """
    telling = _Telling(service, started.rollout, announce)
    return follow_job(service.api, started.job, announce, meanwhile=telling)


def check_end(started: Started, code: ExitCode) -> None:
    """Raise the error of a Job that ended with neither a promotion nor a rollback."""
    if code not in (ExitCode.DONE, ExitCode.ROLLED_BACK):
        raise _ERRORS.get(code, DeploymentError)(
            f"Job {started.job} ended with {int(code)}, {code.name.lower().replace('_', ' ')}; "
            f"kubectl logs job/{started.job} says why"
        )


def ended(service: ClusterService, started: Started, code: ExitCode) -> Outcome:
    """What became of a rollout whose Job has ended, with its figures; reads the record."""
    last = Asking(service.journal).last()
    # A Job that goes on with the rollout of another one keeps that one's name.
    mine = last is not None and (
        last.id == started.rollout or last.release.digest == started.digest
    )
    promoted = code is ExitCode.DONE
    if last is None or not mine:
        why = "it is the stable revision already" if promoted else "see the Job's log"
        return Outcome(promoted=promoted, why=why)
    return Outcome(promoted=promoted, why=last.why, state=last)


def end_left(service: ClusterService, rollout: str, *, who: str, why: str) -> ExitCode | None:
    """End the rollout of that name, which whoever started it waits for no more.

    None when there is none, or it has ended. Its Job carries the end out, so that nobody else
    needs the rights to.

    Raises:
        DeploymentError: when its Job could not run, or the API server refuses.
    """
    name = job_name(service.name, rollout)
    job = service.api.get(JOB, name)
    try:
        if job is None or outcome(job) is not None:
            return None
    except DeploymentError as error:
        raise DeploymentError(
            f"{error}; what it has left is taken back by: weathervane rollout abort "
            f"--model {service.name} -n {service.api.namespace}"
        ) from error
    service.journal.ask(make_request(rollout, Kind.ABORT, who, why).as_mapping())
    return follow_job(service.api, name)


def end_pending(service: ClusterService, *, who: str, why: str) -> list[str]:
    """Ask for the end of what Jobs have yet to begin; their names.

    The request lies there when such a Job begins, so that it ends before it changes anything.
    """
    begun = {past.id for past in rollouts_of(service.record())}
    pending = []
    for job in service.api.list(JOB, {SERVICE_LABEL: service.name}):
        rollout = (job["metadata"].get("labels") or {}).get(ROLLOUT_LABEL, "")
        if rollout and rollout not in begun and _runs(job):
            service.journal.ask(make_request(rollout, Kind.ABORT, who, why).as_mapping())
            pending.append(str(job["metadata"]["name"]))
    return pending


class _Telling:
    """Announces what is new in the record of one rollout; without the right to read it, nothing."""

    def __init__(self, service: ClusterService, rollout: str, announce: Announce) -> None:
        self._service = service
        self._rollout = rollout
        self._announce = announce
        self._told = 0
        self._may_read = True

    def __call__(self) -> None:
        if not self._may_read:
            return
        try:
            moments = moments_of(self._service.record(), self._rollout)
        except ForbiddenError as error:
            self._may_read = False
            self._announce(f"its steps cannot be told: {error}")
            return
        for moment in moments[self._told :]:
            self._announce(f"{moment.weight:3d} % | {moment.what}: {moment.why}")
        self._told = max(self._told, len(moments))


def _runs(job: dict[str, object]) -> bool:
    try:
        return outcome(job) is None
    except DeploymentError:
        return False
