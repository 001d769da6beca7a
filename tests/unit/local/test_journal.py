import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from weathervane.errors import DeploymentError, RolloutRunningError
from weathervane.rollout.journal import FileJournal


@pytest.fixture
def journal(tmp_path) -> FileJournal:
    return FileJournal(tmp_path / "rollouts" / "weather")


def test_nothing_is_remembered_at_first(journal):
    assert (journal.read(), journal.asked(), journal.entries()) == (None, [], [])


def test_the_state_last_written_is_read(journal):
    journal.write({"phase": "running", "weight": 10})
    journal.write({"phase": "running", "weight": 25})

    assert journal.read() == {"phase": "running", "weight": 25}


def test_a_request_stands_behind_those_that_were_left_before(journal):
    journal.ask({"why": "Nebel"})
    journal.ask({"why": "Regen"})

    assert journal.asked() == [{"why": "Nebel"}, {"why": "Regen"}]


def test_of_many_who_ask_at_once_nobody_is_lost(journal):
    with ThreadPoolExecutor(16) as people:
        list(people.map(lambda number: journal.ask({"number": number}), range(100)))

    assert sorted(request["number"] for request in journal.asked()) == list(range(100))


def test_the_record_keeps_every_entry_in_order(journal):
    for number in range(3):
        journal.append({"number": number})

    lines = journal.record.read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2]


def test_a_line_that_was_cut_off_spoils_only_itself(journal):
    journal.append({"number": 0})
    with journal.record.open("a") as record:
        record.write('{"numb')

    journal.append({"number": 1})

    lines = journal.record.read_text().splitlines()
    assert [lines[0], lines[2]] == ['{"number": 0}', '{"number": 1}']
    assert [entry["number"] for entry in journal.entries()] == [0, 1]


def test_a_state_that_somebody_spoilt_is_an_error_that_names_the_file(journal):
    journal.write({})
    file = journal.record.with_name("state.json")
    file.write_text("{")

    with pytest.raises(DeploymentError, match=str(file)):
        journal.read()


def test_a_second_claim_is_refused_and_told_who_holds_it(journal):
    other = FileJournal(journal.record.parent)

    with (
        journal.claim("Ada"),
        pytest.raises(RolloutRunningError, match="Ada"),
        other.claim("Grace"),
    ):
        pass
    with other.claim("Grace"):
        pass


def test_a_claim_is_let_go_by_an_error(journal):
    with pytest.raises(ZeroDivisionError), journal.claim("Ada"):
        raise ZeroDivisionError

    with journal.claim("Grace"):
        pass


def test_a_holder_that_was_killed_keeps_nothing(journal):
    holder = hold_in_another_process(journal)
    with pytest.raises(RolloutRunningError, match="another"), journal.claim("Grace"):
        pass

    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)

    with journal.claim("Grace"):
        pass


def hold_in_another_process(journal: FileJournal) -> int:
    child = os.fork()
    if child:
        holder = Path(journal.record.parent, "holder")
        while not holder.exists():
            time.sleep(0.01)
        return child
    try:
        with journal.claim("another"):
            signal.pause()
    finally:
        os._exit(1)
