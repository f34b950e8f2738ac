"""A slow vendor gets more time with each list, a line that is cut does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sync.pms.patience import Patience
from sync.pms.port import LIST_TIMEOUT_S, LIST_TIMEOUT_S_MAX


@pytest.fixture
def gate() -> Any:
    return SimpleNamespace(last_confirmed_ms=1_000)


def test_a_vendor_that_answers_something_else_is_slow(gate: Any) -> None:
    patience = Patience(gate)
    waits = []
    for _ in range(4):
        waits.append(patience.wait_s())
        patience.heard(in_time=False)
        gate.last_confirmed_ms += 1
    assert waits == [LIST_TIMEOUT_S, 2 * LIST_TIMEOUT_S, LIST_TIMEOUT_S_MAX, LIST_TIMEOUT_S_MAX]


def test_a_line_on_which_nothing_is_heard_is_waited_for_no_longer(gate: Any) -> None:
    patience = Patience(gate)
    for _ in range(9):
        assert patience.wait_s() == LIST_TIMEOUT_S
        patience.heard(in_time=False)


def test_a_list_that_came_in_time_ends_the_longer_wait(gate: Any) -> None:
    patience = Patience(gate)
    patience.wait_s()
    patience.heard(in_time=False)
    gate.last_confirmed_ms += 1
    assert patience.wait_s() == 2 * LIST_TIMEOUT_S
    patience.heard(in_time=True)
    gate.last_confirmed_ms += 1
    assert patience.wait_s() == LIST_TIMEOUT_S
