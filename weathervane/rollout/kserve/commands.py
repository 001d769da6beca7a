"""The command that a rollout's Job runs, and nobody types.

In: a package, a plan, who asks for it. Out: a rollout's end as an exit code; the output is the
whole record, one JSON object a line.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from weathervane.rollout.options import Context, Model, Namespace, TemplateFile


def drive(
    digest: Annotated[str, typer.Argument(help="The package.")],
    *,
    plan_json: Annotated[str, typer.Option(help="The plan.")],
    who: Annotated[str, typer.Option(help="Who asks for it, for the record.")],
    name: Annotated[str, typer.Option(help="The rollout's, in the cluster.")],
    again: Annotated[
        bool, typer.Option("--again", help="Try a package that was taken back once more.")
    ] = False,
    model: Model = "weather",
    namespace: Namespace = "",
    context: Context = "",
    template: TemplateFile = None,
) -> None:
    """Drive a rollout on a cluster to its end, as the Job of ``rollout start`` does."""
    from weathervane.config import from_mapping
    from weathervane.errors import UsageError
    from weathervane.rollout.kserve.api import PATIENT
    from weathervane.rollout.kserve.service import open_cluster_service
    from weathervane.rollout.plan import Plan
    from weathervane.rollout.release import fetch_probes, repair_champion, resolve, roll_out

    try:
        asked = from_mapping(Plan, json.loads(plan_json), "--plan-json")
    except (ValueError, TypeError) as error:
        raise UsageError(f"--plan-json is no plan: {error}") from error
    service = open_cluster_service(
        model, template, context=context, namespace=namespace, tell=_print_line, pace=PATIENT
    )
    plan = service.suited(asked)
    service.check_plan(plan)
    release = resolve(service.registry, service.store, model, digest)
    rollout = service.rollout(lambda line: _print_line({"event": "said", "why": line}))
    # In the middle of one, an object that somebody changed is for the rollout to hold on.
    if rollout.unfinished() is None:
        repair_champion(service.deployment, service.registry, model)
    outcome = roll_out(
        rollout,
        service.registry,
        model,
        release,
        plan=plan,
        probes=fetch_probes(service.store, release),
        who=who,
        again=again,
        name=name,
    )
    if outcome.state is None:
        _print_line({"event": "said", "why": outcome.why})
    raise typer.Exit(outcome.exit_code)


def _print_line(entry: Mapping[str, Any]) -> None:
    print(json.dumps(dict(entry)), flush=True)
