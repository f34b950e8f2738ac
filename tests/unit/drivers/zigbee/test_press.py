"""What a transmission's end proves, stick by stick."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.bus.words import LockRefusal, Outcome
from drivers.port import Evidence
from drivers.zigbee.journey import JOURNEY, Journey, RecalledError
from drivers.zigbee.press import OPEN, SHUT, Unclear, by_answer, by_error
from drivers.zigbee.stack import ZNP_NEVER_SENT, Kind, controller, never_sent


class unlock_door_response:  # noqa: N801 - the stack's own name is what is looked at
    def __init__(self, status: int) -> None:
        self.status = status


class lock_door_response(unlock_door_response):  # noqa: N801 - as above
    pass


class Default_Response:  # noqa: N801 - as above
    def __init__(self, command_id: int, status: int) -> None:
        self.command_id = command_id
        self.status = status


def travelled(**marks: Any) -> Journey:
    journey = Journey(tsn=1, left=True, left_s=0.0, taken=True)
    for name, value in marks.items():
        setattr(journey, name, value)
    return journey


async def test_only_an_answer_to_this_command_is_an_answer() -> None:
    done = by_answer(OPEN, unlock_door_response(0), jammed=False)
    assert not isinstance(done, Unclear)
    assert (done.outcome, done.evidence) == (Outcome.DONE, (Evidence.ANSWER,))
    assert isinstance(by_answer(OPEN, lock_door_response(0), jammed=False), Unclear)
    assert isinstance(by_answer(SHUT, unlock_door_response(0), jammed=False), Unclear)
    assert isinstance(by_answer(OPEN, Default_Response(0x05, 0), jammed=False), Unclear)
    no = by_answer(OPEN, Default_Response(0x01, 0x7E), jammed=False)
    assert not isinstance(no, Unclear)
    assert (no.outcome, no.refusal) == (Outcome.REFUSED, LockRefusal.WRONG_PIN)
    stuck = by_answer(OPEN, unlock_door_response(1), jammed=True)
    assert not isinstance(stuck, Unclear)
    assert stuck.refusal is LockRefusal.JAMMED


@pytest.mark.parametrize("status", sorted(ZNP_NEVER_SENT))
async def test_the_two_kinds_of_sticks_mean_different_things_by_one_number(status: int) -> None:
    """What Z-Stack calls a full buffer, Silicon Labs calls something else."""
    assert never_sent(Kind.ZNP, travelled(status=status))
    assert not never_sent(Kind.EZSP, travelled(status=status))
    # A refusal to enqueue is one at either.
    assert never_sent(Kind.EZSP, travelled(taken=False, refused=status))
    assert never_sent(Kind.ZNP, travelled(taken=False, refused=status))


@pytest.mark.parametrize("status", [0x00, 0xB7, 0xCD, 0xE1, 0xE9, 0xF0, 0x0C02, 0x66])
async def test_the_fate_of_the_last_copy_is_no_proof_about_the_first(status: int) -> None:
    for kind in Kind:
        assert not never_sent(kind, travelled(status=status))


async def test_a_number_shared_by_two_frames_proves_nothing() -> None:
    assert not never_sent(Kind.ZNP, travelled(status=0x11, shared=True))
    journey = travelled(shared=True)
    journey.arrived(0)
    assert not journey.confirmed.is_set()


async def test_what_was_recalled_may_not_depart() -> None:
    journey = Journey(tsn=1)
    assert journey.recall()
    with pytest.raises(RecalledError):
        journey.depart(0.0)
    assert not journey.left
    told = by_error(Kind.ZNP, Journey(tsn=2), AttributeError())
    assert not isinstance(told, Unclear)
    assert told.outcome is Outcome.NOT_SENT


async def test_an_error_text_of_the_stack_is_not_passed_on() -> None:
    """It may quote a frame, and frames hold digits."""
    end = by_error(Kind.ZNP, travelled(), ValueError("pin 482915"))
    assert isinstance(end, Unclear)
    assert end.note == "ValueError"


@pytest.mark.parametrize("kind", list(Kind))
async def test_both_kinds_of_sticks_have_a_stack_here(kind: Kind) -> None:
    app = controller(kind)(
        {"device": {"path": "/dev/nowhere"}, "ota": {"enabled": False}, "database_path": None}
    )
    assert app.journeys == {}
    assert app.busy() == set()
    app.drop_link()  # without a port there is nothing to drop, and that is no error


@pytest.mark.parametrize(
    ("text", "not_sent"),
    [("Failed to enqueue message: x", True), ("Failed to deliver message", False)],
)
async def test_bellows_says_by_its_words_whether_it_was_enqueued(
    text: str, *, not_sent: bool
) -> None:
    from zigpy.exceptions import DeliveryError  # noqa: PLC0415 - the extra's

    app = controller(Kind.EZSP)(
        {"device": {"path": "/dev/nowhere"}, "ota": {"enabled": False}, "database_path": None}
    )
    sent = 0

    async def hand_over(_packet: object) -> None:
        nonlocal sent
        sent += 1
        raise DeliveryError(text, 0x11)

    app._hand_over = hand_over
    journey = Journey(tsn=7)
    token = JOURNEY.set(journey)
    packet = type("Packet", (), {"tsn": 7})()
    try:
        with pytest.raises(DeliveryError) as caught:
            await app.send_packet(packet)
    finally:
        JOURNEY.reset(token)
    assert sent == 1
    told = by_error(Kind.EZSP, journey, caught.value)
    assert isinstance(told, Unclear) is not not_sent
