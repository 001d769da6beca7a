"""Training pictures as they might also have been taken. The only module that uses albumentations.

In: a batch of pictures and a number. Out: as many, of the same size, changed as the number says.
What is changed must leave the weather as it is: colours stay, brightness hardly moves.
"""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]  # [n, size, size, 3], RGB


def augmenter(size: int, seed: int) -> Callable[[Pictures, int], Pictures]:
    """A function that changes a batch; the same seed and number give the same changes."""
    # albumentations asks a server for its newest version when it is imported, unless told not to.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    change = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            # Framed a little closer or elsewhere.
            albumentations.RandomResizedCrop((size, size), scale=(0.7, 1.0), ratio=(0.9, 1.1)),
            albumentations.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1),
        ]
    )

    def augment(pictures: Pictures, number: int) -> Pictures:
        change.set_random_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
        return np.stack([change(image=picture)["image"] for picture in pictures])

    return augment


def mirrored(pictures: Pictures) -> Pictures:
    """Every picture with left and right exchanged."""
    return pictures[:, :, ::-1]
