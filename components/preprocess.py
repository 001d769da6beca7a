"""Step 2: split the pictures, and make them the arrays that models see."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def preprocess(
    data: str,
    settings: dict,
    image_size: int,
    report: dsl.Input[dsl.Artifact],
    manifest: dsl.Output[dsl.Artifact],
    dataset: dsl.Output[dsl.Dataset],
) -> None:
    """Write the manifest and the prepared data set; pictures that did not pass end the pipeline."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from weathervane import config
    from weathervane.data import prepare, sources
    from weathervane.data.manifest import build, read_previous
    from weathervane.data.report import Report
    from weathervane.folders import emptied

    chosen = config.from_mapping(config.PipelineSettings, settings, "settings")
    previous = read_previous(chosen.split.previous)
    rows = build(Report.read(Path(report.path)), chosen.split, previous)
    rows.write(Path(manifest.path))
    with TemporaryDirectory() as scratch:
        folder = sources.local_folder(data, Path(scratch, "pictures"))
        prepare.prepare(rows, folder, image_size, emptied(Path(dataset.path)))
    dataset.metadata["data_digest"] = rows.digest
    print(*rows.told(), sep="\n")
