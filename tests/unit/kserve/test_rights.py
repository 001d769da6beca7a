"""The rights of each role, and what the page for people says of them."""

from pathlib import Path

import pytest

from weathervane.rollout.kserve import rights
from weathervane.rollout.kserve.rights import ROLES, Right, granted, rules

PAGE = Path(__file__).parents[3] / "docs" / "rollout-on-kserve.md"


def told(heading: str) -> set[Right]:
    """The rights in the table under a heading of the page."""
    section = PAGE.read_text().partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    found = set()
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 3 or cells[0] in ("API group", "---"):
            continue
        group, plural, verbs, *_ = cells
        resource = plural if group == "(core)" else f"{plural}.{group}"
        found |= {(verb.strip(), resource) for verb in verbs.split(",")}
    return found


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_rules_grant_exactly_the_rights_that_they_were_made_of(role):
    made = rules(role.here)

    assert set(granted(made)) == role.here
    assert [rule["resources"] for rule in made] == [
        [name] for name in dict.fromkeys(rule["resources"][0] for rule in made)
    ]


@pytest.mark.parametrize(
    ("heading", "wanted"),
    [
        ("The Job: Role `weathervane-rollout`", rights.DRIVER.here),
        ("The Job in namespace `kserve`, for Standard mode", rights.DRIVER.in_kserve),
        ("Who starts, a person or CI: Role `weathervane-start`", rights.STARTER.here),
        ("A pipeline: Role `weathervane-pipeline`", rights.PIPELINE.here),
    ],
)
def test_the_page_names_the_rights_of_each_role_and_no_others(heading, wanted):
    assert told(heading) == wanted
