"""The main job from pictures to taken-back releases, on a tiny data set with real processes."""

import json
from pathlib import Path

import pytest

from pipelines.demo.play import play
from pipelines.demo.script import Script
from weathervane.local import processes
from weathervane.rollout.plan import Plan

LENIENT = {
    "train": {"epochs": 6},
    "evaluation": {"disturbed": 20, "explained": 2},
    "gate": {"min_accuracy": 0.3, "min_macro_f1": 0.2, "min_class_recall": 0.0, "max_ece": 1.0},
}
# Significance as for few probes: permuted labels lose most of them.
QUICK = Plan(
    steps=(20, 60),
    hold_seconds=1,
    min_requests=150,
    min_canary_requests=20,
    min_probe_accuracy=0.25,
    significance=0.05,
    max_latency_ratio=1.5,
    latency_slack_seconds=0.05,
)


@pytest.mark.timeout(600)
def test_every_act_ends_as_told_and_nothing_is_left_running(tmp_path: Path):
    state = tmp_path / "state"
    script = Script(
        state=state,
        pictures=250,
        image_size=48,
        architectures=("cnn",),
        settings=LENIENT,
        plan=QUICK,
        requests_per_second=60,
    )
    said: list[str] = []

    summary = play(script, said.append)

    assert summary is not None
    assert [(act.title, act.ended) for act in summary.acts if not act.as_told] == []
    assert [(one.title, one.promoted) for one in summary.releases] == [
        ("first deployment", True),
        ("the better candidate", True),
        ("permuted labels", False),
        ("too slow under load", False),
    ]
    assert all(one.stable_failed == 0 for one in summary.releases)
    assert summary.traffic.failed == summary.releases[-1].canary_failed
    assert processes.running(state) == {}
    page = Path(summary.places["report"]).read_text()
    assert "too slow under load" in page
    assert "<svg" in page
    assert json.loads(Path(summary.places["summary"]).read_bytes())["champion"] == summary.champion
