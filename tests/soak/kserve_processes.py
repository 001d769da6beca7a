"""Rows of the rollout on KServe's rules that take real time: killed processes, an API away.

In: how often, how long. Out: figures over both modes. Several clusters stand at a time: each waits
most of the time.
"""

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tests.bench.figures import Figure, at_least, at_most, noted
from tests.kserve.node import Site
from tests.kserve.worlds import MODES, NEW, PROBES, SERVICE, SHORT, Stage
from tests.platform.cluster import NAMESPACE, Cluster
from tests.platform.kinds import CONFIGMAP, LEASE
from tests.platform.objects import RefusedError
from weathervane.errors import ExitCode, WeathervaneError
from weathervane.registry.store import Store
from weathervane.rollout.kserve.api import PATIENT
from weathervane.rollout.kserve.job import Driver, rollout_job
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import Plan

# Long enough for several kills, short enough for fifty of them.
_PLAN = replace(
    SHORT, steps=(20, 60), hold_seconds=1, settle_seconds=0.2, interval_seconds=0.2, min_requests=50
)
_MOST_KILLS = 4  # of one rollout


def killed_at_random(times: int, store: Store, database: Path, *, at_once: int) -> Iterator[Figure]:
    """Row 16: the Job's process is killed within each five seconds, until one is let live.

    ``database`` is an MLflow without runs; each rollout gets a copy.
    """

    def rollout(number: int) -> tuple[bool, int]:
        mode, bad = MODES[number % 2], number % 3 == 2
        with Cluster() as cluster, tempfile.TemporaryDirectory() as folder:
            mine = shutil.copy(database, folder)
            site = Site(Stage(cluster, mode), store, f"sqlite:///{mine}", Path(folder))
            if bad:
                site.spoil(site.new)
            code, kills = _killed_until_it_ends(site, random.Random(number))
            wanted = ExitCode.ROLLED_BACK if bad else ExitCode.DONE
            right = code == wanted and site.stage.settled(site.old if bad else site.new)
            if not right:
                print(f"16: {mode} {number} after {kills} kills: {code}, {site.ran[-1]}")
            return right, kills

    with ThreadPoolExecutor(at_once) as pool:
        ended = list(pool.map(rollout, range(times)))
    right = sum(right for right, _ in ended)
    yield at_least("16: rollouts killed at random that ended right", right, times)
    yield noted("16: kills", str(sum(kills for _, kills in ended)))


def _killed_until_it_ends(site: Site, moments: random.Random) -> tuple[int, int]:
    driver = Driver(image="any")
    job = rollout_job(SERVICE, site.new.digest, _PLAN, driver, rollout="r-1", who="soak")
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    kills = 0
    with site.traffic():
        while True:
            container = site.container(command)
            if kills == _MOST_KILLS or container.ends_within(moments.uniform(0.3, 5.0)):
                site.ran.append(container.ended())
                return site.ran[-1].returncode, kills
            container.kill()
            kills += 1
            # As if the dead holder's time had passed; that it does is another test's.
            with suppress(RefusedError):
                site.stage.cluster.objects.delete((LEASE, NAMESPACE, f"weathervane-{SERVICE}"))


def api_away(seconds: float) -> Iterator[Figure]:
    """Row 19: no call to the API server is answered for so long, in the middle of a step."""
    with ThreadPoolExecutor(len(MODES)) as pool:
        ended = list(pool.map(lambda mode: _away(mode, seconds), MODES))
    promoted, failed, late, processes = zip(*ended, strict=True)
    yield at_least(f"19: promoted after {seconds:g} s without an API", sum(promoted), len(MODES))
    yield at_most("19: requests of clients that failed", sum(failed), 0)
    yield at_most("19: slowest to go on after it was back", round(max(late), 1), 30, " s")
    yield noted("19: processes that it took", str(sum(processes)))


def _away(mode: str, seconds: float) -> tuple[bool, int, float, int]:
    """With the plan and the pace that a Job has if nobody chooses others."""
    plan = Plan(steps=(10, 50), min_probes=10, min_requests=200)
    with Cluster() as cluster:
        stage = Stage(cluster, mode)
        stage.pace = PATIENT
        stage.open()
        ended = threading.Event()
        failed = [0]

        def send() -> None:
            while not ended.wait(0.05):
                failed[0] += 10 - cluster.send(SERVICE, 10)

        clients = threading.Thread(target=send, daemon=True)
        clients.start()
        went_on: list[float] = []
        outage = threading.Thread(target=_go_away, args=(stage, seconds, went_on), daemon=True)
        outage.start()
        promoted, processes = False, 0
        # As the Job starts its pod again.
        while not promoted and processes < 5:
            processes += 1
            with suppress(WeathervaneError):
                stage.open()
                rollout = Rollout(stage.deployment, stage.journal, announce=stage.said.append)
                promoted = rollout.start(NEW, plan, PROBES, "soak", name="r-1").promoted
        outage.join()
        ended.set()
        clients.join()
        return promoted and stage.settled(NEW), failed[0], went_on[0], processes


def _go_away(stage: Stage, seconds: float, went_on: list[float]) -> None:
    """Leave when the canary has a step's traffic; notes how long the next write took afterwards."""
    memory = (CONFIGMAP, NAMESPACE, f"weathervane-{SERVICE}")
    while stage.serving.get(NEW.digest) != 10:
        time.sleep(0.05)
    stage.cluster.api.faults.down = True
    time.sleep(seconds)
    version = stage.cluster.objects.get(memory)["metadata"]["resourceVersion"]
    stage.cluster.api.faults.down = False
    back = time.monotonic()
    while stage.cluster.objects.get(memory)["metadata"]["resourceVersion"] == version:
        time.sleep(0.05)
    went_on.append(time.monotonic() - back)
