"""``make bench-judgement``: whole rollouts on made-up traffic, through the very rules that decide.

Equal revisions must go through, worse ones must not, and no later than a test of fixed size would
tell. The traffic is that of `tests.bench.traffic_model`. A part is asked for by its name: probes,
missing, fixed, worse, equal.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count, islice, repeat
from multiprocessing import get_context
from statistics import median

import numpy as np

from tests.bench.figures import Figure, at_least, at_most, noted, publish
from tests.bench.fixed_samples import slower_share, two_proportions
from tests.bench.traffic_model import SHAPES, Traffic, World
from weathervane.rollout.actions import Observed, Probe, Promote, Rollback, SetWeight
from weathervane.rollout.counts import Counts
from weathervane.rollout.decide import decide
from weathervane.rollout.evidence import Evidence
from weathervane.rollout.judgement import ProbeFigures, chance
from weathervane.rollout.plan import Plan
from weathervane.rollout.power import probes_needed, requests_to_see_errors

WEIGHTS = (5, 10, 25, 50)
# 1,000 looks: 250 at each weight. Stable itself fails some requests, a canary no worse may too.
PLAN = Plan(
    steps=WEIGHTS, hold_seconds=250, latency_slack_seconds=0.002, max_failed_requests=100_000
)
POWER = 0.95
EQUAL_ROLLOUTS = 2000
WORSE_ROLLOUTS = 200
STEPS_TO_THE_END = 100  # at each weight, against the fixed sample
FAULTY_ROLLOUTS = 50
DISAGREEMENT = 0.06  # share of the probes that only one of the two labels rightly
MAX_FACTOR = 3  # of a fixed sample: the hard stop
Look = tuple[Counts | None, Counts | None]


@dataclass(frozen=True)
class End:
    """How one rollout ended; None: it was still under way at its hard stop."""

    promoted: bool | None
    why: str
    looks: int
    requests: int


def roll_out(
    plan: Plan,
    looks_at: Callable[[int], Iterator[Look]],
    probes: ProbeFigures,
    most_requests: float = float("inf"),
) -> End:
    """Do as `weathervane.rollout.loop` does, one look a second, until the end."""
    evidence, weight, answered = Evidence(), 0, None
    looks: Iterator[Look] = repeat((Counts(), Counts()))
    canary = stable = Counts()
    seconds = requests = number = 0
    for number in count():
        of_canary, of_stable = next(looks)
        canary, stable = canary + (of_canary or Counts()), stable + (of_stable or Counts())
        seconds += 1
        told = canary if of_canary is not None else None, stable if of_stable is not None else None
        evidence = evidence.after(plan, *told)
        action = decide(
            plan,
            Observed(
                weight=weight,
                seconds_at_weight=seconds,
                canary_ready=True,
                has_stable=True,
                canary=told[0],
                stable=told[1],
                evidence=evidence,
                probes=answered,
            ),
        )
        so_far = requests + canary.requests + stable.requests
        if isinstance(action, Rollback | Promote):
            return End(isinstance(action, Promote), action.why, number, so_far)
        if so_far > most_requests:
            break
        if isinstance(action, Probe):
            answered = probes
        if isinstance(action, SetWeight):
            weight, requests, seconds, answered = action.percent, so_far, 0, None
            looks, evidence = looks_at(weight), evidence.restarted()
            canary = stable = Counts()
    return End(None, "", number, so_far)


def equally_good_probes(random: np.random.Generator, number: int = 1500) -> ProbeFigures:
    """Two models that are right equally often, not on the same pictures."""
    return answers_to_probes(random, number, loss=0.0)


def answers_to_probes(random: np.random.Generator, number: int, loss: float) -> ProbeFigures:
    losses, gains, _ = random.multinomial(
        number, [(DISAGREEMENT + loss) / 2, (DISAGREEMENT - loss) / 2, 1 - DISAGREEMENT]
    )
    both = (True,) * (number - losses - gains)
    return ProbeFigures(
        canary_right=(False,) * losses + (True,) * gains + both,
        stable_right=(True,) * losses + (False,) * gains + both,
    )


def whole(world: World, seed: int) -> End:
    """A rollout through every step, as the plan has it."""
    random = np.random.default_rng(seed)
    traffic = Traffic(world, seed)
    return roll_out(
        PLAN,
        # What was under way when the weight changed.
        lambda weight: traffic.looks(weight, left_over=int(random.integers(30))),
        equally_good_probes(random),
    )


def at_one_weight(world: World, weight: int, most_requests: int, seed: int) -> End:
    """A single step that lasts until the canary is found, or to the hard stop."""
    plan = replace(PLAN, steps=(weight,), hold_seconds=1e9, patience_seconds=1e9)
    probes = equally_good_probes(np.random.default_rng(seed))
    return roll_out(plan, Traffic(world, seed).looks, probes, most_requests)


def spoilt(fault: str, seed: int) -> End:
    """An equal canary whose figures fail in some way."""
    traffic = Traffic(World(), seed)
    nothing = Counts()

    def looks_at(weight: int) -> Iterator[Look]:
        good = traffic.looks(weight)
        match fault:
            case "the canary's figures are absent":
                return ((None, stable) for _, stable in good)
            case "stable's figures are absent":
                return ((canary, None) for canary, _ in good)
            case "the counters stand still":
                return chain(islice(good, 200), repeat((nothing, nothing)))
            case "no traffic":
                return repeat((nothing, nothing))
            case "too little traffic":
                return ((Counts(1), Counts(1)) if n % 20 == 0 else (nothing, nothing)
                        for n in count())  # fmt: skip
            case "all traffic goes to the canary":
                return ((canary + stable, nothing) for canary, stable in good)
        raise ValueError(fault)

    return roll_out(PLAN, looks_at, equally_good_probes(np.random.default_rng(seed)))


FAULTS = (
    "the canary's figures are absent",
    "stable's figures are absent",
    "the counters stand still",
    "no traffic",
    "too little traffic",
    "all traffic goes to the canary",
)
Run = Callable[[Callable[[int], End], Iterable[int]], Sequence[End]]


def equal_revisions(run: Run) -> Iterator[Figure]:
    each = EQUAL_ROLLOUTS // len(SHAPES)
    ends: list[End] = []
    for number, shape in enumerate(SHAPES):
        # Seeds of their own: the probes of a seed are the same in every shape.
        seeds = range(number * each, (number + 1) * each)
        ends += run(partial(whole, World(shape=shape)), seeds)
    taken_back = [end for end in ends if not end.promoted]
    for why in {end.why for end in taken_back}:
        print(f"an equal canary was taken back: {why}", file=sys.stderr)
    name = f"equal revisions taken back, of {len(ends)} whole rollouts"
    yield at_most(name, 100 * len(taken_back) / len(ends), 1, " %")
    yield at_least("looks of such a rollout, median", median(end.looks for end in ends), 1000)
    slower = [
        end
        for shape in SHAPES
        for end in run(
            partial(whole, World(shape=shape, canary_latency=1.05)), range(WORSE_ROLLOUTS // 4)
        )
    ]
    back = sum(not end.promoted for end in slower)
    name = f"canaries 5 % slower taken back, of {len(slower)} (the plan tolerates 10 %)"
    yield at_most(name, 100 * back / len(slower), 1, " %")


def worse_revisions(run: Run) -> Iterator[Figure]:
    """Whole rollouts of 1,000 looks at rising weights."""
    worse = {"errors 2 % against 0.5 %": World(canary_errors=4)}
    worse |= {f"p95 worse by 30 %, {s}": World(shape=s, canary_latency=1.3) for s in SHAPES}
    for name, world in worse.items():
        ends = run(partial(whole, world), range(WORSE_ROLLOUTS))
        found = sum(end.promoted is False for end in ends)
        yield at_least(f"{name}: found, of {len(ends)}", 100 * found / len(ends), 95, " %")


def against_fixed_samples(run: Run) -> Iterator[Figure]:
    for weight in WEIGHTS:
        fixed = two_proportions(0.02, 0.005, weight, chance=chance(PLAN, "errors"), power=POWER)
        world = World(canary_errors=4)
        yield from _found(run, world, weight, fixed, f"errors at {weight} %")
        expected = requests_to_see_errors(PLAN, weight=weight, stable=0.005, canary=0.02)
        yield noted(f"errors at {weight} %: requests that the plan foretells", f"{expected:.0f}")
    for shape in SHAPES:
        world = World(shape=shape, canary_latency=1.3)
        for weight in WEIGHTS:
            fixed = slower_share(
                world,
                weight,
                tolerated=PLAN.max_latency_ratio,
                slack=PLAN.latency_slack_seconds,
                chance=chance(PLAN, "slowness"),
                power=POWER,
            )
            yield from _found(run, world, weight, fixed, f"p95, {shape}, at {weight} %")


def _found(run: Run, world: World, weight: int, fixed: int, name: str) -> Iterator[Figure]:
    stop = MAX_FACTOR * fixed
    ends = run(partial(at_one_weight, world, weight, stop), range(STEPS_TO_THE_END))
    found = [end.requests for end in ends if end.promoted is False]
    share = 100 * len(found) / len(ends)
    yield at_least(f"{name}: found within {MAX_FACTOR} fixed samples", share, 95, " %")
    # Those that were not found needed more than any that were.
    middle = sorted(found + [stop] * (len(ends) - len(found)))[len(ends) // 2]
    yield at_most(f"{name}: median requests, at most the fixed sample's", middle, fixed)


def lost_accuracy() -> Iterator[Figure]:
    # Asked for a little more often than the bound, or the bound would hold by a toss of a coin.
    needed = probes_needed(PLAN, loss=0.03, disagreement=DISAGREEMENT, power=0.97)
    assert needed is not None
    random = np.random.default_rng(1)
    seen = Observed(
        weight=0, seconds_at_weight=1, canary_ready=True, has_stable=True,
        canary=Counts(), stable=Counts(),
    )  # fmt: skip
    found = sum(
        isinstance(
            decide(PLAN, replace(seen, probes=answers_to_probes(random, needed, loss=0.03))),
            Rollback,
        )
        for _ in range(EQUAL_ROLLOUTS)
    )
    name = f"3 points of accuracy lost on {needed} probes: found, of {EQUAL_ROLLOUTS}"
    yield at_least(name, 100 * found / EQUAL_ROLLOUTS, 95, " %")


def missing_evidence(run: Run) -> Iterator[Figure]:
    for fault in FAULTS:
        ends = run(partial(spoilt, fault), range(FAULTY_ROLLOUTS))
        promoted = sum(end.promoted is not False for end in ends)
        yield at_most(f"{fault}: promoted or without end, of {len(ends)}", promoted, 0)


PARTS: Mapping[str, Callable[[Run], Iterator[Figure]]] = {
    "probes": lambda _: lost_accuracy(),
    "missing": missing_evidence,
    "fixed": against_fixed_samples,
    "worse": worse_revisions,
    "equal": equal_revisions,
}
NOTE = (
    "Made-up traffic: load that moves and jumps, latency correlated over looks, shared and by "
    "revision, in four shapes. Fixed samples: see `tests/bench/fixed_samples.py`."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for, and write each as it ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.judgement", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="default: all")
    options = parser.parse_args(arguments)
    code = 0
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:

        def run(rollout: Callable[[int], End], seeds: Iterable[int]) -> Sequence[End]:
            return list(pool.map(rollout, seeds, chunksize=5))

        for part in [options.part] if options.part else PARTS:
            begun, figures = time.monotonic(), []
            for figure in PARTS[part](run):
                print(f"{figure.name}: {figure.shown}", file=sys.stderr, flush=True)
                figures.append(figure)
            figures.append(noted("seconds", f"{time.monotonic() - begun:.0f}"))
            code |= publish(f"make bench-judgement PART={part}", figures, NOTE)
    return code


if __name__ == "__main__":
    sys.exit(main())
