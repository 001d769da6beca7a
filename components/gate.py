"""Step 5: judge the candidates, and choose."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(
    settings: dict,
    contest: dsl.Input[dsl.Artifact],
    candidates: dsl.Input[list[dsl.Model]],
    judgement: dsl.Output[dsl.Artifact],
    chosen: dsl.Output[dsl.Model],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
    confusion: dsl.Output[dsl.ClassificationMetrics],
    roc: dsl.Output[dsl.ClassificationMetrics],
) -> bool:
    """Whether a candidate passed every gate; all reasons are in the judgement."""
    import shutil
    from pathlib import Path

    from weathervane import config
    from weathervane.evaluation import gate as gates
    from weathervane.evaluation.contest import Contest
    from weathervane.evaluation.judgements import write_judgement
    from weathervane.evaluation.report import write_comparison
    from weathervane.folders import emptied, new_folder
    from weathervane.training.record import TrainingRecord

    bounds = config.from_mapping(config.PipelineSettings, settings, "settings").gate
    held = Contest.read(Path(contest.path))
    judged = gates.choose(held.candidates, held.champion, bounds)
    folders = {one.metadata["architecture"]: Path(one.path) for one in candidates}
    trainings = {
        name: TrainingRecord.read(folder / "training.json") for name, folder in folders.items()
    }
    write_judgement(judged, Path(judgement.path))
    write_comparison(judged, trainings, Path(page.path))
    for name, verdict in judged.verdicts.items():
        print(f"{name} {'passed' if verdict.passed else 'refused'}: {'; '.join(verdict.reasons)}")
        for warning in verdict.warnings:
            print(f"{name}, a warning: {warning}")
    best = max(held.candidates, key=lambda one: (one.name == judged.chosen, one.figures.accuracy))
    figures.log_metric("accuracy", best.figures.accuracy)
    figures.log_metric("macro F1", best.figures.macro_f1)
    confusion.log_confusion_matrix(
        list(best.figures.classes), [list(row) for row in best.figures.confusion]
    )
    if best.figures.roc:
        curve = best.figures.roc
        roc.log_roc_curve(
            list(curve.false_positive_rate), list(curve.true_positive_rate), list(curve.threshold)
        )
    if judged.chosen:
        with new_folder(emptied(Path(chosen.path))) as folder:
            shutil.copytree(folders[judged.chosen], folder, dirs_exist_ok=True)
    return judged.passed
