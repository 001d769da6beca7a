"""Photographs against a webcam, and against themselves; skipped aloud where there are none."""

import os
from pathlib import Path

import pytest

from weathervane.config import ShiftConfig
from weathervane.data.baseline import Baseline, make_baseline
from weathervane.data.comparison import figures_of
from weathervane.data.looking import look_at
from weathervane.data.shift import compare
from weathervane.data.sources import Listing, list_pictures

PHOTOS = os.environ.get("WEATHER_PHOTOS", "")
_EVERY_NTH = 6

pytestmark = pytest.mark.skipif(not PHOTOS, reason="WEATHER_PHOTOS is not set: no photographs")


def some(folder: Path, start: int) -> Baseline:
    """Every sixth picture of each class, from there on."""
    listing = list_pictures(folder)
    classes = {label: paths[start::_EVERY_NTH] for label, paths in listing.classes.items()}
    chosen = Listing(folder=folder, classes=classes, loose=(), nested=(), unnamed=())
    return make_baseline(f"{folder.name} {start}", figures_of(look_at(chosen)))


def test_a_webcam_is_not_like_photographs_and_photographs_are_like_each_other():
    photos, others = (some(Path(PHOTOS, "photos"), start) for start in (0, 3))
    webcam = some(Path(PHOTOS, "webcam"), 0)

    moved = {each.feature for each in compare(photos, webcam, ShiftConfig()).moved}

    assert {"classes", "area", "sharpness", "saturation"} <= moved
    assert compare(photos, others, ShiftConfig()).moved == ()
