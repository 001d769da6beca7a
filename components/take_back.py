"""Release, in the end: whatever happened, it leaves no canary behind."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def take_back(model: str, who: str, status: dsl.PipelineTaskFinalStatus) -> None:
    """End a rollout that the release has left unfinished; when there is none, do nothing."""
    from weathervane.rollout.release import take_back
    from weathervane.rollout.service import open_service

    service = open_service(model)
    why = f"the release ended ({status.state}) before its rollout"
    ended = take_back(service.rollout(print), service.journal, who=who, why=why)
    print("no rollout was left" if ended is None else f"taken back: {ended.why}")
