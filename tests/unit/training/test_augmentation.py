import numpy as np

from weathervane.training.augmentation import augmenter, mirrored

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3)).astype(np.uint8)


def test_pictures_keep_their_shape_and_change():
    changed = augmenter(40, seed=1)(PICTURES, 0)

    assert (changed.shape, changed.dtype) == (PICTURES.shape, np.uint8)
    assert not np.array_equal(changed, PICTURES)


def test_the_same_seed_and_number_change_a_batch_in_the_same_way():
    first, second = augmenter(40, seed=1), augmenter(40, seed=1)

    batches = [first(PICTURES, number) for number in range(3)]

    # In whatever order: a training that goes on begins in the middle.
    assert all(np.array_equal(batches[n], second(PICTURES, n)) for n in (2, 0, 1))
    assert not np.array_equal(batches[0], batches[1])


def test_another_seed_changes_otherwise():
    one, other = augmenter(40, seed=1), augmenter(40, seed=2)

    assert not np.array_equal(one(PICTURES, 0), other(PICTURES, 0))


def test_brightness_hardly_moves():
    # Light is part of the weather.
    grey = np.full((50, 40, 40, 3), 120, np.uint8)

    assert np.abs(augmenter(40, seed=3)(grey, 0).astype(int) - 120).max() < 45


def test_a_mirror_exchanges_left_and_right_only():
    assert np.array_equal(mirrored(PICTURES)[2, :, 0], PICTURES[2, :, -1])
    assert np.array_equal(mirrored(mirrored(PICTURES)), PICTURES)
