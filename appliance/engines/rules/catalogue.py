"""Every live rule of the house: its key, type, default, range, and a sentence for the manager."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Value = str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One live rule. Numbers have a range, both ends in; texts a greatest length."""

    key: str
    default: Value
    sentence: str
    at_least: int | None = None
    at_most: int | None = None

    @property
    def type(self) -> type[Value]:
        """The one type a value may have; `bool` is not an `int` here."""
        return type(self.default)


def _number(key: str, default: int, at_least: int, at_most: int, sentence: str) -> Rule:
    return Rule(key=key, default=default, at_least=at_least, at_most=at_most, sentence=sentence)


_ALL: Final = (
    _number(
        "doors.grace_minutes",
        120,
        0,
        720,
        "Minutes a guest's key still opens after the check-out time of the departure day.",
    ),
    _number(
        "climate.set_point_c10_min",
        160,
        50,
        300,
        "Lowest temperature a guest may ask for, in tenths of a degree Celsius.",
    ),
    _number(
        "climate.set_point_c10_max",
        260,
        100,
        350,
        "Highest temperature a guest may ask for, in tenths of a degree Celsius.",
    ),
    Rule(
        key="climate.leak_closes_main_valve",
        default=True,
        sentence="Whether water in a room without a valve of its own closes the main valve.",
    ),
    _number(
        "climate.battery_lead_days",
        14,
        1,
        90,
        "Days before a device's cells are expected to be empty at which somebody is told.",
    ),
    _number(
        "climate.silent_minutes",
        30,
        1,
        1_440,
        "Minutes after which a device that cannot be reached is an alarm.",
    ),
    _number(
        "payments.deposit_minor_max",
        100_000,
        1,
        100_000_000_000,
        "Largest deposit the desk may charge to a saved card, in minor units of the currency.",
    ),
    _number(
        "payments.deposit_hours",
        72,
        1,
        720,
        "Hours after which a deposit that could not be sent is no longer charged.",
    ),
    _number(
        "payments.hold_hours",
        144,
        1,
        720,
        "Hours after which money set aside on a card is taken for gone, if the bank says no time.",
    ),
    _number(
        "payments.link_hours",
        48,
        1,
        288,
        "Hours a guest has to pay by a link.",
    ),
    _number(
        "payments.rent_grace_days",
        5,
        0,
        90,
        "Days after which a rent that has not come is late, where the bank was heard since.",
    ),
    _number(
        "payments.rent_late_fee_minor",
        0,
        0,
        10_000_000,
        "Fee for a late rent, in minor units of the currency; 0 charges none.",
    ),
    _number(
        "identity.guest_grace_minutes",
        120,
        0,
        1_440,
        "Minutes a guest stays signed in to the guest pages after check-out.",
    ),
    _number(
        "identity.staff_session_hours",
        12,
        1,
        24,
        "Hours after which a member of the staff has to sign in again.",
    ),
    _number(
        "concierge.open_requests_max",
        20,
        1,
        200,
        "How many requests of one stay may wait at the same time.",
    ),
    _number(
        "calendar.offline_allotment",
        -1,
        -1,
        500,
        "Rooms of each type and night the box may sell offline; -1: as the property file says.",
    ),
    _number(
        "stays.walk_minutes",
        30,
        5,
        1_440,
        "Minutes to decide an overbooking of the next 24 hours before the desk is reminded.",
    ),
    _number(
        "stays.undo_hours",
        24,
        1,
        168,
        "Hours in which a decision the box made by itself, or a person in the inbox, can be undone.",
    ),
)
# A text in force is shown on pages and screens: longer ones belong in content.
TEXT_CHARS_MAX = 500

RULES: Final = MappingProxyType({rule.key: rule for rule in _ALL})


def rule(key: str) -> Rule | None:
    """The rule of a key, or None."""
    return RULES.get(key)
