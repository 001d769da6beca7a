"""What MLflow and the store know together: the champion, a training's runs, a package's figures.

In: the two, and the folders of a training. Out: the champion on this machine; runs in MLflow, one a
candidate; a package in the store with its probes and its judgement.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from weathervane import config
from weathervane.evaluation.contest import Contest
from weathervane.evaluation.evaluation import Evaluation
from weathervane.registry.package import Package, read_package
from weathervane.registry.store import Store, evaluations_key, package_key, probes_key
from weathervane.registry.versions import CHAMPION, Registry
from weathervane.training.record import TrainingRecord

_DECIMALS = 4


def connect() -> Registry:
    """MLflow as the environment names it: its files in our store, its runs below the pipeline's.

    Raises:
        UsageError: naming the variable that is missing.
    """
    return Registry(
        config.tracking_uri(),
        store=config.store_from_environment(),
        parent_run=config.tracking_run(),
    )


def fetch_champion(registry: Registry, store: Store, model: str, folder: Path) -> Package | None:
    """Download the package that is live into ``folder``; None before there is one.

    Raises:
        PackageError: when what lies in the store is not that package.
    """
    release = registry.alias(model, CHAMPION)
    if release is None:
        return None
    store.download_folder(release.uri, folder)
    return read_package(folder, release.digest)


def log_candidates(
    registry: Registry, model: str, candidates: Mapping[str, Path], contest: Contest
) -> dict[str, str]:
    """Record every candidate (a folder as `train` writes it): settings, curves and figures.

    Returns:
        The runs' ids by the candidates' names.
    """
    runs = {}
    for evaluation in contest.candidates:
        folder = candidates[evaluation.name]
        record = TrainingRecord.read(folder / "training.json")
        runs[evaluation.name] = registry.log_run(
            experiment=model,
            name=evaluation.name,
            parameters={
                **asdict(record.settings),
                "weights": record.weights,
                "image_size": record.size,
                "model_parameters": record.parameters,
                "best_epoch": record.best_epoch,
            },
            metrics={**figures_of(evaluation), "training_seconds": record.seconds},
            curves=asdict(record.curves),
            tags={"data_digest": record.data_digest, **record.versions},
            artifacts=[folder / "training.json"],
        )
    return runs


def publish(
    store: Store,
    package: Path,
    digest: str,
    *,
    probes: Path,
    evaluation: Mapping[str, Path],
) -> str:
    """Upload a package, after everything that a release of it will ask for.

    Args:
        store: where to.
        package: the folder.
        digest: what the package must be.
        probes: the folder of the probe pictures of its data.
        evaluation: files about the package, by the names that they get.

    Returns:
        The package's address.

    Raises:
        PackageError: when the folder is not that package.
    """
    found = read_package(package, digest)
    store.upload_folder(probes, probes_key(found.data_digest), last="probes.json")
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in evaluation.items():
            shutil.copy(path, Path(scratch, name))
        store.upload_folder(Path(scratch), evaluations_key(digest))
    return store.upload_folder(package, package_key(found.model, digest))


def metrics_to_package(evaluation: Evaluation) -> dict[str, float]:
    """Of `figures_of`, those that a package carries: the same for the same model and pictures.

    They are counts of labels, rounded: what depends on the machine, its time or its threads would
    give another digest each time.
    """
    figures = figures_of(evaluation)
    kept = ("test_accuracy", "test_balanced_accuracy", "test_macro_f1")
    return {name: round(figures[name], _DECIMALS) for name in kept}


def figures_of(evaluation: Evaluation) -> dict[str, float]:
    """The figures that people compare models by, by their names in MLflow."""
    figures = evaluation.figures
    return {
        "test_accuracy": figures.accuracy,
        "test_balanced_accuracy": figures.balanced_accuracy,
        "test_macro_f1": figures.macro_f1,
        "test_log_loss": figures.log_loss,
        "test_ece": figures.ece,
        "latency_p95_seconds": evaluation.latency_p95_seconds,
        "size_mebibytes": evaluation.size_mebibytes,
    }
