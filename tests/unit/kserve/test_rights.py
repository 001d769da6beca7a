"""The rights of each role, and what the page for people says of them."""

from pathlib import Path

import pytest

from weathervane.rollout.kserve import rights
from weathervane.rollout.kserve.rights import ROLES, Right, granted, needed, rules

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


@pytest.mark.parametrize("role", ROLES)
def test_rules_grant_exactly_the_rights_that_they_were_made_of(role):
    made = rules(ROLES[role])

    assert set(granted(made)) == ROLES[role]
    assert [rule["resources"] for rule in made] == [
        [name] for name in dict.fromkeys(rule["resources"][0] for rule in made)
    ]


@pytest.mark.parametrize(
    ("heading", "wanted"),
    [
        ("`weathervane-rollout`: the Job", ROLES["weathervane-rollout"]),
        ("`weathervane-rollout-…` in namespace `kserve`", rights.DRIVER_RIGHTS_IN_KSERVE),
        ("`weathervane-start`: who starts and waits", ROLES["weathervane-start"]),
        ("`weathervane-read`: who wants to see", ROLES["weathervane-read"]),
        ("`weathervane-ask`: who asks something of it", ROLES["weathervane-ask"]),
    ],
)
def test_the_page_names_the_rights_of_each_role_and_no_others(heading, wanted):
    assert told(heading) == wanted


@pytest.mark.parametrize(
    ("role", "in_kserve", "wanted"),
    [
        ("weathervane-start", False, rights.STARTER_RIGHTS),
        ("weathervane-rollout-models", True, rights.DRIVER_RIGHTS_IN_KSERVE),
        ("weathervane-start", True, None),
        ("somebodys", False, None),
    ],
)
def test_a_role_is_known_by_its_name_and_namespace(role, in_kserve, wanted):
    assert needed(role, in_kserve=in_kserve) == wanted
