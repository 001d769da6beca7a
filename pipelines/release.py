"""Release: from the challenger's alias to live traffic, or back; it leaves no canary behind."""

from kfp import dsl

from components.image import IMAGE
from components.resolve import resolve
from components.roll_out import roll_out
from components.rolled_back import rolled_back
from components.smoke_test import smoke_test
from components.take_back import take_back
from components.verify import verify


@dsl.pipeline(name="weathervane-release")
def release_pipeline(  # noqa: PLR0917 - arguments have names in kfp
    model: str = "weather",
    package: str = "challenger",
    plan: dict = {},  # noqa: B006 - kfp reads it, nobody changes it
    who: str = "weathervane-release",
    namespace: str = "",
    image: str = IMAGE,
) -> None:
    """Release a registered package by a watched rollout.

    Args:
        model: the registered model, which has the name of the service.
        package: ``challenger``, ``champion`` or a digest.
        plan: of the rollout; what it leaves out keeps its default.
        who: releases it, for the record. A rollout that this name has left unfinished, and that
            nobody drives, is taken back in the end.
        namespace: of the service on a cluster, where a Job drives the rollout and is asked to take
            back what this run leaves unfinished; empty on this machine.
        image: what that Job runs.
    """
    # Names the rollout, so that this run's exit handler ends no other one's.
    run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    left = take_back(model=model, who=who, namespace=namespace, run=run)
    left.set_caching_options(enable_caching=False)
    with dsl.ExitHandler(left):
        resolved = resolve(model=model, package=package)
        digest, uri = resolved.outputs["digest"], resolved.outputs["uri"]
        verified = verify(digest=digest, uri=uri)
        smoked = smoke_test(digest=digest, package=verified.outputs["package"])
        rolled = roll_out(
            model=model,
            digest=digest,
            uri=uri,
            plan=plan,
            who=who,
            namespace=namespace,
            image=image,
            run=run,
        ).after(smoked)
        # The alias, the store and the traffic change without an argument changing.
        for task in (resolved, verified, smoked, rolled):
            task.set_caching_options(enable_caching=False)
        with dsl.If(rolled.outputs["Output"] == False):  # noqa: E712 - compiled, not evaluated
            rolled_back(digest=digest, summary=rolled.outputs["summary"]).set_caching_options(
                enable_caching=False
            )
