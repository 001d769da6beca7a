"""A rollout driven by a process of its own."""

import pytest

from weathervane.errors import ExitCode
from weathervane.local.platform import Platform
from weathervane.rollout.driver import Ended, start_apart
from weathervane.rollout.service import LocalService

pytestmark = pytest.mark.process


def test_a_process_that_ends_before_it_begins_is_told_with_its_code_and_last_words(tmp_path):
    ended = start_apart(LocalService(Platform(tmp_path), "weather"), "a" * 64, ())

    assert isinstance(ended, Ended)
    assert ended.code is ExitCode.PLATFORM
    assert ended.said.startswith("error: ")
