"""What the evidence says about a canary. Traffic is made up, look by look, with fixed seeds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from weathervane.rollout.counts import Answers, Counts, observe_latencies
from weathervane.rollout.evidence import Evidence
from weathervane.rollout.judgement import (
    Flips,
    ProbeFigures,
    compare_labels,
    failing,
    flipped,
    losing,
    misrouted,
    retrying,
    shifted,
    slow,
)
from weathervane.rollout.pace import step_seconds, time_needed
from weathervane.rollout.plan import Plan
from weathervane.rollout.power import (
    probe_power,
    probes_needed,
    requests_to_see_errors,
    visible_loss,
)
from weathervane.rollout.state import RolloutState

PLAN = Plan(latency_slack_seconds=0.002)
Look = Callable[[int], tuple[Counts, Counts]]


class Watched:
    """A step and what its looks have shown."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.plan = plan
        self.evidence = Evidence()
        self.canary = Counts()
        self.stable = Counts()

    def see(self, look: Look, looks: int) -> "Watched":
        for number in range(looks):
            canary, stable = look(number)
            self.canary, self.stable = self.canary + canary, self.stable + stable
            self.evidence = self.evidence.after(self.plan, self.canary, self.stable)
        return self

    @property
    def failing(self) -> str | None:
        return failing(self.plan, self.evidence, self.canary, self.stable)

    @property
    def retrying(self) -> str | None:
        return retrying(self.plan, self.evidence, self.canary, self.stable)

    @property
    def slow(self) -> str | None:
        return slow(self.plan, self.evidence, self.canary, self.stable)


def errors(canary: tuple[int, int], stable: tuple[int, int]) -> Look:
    return lambda _: (Counts(*canary), Counts(*stable))


def test_the_first_failures_of_a_canary_beside_a_faultless_stable_are_enough():
    watched = Watched().see(errors((10, 0), (90, 0)), 10)
    assert watched.failing is None

    watched.see(errors((10, 1), (90, 0)), 5)

    assert watched.failing is not None
    assert "5 of 150 requests" in watched.failing


def test_one_failure_is_not():
    assert Watched().see(errors((10, 1), (90, 0)), 1).failing is None


def test_an_outage_that_both_share_is_not_the_canarys():
    watched = Watched().see(errors((10, 5), (90, 45)), 100)

    assert watched.failing is None
    assert watched.evidence.errors.evidence < 10


def test_a_load_that_moves_between_good_and_bad_times_deceives_nobody():
    """Added up, the canary fails 9 % and stable 2 %; at each moment they fail alike."""

    def look(number: int) -> tuple[Counts, Counts]:
        bad = number % 2 == 0
        return (Counts(90, 9), Counts(10, 1)) if bad else (Counts(10, 0), Counts(90, 1))

    watched = Watched().see(look, 200)

    assert watched.canary.error_rate > 4 * watched.stable.error_rate
    assert watched.failing is None


def test_failures_within_the_plans_bound_are_tolerated_even_if_stable_has_fewer():
    watched = Watched(replace(PLAN, max_error_rate=0.05)).see(errors((100, 3), (900, 0)), 20)

    assert watched.evidence.errors.p_value < 1e-6
    assert watched.failing is None


def retried(canary: tuple[int, int, int], stable: tuple[int, int, int]) -> Look:
    """Requests, those that failed, and those that were answered at their second try."""
    both = [Counts(n, failed, retried=again) for n, failed, again in (canary, stable)]
    return lambda _: (both[0], both[1])


def test_a_dead_replica_of_stable_excuses_no_canary():
    watched = Watched().see(retried((50, 1, 0), (50, 0, 4)), 20)

    assert watched.failing is not None
    assert watched.retrying is None


def test_first_tries_that_a_canary_loses_are_not_hidden_by_their_second():
    watched = Watched().see(retried((50, 0, 2), (50, 0, 0)), 10)

    assert watched.failing is None
    assert watched.retrying is not None
    assert "lost the first try of 20 of 500 requests (4.0%)" in watched.retrying


@pytest.mark.parametrize(
    ("canary", "stable"),
    [
        ((500, 0, 4), (500, 0, 0)),  # within the plan's bound
        ((50, 0, 3), (50, 0, 3)),  # a network that both share
        ((50, 0, 0), (50, 0, 3)),
    ],
)
def test_lost_first_tries_that_are_no_fault_of_the_canarys_take_nothing_back(
    canary: tuple[int, int, int], stable: tuple[int, int, int]
):
    watched = Watched().see(retried(canary, stable), 100)

    assert (watched.failing, watched.retrying) == (None, None)


def test_a_canary_that_turns_bad_late_is_seen_soon():
    watched = Watched().see(errors((50, 0), (50, 1)), 500)
    watched.evidence = watched.evidence.restarted()
    watched.canary, watched.stable = Counts(), Counts()

    watched.see(errors((50, 5), (50, 1)), 20)

    assert watched.failing is not None


def test_without_stable_traffic_the_plans_bound_counts():
    """With all traffic on the canary there is nothing to compare with."""
    watched = Watched().see(errors((100, 1), (0, 0)), 50)
    assert watched.failing is None

    watched.see(errors((100, 6), (0, 0)), 10)

    assert watched.failing is not None
    assert "the plan allows 1.0%" in watched.failing


def test_a_look_without_figures_of_both_waits_for_one_that_has_them():
    whole = Evidence().after(PLAN, Counts(20, 2), Counts(180, 1))

    gap = Evidence().after(PLAN, Counts(10, 2), None).after(PLAN, None, Counts(90, 1))

    assert gap == Evidence()
    assert gap.after(PLAN, Counts(20, 2), Counts(180, 1)) == whole


def test_looks_without_a_new_request_of_the_canary_are_counted():
    seen = Evidence().after(PLAN, Counts(10), Counts(90))
    for more in (10, 20, 30):
        seen = seen.after(PLAN, Counts(10), Counts(90 + more))

    assert seen.idle_looks == 3
    assert seen.after(PLAN, Counts(11), Counts(150)).idle_looks == 0


def timed(
    requests: tuple[int, int] = (30, 90),
    *,
    canary: Callable[[int], float] = lambda _: 1.0,
    both: Callable[[int], float] = lambda _: 1.0,
) -> Look:
    """Latencies about 50 ms, log-normal; times a factor for each look."""
    random = np.random.default_rng(7)

    def look(number: int) -> tuple[Counts, Counts]:
        counts = []
        for count, factor in zip(requests, (canary(number), 1.0), strict=True):
            seconds = random.lognormal(-3, 0.5, count) * factor * both(number)
            counts.append(Counts(count, 0, observe_latencies(seconds)))
        return counts[0], counts[1]

    return look


def test_a_p95_worse_by_30_percent_is_found():
    watched = Watched().see(timed(canary=lambda _: 1.3), 150)

    assert watched.slow is not None
    assert "p95" in watched.slow


@pytest.mark.parametrize("times", [0.8, 1.0, 1.05])
def test_a_canary_a_little_slower_is_no_reason(times: float):
    assert Watched().see(timed(canary=lambda _: times), 300).slow is None


def test_a_slowness_that_both_share_is_not_the_canarys():
    assert Watched().see(timed(both=lambda n: 3.0 if n // 20 % 2 else 1.0), 300).slow is None


def test_one_slow_spell_of_the_canary_is_no_regression():
    spell = timed((60, 60), canary=lambda n: 2.5 if 100 <= n < 104 else 1.0)

    assert Watched().see(spell, 200).slow is None


@pytest.mark.parametrize(
    ("looks", "deviation", "seed"),
    [
        pytest.param(5, 0.3, 3, id="bounded by what one look may say"),
        pytest.param(8, 0.5, 1, id="divided by the dispersion"),
    ],
)
def test_spells_of_the_canary_slow_and_fast_are_no_regression(
    looks: int, deviation: float, seed: int
):
    """As evidence of independent requests they would be overwhelming."""
    spells = np.exp(np.random.default_rng(seed).normal(0, deviation, 400 // looks + 1))
    watched = Watched()

    look = timed((60, 60), canary=lambda number: float(spells[number // looks]))
    for number in range(400):
        watched.see(lambda _, number=number: look(number), 1)
        assert watched.slow is None


def test_a_difference_within_the_slack_is_no_harm():
    watched = Watched(replace(PLAN, latency_slack_seconds=0.2))

    assert watched.see(timed(canary=lambda _: 2.0), 100).slow is None


def test_latencies_beyond_the_last_bucket_prove_nothing():
    assert Watched().see(timed(both=lambda _: 1000.0, canary=lambda _: 2.0), 50).slow is None


def test_evidence_survives_being_written_down():
    from weathervane.rollout.port import Release
    from weathervane.rollout.state import read_state

    state = RolloutState(
        id="1",
        release=Release(digest="a" * 64, uri="s3://b/a"),
        plan=PLAN,
        stable_digest=None,
        begun_at="",
        begun_by="anna",
        evidence=Watched().see(timed(canary=lambda _: 1.3), 50).evidence,
    )

    assert read_state(state.as_mapping()) == state


@pytest.mark.parametrize(
    ("to_canary", "requests", "off"),
    [
        pytest.param(100, 1000, False, id="exact"),
        pytest.param(130, 1000, False, id="chance"),
        pytest.param(350, 1000, True, id="far off"),
        pytest.param(15_000, 120_000, True, id="beyond tolerance, for sure"),
        pytest.param(13_000, 120_000, False, id="sure, but within tolerance"),
        pytest.param(0, 0, False, id="no traffic"),
    ],
)
def test_a_split_is_off_beyond_chance_and_tolerance(to_canary: int, requests: int, off: bool):
    why = misrouted(PLAN, Counts(to_canary), Counts(requests - to_canary), 10)

    assert (why is not None) is off


def test_requests_under_way_at_the_beginning_of_a_step_spoil_it_only_for_a_while():
    late = 40

    assert misrouted(PLAN, Counts(50), Counts(50 + late), 50) is None
    assert misrouted(PLAN, Counts(2000), Counts(2000 + late), 50) is None


def probes(*, losses: int, gains: int, total: int) -> ProbeFigures:
    stable = [i < losses for i in range(losses + gains)] + [True] * (total - losses - gains)
    canary = [i >= losses for i in range(losses + gains)] + [True] * (total - losses - gains)
    return ProbeFigures(canary_right=tuple(canary), stable_right=tuple(stable))


def test_losses_beyond_chance_are_refused_and_losses_that_may_be_chance_are_not():
    assert losing(PLAN, probes(losses=60, gains=20, total=1000)) is not None
    assert losing(PLAN, probes(losses=42, gains=30, total=1000)) is None


def test_losses_that_the_plan_allows_are_none():
    plan = replace(PLAN, max_probe_loss=0.05)

    assert losing(plan, probes(losses=60, gains=20, total=1000)) is None


def test_the_power_of_probes_is_what_their_judgement_has():
    random = np.random.default_rng(3)
    caught = sum(
        losing(PLAN, probes(losses=int(losses), gains=int(gains), total=800)) is not None
        for losses, gains in random.multinomial(800, [0.06, 0.02, 0.92], size=300)[:, :2]
    )

    assert caught / 300 == pytest.approx(
        probe_power(PLAN, probes=800, loss=0.04, disagreement=0.08), abs=0.06
    )


def test_as_many_probes_as_are_needed_see_the_loss_and_no_smaller_one():
    needed = probes_needed(PLAN, loss=0.03, disagreement=0.06)

    assert needed is not None
    assert probe_power(PLAN, probes=needed, loss=0.03, disagreement=0.06) >= 0.95
    assert probe_power(PLAN, probes=needed - 25, loss=0.03, disagreement=0.06) < 0.95
    assert visible_loss(PLAN, probes=needed + 25, disagreement=0.06) == pytest.approx(0.03)


def test_losses_that_no_probe_sees_are_told_as_such():
    assert probes_needed(PLAN, loss=0.005, disagreement=0.06) is None
    assert visible_loss(PLAN, probes=20, disagreement=0.1) is None


def test_errors_are_seen_sooner_the_more_there_are_of_them():
    two, five = (
        requests_to_see_errors(PLAN, weight=10, stable=0.005, canary=rate) for rate in (0.02, 0.05)
    )

    assert 1000 < five < two < 10_000
    assert requests_to_see_errors(PLAN, weight=10, stable=0.005, canary=0.005) == float("inf")


def answers(sunny: int, rainy: int, sure: int) -> Counts:
    confidence = (0, 0, 0, 0, 0, 0, sunny + rainy - sure, 0, 0, sure)
    return Counts(sunny + rainy, 0, answers=Answers({"sunny": sunny, "rainy": rainy}, confidence))


@pytest.mark.parametrize(
    ("canary", "differs"),
    [
        pytest.param(answers(14, 6, 18), False, id="alike"),
        pytest.param(answers(8, 12, 18), True, id="other labels"),
        pytest.param(answers(14, 6, 10), True, id="less sure"),
    ],
)
def test_a_shift_of_live_answers_is_a_reason_where_the_plan_says_so(canary: Counts, differs: bool):
    watched = Watched(replace(PLAN, max_shift=0.1))
    watched.see(lambda _: (canary, answers(126, 54, 162)), 100)

    assert (shifted(watched.plan, watched.evidence) is not None) is differs
    assert shifted(PLAN, watched.evidence) is None


def test_flips_are_counted_by_what_became_what():
    flips = compare_labels(["sunny", "sunny", "rainy", "foggy"], ["sunny", "rainy", "rainy", "fog"])

    assert flips == Flips(total=4, table={"sunny → rainy": 1, "foggy → fog": 1})


def test_flips_are_a_reason_where_the_plan_says_so():
    flips = Flips(total=100, table={"sunny → rainy": 7, "foggy → sunny": 2})

    assert flipped(PLAN, flips) is None
    assert flipped(replace(PLAN, max_flip_share=0.09), flips) is None
    why = flipped(replace(PLAN, max_flip_share=0.08), flips)
    assert why is not None
    assert "sunny → rainy (7)" in why


@pytest.mark.parametrize(
    ("weight", "per_second", "seconds"),
    [
        pytest.param(50, 10, 100, id="all requests"),
        pytest.param(1, 10, 500, id="the canary's part"),
        pytest.param(50, 1000, 5, id="the hold"),
        pytest.param(50, 0, float("inf"), id="no traffic"),
    ],
)
def test_a_steps_time_at_the_present_traffic(weight: int, per_second: float, seconds: float):
    plan = Plan(min_requests=1000, min_canary_requests=50, hold_seconds=5)

    assert step_seconds(plan, weight, per_second) == pytest.approx(seconds)


def test_a_step_that_outlasts_patience_says_so():
    assert time_needed(PLAN, 10, 10.0).endswith("needs about 2 min")
    assert time_needed(PLAN, 10, 0.5).endswith("33 min, more than the plan's patience of 10 min")
