"""Step 6, when the gate let one through: make it the package that is served."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def package(
    model: str,
    chosen: dsl.Input[dsl.Model],
    package: dsl.Output[dsl.Model],
) -> str:
    """Package the chosen candidate; returns the digest."""
    from pathlib import Path

    from weathervane.registry.packaging import build_package
    from weathervane.training.record import TrainingRecord

    folder = Path(chosen.path)
    record = TrainingRecord.read(folder / "training.json")
    built = build_package(
        folder / "model",
        Path(package.path),
        model=model,
        labels=record.classes,
        size=record.size,
        data_digest=record.data_digest,
        code_version=record.versions["weathervane"],
    )
    package.metadata["digest"] = built.digest
    print(f"{record.settings.architecture} is package {built.digest[:12]}")
    return built.digest
