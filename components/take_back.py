"""Release, in the end: whatever happened, it leaves no canary behind."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def take_back(
    model: str, who: str, namespace: str, run: str, status: dsl.PipelineTaskFinalStatus
) -> None:
    """End a rollout that the release has left unfinished; when there is none, do nothing."""
    from weathervane.rollout import steps

    why = f"the release ended ({status.state}) before its rollout"
    print(steps.take_back(model, who=who, why=why, namespace=namespace, run=run))
