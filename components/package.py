"""Step 6, when the gate let one through: make it the package that is served."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def package(
    model: str,
    chosen: dsl.Input[dsl.Model],
    judgement: dsl.Input[dsl.Artifact],
    package: dsl.Output[dsl.Model],
    card: dsl.Output[dsl.Markdown],
) -> str:
    """Package the chosen candidate with how it did, and write its card; returns the digest."""
    from pathlib import Path

    from weathervane.evaluation.card import model_card
    from weathervane.evaluation.judgements import read_judgement
    from weathervane.folders import emptied
    from weathervane.registry.lineage import metrics_to_package
    from weathervane.registry.packaging import build_package
    from weathervane.training.record import TrainingRecord

    folder = Path(chosen.path)
    record = TrainingRecord.read(folder / "training.json")
    judged = read_judgement(Path(judgement.path))
    evaluation = judged.evaluations[judged.chosen]
    built = build_package(
        folder / "model",
        emptied(Path(package.path)),
        model=model,
        labels=record.classes,
        size=record.size,
        data_digest=record.data_digest,
        code_version=record.versions["weathervane"],
        metrics=metrics_to_package(evaluation),
        ood_threshold=evaluation.outliers and evaluation.outliers.threshold,
    )
    package.metadata["digest"] = built.digest
    Path(card.path).write_text(model_card(judged, record, built), encoding="utf-8")
    print(f"{record.settings.architecture} is package {built.digest[:12]}")
    return built.digest
