"""Rollouts on a cluster, for the command line: the process that drives one, and who asks for it.

In: what a person or a Job says. Out: a rollout's end as an exit code. ``drive`` is what the Job of
`job` runs; its output is the whole record, one JSON object a line.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weathervane.rollout.options import Context, Model, Namespace, TemplateFile

if TYPE_CHECKING:
    from weathervane.rollout.kserve.service import ClusterService
    from weathervane.rollout.plan import Plan


def drive(
    digest: Annotated[str, typer.Argument(help="The package.")],
    *,
    plan_json: Annotated[str, typer.Option(help="The plan.")],
    who: Annotated[str, typer.Option(help="Who asks for it, for the record.")],
    again: Annotated[str, typer.Option(help="The rollout whose end does not stand.")] = "",
    model: Model = "weather",
    namespace: Namespace = "",
    context: Context = "",
    template: TemplateFile = None,
) -> None:
    """Drive a rollout on a cluster to its end, as the Job of ``rollout start`` does."""
    from weathervane.config import from_mapping
    from weathervane.errors import UsageError
    from weathervane.rollout.kserve.service import open_cluster_service
    from weathervane.rollout.plan import Plan
    from weathervane.rollout.release import fetch_probes, repair_champion, resolve, roll_out

    try:
        asked = from_mapping(Plan, json.loads(plan_json), "--plan-json")
    except (ValueError, TypeError) as error:
        raise UsageError(f"--plan-json is no plan: {error}") from error
    service = open_cluster_service(
        model, template, context=context, namespace=namespace, tell=_print_line
    )
    plan = service.suited(asked)
    service.check_plan(plan)
    release = resolve(service.registry, service.store, model, digest)
    rollout = service.rollout(lambda line: _print_line({"event": "said", "why": line}))
    # In the middle of one, an object that somebody changed is for the rollout to hold on.
    if rollout.unfinished() is None:
        repair_champion(service.deployment, service.registry, model)
    last = rollout.last()
    outcome = roll_out(
        rollout,
        service.registry,
        model,
        release,
        plan=plan,
        probes=fetch_probes(service.store, release),
        who=who,
        again=bool(again) and last is not None and last.id == again,
    )
    if outcome.state is None:
        _print_line({"event": "said", "why": outcome.why})
    raise typer.Exit(outcome.exit_code)


def digest_named(service: "ClusterService", package: str) -> str:
    """The digest of a package; whoever names it by its digest need not reach the registry.

    Raises:
        UsageError: when the alias names nothing.
    """
    from weathervane.rollout.kserve.job import is_digest
    from weathervane.rollout.release import resolve

    if is_digest(package):
        return package
    return resolve(service.registry, service.store, service.name, package).digest


def start_job(
    service: "ClusterService", digest: str, plan: "Plan", *, image: str, who: str, again: bool
) -> str:
    """Create the Job that drives a rollout; its name.

    Raises:
        UsageError: when the mode cannot carry the plan out. Nothing has been written then.
    """
    from weathervane.errors import UsageError
    from weathervane.rollout.asking import Asking
    from weathervane.rollout.kserve.job import Driver, create_job, rollout_job

    if not image:
        raise UsageError("say which image the rollout's Job runs: --image, or WEATHERVANE_IMAGE")
    plan = service.suited(plan)
    service.check_plan(plan)
    # Only who wants a package tried again has to read the journal.
    last = Asking(service.journal).last() if again else None
    job = rollout_job(
        service.name, digest, plan, Driver(image=image), who=who, again=last.id if last else ""
    )
    return create_job(service.api, service.name, job)


def _print_line(entry: Mapping[str, Any]) -> None:
    print(json.dumps(dict(entry)), flush=True)
