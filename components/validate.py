"""Step 1: look at every picture."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    data: str,
    settings: dict,
    report: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    counts: dsl.Output[dsl.Metrics],
) -> None:
    """Report on the pictures of ``data``; whether they can be used is for the next step to say."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from weathervane import config
    from weathervane.data import comparison, labels, looking, sources, validation

    chosen = config.from_mapping(config.PipelineSettings, settings, "settings")
    with TemporaryDirectory() as scratch:
        place = sources.local_source(data, Path(scratch, "pictures"))
        looks = looking.look(place)
        found = validation.judge(looks, chosen.validation, data)
        if chosen.validation.label_errors:
            found = labels.search(found, chosen.validation)
        if chosen.shift.against:
            found = comparison.with_shift(found, looks, chosen.shift)
        Path(report.path).write_text(found.as_json(), encoding="utf-8")
        Path(page.path).write_text(found.as_html(), encoding="utf-8")
    for name, summary in found.classes.items():
        counts.log_metric(name, summary.usable)
    print(f"{len(found.pictures)} readable pictures; classes: {', '.join(found.classes)}")
    for finding in found.findings:
        print(f"{finding.severity} {finding.code}: {finding.message}")
