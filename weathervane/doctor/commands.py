"""``weathervane doctor``: look for what would go wrong on a cluster."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weathervane.errors import ExitCode, UsageError
from weathervane.rollout.options import Context, PlanFile

if TYPE_CHECKING:
    from weathervane.doctor.manifests import Finding, Manifests
    from weathervane.rollout.plan import Plan


def doctor(
    path: Annotated[
        Path | None, typer.Argument(help="A folder of manifests, or one file.", show_default=False)
    ] = None,
    *,
    plan: PlanFile = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Look at what is live in this namespace.")
    ] = "",
    context: Context = "",
) -> None:
    """Find what KServe would ignore or refuse, each with its cure (2 if anything).

    Looks at manifests in a folder, or at what is live in a namespace of a cluster.
    """
    from weathervane.doctor.manifests import read_manifests
    from weathervane.rollout.options import read_plan

    how = read_plan(plan) if plan else None
    live = bool(namespace or context)
    if (path is None) is not live:
        raise UsageError("name a folder of manifests, or a cluster by --namespace or --context")
    if path is not None:
        manifests = read_manifests(path)
        findings = _examined(manifests, how)
    else:
        manifests, findings = _looked(namespace, context, how)
    for finding in findings:
        typer.echo(f"{finding.where}\n    {finding.what}\n    cure: {finding.cure}")
    count = sum(1 for _ in manifests)
    typer.echo(f"{count} objects, {len(findings) or 'nothing'} found")
    raise typer.Exit(ExitCode.USAGE if findings else ExitCode.DONE)


def _examined(manifests: "Manifests", plan: "Plan | None") -> "Sequence[Finding]":
    from weathervane.doctor.checks import check_plan, examine

    return [*examine(manifests), *(check_plan(manifests, plan) if plan else ())]


def _looked(
    namespace: str, context: str, plan: "Plan | None"
) -> "tuple[Manifests, Sequence[Finding]]":
    from weathervane.doctor.checks import in_mode
    from weathervane.doctor.live import check_live_rights, read_live
    from weathervane.errors import DeploymentError
    from weathervane.rollout.kserve.api import connect

    api = connect(context=context, namespace=namespace)
    live = read_live(api)
    findings = list(_examined(live.manifests, plan))
    unseen = list(live.unseen)
    try:
        standard = any(in_mode(live.manifests, "Standard"))
        findings += check_live_rights(api, standard=standard)
    except DeploymentError as error:
        unseen.append(f"rights: {error}")
    for line in unseen:
        typer.echo(f"not looked at: {line}")
    return live.manifests, findings
