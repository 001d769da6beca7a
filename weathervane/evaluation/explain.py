"""Why a model said what it said: integrated gradients of a SavedModel, picture by picture.

In: a SavedModel and pictures. Out: for some of them, where the model looked, as pictures to show.
Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017).
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.evaluation.metrics import settle
from weathervane.saved_model import SavedModel

# Points between the baseline and the picture. At 16 the attributions of our models add up to the
# difference of the probabilities within some percent.
_STEPS = 16
_JPEG_QUALITY = 80
_SHOWN_PIXELS = 128


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One picture, what the model said of it, and where it looked. Pictures are base64 JPEG."""

    label: str
    said: str
    confidence: float
    picture: str
    heat: str


def explain(
    model: SavedModel,
    pictures: NDArray[np.uint8],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    *,
    classes: Sequence[str],
    number: int,
) -> tuple[Explanation, ...]:
    """Explain ``number`` pictures: the surest mistakes first, half of them at most, then the rest.

    Args:
        model: what answered.
        pictures: uint8 [n, size, size, 3], RGB.
        labels: int64 [n].
        probabilities: float32 [n, classes], the model's.
        classes: names, in the order of the probabilities.
        number: how many; less when fewer pictures have an answer, none when the graph does not
            begin by making numbers of the pixels, or rounds them later.
    """
    shares = settle(probabilities)
    answered = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    chosen = answered[_choose(labels[answered], shares[answered], number)]
    gradients = gradients_of(model) if len(chosen) else None
    if gradients is None:
        return ()
    told = []
    for place in chosen:
        said = int(shares[place].argmax())
        picture = np.ascontiguousarray(pictures[place])
        heat = attributions(gradients, picture, said)
        told.append(
            Explanation(
                label=classes[int(labels[place])],
                said=classes[said],
                confidence=float(shares[place, said]),
                picture=_jpeg(picture),
                heat=_jpeg(_painted(picture, heat)),
            )
        )
    return tuple(told)


# Pictures float32 [n, size, size, 3] and a class to the gradients of its probability, [n, …].
Gradients = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


def attributions(
    gradients: Gradients, picture: NDArray[np.uint8], said: int
) -> NDArray[np.float64]:
    """What each pixel adds to the probability of the class ``said``: [size, size].

    Against the picture's mean colour, a picture without anything on it; they add up to the
    difference of the two probabilities.
    """
    pixels = picture.astype(np.float32)
    away = pixels - pixels.mean(axis=(0, 1))
    at = (np.arange(_STEPS, dtype=np.float32) + 0.5) / _STEPS
    path = pixels - away * (1 - at)[:, None, None, None]
    mean: NDArray[np.float64] = gradients(path, said).astype(np.float64).mean(axis=0)
    added: NDArray[np.float64] = (mean * away).sum(axis=-1)
    return added


def _choose(
    labels: NDArray[np.int64], shares: NDArray[np.float64], number: int
) -> NDArray[np.intp]:
    sure = np.argsort(-shares.max(axis=1), kind="stable")
    wrong = shares.argmax(axis=1)[sure] != labels[sure]
    mistakes = sure[wrong][: number // 2]
    # Of those found, one a class before a second.
    found = sure[~wrong]
    first = found[np.sort(np.unique(labels[found], return_index=True)[1])]
    rest = found[~np.isin(found, first)]
    return np.concatenate([mistakes, first, rest])[:number]


def gradients_of(model: SavedModel) -> Gradients | None:
    """The gradient with respect to pixels as numbers, where the graph makes them of bytes.

    None when it does not, or makes bytes of them again.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    frozen = convert_variables_to_constants_v2(model.signature)
    graph = frozen.graph.as_graph_def()
    (image,), (output,) = frozen.inputs, frozen.outputs
    same = {image.op.name}
    casts = []
    for node in graph.node:  # in the order of the graph: what makes comes before what takes
        if node.input and node.input[0].partition(":")[0] in same:
            if node.op == "Identity":
                same.add(node.name)
            if node.op == "Cast":
                casts.append(node.name)
    if not casts:
        return None

    def run(pixels: "tf.Tensor", said: "tf.Tensor") -> "tf.Tensor":
        given = {f"{name}:0": pixels for name in casts}
        given[image.name] = tf.cast(pixels, tf.uint8)
        (probabilities,) = tf.graph_util.import_graph_def(
            graph, input_map=given, return_elements=[output.name]
        )
        # No tape sees what is imported.
        (gradient,) = tf.gradients(probabilities[:, said], pixels)
        return gradient

    pixels = tf.TensorSpec(image.shape, tf.float32)
    traced = tf.function(run).get_concrete_function(pixels, tf.TensorSpec((), tf.int32))
    if traced.structured_outputs is None:
        return None
    return lambda pixels, said: traced(tf.constant(pixels), tf.constant(said)).numpy()


def _painted(picture: NDArray[np.uint8], heat: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Where the class gained, over the picture in grey."""
    # Broken weights may leave an answer a number and its gradient none.
    gained = np.nan_to_num(np.maximum(heat, 0), nan=0.0, posinf=0.0)
    smooth = cv2.GaussianBlur(gained, (0, 0), picture.shape[0] / 40)
    strength = np.clip(smooth / max(float(np.quantile(smooth, 0.99)), 1e-12), 0, 1)
    colours = cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
    weight = 0.25 + 0.6 * strength[..., None]
    painted: NDArray[np.uint8] = (colours[..., ::-1] * weight + grey * (1 - weight)).astype(
        np.uint8
    )
    return painted


def _jpeg(picture: NDArray[np.uint8]) -> str:
    shown = cv2.resize(picture, (_SHOWN_PIXELS, _SHOWN_PIXELS), interpolation=cv2.INTER_AREA)
    quality = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(shown[..., ::-1]), quality)
    return base64.b64encode(data.tobytes()).decode()
