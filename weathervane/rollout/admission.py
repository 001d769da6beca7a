"""Whether a rollout may begin: what cannot go well is refused before anything is written."""

from weathervane.errors import DeploymentError, UsageError
from weathervane.rollout.plan import Plan, Strategy
from weathervane.rollout.port import Deployment, Live, Release


def admit(
    deployment: Deployment, live: Live, release: Release, plan: Plan, *, probes: int, replayed: int
) -> None:
    """Refuse a rollout that this platform or these pictures cannot carry.

    Args:
        deployment: what serves.
        live: what is live now.
        release: the package.
        plan: how it is to be rolled out.
        probes: number of labelled pictures.
        replayed: number of pictures without labels.

    Raises:
        UsageError: when the platform lacks a capability, or there are too few pictures.
        DeploymentError: when a canary is there that belongs to no rollout.
    """
    if missing := plan.needs - deployment.capabilities:
        raise UsageError(
            f"the plan ({plan.strategy}) needs {', '.join(sorted(missing))}, which this platform "
            "cannot do; choose another strategy"
        )
    if plan.strategy is Strategy.SHADOW and live.stable is None:
        raise UsageError("a shadow is compared with the stable revision, and there is none yet")
    if probes < plan.min_probes:
        raise UsageError(
            f"the plan asks for at least {plan.min_probes} labelled probes, got {probes}; "
            "give more, or set min_probes in the plan"
        )
    if replayed < plan.min_replayed:
        raise UsageError(
            f"the plan asks for at least {plan.min_replayed} pictures to replay, got {replayed}; "
            "give more, or set min_replayed in the plan"
        )
    if live.canary and live.canary.digest != release.digest:
        raise DeploymentError(
            f"{live.canary.name} of package {live.canary.digest[:12]} is the canary, and no "
            "rollout knows of it: remove it first, or roll that package out"
        )
