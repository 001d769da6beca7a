import os
import signal
import sys
import time

import pytest

from weathervane.errors import PlatformError
from weathervane.local import processes

SLEEP = ("/bin/sleep", "60")
# Says that it is there and lets SIGTERM pass.
STUBBORN = (
    sys.executable,
    *("-S", "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True);"
    " time.sleep(60)",
)
PARENT = ("/bin/sh", "-c", "/bin/sleep 60 & echo here; wait")


@pytest.fixture
def state(tmp_path):
    yield tmp_path
    processes.stop(tmp_path, grace_seconds=0)


def await_words(state, name):
    give_up = time.monotonic() + 10
    while processes.last_words(state, name) != "here":
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_started_process_is_found_by_folder_and_name(state, tmp_path_factory):
    pid = processes.start(state, "one", SLEEP, environment={})
    other = tmp_path_factory.mktemp("other")

    assert [process.pid for process in processes.find(state, "one")] == [pid]
    assert not processes.find(state, "two")
    assert not processes.running(other)


def test_it_is_found_through_another_way_to_the_same_folder(state, tmp_path_factory):
    link = tmp_path_factory.mktemp("links") / "link"
    link.symlink_to(state)
    pid = processes.start(link, "one", SLEEP, environment={})

    assert [process.pid for process in processes.find(state, "one")] == [pid]


def test_it_has_a_session_of_its_own_so_that_ctrl_c_is_not_for_it(state):
    pid = processes.start(state, "one", SLEEP, environment={})

    assert os.getsid(pid) == pid != os.getsid(0)


def test_its_environment_and_its_output_are_as_told(state):
    shell = ("/bin/sh", "-c", 'echo "$TOLD"; exec /bin/sleep 60')
    processes.start(state, "one", shell, environment={"TOLD": "here"})

    await_words(state, "one")


def test_stop_ends_the_named_and_leaves_the_others(state):
    processes.start(state, "one", SLEEP, environment={})
    left = processes.start(state, "two", SLEEP, environment={})

    processes.stop(state, "one")

    assert {name: [p.pid for p in found] for name, found in processes.running(state).items()} == {
        "two": [left]
    }


def test_stop_without_names_ends_all_with_their_children(state):
    processes.start(state, "one", PARENT, environment={})
    processes.start(state, "two", SLEEP, environment={})
    await_words(state, "one")
    assert len(processes.find(state, "one")) == 2

    processes.stop(state)

    assert not processes.running(state)


def test_children_are_ended_even_when_their_parent_is_dead_already(state):
    parent = processes.start(state, "one", PARENT, environment={})
    await_words(state, "one")
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert len(processes.find(state, "one")) == 1

    processes.stop(state)

    assert not processes.running(state)


def test_what_does_not_end_is_killed_after_its_grace(state):
    processes.start(state, "one", STUBBORN, environment={})
    await_words(state, "one")
    begun = time.monotonic()

    processes.stop(state, grace_seconds=0.3)

    assert not processes.running(state)
    assert 0.3 <= time.monotonic() - begun < 5


def test_a_process_that_died_by_itself_is_not_found(state):
    pid = processes.start(state, "one", ("/bin/true",), environment={})
    # It stays in the table of processes until it is asked for, and must not count even so.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert not processes.find(state, "one")
    os.waitpid(pid, 0)


def test_stopping_what_does_not_run_is_nothing(state):
    processes.stop(state, "one")
    processes.stop(state)


def test_a_program_that_is_not_there_is_an_error_that_names_it(state):
    with pytest.raises(PlatformError, match="/no/such/program"):
        processes.start(state, "one", ("/no/such/program",), environment={})


def test_the_last_words_are_of_the_last_run_only(state):
    for said in ("first", "second"):
        pid = processes.start(state, "one", ("/bin/echo", said), environment={})
        os.waitpid(pid, 0)

    assert processes.log_file(state, "one").read_text() == "second\n"
    assert processes.last_words(state, "one") == "second"
    assert processes.last_words(state, "never ran") == ""


def test_of_those_that_were_seen_the_ones_that_have_ended_are_told(state):
    for name in ("one", "two"):
        processes.start(state, name, SLEEP, environment={})
    seen = processes.running(state)
    assert set(processes.still(seen)) == {"one", "two"}

    # Nobody waits for it: it stays in the table.
    seen["one"][0].kill()
    give_up = time.monotonic() + 10
    while "one" in processes.still(seen) and time.monotonic() < give_up:
        time.sleep(0.01)

    assert set(processes.still(seen)) == {"two"}
