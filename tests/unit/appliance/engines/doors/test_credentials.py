"""What opens is derived again, the same each time, and never the same for two guests."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engines.doors.credentials import KeyFacts, Locksmith, device_secret, is_trivial
from appliance.engines.doors.messages import HolderKind, OpenAsked
from appliance.engines.doors.slots import SLOT_MAX
from appliance.kernel.cose import Claims, issuers, point_of, verify
from support.lock_bench import ISSUER
from twin.flash import Flash
from twin.pin_slots import PinSlots, Slot

KEY = KeyFacts(
    key_id="key_1",
    door_id="door-204",
    door_number=204,
    device_id="lock-204",
    generation=7,
    valid_from_s=1_000,
    valid_until_s=2_000,
    cti="00112233aabbccdd",
    slot=3,
    pin_ref="key_1",
)
PRESS = OpenAsked(
    opening_id="open_1",
    door_id="door-204",
    device_id="lock-204",
    door_number=204,
    key_id="key_1",
    holder_kind=HolderKind.STAY,
    holder_id="ana",
    generation=7,
    expires_at_ms=1_500_001,
    cti=KEY.cti,
)


class Roots:
    """Derives like the vault does, from no secret at all."""

    def derive(self, purpose: str, *parts: str) -> bytes:
        return hashlib.sha256("\0".join((purpose, *parts)).encode()).digest()


def smith() -> Locksmith:
    locksmith = Locksmith(vault=Roots(), issuer=ISSUER)
    locksmith.property_id = "marina"
    return locksmith


def read(credential: bytes) -> Claims:
    claims = verify(credential, issuers([point_of(ISSUER.public_key())]))
    assert isinstance(claims, Claims)
    return claims


def test_a_phones_key_says_door_window_and_generation() -> None:
    claims = read(smith().credential(KEY))
    assert (claims.nbf_s, claims.exp_s, claims.gen) == (1_000, 2_000, 7)
    assert (claims.doors, claims.aud, claims.cti.hex()) == (((204, 1),), "marina", KEY.cti)


def test_a_press_is_dead_with_its_order() -> None:
    claims = read(smith().press(PRESS))
    assert (claims.exp_s, claims.gen, claims.cti.hex()) == (1_501, 7, KEY.cti)
    assert claims.doors == ((204, 1),)


def test_a_pin_is_the_same_each_time_and_through_an_extension() -> None:
    pin = smith().pin(KEY)
    assert pin == smith().pin(KEY)
    assert len(pin) == 6
    assert pin == smith().pin(replace(KEY, key_id="key_2", valid_until_s=9_000))
    assert pin != smith().pin(replace(KEY, pin_ref="key_2"))
    assert pin != smith().pin(replace(KEY, door_id="door-205"))


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=SLOT_MAX, max_size=SLOT_MAX))
def test_no_two_slots_of_a_door_share_a_pin(names: list[str]) -> None:
    pins = [
        smith().pin(replace(KEY, slot=slot, pin_ref=name))
        for slot, name in enumerate(names, start=1)
    ]
    assert len(set(pins)) == SLOT_MAX
    assert not any(is_trivial(pin) for pin in pins)


def test_what_anybody_would_try_is_no_pin() -> None:
    for digits in ("000000", "123456", "654321", "121212", "112233", "123123", "198704", "202611"):
        assert is_trivial(digits)
    assert not is_trivial("604213")


def test_a_sealed_pin_opens_in_its_own_lock_only() -> None:
    box = smith().sealed_pin(KEY)
    assert box == smith().sealed_pin(KEY)
    slot = Slot(slot=3, sealed=box, valid_from_s=0, valid_until_s=9, generation=7)
    own = PinSlots(Flash(), device="lock-204", secret=device_secret(Roots(), "lock-204"))
    other = PinSlots(Flash(), device="lock-205", secret=device_secret(Roots(), "lock-205"))
    assert own.put(slot)
    assert own.matching(smith().pin(KEY)) == [slot]
    assert not other.put(slot)
