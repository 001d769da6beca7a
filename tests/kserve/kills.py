"""Rollouts whose process dies at a write, one after the other on one service."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count

from tests.kserve.worlds import OLD, SERVICE, SHORT, Killed, MortalApi, Stage
from tests.platform.cluster import NAMESPACE
from tests.platform.kinds import LEASE
from tests.platform.objects import RefusedError
from tests.platform.pods import Behaviour
from weathervane.rollout.port import Release


def killed_and_ended(stage: Stage, *, bad: bool, first: int, stride: int) -> Iterator[bool]:
    """Kill a rollout at its moments, in strides, until one survives; whether each ended rightly.

    Rightly: the next process promotes what is good and takes back what is bad, nothing is left of
    the rollout, and one more process changes nothing.
    """
    stable = OLD
    for moment in count(first, stride):
        digest = f"{moment + 1:064x}"
        release = Release(digest=digest, uri=f"s3://bucket/models/weather/{digest}")
        if bad:
            stage.cluster.behaviours[digest] = Behaviour(error_share=0.9)
        killed = _killed_at(stage, moment, release)
        stage.open()
        right = True
        if killed:
            right = stage.run(release, SHORT).promoted is not bad
        stable = stable if bad else release
        right = right and stage.settled(stable)
        before = stage.cluster.isvc(SERVICE)["metadata"]["generation"]
        stage.open()
        again = stage.run(release, SHORT)
        after = stage.cluster.isvc(SERVICE)["metadata"]["generation"]
        yield right and again.promoted is not bad and after == before
        if not killed:
            return


def _killed_at(stage: Stage, moment: int, release: Release) -> bool:
    mortal = MortalApi(stage.cluster, moment)
    stage.open(mortal)
    try:
        stage.run(release, SHORT)
    except Killed:
        # As if the dead holder's time had passed; that it does is another test's.
        with suppress(RefusedError):
            stage.cluster.objects.delete((LEASE, NAMESPACE, f"weathervane-{SERVICE}"))
    return mortal.dead
