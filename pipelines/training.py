"""Training: pictures in, a judged and registered package out, or a verdict that says why not.

Once with one step that looks at every picture, and once with several that look at parts of them.
"""

from typing import Any

from kfp import dsl

from components.evaluate import evaluate
from components.gate import gate
from components.judge import judge
from components.look import look
from components.package import package
from components.preprocess import preprocess
from components.register import register
from components.train import train
from components.upload import upload
from components.validate import validate


def _train_and_register(
    validated: dsl.PipelineTask,
    data: str,
    architectures: list[str],
    image_size: int,
    settings: dict[str, Any],
    *,
    model: str,
    weights: str,
) -> None:
    """The steps behind a validation that has an output ``report``."""
    prepared = preprocess(
        data=data,
        settings=settings,
        image_size=image_size,
        report=validated.outputs["report"],
    )
    dataset = prepared.outputs["dataset"]
    with dsl.ParallelFor(architectures) as architecture:
        trained = train(
            architecture=architecture, weights=weights, settings=settings, dataset=dataset
        )
    # One Collected for each consumer: compiling changes the object.
    evaluated = evaluate(
        data=data,
        settings=settings,
        model=model,
        manifest=prepared.outputs["manifest"],
        dataset=dataset,
        candidates=dsl.Collected(trained.outputs["candidate"]),
    )
    judged = gate(
        settings=settings,
        contest=evaluated.outputs["contest"],
        candidates=dsl.Collected(trained.outputs["candidate"]),
    )
    for task in (prepared, evaluated):
        task.set_caching_options(enable_caching=False)
    with dsl.If(judged.outputs["Output"] == True):  # noqa: E712 - compiled, not evaluated
        packaged = package(
            model=model,
            chosen=judged.outputs["chosen"],
            judgement=judged.outputs["judgement"],
        )
        uploaded = upload(
            digest=packaged.outputs["Output"],
            package=packaged.outputs["package"],
            dataset=dataset,
            judgement=judged.outputs["judgement"],
            page=judged.outputs["page"],
            card=packaged.outputs["card"],
        )
        registered = register(
            model=model,
            digest=packaged.outputs["Output"],
            uri=uploaded.output,
            runs=evaluated.outputs["Output"],
            judgement=judged.outputs["judgement"],
        )
        for task in (uploaded, registered):
            task.set_caching_options(enable_caching=False)


@dsl.pipeline(name="weathervane-training")
def training_pipeline(  # noqa: PLR0917 - arguments have names in kfp
    data: str,
    architectures: list = ["cnn", "mobilenetv2"],  # noqa: B006 - kfp reads it, nobody changes it
    image_size: int = 96,
    settings: dict = {},  # noqa: B006
    model: str = "weather",
    weights: str = "",
) -> None:
    """Train several architectures and register the best one that passes the gate.

    Args:
        data: a folder of class folders, a zip or tar of it, or a table (CSV, Parquet) of path and
            label; by path, or by ``s3://`` address in the store.
        architectures: what to train, each once.
        image_size: pixels a side of what the models see.
        settings: sections ``validation``, ``shift``, ``split``, ``train``, ``evaluation`` and
            ``gate``.
        model: the registered model, which has the name of the service.
        weights: for the backbones: a file, "imagenet", or nothing for random ones.
    """
    validated = validate(data=data, settings=settings)
    # The folder of pictures, the champion and MLflow change without an argument changing: here, and
    # wherever else caching is switched off.
    validated.set_caching_options(enable_caching=False)
    _train_and_register(
        validated, data, architectures, image_size, settings, model=model, weights=weights
    )


@dsl.pipeline(name="weathervane-training-in-shards")
def sharded_training_pipeline(  # noqa: PLR0917
    data: str,
    shards: list = ["1/8", "2/8", "3/8", "4/8", "5/8", "6/8", "7/8", "8/8"],  # noqa: B006
    architectures: list = ["cnn", "mobilenetv2"],  # noqa: B006
    image_size: int = 96,
    settings: dict = {},  # noqa: B006
    model: str = "weather",
    weights: str = "",
) -> None:
    """The same, with as many pods that look at pictures as there are shards.

    Args:
        data: as for the training pipeline; of a prefix in the store each pod fetches its part only.
        shards: all parts, each by its number and how many there are.
        architectures: what to train, each once.
        image_size: pixels a side of what the models see.
        settings: as for the training pipeline.
        model: the registered model, which has the name of the service.
        weights: for the backbones: a file, "imagenet", or nothing for random ones.
    """
    with dsl.ParallelFor(shards) as shard:
        seen = look(data=data, shard=shard)
        seen.set_caching_options(enable_caching=False)
    judged = judge(data=data, settings=settings, looks=dsl.Collected(seen.outputs["looks"]))
    judged.set_caching_options(enable_caching=False)
    _train_and_register(
        judged, data, architectures, image_size, settings, model=model, weights=weights
    )
