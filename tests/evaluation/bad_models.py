"""Models that are bad on purpose, each for the gate that must stop it, and honest ones.

In: rendered pictures and a seed. Out: evaluations, as the gate gets them. The models are linear, on
plain features of the pixels: trained in a blink, right about as often as a small network.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import get_context

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data.manifest import Manifest, Row
from weathervane.data.scenes import WEATHERS, render
from weathervane.evaluation.contest import leaked
from weathervane.evaluation.evaluation import Evaluation, Origin, Parity, Share
from weathervane.evaluation.metrics import measure
from weathervane.evaluation.slices import cut

SIDE = 48
_CELLS = 8  # a side, over which features are averaged
_PENALTY = 100.0  # of the squared weights, as scikit-learn's 1 / C
_TEMPERATURES = np.geomspace(0.3, 3, 30)

Places = NDArray[np.intp]
Model = Callable[[Places], NDArray[np.float32]]  # places of pictures to probabilities


@dataclass(frozen=True)
class Sizes:
    """How many pictures a world has for what; ``train`` twice, so that two may learn apart."""

    train: int
    validation: int
    test: int
    probe: int

    @property
    def total(self) -> int:
        return 2 * self.train + self.validation + self.test + self.probe


@dataclass(frozen=True)
class Pool:
    """Rendered pictures with what can be seen of them."""

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """[n, f], standardised: colours, and how much they change, in cells of the picture."""
        pixels = self.pictures.astype(np.float32) / 255
        grey = pixels.mean(axis=-1)
        steps = [np.abs(np.diff(grey, axis=axis, append=0)) for axis in (1, 2)]
        parts = [_cells(part[..., None]) for part in steps]
        features = np.concatenate([_cells(pixels), *parts], axis=1)
        return (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-3)


def _cells(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    number, side = len(planes), SIDE // _CELLS
    cells = planes.reshape(number, _CELLS, side, _CELLS, side, -1).mean(axis=(2, 4))
    return cells.reshape(number, -1)


def _draw(seeds: Sequence[int]) -> NDArray[np.uint8]:
    cv2.setNumThreads(1)
    return np.stack([render(WEATHERS[seed % 5], seed, SIDE, SIDE) for seed in seeds])


def pool(pictures: int, processes: int = 1) -> Pool:
    """Render so many pictures, of all weathers alike."""
    parts = np.array_split(np.arange(pictures), processes * 4)
    if processes == 1:
        drawn = [_draw(part) for part in parts]
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
            drawn = list(workers.map(_draw, parts))
    return Pool(np.concatenate(drawn), np.arange(pictures) % 5)


def tempered(shares: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    powers = shares.astype(np.float64) ** (1 / temperature)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


class World:
    """One way to deal the pictures out, and what is made of them."""

    def __init__(self, pictures: Pool, sizes: Sizes, seed: int) -> None:
        self.pool = pictures
        self.random = np.random.default_rng(seed)
        dealt = self.random.permutation(len(pictures.labels))[: sizes.total]
        ends = np.cumsum([sizes.train, sizes.train, sizes.validation, sizes.test])
        self.ours, self.theirs, self.validation, self.test, self.probe = np.split(dealt, ends)
        rows = [_row(int(place), "test") for place in self.test]
        self.slices = cut(pictures.pictures[self.test], rows, ["brightness", "sharpness"])

    def learn(self, places: Places) -> Model:
        """A softmax regression on these pictures, its temperature fitted on the validation's."""
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        fitted = LogisticRegression(C=1 / _PENALTY, max_iter=300)
        # Several processes do this at once: their threads would wait for each other.
        with threadpool_limits(1):
            fitted.fit(self.pool.features[places], self.pool.labels[places])
        found = fitted.classes_

        def answer(asked: Places) -> NDArray[np.float32]:
            shares = np.zeros((len(asked), len(WEATHERS)), np.float32)
            shares[:, found] = fitted.predict_proba(self.pool.features[asked])
            return shares

        told, labels = answer(self.validation), self.pool.labels[self.validation]
        known = np.isin(labels, found)

        def cross_entropy(temperature: float) -> float:
            settled = tempered(told, temperature)[known, labels[known]]
            return float(-np.log(np.maximum(settled, 1e-9)).mean())

        best = min(_TEMPERATURES, key=cross_entropy)
        return lambda asked: tempered(answer(asked), best)

    def evaluate(self, model: Model, name: str = "cnn", leaks: int = 0) -> Evaluation:
        """What `hold_contest` would write of the model."""

        def share(places: Places) -> Share:
            right = model(places).argmax(axis=1) == self.pool.labels[places]
            return Share(right=int(right.sum()), pictures=len(places))

        probabilities, labels = model(self.test), self.pool.labels[self.test]
        known = share(self.validation).accuracy
        return Evaluation(
            name=name,
            data_digest="d" * 64,
            figures=measure(labels, probabilities, WEATHERS),
            labels=tuple(map(int, labels)),
            predicted=tuple(map(int, probabilities.argmax(axis=1))),
            latency_p50_seconds=0.002,
            latency_p95_seconds=0.003,
            size_mebibytes=1.0,
            parity=Parity(largest_difference=0.0, labels_differing=0),
            origin=Origin(
                leaked=leaks,
                trained_accuracy=known,
                exported_accuracy=known,
                unseen=share(self.probe),
            ),
            slices=self.slices,
        )

    @cached_property
    def champion_model(self) -> Model:
        return self.learn(self.theirs)

    @cached_property
    def champion(self) -> Evaluation:
        return self.evaluate(self.champion_model, "champion")

    @cached_property
    def honest_model(self) -> Model:
        return self.learn(self.ours)


def permuted_labels(world: World) -> Evaluation:
    """A good model that calls every class by the name of another."""
    return world.evaluate(lambda places: np.roll(world.honest_model(places), 1, axis=1))


def collapsed_class(world: World) -> Evaluation:
    """A model that has never seen one of the classes."""
    missed = world.random.integers(len(WEATHERS))
    kept = world.ours[world.pool.labels[world.ours] != missed]
    return world.evaluate(world.learn(kept))


def overconfident(world: World) -> Evaluation:
    """A good model whose logits were multiplied by ten."""

    return world.evaluate(lambda places: tempered(world.honest_model(places), 0.1))


def worse_on_a_slice(world: World, *, lost: float = 0.05) -> Evaluation:
    """The champion, less ``lost`` of the pictures of a slice, and as many found elsewhere."""
    champion = world.champion
    slices = sorted(world.slices)
    places = np.array(world.slices[slices[world.random.integers(len(slices))]])
    labels, predicted = np.array(champion.labels), np.array(champion.predicted)
    right = predicted == labels
    number = round(lost * len(places))
    losses = world.random.permutation(places[right[places]])[:number]
    elsewhere = np.setdiff1d(np.flatnonzero(~right), places)
    gains = world.random.permutation(elsewhere)[:number]
    predicted[losses] = (labels[losses] + 1) % len(WEATHERS)
    predicted[gains] = labels[gains]
    answers = {int(place): said for place, said in zip(world.test, predicted, strict=True)}

    def answer(asked: Places) -> NDArray[np.float32]:
        shares = world.champion_model(asked)
        best = shares.max(axis=1)
        # As sure as before, of what it says now.
        told = zip(asked, shares.argmax(axis=1), strict=True)
        said = np.array([answers.get(int(place), label) for place, label in told])
        taken = shares[np.arange(len(asked)), said]
        shares[np.arange(len(asked)), shares.argmax(axis=1)] = taken
        shares[np.arange(len(asked)), said] = best
        return shares

    return world.evaluate(answer)


def leaked_and_recorded(world: World) -> Evaluation:
    """Trained on its test pictures as well, as the manifest tells."""
    some = world.random.permutation(world.test)[: len(world.test) // 4]
    manifest = Manifest(
        (
            *(_row(int(place), "train") for place in (*world.ours, *some)),
            *(_row(int(place), "test") for place in world.test),
        )
    )
    return world.evaluate(world.learn(np.concatenate([world.ours, some])), leaks=leaked(manifest))


def leaked_in_silence(world: World) -> Evaluation:
    """One that has learned its test pictures by heart, of which no record tells."""
    known = np.concatenate([world.ours, world.test])
    features, labels = world.pool.features, world.pool.labels

    def nearest(asked: Places) -> NDArray[np.float32]:
        of_known = (features[known] ** 2).sum(axis=1)
        away = of_known[None] - 2 * features[asked] @ features[known].T
        shares = np.full((len(asked), len(WEATHERS)), 0.02, np.float32)
        shares[np.arange(len(asked)), labels[known[away.argmin(axis=1)]]] = 0.92
        return shares

    return world.evaluate(nearest)


# The gate that must refuse each.
BAD: Mapping[str, tuple[str, Callable[[World], Evaluation]]] = {
    "permuted labels": ("accuracy", permuted_labels),
    "one class collapsed": ("class_recall", collapsed_class),
    "overconfidence": ("calibration", overconfident),
    "the champion, worse on one slice": ("slice_losses", worse_on_a_slice),
    "trained on test pictures, as recorded": ("leaked", leaked_and_recorded),
    "trained on test pictures, unrecorded": ("memory", leaked_in_silence),
}


def copy_of_the_champion(world: World) -> Evaluation:
    return replace(world.champion, name="cnn")


def equal(world: World) -> Evaluation:
    """As many other pictures, learned in the same way: right as often, on other pictures."""
    return world.evaluate(world.honest_model)


def better(world: World) -> Evaluation:
    """Twice the pictures."""
    return world.evaluate(world.learn(np.concatenate([world.ours, world.theirs])))


HONEST: Mapping[str, Callable[[World], Evaluation]] = {
    "a copy of the champion": copy_of_the_champion,
    "an equal model": equal,
    "a better model": better,
}


def _row(place: int, split: str) -> Row:
    return Row(
        path=f"{split}/{place}.jpg",
        label=WEATHERS[place % 5],
        sha256=f"{place:064x}",
        phash="0" * 16,
        width=SIDE,
        height=SIDE,
        split=split,
        cluster=str(place),
        scene=str(place),
    )
