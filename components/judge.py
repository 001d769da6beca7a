"""Step 2 of validation in shards: judge what all of them saw, as `validate` does what it sees."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def judge(
    data: str,
    settings: dict,
    looks: dsl.Input[list[dsl.Artifact]],
    report: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    counts: dsl.Output[dsl.Metrics],
) -> None:
    """Report on the pictures of ``data``; of a prefix only what the report shows is fetched."""
    from dataclasses import replace
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from weathervane import config
    from weathervane.data import comparison, labels, sources, validation
    from weathervane.data.looks import merge, read_looks
    from weathervane.data.page import shown

    chosen = config.from_mapping(config.PipelineSettings, settings, "settings")
    seen = merge([read_looks(Path(each.path)) for each in looks])
    found = validation.judge(seen, chosen.validation, data)
    with TemporaryDirectory() as scratch:
        wanted = None if chosen.validation.label_errors else shown(found)
        folder = sources.local_folder(data, Path(scratch, "pictures"), wanted)
        found = replace(found, folder=str(folder))
        if chosen.validation.label_errors:
            found = labels.search(found, chosen.validation)
        if chosen.shift.against:
            found = comparison.with_shift(found, seen, chosen.shift)
        Path(report.path).write_text(found.as_json(), encoding="utf-8")
        Path(page.path).write_text(found.as_html(), encoding="utf-8")
    for name, summary in found.classes.items():
        counts.log_metric(name, summary.usable)
    print(f"{len(found.pictures)} readable pictures; classes: {', '.join(found.classes)}")
    for finding in found.findings:
        print(f"{finding.severity} {finding.code}: {finding.message}")
