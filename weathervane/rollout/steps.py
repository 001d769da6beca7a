"""The steps of a release pipeline that move traffic, on this machine or on a cluster.

In: what the pipeline was given. Out: an `Outcome` and its summary. With a namespace a Job of the
cluster drives the rollout, and a step only creates and follows it; without one the step drives.
"""

from weathervane.rollout.outcome import Outcome
from weathervane.rollout.places import find_service
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release
from weathervane.rollout.service import LocalService
from weathervane.rollout.summary import as_markdown


def roll_out(
    model: str, release: Release, plan: Plan, *, who: str, namespace: str, image: str, run: str
) -> tuple[Outcome, str]:
    """Roll a package out and wait for the end, which is told in Markdown as well.

    Args:
        model: the registered model, which has the name of the service.
        release: the package.
        plan: how.
        who: asks for it, for the record.
        namespace: of the service on a cluster; empty on this machine.
        image: what the rollout's Job runs on a cluster.
        run: the pipeline run, which names the rollout on a cluster: a step that is tried again
            follows the Job of its first try.

    Raises:
        WeathervaneError: when it was neither promoted nor taken back.
    """
    service = find_service(model, namespace=namespace)
    if isinstance(service, LocalService):
        from weathervane.rollout.release import fetch_probes, repair_champion, roll_out

        repair_champion(service.deployment, service.registry, model)
        probes = fetch_probes(service.store, release)
        outcome = roll_out(
            service.rollout(print),
            service.registry,
            model,
            release,
            plan=plan,
            probes=probes,
            who=who,
        )
    else:
        from weathervane.rollout.kserve import starting

        started = starting.start(service, release.digest, plan, image=image, who=who, name=run)
        code = starting.follow(service, started, print)
        starting.check_end(started, code)
        outcome = starting.ended(service, started, code)
    return outcome, as_markdown(outcome, service.record())


def take_back(model: str, *, who: str, why: str, namespace: str, run: str) -> str:
    """End the rollout that a run of the pipeline has left unfinished; what was done, in words."""
    service = find_service(model, namespace=namespace)
    if isinstance(service, LocalService):
        from weathervane.rollout.release import take_back

        left = take_back(service.rollout(print), service.journal, who=who, why=why)
        return "no rollout was left" if left is None else f"taken back: {left.why}"
    from weathervane.rollout.kserve.starting import end_left

    code = end_left(service, run, who=who, why=why)
    if code is None:
        return "no rollout was left"
    return f"its Job was asked to take it back, and ended with {int(code)}"
