"""How sure a classifier may be, on made-up features; numpy alone."""

import numpy as np
import pytest

from weathervane.training import confidence
from weathervane.training.confidence import fit_confidence
from weathervane.training.head import Linear

RANDOM = np.random.default_rng(0)
CENTRES = RANDOM.normal(0, 2, (3, 8))


def drawn(number: int, spread: float = 1.0):
    """Pictures of three classes, as one view each, and their labels."""
    labels = RANDOM.integers(0, 3, number)
    features = CENTRES[labels] + RANDOM.normal(0, spread, (number, 8))
    return features.astype(np.float32)[:, None], labels


TRAINING, VALIDATION = drawn(300), drawn(200)
HEAD = Linear(
    (CENTRES.T * 3).astype(np.float32), (-(CENTRES**2).sum(axis=1) * 1.5).astype(np.float32)
)
FITTED = fit_confidence(HEAD, TRAINING, VALIDATION)
RELATIVE = FITTED.distances[0].distance


def test_strangeness_is_the_relative_mahalanobis_distance(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(confidence, "_RIDGE", 0.0)
    features, labels = TRAINING[0][:, 0].astype(np.float64), TRAINING[1]
    told = fit_confidence(HEAD, TRAINING, VALIDATION).distances[0].distance(features)

    means = np.stack([features[labels == one].mean(axis=0) for one in range(3)])
    within = np.cov((features - means[labels]).T, bias=True)
    every = np.cov(features.T, bias=True)
    to_classes = np.stack(
        [np.einsum("ni,ij,nj->n", features - m, np.linalg.inv(within), features - m) for m in means]
    )
    about = features - features.mean(axis=0)
    to_all = np.einsum("ni,ij,nj->n", about, np.linalg.inv(every), about)
    assert told == pytest.approx(to_classes.min(axis=0) - to_all, rel=1e-3, abs=1e-2)


def test_what_is_unusual_is_the_mahalanobis_distance_of_the_first_features(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(confidence, "_RIDGE", 0.0)
    features = TRAINING[0][:, 0].astype(np.float64)
    _, unusual = fit_confidence(HEAD, TRAINING, VALIDATION, shallow=3).distances
    about = features[:, :3] - features[:, :3].mean(axis=0)

    inverse = np.linalg.inv(np.cov(about.T, bias=True))
    assert unusual.distance(features) == pytest.approx(
        np.sqrt(np.einsum("ni,ij,nj->n", about, inverse, about)), rel=1e-3
    )


def test_colours_that_no_class_has_are_said_less_surely():
    fitted = fit_confidence(HEAD, TRAINING, VALIDATION, shallow=2)
    # Along the shallow features, towards one class as much as before.
    odd = VALIDATION[0][:, 0] + 12 * np.eye(8)[1]

    assert np.median(fitted.temperatures(odd)) > np.median(fitted.temperatures(VALIDATION[0][:, 0]))


def test_a_picture_between_or_far_from_all_classes_is_stranger():
    between = CENTRES.mean(axis=0, keepdims=True)

    usual = np.quantile(RELATIVE(VALIDATION[0][:, 0]), 0.9)
    assert RELATIVE(between)[0] > usual
    assert RELATIVE(-3 * CENTRES[:1])[0] > usual


def test_strange_pictures_are_said_less_surely_and_with_the_same_label():
    strange = np.concatenate([CENTRES.mean(axis=0) + RANDOM.normal(0, 0.3, (50, 8))])

    temperatures = FITTED.temperatures(strange)

    assert temperatures.min() > np.median(FITTED.temperatures(VALIDATION[0][:, 0]))
    logits = HEAD(strange)
    assert np.array_equal((logits / temperatures[:, None]).argmax(axis=1), logits.argmax(axis=1))


def test_there_is_a_bound_to_how_unsure_a_picture_makes():
    far = FITTED.temperatures(1000 * RANDOM.normal(0, 1, (20, 8)))

    assert far.max() <= FITTED.base * np.exp(confidence._SLOPE * confidence._MOST_STEPS) * 1.001


def test_a_head_that_is_ten_times_too_sure_is_brought_down():
    boastful = Linear(HEAD.kernel * 10, HEAD.bias * 10)

    assert fit_confidence(boastful, TRAINING, VALIDATION).base == pytest.approx(
        FITTED.base * 10, rel=0.1
    )


def test_a_class_without_pictures_and_features_that_never_vary_do_no_harm():
    features, labels = TRAINING
    flat = np.concatenate([features, np.ones_like(features[..., :1])], axis=2)
    kernel = np.concatenate([HEAD.kernel, np.zeros((1, 3), np.float32)])
    some = labels != 1

    fitted = fit_confidence(
        Linear(kernel, HEAD.bias), (flat[some], labels[some]), (flat[:50], labels[:50])
    )

    assert np.isfinite(fitted.temperatures(flat[:, 0])).all()
