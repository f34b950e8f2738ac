"""Whatever Guesty writes into a record, it is read or it is shown; it never stops the others."""

from __future__ import annotations

import string
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.engines.stays.messages import LearnBooking
from sync.ledger import Ledger
from sync.mirror import Known, Mirror
from sync.pms.guesty.rows import booking_of, counts, known_of, our_ref, record_of, state_of
from sync.pms.guesty.words import House, Listing, UnreadableError, minor_of, moment, moment_ms

TODAY = date(2026, 8, 14)
HOUSE = House(
    listings={
        "kind": Listing(
            names=("Double",),
            parent_id=None,
            time_zone="Europe/Lisbon",
            currency="EUR",
            start_minute=900,
            end_minute=660,
        ),
        "unit": Listing(
            names=("101",),
            parent_id="kind",
            time_zone="Europe/Lisbon",
            currency="EUR",
            start_minute=900,
            end_minute=660,
        ),
    }
)
GOOD: dict[str, Any] = {
    "_id": "a",
    "status": "confirmed",
    "stay": [
        {
            "checkInDateLocalized": "2026-08-14",
            "checkOutDateLocalized": "2026-08-16",
            "unitTypeId": "kind",
            "unitId": "unit",
            "guestsCount": 2,
        }
    ],
    "createdAt": "2026-08-01T00:00:00.000Z",
    "confirmationCode": "GY-1",
    "money": {"currency": "EUR", "fareAccommodation": 100.01},
    "guestStay": {"status": "checked_in", "updatedAt": "2026-08-14T15:00:00.000Z"},
}
NAMES = [
    *GOOD,
    "checkInDateLocalized",
    "checkOutDateLocalized",
    "unitTypeId",
    "unitId",
    "listingId",
    "guestsCount",
    "numberOfGuests",
    "numberOfAdults",
    "numberOfChildren",
    "fareAccommodation",
    "currency",
    "updatedAt",
    "lastUpdatedAt",
    "bookerId",
    "guest",
    "firstName",
    "originId",
    "origin",
    "integration",
    "platform",
    "source",
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=6),
    st.sampled_from(
        [
            "confirmed",
            "checked_in",
            "no_show",
            "kind",
            "unit",
            "EUR",
            "XTS",
            "2026-08-14",
            "9999-12-31",
            "0001-01-01",
            "2026-08-14T00:00:00+23:59",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
        ]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=15,
)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Any:
    ledger = Ledger(tmp_path_factory.mktemp("sync") / "sync.db")
    yield Mirror(ledger)
    ledger.close()


@settings(max_examples=500, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6), twice=VALUES)
@example(changes={"stay": []}, twice=None)
@example(changes={"stay": [{}] * 60}, twice=None)
@example(changes={"createdAt": "9999-12-31T23:59:59-23:59"}, twice=None)
@example(changes={"numberOfGuests": {"numberOfAdults": float("nan")}}, twice=None)
@example(changes={"guestStay": {"status": []}}, twice=None)
def test_any_record_is_read_or_shown(mirror: Mirror, changes: dict[str, Any], twice: Any) -> None:
    row = GOOD | changes
    first = record_of(GOOD, None, HOUSE)
    before = known_of(first, None, HOUSE, TODAY)
    for had in (None, before):
        try:
            record = record_of(row, had, HOUSE)
            known = known_of(record, had, HOUSE, TODAY)
        except UnreadableError:
            continue
        record.digest(TODAY)
        counts(record, known=True)
        our_ref(record, mirror)
        guest = twice if isinstance(twice, dict) else None
        told = booking_of(
            record,
            version="1",
            room_type_id="double",
            house=HOUSE,
            mirror=mirror,
            today=TODAY,
            guest=guest,
        )
        assert isinstance(told, LearnBooking)
        assert all(isinstance(text, str) for text in known.extra.values())
        assert sum(night.amount_minor for night in told.nights) in {record.fare_minor, 0}


def test_a_record_says_the_same_when_it_leaves_out_what_was_known() -> None:
    whole = record_of(GOOD, None, HOUSE)
    known = known_of(whole, None, HOUSE, TODAY)
    sparse = {name: GOOD[name] for name in ("_id", "status", "stay", "confirmationCode")}
    again = record_of(sparse, known, HOUSE)
    assert again.digest(TODAY) == whole.digest(TODAY)
    assert state_of(again) == state_of(whole)
    # The word that says "empty" is heard, the silence is not.
    said = record_of(sparse | {"guestStay": {"status": "not_set"}}, known, HOUSE)
    assert said.guest_stay == "not_set"


@pytest.mark.parametrize(
    ("row", "people"),
    [
        (
            {"guestsCount": 3, "numberOfGuests": {"numberOfAdults": 2, "numberOfChildren": 1}},
            (2, 1),
        ),
        ({"numberOfGuests": {"numberOfAdults": 2, "numberOfInfants": 1}}, (2, 1)),
        ({"guestsCount": 4}, (4, 0)),
        ({}, (1, 0)),
    ],
)
def test_people_are_counted_from_what_is_there(
    row: dict[str, Any], people: tuple[int, int]
) -> None:
    stay = {**GOOD["stay"][0], **row}
    if "guestsCount" not in row:
        stay.pop("guestsCount")
    record = record_of(GOOD | {"stay": [stay]}, None, HOUSE)
    assert (record.adults, record.children) == people


def test_the_older_shape_reads_like_the_newer() -> None:
    older = {
        "_id": "a",
        "status": "checked_in",
        "listingId": "unit",
        "unitTypeId": "kind",
        "checkInDateLocalized": "2026-08-14",
        "checkOutDateLocalized": "2026-08-16",
        "guestsCount": 2,
        "confirmationCode": "GY-1",
        "lastUpdatedAt": "2026-08-14T15:00:00.000Z",
        "money": {"currency": "EUR", "fareAccommodation": 100.01},
    }
    newer, same = record_of(GOOD, None, HOUSE), record_of(older, None, HOUSE)
    assert same.digest(TODAY) == newer.digest(TODAY)
    assert same.has_own_version
    assert not newer.has_own_version
    assert same.version == newer.version


def test_amounts_are_exact_and_strange_ones_unknown() -> None:
    assert [minor_of(each, "EUR") for each in (81.33, 0.1, 100, 1e30, float("nan"), "5", True)] == [
        8_133,
        10,
        10_000,
        None,
        None,
        None,
        None,
    ]
    assert minor_of(5, "???") is None
    assert minor_of(500, "JPY") == 500


@given(at_ms=st.integers(0, 4_000_000_000_000))
def test_moments_keep_their_order_as_text(at_ms: int) -> None:
    assert moment_ms(moment(at_ms)) == at_ms
    assert moment(at_ms) < moment(at_ms + 1)


def test_nothing_about_a_person_is_kept_with_a_booking() -> None:
    row = GOOD | {"guest": {"firstName": "Grace", "lastName": "Hopper"}, "guestId": "g1"}
    known: Known = known_of(record_of(row, None, HOUSE), None, HOUSE, TODAY)
    assert not set(known.extra) & {"guest", "name", "email", "phone"}
    assert all("Hopper" not in text for text in known.extra.values())
    assert set("".join(known.extra.values())) <= set(string.printable)
