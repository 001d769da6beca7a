"""The model card of a package: what it is for, what it was made of, how it did and where it fails.

In: the judgement that chose it, the record of its training, the package. Out: Markdown, and the
same as an HTML page that stands alone. After Mitchell et al., "Model Cards for Model Reporting"
(FAT* 2019).
"""

import re

from weathervane.evaluation.gate import Judgement
from weathervane.evaluation.report import by_slice, templates
from weathervane.registry.package import Package
from weathervane.training.record import TrainingRecord

# What Markdown would take for markup, in names that people chose.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~&])")


def model_card(judgement: Judgement, record: TrainingRecord, package: Package) -> str:
    """The card in Markdown.

    Raises:
        ValueError: when the judgement chose nobody.
    """
    if judgement.chosen is None:
        raise ValueError("there is no card of a model that was not chosen")
    one = judgement.evaluations[judgement.chosen]
    models = {one.name: one} | ({"champion": judgement.champion} if judgement.champion else {})
    environment = templates()
    environment.autoescape = False
    environment.filters["md"] = lambda text: _MARKUP.sub(r"\\\1", str(text))
    card = environment.get_template("card.md.j2").render(
        one=one,
        champion=judgement.champion,
        verdict=judgement.verdicts[one.name],
        record=record,
        package=package,
        slices=by_slice(models),
    )
    return re.sub(r"\n{3,}", "\n\n", card).strip() + "\n"


def as_page(card: str, title: str) -> str:
    """The card as HTML; what stands in it as HTML stays text."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(card)
    page = templates().get_template("card.html.j2")
    # Rendered without HTML.
    body = Markup(rendered)  # noqa: S704  # nosec B704
    return page.render(title=title, body=body)
