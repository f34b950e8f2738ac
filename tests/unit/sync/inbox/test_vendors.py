"""Each vendor's proof, held against the vendors' own libraries, and the way to one plain event."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import standardwebhooks
import stripe as stripe_sdk
import svix
from hypothesis import given
from hypothesis import strategies as st

from appliance.kernel.clock import SystemClock
from support import webhooks
from support.inbox_house import NOON_S, InboxHouse, inbox_house
from support.webhooks import STRIPE_SECRET, SVIX_SECRET, Posted
from sync.inbox.delivery import Delivery, Moment, Vendor, Verdict
from sync.inbox.vendors import Guesty, Hostaway, Mews, Stripe
from sync.inbox.words import RESERVATION, Aggregate

NOW = Moment(wall_ms=NOON_S * 1000, doubt_ms=0, boot_ms=1, boot_id="b")


def verdict(vendor: Vendor, posted: Posted, moment: Moment = NOW) -> Verdict:
    _, _, source, *token = posted.path.split("/")
    delivery = Delivery(
        source=source,
        token="".join(token),
        headers=posted.headers,
        body=posted.body,
        moment=moment,
    )
    return vendor.judge(delivery).verdict


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[InboxHouse]:
    async with inbox_house(tmp_path / "sync.db") as found:
        yield found


# -- Svix --------------------------------------------------------------------------------------


@given(name=st.from_regex(r"[a-zA-Z0-9_]{1,40}", fullmatch=True), body=st.binary(max_size=300))
def test_what_both_libraries_sign_is_taken(name: str, body: bytes) -> None:
    at = datetime.fromtimestamp(NOON_S, tz=UTC)
    text = body.decode("latin-1")
    for library in (svix.Webhook(SVIX_SECRET), standardwebhooks.Webhook(SVIX_SECRET)):
        signature = library.sign(name, at, text)
        headers = {
            "svix-id": name,
            "svix-timestamp": str(NOON_S),
            "svix-signature": signature,
        }
        posted = Posted(path="/hooks/guesty", headers=headers, body=text.encode())
        assert verdict(Guesty([SVIX_SECRET]), posted) is Verdict.GENUINE


def test_svix_and_webhook_headers_are_one() -> None:
    for prefix in ("svix", "webhook"):
        posted = webhooks.guesty("m1", "r1", NOON_S, prefix=prefix)
        assert verdict(Guesty([SVIX_SECRET]), posted) is Verdict.GENUINE


def test_while_a_secret_is_rotated_either_fits() -> None:
    other = webhooks.SVIX_SECRET[:-8] + "AAAAAAAA"
    old = webhooks.guesty("m1", "r1", NOON_S, secret=other)
    new = webhooks.guesty("m1", "r1", NOON_S)
    both = f"{old.headers['svix-signature']} v1a,zzzz {new.headers['svix-signature']}"
    posted = Posted(path=new.path, headers={**new.headers, "svix-signature": both}, body=new.body)
    assert verdict(Guesty([SVIX_SECRET]), posted) is Verdict.GENUINE
    assert verdict(Guesty([other, SVIX_SECRET]), new) is Verdict.GENUINE
    assert verdict(Guesty([other]), new) is Verdict.UNPROVEN


@pytest.mark.parametrize("off_s", [-301, 301, 4000, -4000])
def test_too_old_and_too_new_are_told_apart_from_forged(off_s: int) -> None:
    for vendor, posted in (
        (Guesty([SVIX_SECRET]), webhooks.guesty("m1", "r1", NOON_S + off_s)),
        (Stripe([STRIPE_SECRET]), webhooks.stripe("evt_1", "pi_1", NOON_S + off_s)),
    ):
        assert verdict(vendor, posted) is Verdict.AGE_WRONG


@pytest.mark.parametrize("off_s", [-300, 0, 300])
def test_within_five_minutes_is_taken(off_s: int) -> None:
    posted = webhooks.stripe("evt_1", "pi_1", NOON_S + off_s)
    assert verdict(Stripe([STRIPE_SECRET]), posted) is Verdict.GENUINE
    assert verdict(Guesty([SVIX_SECRET]), webhooks.guesty("m", "r", NOON_S + off_s)) is (
        Verdict.GENUINE
    )


def test_one_changed_byte_is_no_longer_theirs() -> None:
    for vendor, posted in (
        (Guesty([SVIX_SECRET]), webhooks.guesty("m1", "r1", NOON_S)),
        (Stripe([STRIPE_SECRET]), webhooks.stripe("evt_1", "pi_1", NOON_S)),
    ):
        changed = Posted(path=posted.path, headers=posted.headers, body=posted.body + b" ")
        assert verdict(vendor, changed) is Verdict.UNPROVEN


# -- Stripe ------------------------------------------------------------------------------------


def test_stripe_sdk_takes_what_we_take_and_we_refuse_what_it_should() -> None:
    vendor = Stripe([STRIPE_SECRET])
    now_s = SystemClock(floor_path=None).read().wall_s  # the SDK asks the system itself
    now = Moment(wall_ms=now_s * 1000, doubt_ms=0, boot_ms=1, boot_id="b")
    for off_s in (0, -200, 200, -400, 4000):
        posted = webhooks.stripe("evt_1", "pi_1", now_s + off_s)
        try:
            stripe_sdk.WebhookSignature.verify_header(
                posted.body.decode(), posted.headers["stripe-signature"], STRIPE_SECRET, 300
            )
            theirs = True
        except stripe_sdk.SignatureVerificationError:
            theirs = False
        ours = verdict(vendor, posted, now) is Verdict.GENUINE
        # The SDK takes any time in the future (cloud.md 2.1); we do not.
        assert ours == (theirs and off_s < 300)


def test_several_v1_and_a_v0_beside_them() -> None:
    other = webhooks.stripe("evt_1", "pi_1", NOON_S, secret="whsec_rolled")
    mac = other.headers["stripe-signature"].partition("v1=")[2]
    posted = webhooks.stripe("evt_1", "pi_1", NOON_S, extra=f",v1={mac},v0=abc")
    assert verdict(Stripe([STRIPE_SECRET]), posted) is Verdict.GENUINE
    assert verdict(Stripe(["whsec_rolled"]), posted) is Verdict.GENUINE
    good = posted.headers["stripe-signature"].replace("v1=", "v0=")
    posted = Posted(path=posted.path, headers={"stripe-signature": good}, body=posted.body)
    assert verdict(Stripe([STRIPE_SECRET]), posted) is Verdict.MALFORMED


# -- no signature at all -------------------------------------------------------------------------


def test_hostaway_wants_its_path_and_its_login() -> None:
    vendor = Hostaway(["h0stawayPath porter:of the night"])
    assert verdict(vendor, webhooks.hostaway(1)) is Verdict.GENUINE
    for wrong in (
        webhooks.hostaway(1, token="other"),
        webhooks.hostaway(1, login="porter:wrong"),
        webhooks.hostaway(1, token=""),
        Posted(path="/hooks/hostaway/h0stawayPath", headers={}, body=b"{}"),
        Posted(
            path="/hooks/hostaway/h0stawayPath", headers={"authorization": "Basic %%"}, body=b"{}"
        ),
    ):
        assert verdict(vendor, wrong) is Verdict.UNPROVEN


def test_mews_wants_its_path() -> None:
    assert verdict(Mews(["a", "mewsPathToken"]), webhooks.mews("r1")) is Verdict.GENUINE
    assert verdict(Mews(["mewsPathToken"]), webhooks.mews("r1", token="x")) is Verdict.UNPROVEN


def test_a_secret_of_the_wrong_shape_says_so() -> None:
    with pytest.raises(ValueError, match="TOKEN LOGIN:PASSWORD"):
        Hostaway(["only-a-token"])
    with pytest.raises(ValueError, match="whsec_"):
        Guesty(["whsec_%%%"])


@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["svix-id", "svix-timestamp", "svix-signature", "stripe-signature", "authorization"]
        ),
        st.text(max_size=60),
    ),
    body=st.binary(max_size=100),
)
def test_nothing_a_stranger_sends_raises_or_is_taken(headers: dict[str, str], body: bytes) -> None:
    for vendor in (Guesty([SVIX_SECRET]), Stripe([STRIPE_SECRET]), Hostaway(["t u:p"])):
        posted = Posted(path=f"/hooks/{vendor.source}", headers=headers, body=body)
        assert verdict(vendor, posted) in {Verdict.UNPROVEN, Verdict.MALFORMED}


# -- one plain event -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"event": "reservation.updated.v2", "data": {"reservationId": "r9"}},
        {"event": "reservation.updated.v2", "data": {"reservation": {"_id": "r9"}}},
        {"event": "reservation.updated.v2", "data": {"reservation": {"id": "r9"}}},
        {"event": "reservation.new", "reservation": {"_id": "r9", "guest": {"fullName": "x"}}},
        {"event": "reservation.updated", "reservationId": "r9"},
    ],
)
async def test_guesty_names_its_reservation_in_many_places(
    house: InboxHouse, body: dict[str, object]
) -> None:
    await house.post(webhooks.guesty("m1", "", house.now_s, body=body))
    await house.turn()
    (event,) = house.ears["guesty"].events
    assert event.aggregate == Aggregate(kind=RESERVATION, id="r9")
    assert event.type == body["event"]


async def test_guesty_says_when(house: InboxHouse) -> None:
    await house.post(webhooks.guesty("m1", "r1", house.now_s))
    await house.turn()
    (event,) = house.ears["guesty"].events
    assert event.time_ms == int(datetime(2026, 11, 2, 10, tzinfo=UTC).timestamp() * 1000)
    assert event.trace.startswith("00-")
    assert event.key == "m1"


@pytest.mark.parametrize("nested", [False, True])
async def test_of_hostaway_only_the_id_is_taken(house: InboxHouse, *, nested: bool) -> None:
    await house.post(webhooks.hostaway(4711, nested=nested))
    await house.turn()
    (event,) = house.ears["hostaway"].events
    assert event.ids(RESERVATION) == ["4711"]
    assert event.data == {}


async def test_hostaways_message_speaks_of_a_reservation(house: InboxHouse) -> None:
    raw = json.dumps(
        {
            "object": "conversationMessage",
            "event": "message.received",
            "data": {"id": 3, "reservationId": 88, "body": "hello"},
        }
    ).encode()
    posted = webhooks.hostaway(1)
    await house.post(Posted(path=posted.path, headers=posted.headers, body=raw))
    await house.turn()
    (event,) = house.ears["hostaway"].events
    assert event.ids(RESERVATION) == ["88"]


async def test_mews_brings_hundreds_at_once(house: InboxHouse) -> None:
    ids = [f"r{number}" for number in range(400)]
    await house.post(webhooks.mews(*ids))
    await house.turn()
    (event,) = house.ears["mews"].events
    assert event.ids(RESERVATION) == ids
    assert event.ids("resource") == ["room-1"]


async def test_stripe_says_what_its_object_calls_itself(house: InboxHouse) -> None:
    await house.post(webhooks.stripe("evt_1", "pi_7", house.now_s))
    await house.turn()
    (event,) = house.ears["stripe"].events
    assert (event.type, event.aggregate) == (
        "payment_intent.succeeded",
        Aggregate(kind="payment_intent", id="pi_7"),
    )
    assert event.time_ms == house.now_s * 1000


async def test_a_trace_that_came_along_goes_on(house: InboxHouse) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    posted = webhooks.mews("r1")
    headers = {**posted.headers, "traceparent": trace}
    await house.post(Posted(path=posted.path, headers=headers, body=posted.body))
    await house.turn()
    assert house.ears["mews"].events[0].trace == trace


async def test_one_odd_event_of_mews_takes_no_other_with_it(house: InboxHouse) -> None:
    good = webhooks.mews("r1")
    body = json.loads(good.body)
    body["Events"][:0] = [
        None,
        {},
        {"Discriminator": "ServiceOrderUpdated", "Value": None},
        {"Discriminator": None, "Value": {"Id": "x"}},
        {"Discriminator": "ServiceOrderUpdated", "Value": {"Id": 7}},
    ]
    await house.post(Posted(path=good.path, headers={}, body=json.dumps(body).encode()))
    await house.turn()
    assert house.ears["mews"].events[0].ids(RESERVATION) == ["7", "r1"]


async def test_what_was_given_up_makes_room_again(house: InboxHouse) -> None:
    """Nothing is left to hand over then, so nobody else counts."""
    broken = Posted(path=webhooks.mews("r1").path, headers={}, body=b"{}")
    await house.post(broken)
    await house.turn()
    assert house.inbox.open_items == 1
    house.clock.later(31 * 86_400)
    await house.quarantine.forget()
    assert house.inbox.open_items == 0
