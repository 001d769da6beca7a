"""Rows of the rollout about killed processes, aborts, and two that write at once."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path

from tests.bench.figures import Figure, at_least, at_most, noted
from tests.local.deaths import killed_at
from tests.local.sites import await_true
from tests.soak.ground import Ground
from weathervane.data.probes import write_probes
from weathervane.errors import DeploymentError, ExitCode, TrackingError
from weathervane.local import processes
from weathervane.registry.versions import CHAMPION, Registry
from weathervane.rollout.port import Release
from weathervane.rollout.release import repair_champion, roll_out

_RATE = 50.0
_DRIVE = Path(__file__).with_name("drive.py")


def killed_at_every_write(ground: Ground, *, every: int) -> Iterator[Figure]:
    """Row 15: a rollout killed at each of its moments, started again, and once more."""
    # Half of the traffic fails on a bad one: its way back is walked as well.
    plan = ground.plan(steps=(50,), max_failed_requests=10, min_probes=0)
    walked, right, changed = 0, 0, 0
    with ground.clients(200.0) as clients:
        for make, is_good in ((ground.good, True), (ground.bad, False)):
            for moment in count(0, every):
                release, before = make(), ground.live()[0]
                if not killed_at(moment, _start(ground, release, plan)):
                    break
                outcome = ground.rollout().start(release, plan, (), "soak")
                wanted = release.digest if is_good else before
                if ground.live() == (wanted, False, 0) and _settled(ground):
                    right += 1
                else:
                    print(f"15: killed at moment {moment}: {ground.live()}, {outcome.why}")
                kept = _files(ground)
                if is_good:
                    ground.rollout().start(release, plan, (), "soak")
                ground.rollout().abort("soak", "there is none")
                changed += _files(ground) != kept
                walked += 1
    by_good = [line for line in clients.failed if line["status"] != 500]
    yield at_least("15: moments of death that ended right", right, walked)
    yield noted("15: moments walked, every so-manieth", f"{walked}, {every}")
    yield at_most("15: second runs that changed anything", changed, 0)
    yield at_most("15: requests lost by anybody but a failing canary", len(by_good), 0)


def killed_every_few_seconds(
    ground: Ground, *, times: int, kills_each: int, seed: int = 1
) -> Iterator[Figure]:
    """Row 16: the rollout's process is killed again and again until it ends by itself."""
    moments = random.Random(seed)
    plan = ground.site.state / "plan.json"
    plan.write_text(json.dumps(asdict(ground.plan(steps=(20, 60), hold_seconds=1))))
    probes = ground.site.state / "probes"
    write_probes(probes, ground.probes)
    right = kills = 0
    with ground.clients(_RATE) as clients:
        for number in range(times):
            is_good = number % 3 != 2
            release, before = ground.good() if is_good else ground.bad(), ground.live()[0]
            code, lives = None, 0
            while code is None:
                lives += 1
                driver = subprocess.Popen(
                    [
                        *(sys.executable, str(_DRIVE), str(ground.site.state), release.digest),
                        *(release.uri, str(plan), str(probes)),
                    ],
                    env={**os.environ, **ground.store.as_environment()},
                )
                try:
                    # Never the same moment twice, and five seconds at most: until one is let live,
                    # because on a busy machine five seconds are hardly enough to begin.
                    code = driver.wait(None if lives > kills_each else moments.uniform(2.5, 5.0))
                except subprocess.TimeoutExpired:
                    driver.kill()
                    driver.wait()
                    kills += 1
            wanted = (release.digest, ExitCode.DONE) if is_good else (before, ExitCode.ROLLED_BACK)
            right += (ground.live(), code) == ((wanted[0], False, 0), wanted[1])
    yield noted("16: kills, requests sent meanwhile", f"{kills}, {len(clients.lines)}")
    yield at_least("16: rollouts that ended right", right, times)
    yield at_most("16: requests lost", len(clients.failed), 0)


def written_at_once(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 20 on one machine: what somebody read before another wrote is never written back."""
    clean = 0
    before = ground.live()
    with ground.clients(_RATE) as clients, ThreadPoolExecutor(2) as pool:
        for _ in range(times):
            ground.deployment.start_canary(ground.good())
            ground.site.await_ready()
            late = pool.submit(_weigh_until_gone, ground)
            ground.deployment.set_weight(10)
            pool.submit(ground.deployment.rollback, "raced").result()
            late.result()
            clean += ground.live() == before and _settled(ground)
    yield at_least("20: races of weights with a rollback that left none", clean, times)
    yield at_most("20: requests lost", len(clients.failed), 0)


def aborted(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 21: an abort before the canary is ready, at a step, and when nobody drives it."""
    right, asked, slowest = 0, 0, 0.0
    before = ground.live()

    def abort(why: str) -> None:
        nonlocal right, asked, slowest
        begun = time.monotonic()
        ground.rollout().abort("soak", why)
        slowest = max(slowest, time.monotonic() - begun)
        right += ground.live() == before
        asked += 1

    with ground.clients(_RATE) as clients:
        for _ in range(times):
            for weight in (0, 10, 60):
                plan = ground.plan(steps=(weight or 10,), min_requests=100_000, min_probes=0)
                # At 0 its package is not there, so that it never gets further.
                release = ground.good() if weight else Release(digest="dies".ljust(64, "0"), uri="")
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(ground.rollout().start, release, plan, (), "soak")
                    ground.await_canary(weight)
                    abort("a person wants it")
            orphan = _start(ground, ground.good(), ground.plan(min_requests=10**6, min_probes=0))
            # Dead at a moment by which its canary is there.
            assert killed_at(40, orphan)
            abort("nobody drives it")
    kept = _files(ground)
    idle = ground.rollout().abort("soak", "there is none")
    yield at_least("21: aborts that left weight 0 and no canary", right, asked)
    yield at_most("21: slowest abort", round(slowest, 2), 10, " s")
    yield at_most("21: changes by an abort without a rollout", idle is not None, 0)
    yield at_most("21: files changed by it", _files(ground) != kept, 0)
    yield at_most("21: requests lost", len(clients.failed), 0)


def the_alias_follows(ground: Ground, *, tracking: str, times: int) -> Iterator[Figure]:
    """Row 38: MLflow is away for a rollout; then promotions race with repairs of the alias."""
    registry = Registry(tracking)
    plan = ground.plan(steps=(50,), min_probes=0)
    agreed = 0
    with ground.clients(_RATE) as clients:
        release = _registered(ground, registry)
        down = Registry("http://127.0.0.1:9")
        try:
            roll_out(ground.rollout(), down, "weather", release, plan=plan, probes=(), who="soak")
            told = False
        except TrackingError:
            told = True
        served = ground.live() == (release.digest, False, 0)
        repair_champion(ground.deployment, registry, "weather")
        repaired = _agree(ground, registry)
        with _repairs_meanwhile(ground, tracking):
            for _ in range(times):
                ground.deployment.start_canary(_registered(ground, registry))
                ground.site.await_ready()
                ground.deployment.promote()
                repair_champion(ground.deployment, registry, "weather")
                # The other one may just be about to find that it came late.
                await_true(lambda: _agree(ground, registry))
                agreed += 1
        repaired = repaired and _agree(ground, registry)
    yield at_least("38: MLflow away: said, promoted, alias repaired", told + served + repaired, 3)
    yield at_least("38: races after which the alias is the served digest", agreed, times)
    yield at_most("38: requests lost", len(clients.failed), 0)


def _start(ground: Ground, release: Release, plan: object) -> Callable[[], None]:
    def start() -> None:
        ground.rollout().start(release, plan, (), "soak")  # type: ignore[arg-type]

    return start


def _settled(ground: Ground) -> bool:
    """Whether exactly what is routed runs, and Envoy knows exactly that."""
    live = ground.routes().live
    replicas = {replica.name for route in live for replica in route.replicas}
    ours = {name for name in processes.running(ground.site.state) if name.startswith("weather-")}
    return ours == replicas and ground.gateway.known == {route.revision for route in live}


def _files(ground: Ground) -> dict[str, bytes]:
    """What the platform and the rollout have written down."""
    folders = ("gateway/routes", "gateway/clusters", f"rollouts/{ground.deployment.service}")
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in (ground.site.state / folder).iterdir()
        if path.suffix in (".json", ".jsonl")
    }


def _weigh_until_gone(ground: Ground) -> None:
    """Ask for other weights until there is no canary to give them to."""
    with suppress(DeploymentError):
        for weight in range(20, 30):
            ground.deployment.set_weight(weight)


def _registered(ground: Ground, registry: Registry) -> Release:
    release = ground.good()
    registry.register("weather", release.digest, release.uri)
    return release


@contextmanager
def _repairs_meanwhile(ground: Ground, tracking: str) -> Iterator[None]:
    """Somebody else who repairs the alias, again and again."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.soak.repair", str(ground.site.state), tracking],
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"repairs\n"
        try:
            yield
        finally:
            other.terminate()
    assert other.returncode == 0


def _agree(ground: Ground, registry: Registry) -> bool:
    champion = registry.alias("weather", CHAMPION)
    return champion is not None and champion.digest == ground.live()[0]
