import socket

import pytest

from weathervane.errors import PlatformError
from weathervane.local.ports import LOOPBACK, PortBook, answers, number, require, reserve


def listen(port: int) -> socket.socket:
    """As servers do: `SO_REUSEADDR` set."""
    return socket.create_server((LOOPBACK, port))


def test_reserved_ports_are_all_different():
    held = [reserve() for _ in range(200)]
    try:
        assert len({number(one) for one in held}) == 200
    finally:
        for one in held:
            one.close()


def test_a_server_can_listen_on_a_port_that_is_held_for_it():
    with reserve() as held, listen(number(held)):
        assert answers(number(held))


def test_nobody_answers_at_a_port_that_is_only_held():
    with reserve() as held:
        assert not answers(number(held))


def test_the_preferred_port_is_taken_when_it_is_free():
    with reserve() as held:
        port = number(held)

    with reserve(port) as again:
        assert number(again) == port


def test_another_port_is_found_when_somebody_listens_at_the_preferred_one():
    with listen(0) as other, reserve(other.getsockname()[1]) as held:
        assert number(held) != other.getsockname()[1]


def test_a_port_that_must_be_had_and_is_taken_is_an_error_that_names_it():
    with listen(0) as other:
        port = other.getsockname()[1]
        with pytest.raises(PlatformError, match=f"port {port}"):
            require(port)


def test_a_free_port_can_be_had():
    with reserve() as held:
        port = number(held)

    require(port)


def test_the_book_remembers_every_name(tmp_path):
    book = PortBook(tmp_path / "ports.json")
    assert not book.known
    assert book.get("store") is None

    book.put("store", 1)
    book.put("gateway", 2)
    book.put("store", 3)

    again = PortBook(tmp_path / "ports.json")
    assert (again.get("store"), again.get("gateway"), again.known) == (3, 2, True)
