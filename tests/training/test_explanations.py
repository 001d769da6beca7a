"""Integrated gradients of a candidate that was trained."""

import base64
from pathlib import Path

import cv2
import numpy as np

from tests.training.conftest import CLASSES
from weathervane.data.prepare import Dataset
from weathervane.evaluation.explain import attributions, explain, gradients_of
from weathervane.saved_model import SavedModel


def test_attributions_add_up_to_what_the_picture_adds_to_the_probability(
    candidate: Path, dataset: Dataset
):
    model = SavedModel(candidate / "model")
    gradients = gradients_of(model)
    assert gradients
    for picture in np.array(dataset.arrays("test")[0][:4]):
        mean = np.broadcast_to(np.round(picture.mean(axis=(0, 1))), picture.shape)
        empty, told = model(np.stack([mean.astype(np.uint8), picture]))
        said = int(told.argmax())

        added = attributions(gradients, picture, said)

        assert added.shape == picture.shape[:2]
        assert abs(added.sum() - (told - empty)[said]) < 0.05


def test_mistakes_are_explained_first_and_pictures_can_be_looked_at(
    candidate: Path, dataset: Dataset
):
    model = SavedModel(candidate / "model")
    pictures, labels = dataset.arrays("test")
    pictures = np.array(pictures)
    probabilities = model(pictures)
    wrong = probabilities.argmax(axis=1) != labels

    told = explain(model, pictures, labels, probabilities, classes=CLASSES, number=4)

    assert len(told) == 4
    assert [one.label != one.said for one in told].count(True) == min(2, wrong.sum())
    for one in told:
        for shown in (one.picture, one.heat):
            data = np.frombuffer(base64.b64decode(shown), np.uint8)
            assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape[2] == 3


def test_an_answer_that_is_no_number_is_not_explained(candidate: Path, dataset: Dataset):
    pictures, labels = dataset.arrays("test")
    nothing = np.full((len(labels), len(CLASSES)), np.nan, np.float32)
    model = SavedModel(candidate / "model")

    assert explain(model, pictures, labels, nothing, classes=CLASSES, number=4) == ()
