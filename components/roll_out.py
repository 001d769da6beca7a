"""Release, step 4: move the traffic, watch, promote or take back; the alias follows."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def roll_out(
    model: str, digest: str, uri: str, plan: dict, who: str, summary: dsl.Output[dsl.Markdown]
) -> bool:
    """Whether the package was promoted; one that was taken back is a result, not an error."""
    from pathlib import Path

    from weathervane.config import from_mapping, whole_numbers
    from weathervane.rollout.plan import Plan
    from weathervane.rollout.port import Release
    from weathervane.rollout.release import fetch_probes, repair_champion, roll_out
    from weathervane.rollout.service import open_service
    from weathervane.rollout.summary import as_markdown

    how = from_mapping(Plan, whole_numbers(plan), "plan")
    service, release = open_service(model), Release(digest=digest, uri=uri)
    repair_champion(service.deployment, service.registry, model)
    outcome = roll_out(
        service.rollout(print),
        service.registry,
        model,
        release,
        plan=how,
        probes=fetch_probes(service.store, release),
        who=who,
    )
    Path(summary.path).write_text(as_markdown(outcome, service.record()), encoding="utf-8")
    return outcome.promoted
