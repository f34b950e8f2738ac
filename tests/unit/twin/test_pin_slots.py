"""PIN slots stay sealed in memory that outlives the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.lock_bench import SECRET
from twin.flash import Flash
from twin.pin_slots import PinSlots, Slot, seal_pin

if TYPE_CHECKING:
    from pathlib import Path


def slot(digits: str, number: int = 1, *, device: str = "lock-1", secret: bytes = SECRET) -> Slot:
    sealed = seal_pin(digits, device=device, secret=secret, nonce=bytes(12))
    return Slot(slot=number, sealed=sealed, valid_from_s=0, valid_until_s=9, generation=1)


def slots(flash: Flash) -> PinSlots:
    return PinSlots(flash, device="lock-1", secret=SECRET)


def test_slots_survive_in_a_file_and_open_for_their_own_lock_alone(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "f")
    assert slots(flash).put(slot("2580"))
    flash.commit()
    again = slots(Flash(tmp_path / "f"))
    assert [s.slot for s in again.matching("2580")] == [1]
    assert (
        again.matching("2581")
        == again.matching("")
        == again.matching("\uff12\uff15\uff18\uff10")
        == []
    )
    other = PinSlots(Flash(tmp_path / "f"), device="lock-2", secret=SECRET)
    assert len(other) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        slot("2580", device="lock-2"),
        slot("2580", secret=bytes(32)),
        slot("123"),
        slot("12345678901"),
        slot("12a4"),
        slot("2580", 250),
        slot("2580", -1),
        Slot(slot=1, sealed=b"", valid_from_s=0, valid_until_s=9, generation=1),
    ],
    ids=["device", "secret", "short", "long", "letters", "slot 250", "slot -1", "empty"],
)
def test_a_box_that_is_no_pin_of_this_lock_is_not_taken(wrong: Slot) -> None:
    flash = Flash()
    assert not slots(flash).put(wrong)
    assert flash.section("pin") == {}


def test_a_slot_is_replaced_and_emptied() -> None:
    kept = slots(Flash())
    kept.put(slot("1111"))
    kept.put(slot("2222"))
    assert kept.matching("1111") == []
    kept.clear(1)
    kept.clear(1)
    assert kept.matching("2222") == []
