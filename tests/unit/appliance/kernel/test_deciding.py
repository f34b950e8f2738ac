"""What one batch of commands promises: all of a command or nothing, and the first answer for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.kernel import deciding as kernel_deciding
from appliance.kernel.deciding import COMMAND_ID_CHARS_MAX, Asking, Deciding
from appliance.kernel.engine import (
    Connection,
    Engine,
    Facts,
    InlineReaction,
    Projection,
    Recorded,
)
from appliance.kernel.log import verify_file
from appliance.kernel.messages import Command, Done, KernelRefusal, Refused, Role
from support.desk import CLERK, Desk
from support.toy import TOY, Refusal, Ring, Shelve, Shelved


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with the toy engine."""
    desk = Desk(tmp_path, [TOY])
    yield desk
    desk.close()


def test_asking_twice_is_asking_once(desk: Desk) -> None:
    command = Shelve(shelf="a", owner="ida")
    first = desk.ask(command, command_id="one")
    again = desk.ask(command, command_id="one")
    assert isinstance(first, Done)
    assert again == first
    assert desk.rows("SELECT count(*) FROM event") == [(1,)]


def test_a_repeat_in_the_same_batch_is_the_same_answer(desk: Desk) -> None:
    asking = Asking(command=Shelve(shelf="a", owner="ida"), command_id="one", who=CLERK)
    first, second = desk.deciding.carry_out([asking, asking])
    assert second.answer == first.answer
    assert not second.facts


def test_the_first_answer_stands_when_the_state_has_changed(desk: Desk) -> None:
    first = desk.ask(Shelve(shelf="a", owner="ida"), command_id="one")
    for _ in range(2):
        desk.done(Shelve(shelf="a", owner="bo"))
    assert desk.refused(Shelve(shelf="a", owner="cy")) == Refusal.FULL
    assert desk.ask(Shelve(shelf="a", owner="ida"), command_id="one") == first


def test_a_refusal_is_also_the_first_answer(desk: Desk) -> None:
    for _ in range(3):
        desk.done(Shelve(shelf="a", owner="ida"))
    assert desk.refused(Shelve(shelf="a", owner="cy"), command_id="no") == Refusal.FULL
    again = desk.ask(Shelve(shelf="a", owner="cy"), command_id="no")
    assert isinstance(again, Refused)
    assert again.code == Refusal.FULL


def test_the_same_id_with_another_body_is_refused_and_reveals_nothing(desk: Desk) -> None:
    desk.done(Shelve(shelf="a", owner="ida"), command_id="one")
    answer = desk.ask(Shelve(shelf="b", owner="ida"), command_id="one")
    expected = Refused(engine="kernel", code=KernelRefusal.ID_REUSED, detail={})
    assert answer == expected


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_id_that_names_nothing_is_no_id(desk: Desk, empty: str) -> None:
    asking = Asking(command=Shelve(shelf="a", owner="ida"), command_id=empty, who=CLERK)
    [decided] = desk.deciding.carry_out([asking])
    expected = Refused(engine="kernel", code=KernelRefusal.MALFORMED, detail={})
    assert decided.answer == expected
    assert not desk.rows("SELECT 1 FROM answered")


def test_ids_belong_to_their_asker(desk: Desk) -> None:
    other = replace(CLERK, actor="staff:other")
    first = desk.done(Shelve(shelf="a", owner="ida"), command_id="one")
    second = desk.done(Shelve(shelf="a", owner="ida"), other, command_id="one")
    assert first["parcel"] != second["parcel"]


def test_a_role_that_may_not_ask_is_refused_before_any_rule(desk: Desk) -> None:
    guest = replace(CLERK, role=Role.GUEST)
    assert desk.refused(Shelve(shelf="a", owner="x", what="bomb"), guest) == "wrong_role"


def test_a_rule_that_raises_breaks_one_command_only(desk: Desk) -> None:
    bad = Asking(
        command=Shelve(shelf="a", owner="secret name", what="bomb"), command_id="1", who=CLERK
    )
    good = Asking(command=Shelve(shelf="a", owner="ida"), command_id="2", who=CLERK)
    broken, done = desk.deciding.carry_out([bad, good])
    assert isinstance(broken.answer, Refused)
    assert (broken.answer.engine, broken.answer.code) == ("toy", "broken")
    assert isinstance(done.answer, Done)
    assert desk.deciding.faults["toy"].count == 1
    assert "secret name" not in desk.deciding.faults["toy"].sentence


def test_a_broken_answer_is_not_kept(desk: Desk) -> None:
    desk.refused(Shelve(shelf="a", owner="x", what="bomb"), command_id="1")
    assert desk.rows("SELECT count(*) FROM answered") == [(0,)]


def test_a_read_model_that_raises_takes_the_fact_back(desk: Desk) -> None:
    assert desk.refused(Shelve(shelf="a", owner="x", what="acid")) == "broken"
    assert desk.rows("SELECT count(*) FROM event") == [(0,)]
    for _ in range(3):
        desk.done(Shelve(shelf="a", owner="ida"))
    assert desk.refused(Shelve(shelf="a", owner="ida")) == Refusal.FULL


def test_an_inline_reaction_is_part_of_the_command(desk: Desk) -> None:
    desk.done(Shelve(shelf="a", owner="ida", what="loud"))
    assert desk.events() == ["toy.shelved.v1", "toy.rung.v1"]
    assert desk.facts[1].cause == str(desk.facts[0].position)


def test_an_inline_refusal_takes_the_whole_command_back(desk: Desk) -> None:
    answer = desk.ask(Shelve(shelf="a", owner="x", what="jinx"))
    assert isinstance(answer, Refused)
    assert (answer.engine, answer.code) == ("toy", Refusal.CURSED)
    assert desk.rows("SELECT count(*) FROM event") == [(0,)]
    assert desk.rows("SELECT count(*) FROM toy_parcel") == [(0,)]


def _spoil(_db: Connection, event: Shelved, _recorded: Recorded) -> None:
    raise KeyError(event.what)


def _panic(_facts: Facts, event: Shelved, _recorded: Recorded) -> list[Command]:
    raise KeyError(event.what)


SPOILT = Projection(
    name="neighbour",
    ddl=["CREATE TABLE IF NOT EXISTS neighbour_seen (position INTEGER PRIMARY KEY) STRICT"],
    tables=["neighbour_seen"],
    on={Shelved: _spoil},
)
NEIGHBOURS = {
    "read model": Engine(name="neighbour", projection=SPOILT),
    "reaction": Engine(name="neighbour", inline=[InlineReaction(event=Shelved, react=_panic)]),
}


@pytest.mark.parametrize("part", NEIGHBOURS)
def test_a_neighbour_that_raises_misses_the_fact_is_shown_and_stops_nobody(
    tmp_path: Path, part: str
) -> None:
    desk = Desk(tmp_path, [TOY, NEIGHBOURS[part]])
    first = desk.ask(Shelve(shelf="a", owner="ida", what="loud"), command_id="one")
    assert isinstance(first, Done)
    assert desk.ask(Shelve(shelf="a", owner="ida", what="loud"), command_id="one") == first
    assert desk.events() == ["toy.shelved.v1", "toy.rung.v1"]
    assert desk.rows("SELECT count(*) FROM toy_parcel") == [(1,)]
    fault = desk.deciding.faults["neighbour"]
    assert fault.sentence == (
        f"the {part} of neighbour raised: KeyError; it has missed what happened at fact 1"
        " (nightporter rebuild neighbour makes it whole)"
    )
    assert "toy" not in desk.deciding.faults
    # A restart does not take what is missing for whole; building anew does.
    again = Deciding(desk.deciding.log, desk.vault, desk.clock, [TOY, NEIGHBOURS[part]])
    assert again.faults["neighbour"].sentence == fault.sentence
    desk.deciding.apply(lambda _db: again.made_whole("neighbour"))
    assert not again.faults
    assert not Deciding(desk.deciding.log, desk.vault, desk.clock, [TOY]).faults
    desk.close()


def test_a_guard_that_raises_takes_the_fact_back(tmp_path: Path) -> None:
    guard = replace(NEIGHBOURS["reaction"], guards=True)
    desk = Desk(tmp_path, [TOY, guard])
    answer = desk.ask(Shelve(shelf="a", owner="ida"))
    assert isinstance(answer, Refused)
    assert (answer.engine, answer.code) == ("neighbour", "broken")
    assert desk.rows("SELECT count(*) FROM event") == [(0,)]
    desk.close()


def test_too_large_a_command_changes_nothing(desk: Desk) -> None:
    assert desk.refused(Shelve(shelf="a" * 70_000, owner="x")) == "too_large"
    long = "i" * (COMMAND_ID_CHARS_MAX + 1)
    assert desk.refused(Shelve(shelf="a", owner="x"), command_id=long) == "too_large"


def test_a_commit_that_fails_answers_the_whole_batch_and_leaves_nothing(desk: Desk) -> None:
    desk.done(Shelve(shelf="a", owner="ida"))
    # A page limit is the disk that is full: SQLite answers SQLITE_FULL from then on.
    [(pages,)] = desk.rows("PRAGMA page_count")
    desk.db.execute(f"PRAGMA max_page_count={pages}")
    batch = [
        Asking(
            command=Shelve(shelf=f"s{n}", owner="ida", what="w" * 3000),
            command_id=f"f{n}",
            who=CLERK,
        )
        for n in range(20)
    ]
    answers = {decided.answer.code for decided in desk.deciding.carry_out(batch)}  # type: ignore[union-attr]
    assert answers == {"not_stored"}
    desk.db.execute("PRAGMA max_page_count=1000000")
    assert desk.rows("SELECT count(*) FROM event") == [(1,)]
    assert isinstance(desk.deciding.carry_out(batch)[0].answer, Done)


def test_names_are_sealed_before_they_reach_the_file(desk: Desk, tmp_path: Path) -> None:
    desk.done(Shelve(shelf="a", owner="Wilhelmina"))
    desk.done(Ring(bell="a"))
    for path in tmp_path.glob("log.db*"):
        assert b"Wilhelmina" not in path.read_bytes()


def test_the_chain_verifies_after_a_busy_day(desk: Desk, tmp_path: Path) -> None:
    for number in range(40):
        desk.ask(Shelve(shelf=f"s{number % 7}", owner="ida"))
    head = verify_file(tmp_path / "log.db")
    assert head.position == desk.deciding.log.head.position
    assert head.chain == desk.deciding.log.head.chain


@pytest.mark.parametrize(
    "bad",
    [
        Asking(command=Shelve(shelf="\ud800", owner="x"), command_id="bad", who=CLERK),
        Asking(command=Shelve(shelf="a", owner="x"), command_id="\ud800", who=CLERK),
        Asking(command=Shelve(shelf="a", owner="x"), command_id="bad", who=CLERK, trace="\ud800"),
        Asking(
            command=Shelve(shelf="a", owner="x"),
            command_id="bad",
            who=replace(CLERK, actor="staff:\ud800"),
        ),
        Asking(command=Shelve(shelf="a", owner="x", what="stranger"), command_id="bad", who=CLERK),
        Asking(command=Shelve(shelf="a", owner="x", what="riddle"), command_id="bad", who=CLERK),
        Asking(command=Shelve(shelf="a", owner="x", what="shrug"), command_id="bad", who=CLERK),
    ],
    ids=[
        "a letter that is none",
        "an id that is no text",
        "a trace that is no text",
        "an asker that is no text",
        "an inline reaction asks what nobody knows",
        "a refusal that cannot be written",
        "a rule that says nothing",
    ],
)
def test_one_bad_command_spoils_nobody_else_in_its_batch(desk: Desk, bad: Asking) -> None:
    good = Asking(command=Shelve(shelf="b", owner="ida"), command_id="good", who=CLERK)
    first, second = desk.deciding.carry_out([bad, good])
    assert isinstance(first.answer, Refused)
    assert first.answer.code in {KernelRefusal.BROKEN, KernelRefusal.MALFORMED}
    assert isinstance(second.answer, Done)
    assert desk.rows("SELECT count(*) FROM event") == [(1,)]
    assert desk.rows("SELECT command_id FROM answered") == [("good",)]


def test_two_inline_reactions_of_one_engine_have_ids_of_their_own(tmp_path: Path) -> None:
    twice = replace(TOY, inline=[*TOY.inline, *TOY.inline])
    desk = Desk(tmp_path, [twice])
    desk.done(Shelve(shelf="a", owner="ida", what="loud"))
    ids = [fact.command_id for fact in desk.facts]
    assert len(ids) == len(set(ids)) == 3
    desk.close()


def test_a_state_that_was_pushed_out_of_memory_while_it_was_undone_is_read_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_deciding, "FOLDS_MAX", 2)
    for number in range(8):
        desk.done(Shelve(shelf=f"s{number % 4}", owner="ida"))
        desk.refused(Shelve(shelf=f"s{number % 4}", owner="x", what="acid"))
        desk.refused(Shelve(shelf=f"s{number % 4}", owner="x", what="jinx"))
    for number in range(4):
        desk.done(Shelve(shelf=f"s{number}", owner="ida"))
        assert desk.refused(Shelve(shelf=f"s{number}", owner="ida")) == Refusal.FULL


def test_a_disk_that_refuses_is_no_engine_s_fault_and_is_remembered_until_it_takes_again(
    desk: Desk,
) -> None:
    [(pages,)] = desk.rows("PRAGMA page_count")
    desk.db.execute(f"PRAGMA max_page_count={pages}")
    for number in range(30):
        desk.ask(Shelve(shelf=f"s{number}", owner="ida", what="w" * 3000))
    assert desk.deciding.unstored is not None
    assert desk.deciding.unstored.count > 1
    assert desk.deciding.faults == {}
    desk.db.execute("PRAGMA max_page_count=1000000")
    desk.done(Shelve(shelf="a", owner="ida"))
    assert desk.deciding.unstored is None


def test_a_transaction_that_was_left_open_is_taken_back_first(desk: Desk) -> None:
    desk.db.execute("BEGIN IMMEDIATE")
    desk.db.execute("DELETE FROM answered")
    desk.done(Shelve(shelf="a", owner="ida"))
    assert desk.rows("SELECT count(*) FROM answered") == [(1,)]
