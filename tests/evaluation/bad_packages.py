"""Candidates whose graph is at fault: made from one that was trained, judged as the pipeline does.

In: a candidate's folder and its data. Out: a candidate with broken weights, another normalisation
or a slow graph, beside the same record of its training.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from weathervane.config import EvaluationConfig, GateConfig
from weathervane.data.manifest import Manifest
from weathervane.data.prepare import Dataset
from weathervane.evaluation.contest import hold_contest
from weathervane.evaluation.gate import judge
from weathervane.registry.packaging import build_package
from weathervane.registry.spoil import slow_down
from weathervane.saved_model import SIGNATURE
from weathervane.training.record import TrainingRecord

# Tiny models are asked for little, but not to be slow.
CONFIG = GateConfig(
    min_accuracy=0.0,
    min_macro_f1=0.0,
    min_class_recall=0.0,
    min_slice_accuracy=0.0,
    max_ece=1.0,
    max_latency_p95_seconds=0.05,
)
_SLOWNESS = 0.08  # seconds a picture
# Slow graphs are not disturbed: one run over the pictures is enough of them.
LOOK = EvaluationConfig(disturbed=0, explained=2)


def broken_weights(candidate: Path, out: Path) -> None:
    """No weight is a number, as after a training that diverged."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(candidate / "model"))
    for variable in loaded.signatures[SIGNATURE].variables:
        variable.assign(np.full(variable.shape, np.nan))
    tf.saved_model.save(loaded, str(out / "model"), signatures=loaded.signatures)


def wrong_normalisation(candidate: Path, out: Path) -> None:
    """Pixels are divided by 255 before the graph, which divides them again."""
    import tensorflow as tf

    module = tf.Module()
    module.original = tf.saved_model.load(str(candidate / "model"))
    original = module.original.signatures[SIGNATURE]
    ((name, spec),) = original.structured_input_signature[1].items()

    def twice(image: "tf.Tensor") -> "dict[str, tf.Tensor]":
        once = tf.cast(tf.cast(image, tf.float32) / 255, tf.uint8)
        (probabilities,) = original(**{name: once}).values()
        return {"probabilities": probabilities}

    image = tf.TensorSpec(spec.shape, spec.dtype, name="image")
    module.twice = tf.function(twice, input_signature=[image])
    tf.saved_model.save(module, str(out / "model"), signatures={SIGNATURE: module.twice})


def slow_graph(candidate: Path, out: Path) -> None:
    """The same answers, later."""
    record = TrainingRecord.read(candidate / "training.json")
    package = build_package(
        candidate / "model",
        out / "package",
        model="weather",
        labels=record.classes,
        size=record.size,
        data_digest=record.data_digest,
        code_version="0.1.0",
        litert=False,  # it gets another
    )
    slow_down(package, out / "model", _SLOWNESS)


# The gate that must refuse each.
BAD: Mapping[str, tuple[str, Callable[[Path, Path], None]]] = {
    "NaN weights": ("answers", broken_weights),
    "wrong normalisation": ("as_trained", wrong_normalisation),
    "a slow graph": ("latency", slow_graph),
}


def spoilt(candidate: Path, spoil: Callable[[Path, Path], None], out: Path) -> Path:
    """A candidate like the one in the folder, but for its graph."""
    out.mkdir()
    shutil.copy(candidate / "training.json", out)
    spoil(candidate, out)
    return out


def refusals(
    candidate: Path,
    dataset: Dataset,
    manifest: Manifest,
    config: GateConfig = CONFIG,
    look: EvaluationConfig = LOOK,
) -> list[str]:
    """The gates that refuse a candidate, by the steps of the pipeline."""
    held = hold_contest({"cnn": candidate}, None, dataset, manifest=manifest, data="", config=look)
    return [gate.key for gate in judge(held.candidates[0], None, config).gates if gate.refused]
