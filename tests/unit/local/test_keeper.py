import pytest

from weathervane.errors import DeploymentError
from weathervane.local.keeper import Pauses, keep


class OverError(Exception):
    """The test is."""


def tries(ends: bool, seconds: int, *, fails: bool = False) -> list[float]:
    """When a start was tried, of a revision that ends at once whenever it is started."""
    now, tried = [0.0], []

    def sleep(by: float) -> None:
        now[0] += by
        if now[0] > seconds:
            raise OverError

    def revive() -> bool:
        if ends:
            tried.append(now[0])
        if fails:
            raise DeploymentError("another process changes what is served")
        return ends

    with pytest.raises(OverError):
        keep(revive, sleep=sleep, monotonic=lambda: now[0])
    return tried


@pytest.mark.parametrize("fails", [False, True])
def test_what_ends_again_and_again_is_started_ever_more_seldom(fails: bool):
    assert tries(True, 250, fails=fails) == [1, 2, 4, 8, 16, 32, 64, 124, 184, 244]


def test_what_runs_is_left_alone():
    assert tries(False, 100) == []


def test_after_a_quiet_while_the_next_start_is_at_once_again():
    pauses = Pauses().after(10).after(11).after(13)
    assert not pauses.due(14)

    again = pauses.after(13 + pauses.pause + 61)

    assert again.pause == 1
