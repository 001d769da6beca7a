"""Rows of the rollout on KServe's rules, in the time of a clock that moves when somebody sleeps.

In: how often. Out: figures over both modes. Every rollout is of a package that was never there.
"""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path

from tests.bench.figures import Figure, at_least, at_most, noted
from tests.kserve.kills import killed_and_ended
from tests.kserve.worlds import MODES, OLD, PLAN, PROBES, SERVICE, SHORT, Stage, await_true
from tests.platform.cluster import Cluster
from tests.platform.kinds import ISVC
from tests.platform.pods import Behaviour
from weathervane.errors import ExitCode, RolloutRunningError, TrackingError, WeathervaneError
from weathervane.registry.versions import CHAMPION, Registry
from weathervane.rollout.asking import Asking
from weathervane.rollout.port import Release
from weathervane.rollout.release import repair_champion, roll_out
from weathervane.rollout.wishes import Kind

_BUGS = Path(__file__).parents[1] / "kserve" / "test_upstream_bugs.py"
_NUMBERS = count(1)


def fresh() -> Release:
    """A package that was never there."""
    digest = f"{next(_NUMBERS):064x}"
    return Release(digest=digest, uri=f"s3://bucket/models/weather/{digest}")


@contextmanager
def _stage(mode: str, **how: float) -> Iterator[Stage]:
    with Cluster() as cluster:
        yield Stage(cluster, mode, **how)  # type: ignore[arg-type]


def crashed(times: int) -> Iterator[Figure]:
    """Row 10: the canary's containers die in the middle of a step."""
    back, slowest, failed = 0, 0.0, 0
    for mode in MODES:
        with _stage(mode) as stage:
            stable = _stable(stage)
            for _ in range(times):
                died: list[float] = []

                def die(now: float, died: list[float] = died, stage: Stage = stage) -> None:
                    live = stage.deployment.observe()
                    if not died and live.canary and live.canary.ready and live.weight == 50:
                        died.append(now)
                        name = live.canary.name
                        stage.cluster.workloads.each(name, lambda pod: setattr(pod, "crashed", 1))

                stage.clock.asleep = [die]
                outcome = stage.run(fresh())
                slowest = max(slowest, stage.clock.monotonic() - died[0])
                back += not outcome.promoted and stage.settled(OLD)
            failed += stage.deployment.counts()[stable].errors
    yield at_least("10: canaries that crashed and were taken back", back, times * len(MODES))
    yield at_most("10: slowest, from the crash to its end", round(slowest, 1), 30, " s")
    yield at_most("10: requests that stable failed", failed, 0)


def never_ready(times: int) -> Iterator[Figure]:
    """Row 11: a canary that never gets ready, or does not load its model."""
    back = taken = late = 0
    kinds = cycle((Behaviour(ready_after_seconds=1e9), Behaviour(fails_to_load="no such file")))
    for mode in MODES:
        with _stage(mode) as stage:
            for behaviour in (next(kinds) for _ in range(times)):
                release = fresh()
                stage.cluster.behaviours[release.digest] = behaviour
                begun = stage.clock.monotonic()
                seen: list[int] = []
                stage.clock.asleep = [
                    lambda now, r=release, s=stage, seen=seen: seen.append(s.taken_by(r.digest))
                ]
                outcome = stage.run(release)
                taken += max(seen, default=0)
                late += stage.clock.monotonic() - begun > PLAN.start_seconds + 10
                rolled_back = outcome.exit_code is ExitCode.ROLLED_BACK
                back += rolled_back and stage.settled(OLD)
    yield at_least("11: taken back at the deadline with code 5", back, times * len(MODES))
    yield at_most("11: later than ten seconds after the deadline", late, 0)
    yield at_most("11: requests that reached such a canary", taken, 0)


def lies(times: int) -> Iterator[Figure]:
    """Row 14: figures that are absent, no numbers, stale, or too few."""

    def spoil(stage: Stage, said: Callable[[bytes], bytes]) -> None:
        def look(now: float) -> None:
            live = stage.deployment.observe()
            if live.canary and live.weight:
                for pod in stage.cluster.workloads.of(live.canary.name):
                    pod.server.said = said

        stage.clock.asleep = [look]

    def nan(text: bytes) -> bytes:
        return re.sub(rb"(?m)^(weathervane_requests_total\{.*\}) .*$", rb"\1 NaN", text)

    def gone(text: bytes) -> bytes:
        raise OSError

    def stale(stage: Stage) -> None:
        def look(now: float) -> None:
            if stage.deployment.observe().weight:
                stage.clock.requests_per_second = 0

        stage.clock.asleep = [look]

    kinds: dict[str, Callable[[Stage], None]] = {
        "absent": lambda stage: spoil(stage, gone),
        "NaN": lambda stage: spoil(stage, nan),
        "stale": stale,
        "too few": lambda stage: setattr(stage.clock, "requests_per_second", 5),
    }
    plan = replace(PLAN, patience_seconds=5, stale_seconds=3, hold_seconds=1)
    for kind, begin in kinds.items():
        promoted = wrong = 0
        for mode in MODES:
            with _stage(mode) as stage:
                for _ in range(times // len(MODES)):
                    stage.clock.requests_per_second = 200
                    begin(stage)
                    promoted += stage.run(fresh(), plan).promoted
                    wrong += not stage.settled(OLD)
        yield at_most(f"14: promoted of {times} whose figures were {kind}", promoted + wrong, 0)


def kills(stride: int) -> Iterator[Figure]:
    """Row 15: the process dies at every write; the next one ends what it began."""
    right = []
    for mode in MODES:
        for bad in (False, True):
            with Cluster() as cluster:
                stage = Stage(cluster, mode)
                right += list(killed_and_ended(stage, bad=bad, first=0, stride=stride))
    yield at_least("15: moments of death that ended rightly", sum(right), len(right))


def races(times: int) -> Iterator[Figure]:
    """Row 17: two who start other packages at the same moment."""
    clean = told = 0
    for mode in MODES:
        with _stage(mode) as stage:
            for _ in range(times // len(MODES)):
                ends: dict[str, ExitCode] = {}
                start = threading.Barrier(2)

                def run(
                    release: Release, stage: Stage = stage, start: threading.Barrier = start
                ) -> ExitCode:
                    mine = stage.another()
                    start.wait()
                    try:
                        return mine.run(release, SHORT).exit_code
                    except RolloutRunningError as error:
                        return error.exit_code

                pair = fresh(), fresh()
                threads = [
                    threading.Thread(
                        target=lambda r=r, run=run, e=ends: e.__setitem__(r.digest, run(r))
                    )
                    for r in pair
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                stage.open()
                codes = sorted(ends.values())
                told += codes == [ExitCode.DONE, ExitCode.ROLLOUT_RUNNING]
                live = stage.deployment.observe().stable
                winners = [r for r in pair if live and r.digest == live.digest]
                clean += (
                    codes in ([ExitCode.DONE, ExitCode.ROLLOUT_RUNNING], [ExitCode.DONE] * 2)
                    and len(winners) == 1
                    and ends[winners[0].digest] is ExitCode.DONE
                    and stage.settled(winners[0])
                )
    yield at_least("17: races with a winner that is served and nothing mixed", clean, times)
    yield noted(
        "17: of them with a loser that left with 7, the others one after the other", f"{told}"
    )


def faults(times: int, share: float) -> Iterator[Figure]:
    """Row 18: 409, 429, 500, lost answers and closed connections on a share of all calls."""
    right = calls = 0
    said: list[str] = []
    for mode in MODES:
        with _stage(mode) as stage:
            stable = OLD
            for number in range(times // len(MODES)):
                release, bad = fresh(), number % 3 == 1
                if bad:
                    stage.cluster.behaviours[release.digest] = Behaviour(error_share=0.5)
                before = len(stage.cluster.api.calls)
                stage.cluster.api.faults.share = share
                ended = _ends(stage, release, said)
                stage.cluster.api.faults.share = 0.0
                stage.open()
                calls += len(stage.cluster.api.calls) - before
                stable = stable if bad else release
                right += ended is not bad and stage.settled(stable)
    yield at_least(f"18: ended rightly while {share:.0%} of the calls failed", right, times)
    yield noted("18: of them by more than one process, calls in all", f"{len(said)}, {calls}")


def stale_reads(times: int) -> Iterator[Figure]:
    """Row 20: reads of the InferenceService that are up to two versions old."""
    right = 0
    for mode in MODES:
        with _stage(mode) as stage:
            stable = OLD
            for number in range(times // len(MODES)):
                release, bad = fresh(), number % 2 == 1
                if bad:
                    stage.cluster.behaviours[release.digest] = Behaviour(error_share=0.5)
                stage.cluster.api.stale, stage.cluster.api.stale_share = {ISVC: 2}, 0.4
                ended = _ends(stage, release, [])
                stage.cluster.api.stale = {}
                stage.open()
                stable = stable if bad else release
                right += ended is not bad and stage.settled(stable)
    yield at_least("20: ended rightly with 40 % of the reads stale", right, times)


def aborts(times: int) -> Iterator[Figure]:
    """Row 21: an abort at every weight, by a second process when nobody drives, and idle."""
    right = asked = changed = 0
    slowest = 0.0
    for mode in MODES:
        with _stage(mode) as stage:
            for weight in (0, 10, 50) * times:
                asked_at: list[float] = []

                def ask(now: float, at: list[float] = asked_at, weight: int = weight) -> None:
                    if not at and stage.deployment.observe().weight == weight:
                        at.append(now)
                        Asking(stage.journal).ask(Kind.ABORT, "soak", "a test")

                release = fresh()
                stage.cluster.behaviours[release.digest] = Behaviour(ready_after_seconds=0.1)
                stage.clock.asleep = [ask]
                outcome = stage.run(release)
                slowest = max(slowest, stage.clock.monotonic() - asked_at[0])
                right += not outcome.promoted and stage.settled(OLD)
                asked += 1
            for _ in range(times):
                stage.clock.asleep = [lambda now: (_ for _ in ()).throw(KeyboardInterrupt)]
                with _suppressed():
                    stage.run(fresh())
                stage.clock.asleep = []
                stage.open()
                begun = stage.clock.monotonic()
                stage.rollout().abort("soak", "nobody drives it")
                slowest = max(slowest, stage.clock.monotonic() - begun)
                right += stage.settled(OLD)
                asked += 1
            before = stage.cluster.isvc(SERVICE)
            changed += stage.rollout().abort("soak", "there is none") is not None
            changed += stage.cluster.isvc(SERVICE) != before
    yield at_least("21: aborts that left weight 0 and no canary", right, asked)
    yield at_most("21: slowest abort", round(slowest, 1), 10, " s")
    yield at_most("21: changes by an abort without a rollout", changed, 0)


def upstream_bugs() -> Iterator[Figure]:
    """Row 22: the bugs of other controllers, as tests of their own."""
    text = _BUGS.read_text(encoding="utf-8")
    named = re.findall(r"^def test_(argo|flagger|kserve)_\d+", text, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_BUGS)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"(\d+) passed", done.stdout)
    passed = int(found[1]) if found and not done.returncode else 0
    yield at_least("22: upstream bugs replayed, each in both modes", len(named), 11)
    yield at_least("22: of these tests passed", passed, len(named) * len(MODES))


def the_alias(times: int, database: Path) -> Iterator[Figure]:
    """Row 38: MLflow is away for a rollout; then promotions race with repairs of the alias."""
    tracking = f"sqlite:///{database}"
    told = agreed = failed = 0
    for mode in MODES:
        name = f"weather-{mode.lower()}"
        with _stage(mode) as stage:
            registry, release = Registry(tracking), _registered(tracking, name)
            try:
                roll_out(
                    *(stage.rollout(), Registry("http://127.0.0.1:9"), name, release),
                    plan=PLAN,
                    probes=PROBES,
                    who="soak",
                )
            except TrackingError:
                told += stage.settled(release)
            repair_champion(stage.deployment, registry, name)
            failed += stage.clock.failed
            ended = threading.Event()
            other = threading.Thread(target=_repair, args=(stage, tracking, name, ended))
            other.start()
            try:
                for _ in range(times // len(MODES)):
                    release = _registered(tracking, name)
                    stage.deploy(release)
                    repair_champion(stage.deployment, registry, name)

                    def agree(digest: str = release.digest) -> bool:
                        champion = registry.alias(name, CHAMPION)  # noqa: B023
                        return champion is not None and champion.digest == digest

                    # The other one may just be about to find that it came late.
                    await_true(agree)
                    agreed += 1
            finally:
                ended.set()
                other.join()
    yield at_least("38: MLflow away: said, and what was promoted is served", told, len(MODES))
    yield at_least("38: races after which the alias is the served digest", agreed, times)
    yield at_most("38: requests lost", failed, 0)


def _registered(tracking: str, name: str) -> Release:
    release = fresh()
    Registry(tracking).register(name, release.digest, release.uri)
    return release


def _repair(stage: Stage, tracking: str, name: str, ended: threading.Event) -> None:
    mine = stage.another()
    while not ended.is_set():
        repair_champion(mine.deployment, Registry(tracking), name)
        time.sleep(0.001)


def _stable(stage: Stage) -> str:
    stable = stage.deployment.observe().stable
    assert stable is not None
    return stable.name


def _ends(stage: Stage, release: Release, said: list[str]) -> bool | None:
    """Run a rollout as a Job does: whoever fails on the platform is started again."""
    for _ in range(20):
        try:
            return stage.run(release).promoted
        except WeathervaneError as error:
            said.append(str(error))
            stage.open()
    return None


@contextmanager
def _suppressed() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        return
