import numpy as np

from weathervane.training.augmentation import augmenter, mirrored

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3)).astype(np.uint8)


def test_pictures_keep_their_shape_and_change():
    changed = augmenter(40, seed=1)(PICTURES)

    assert (changed.shape, changed.dtype) == (PICTURES.shape, np.uint8)
    assert not np.array_equal(changed, PICTURES)


def test_the_same_seed_changes_batch_after_batch_in_the_same_way():
    first, second = augmenter(40, seed=1), augmenter(40, seed=1)

    batches = [first(PICTURES) for _ in range(3)]

    assert all(np.array_equal(batch, second(PICTURES)) for batch in batches)
    assert not np.array_equal(batches[0], batches[1])


def test_another_seed_changes_otherwise():
    assert not np.array_equal(augmenter(40, seed=1)(PICTURES), augmenter(40, seed=2)(PICTURES))


def test_brightness_hardly_moves():
    # Light is part of the weather.
    grey = np.full((50, 40, 40, 3), 120, np.uint8)

    assert np.abs(augmenter(40, seed=3)(grey).astype(int) - 120).max() < 45


def test_a_mirror_exchanges_left_and_right_only():
    assert np.array_equal(mirrored(PICTURES)[2, :, 0], PICTURES[2, :, -1])
    assert np.array_equal(mirrored(mirrored(PICTURES)), PICTURES)
