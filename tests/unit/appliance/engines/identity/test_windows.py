"""Promises of the windows that slow guessers down."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.engines.identity.windows import (
    ADDRESS_MAX,
    ALL_MAX,
    KEYS_MAX,
    ROOM,
    ROOM_MAX,
    Attempt,
    Windows,
)


def test_the_sixth_guess_of_an_address_waits_until_the_first_is_five_minutes_old() -> None:
    windows = Windows(ROOM)
    mine = Attempt(address="10.0.0.1")
    assert [windows.admit(mine, now) for now in range(ADDRESS_MAX)] == [0.0] * 5
    assert windows.admit(mine, 5) == 295
    assert windows.admit(Attempt(address="10.0.0.2"), 5) == 0.0
    assert windows.admit(mine, 300) == 0.0


def test_a_new_address_with_the_same_cookie_is_the_same_device() -> None:
    windows = Windows(ROOM)
    for number in range(5):
        assert windows.admit(Attempt(address=f"a{number}", device="cookie"), 0) == 0.0
    assert windows.admit(Attempt(address="a9", device="cookie"), 0) > 0


def test_a_room_is_guessed_ten_times_an_hour_from_wherever() -> None:
    windows = Windows(ROOM)
    for number in range(ROOM_MAX):
        assert windows.admit(Attempt(address=f"a{number}", subject="204"), 0) == 0.0
    assert windows.admit(Attempt(address="b", subject="204"), 1_800) == 1_800


def test_a_locked_room_keeps_no_booking_code_out() -> None:
    windows = Windows(ROOM)
    for number in range(ROOM_MAX + 1):
        windows.admit(Attempt(address=f"a{number}", subject="204"), 0)
    assert windows.admit(Attempt(address="b"), 0) == 0.0


def test_a_hundred_guesses_of_everybody_sound_the_alarm() -> None:
    windows = Windows(ROOM)
    for number in range(ALL_MAX):
        assert windows.admit(Attempt(address=f"a{number}"), 0) == 0.0
    assert windows.admit(Attempt(address="b"), 1) > 0
    assert windows.alarmed(1)
    assert windows.alarms == 1
    assert not windows.alarmed(301)


def test_right_answers_cost_nothing() -> None:
    windows = Windows(ROOM)
    family = Attempt(address="a", device="d", subject="204")
    for now in range(1_000):
        assert windows.admit(family, now) == 0.0
        windows.forgive(family, now)
    assert windows.held() == 0


def test_a_guess_that_waits_does_not_make_the_wait_longer() -> None:
    windows = Windows(ROOM)
    mine = Attempt(address="a")
    for _ in range(5):
        windows.admit(mine, 0)
    assert [windows.admit(mine, now) for now in (100, 200, 299)] == [200, 100, 1]


@given(
    guesses=st.lists(
        st.tuples(
            st.text(max_size=100),
            st.none() | st.text(max_size=100),
            st.none() | st.text(max_size=9),
        ),
        max_size=300,
    )
)
def test_memory_is_bounded_whatever_is_typed(
    guesses: list[tuple[str, str | None, str | None]],
) -> None:
    windows = Windows(ROOM)
    for now, (address, device, subject) in enumerate(guesses):
        windows.admit(Attempt(address=address, device=device, subject=subject), now * 100.0)
        # At most four guesses are alive at this pace in the windows of five minutes.
        assert windows.held() <= 3 + 3 + 36 + 1
    assert windows.held() <= KEYS_MAX
