"""Training: pictures in, a judged and registered package out, or a verdict that says why not."""

from kfp import dsl

from components.evaluate import evaluate
from components.gate import gate
from components.package import package
from components.preprocess import preprocess
from components.register import register
from components.train import train
from components.upload import upload
from components.validate import validate


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
    # The folder of pictures, the champion and MLflow change without an argument changing.
    for task in (validated, prepared, evaluated):
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
