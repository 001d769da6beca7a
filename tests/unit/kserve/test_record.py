import json

from weathervane.rollout.kserve.journal import grown


def entry(decision="Wait", **more):
    return {"at": "t", "rollout": "r", "event": "look", "weight": 10, "decision": decision, **more}


def lines(record):
    return [json.loads(line) for line in record.splitlines()]


def test_a_wait_that_goes_on_is_one_entry_with_the_newest_figures_and_a_count():
    record = ""
    for number in range(5):
        record = grown(record, entry(at=str(number)))

    assert lines(record) == [entry(at="4", looks=5)]


def test_decisions_and_other_weights_have_entries_of_their_own():
    record = ""
    for one in (entry(), entry("SetWeight", to=50), entry(weight=50), entry("Rollback")):
        record = grown(record, one)

    assert [line["decision"] for line in lines(record)] == ["Wait", "SetWeight", "Wait", "Rollback"]


def test_an_entry_whose_answer_was_lost_is_written_once():
    record = grown(grown("", entry("Promote")), entry("Promote"))

    assert len(lines(record)) == 1


def test_beyond_its_bound_the_oldest_goes_first():
    record = ""
    for number in range(20):
        record = grown(record, entry("Promote", why=str(number)), limit=1000)

    assert len(record) <= 1000
    assert lines(record)[-1]["why"] == "19"
