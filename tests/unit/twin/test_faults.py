"""Trouble is repeatable: first the script, then chance from the seed."""

from __future__ import annotations

import pytest

from twin.faults import QUIET, Fault, FaultPlan, Trouble


def test_the_script_comes_first_and_then_it_is_quiet() -> None:
    plan = FaultPlan()
    trouble = Trouble(faults=frozenset({Fault.LIE}), delay_s=2)
    plan.script([trouble, QUIET, trouble])
    assert [plan.next() for _ in range(4)] == [trouble, QUIET, trouble, QUIET]


def test_the_same_seed_tells_the_same_story() -> None:
    chances = dict.fromkeys(Fault, 0.1)
    one, two = (FaultPlan(seed=7, chances=chances) for _ in range(2))
    assert [one.next() for _ in range(500)] == [two.next() for _ in range(500)]


def test_every_fault_comes_about_as_often_as_its_chance() -> None:
    plan = FaultPlan(seed=1, chances=dict.fromkeys(Fault, 0.05))
    seen = [plan.next() for _ in range(4_000)]
    for fault in Fault:
        assert 100 < sum(fault in trouble for trouble in seen) < 320


def test_a_chance_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        FaultPlan(chances={Fault.JAM: 1.5})
