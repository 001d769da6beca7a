"""Release, step 4: move the traffic, watch, promote or take back; the alias follows."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def roll_out(
    model: str,
    digest: str,
    uri: str,
    plan: dict,
    who: str,
    namespace: str,
    image: str,
    run: str,
    summary: dsl.Output[dsl.Markdown],
) -> bool:
    """Whether the package was promoted; one that was taken back is a result, not an error."""
    from pathlib import Path

    from weathervane.config import from_mapping, whole_numbers
    from weathervane.rollout import steps
    from weathervane.rollout.plan import Plan
    from weathervane.rollout.port import Release

    outcome, told = steps.roll_out(
        model,
        Release(digest=digest, uri=uri),
        from_mapping(Plan, whole_numbers(plan), "plan"),
        who=who,
        namespace=namespace,
        image=image,
        run=run,
    )
    Path(summary.path).write_text(told, encoding="utf-8")
    return outcome.promoted
