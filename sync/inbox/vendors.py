"""Four vendors' webhooks: how each proves itself, what names a delivery, which ids it holds."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from sync.inbox.delivery import (
    Delivery,
    Judged,
    Stored,
    UnreadableError,
    Verdict,
    judge_age,
    malformed,
    refused,
)
from sync.inbox.signatures import (
    same,
    stripe_holds,
    stripe_parts,
    svix_holds,
    svix_key,
    timestamp_ms,
)
from sync.inbox.words import GUESTY, HOSTAWAY, MEWS, RESERVATION, STRIPE, Aggregate, Normalised

# A vendor's id is a UUID or a number; what is longer is something else.
ID_CHARS_MAX: Final = 255
# "Up to hundreds of events per POST" (cloud.md 1.3); the rest of a longer one is found by polling.
EVENTS_MAX: Final = 10_000
TYPE_CHARS_MAX: Final = 120


class Guesty:
    """Svix headers under either name; `svix-id` is the same on every retry (cloud.md 1.1).

    Guesty's own sample of a v2 body was not seen: three public integrations read it as here, and
    differ, so every place they take the id from is looked at. Unverified at its source.
    """

    source: Final = GUESTY
    repeats_are_news: Final = False

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [svix_key(secret) for secret in secrets]

    def judge(self, delivery: Delivery) -> Judged:
        """By the Standard Webhooks headers."""
        name, stamp, signature = (
            _svix(delivery, each) for each in ("id", "timestamp", "signature")
        )
        signed_ms = timestamp_ms(stamp)
        if not name or len(name) > ID_CHARS_MAX or not signature or signed_ms is None:
            return malformed("svix-id, svix-timestamp and svix-signature must be there.")
        if not svix_holds(self._keys, name, stamp, delivery.body, signature):
            return refused("No signature in svix-signature was made with our secret.")
        return judge_age(name, signed_ms, delivery.moment)

    def papers(self, delivery: Delivery) -> Mapping[str, str]:
        """Nothing: what is stored had a good signature."""
        del delivery
        return {}

    def normalise(self, stored: Stored) -> Normalised:
        """A reservation wherever an id of one stands; other events keep their own word."""
        body = _mapping(stored.raw)
        kind = _type(body.get("event"))
        meta, data = _part(body, "meta"), _part(body, "data")
        thing = kind.partition(".")[0] or RESERVATION
        places = (
            data.get(f"{thing}Id"),
            _part(data, thing).get("_id"),
            _part(data, thing).get("id"),
            _part(body, thing).get("_id"),
            _part(body, thing).get("id"),
            body.get(f"{thing}Id"),
        )
        found = next((id_ for id_ in map(_id, places) if id_), "")
        if thing == RESERVATION and not found:
            raise UnreadableError("Guesty's webhook names no reservation: its shape has changed")
        return _normalised(
            stored,
            kind,
            [Aggregate(kind=thing, id=found)] if found else [],
            time_ms=_iso_ms(meta.get("publishedAt")),
            data=data or body,
        )


class Stripe:
    """`Stripe-Signature` over the raw body; `event.id` names a delivery (cloud.md 2.1)."""

    source: Final = STRIPE
    repeats_are_news: Final = False

    def __init__(self, secrets: Sequence[str]) -> None:
        # The secret as it is written, whsec_ included.
        self._keys = [secret.encode() for secret in secrets]

    def judge(self, delivery: Delivery) -> Judged:
        """By v1; the SDK takes any time in the future, we do not."""
        stamp, given = stripe_parts(delivery.headers.get("stripe-signature", ""))
        signed_ms = timestamp_ms(stamp)
        if signed_ms is None or not given:
            return malformed("Stripe-Signature must hold t= and v1=.")
        if not stripe_holds(self._keys, stamp, delivery.body, given):
            return refused("No v1 in Stripe-Signature was made with our secret.")
        # Only now is the body looked into: it is the vendor's own.
        try:
            name = _id(msgspec.json.decode(delivery.body, type=_Named).id)
        except msgspec.MsgspecError:
            name = ""
        # Still theirs, so it is kept and shown; its digest tells it from others.
        return judge_age(name or digest(delivery.body), signed_ms, delivery.moment)

    def papers(self, delivery: Delivery) -> Mapping[str, str]:
        """Nothing: what is stored had a good signature."""
        del delivery
        return {}

    def normalise(self, stored: Stored) -> Normalised:
        """The object inside, by the word it calls itself."""
        body = _mapping(stored.raw)
        held = _part(_part(body, "data"), "object")
        kind, found = _type(held.get("object")), _id(held.get("id"))
        created = body.get("created")
        if not _type(body.get("type")) or not kind:
            raise UnreadableError("Stripe's event has no type or no object")
        return _normalised(
            stored,
            _type(body.get("type")),
            # A balance has no id; what it means is said by the type.
            [Aggregate(kind=kind, id=found)] if found else [],
            time_ms=created * 1000 if isinstance(created, int) else None,
            data=body,
        )


class Hostaway:
    """A secret path and HTTP Basic; nothing is signed, so only the id is taken (cloud.md 1.2).

    Each secret is `TOKEN LOGIN:PASSWORD`. The body is not in the vendor's documents: `data` at the
    top (one integration) and inside `payload` (another) are both read.
    """

    source: Final = HOSTAWAY
    repeats_are_news: Final = True

    def __init__(self, secrets: Sequence[str]) -> None:
        pairs = [secret.partition(" ") for secret in secrets]
        if not all(token and ":" in login for token, _, login in pairs):
            raise ValueError("a Hostaway secret is TOKEN LOGIN:PASSWORD on one line")
        self._proofs = [token_proof(token, login.strip()) for token, _, login in pairs]

    def judge(self, delivery: Delivery) -> Judged:
        """Both proofs at once, in constant time."""
        login = basic_login(delivery.headers.get("authorization", ""))
        given = delivery.proof or token_proof(delivery.token, login)
        if not same(given, self._proofs):
            return refused("This address and this login are not the ones we gave to Hostaway.")
        return Judged(verdict=Verdict.GENUINE, key=digest(delivery.body))

    def papers(self, delivery: Delivery) -> Mapping[str, str]:
        """Nothing more is verified later."""
        del delivery
        return {}

    def normalise(self, stored: Stored) -> Normalised:
        """The kind and the id; the rest is anybody's word."""
        body = _mapping(stored.raw)
        inner = _part(body, "payload")
        outer = inner if "data" in inner else body
        kind = _type(outer.get("event")) or _type(body.get("event"))
        thing = _type(outer.get("object")) or _type(body.get("object")) or kind.partition(".")[0]
        thing = thing.lower()
        data = _part(outer, "data")
        found = _id(data.get("id")) or _id(data.get("hostawayReservationId"))
        if kind.startswith("message."):
            found, thing = _id(data.get("reservationId")), RESERVATION
        if not kind or (thing == RESERVATION and not found):
            raise UnreadableError("Hostaway's webhook names no event or no id: its shape is new")
        return _normalised(stored, kind, [Aggregate(kind=thing, id=found)] if found else [])


class Mews:
    """A token in the address, nothing signed; hundreds of entities in one POST (cloud.md 1.3)."""

    source: Final = MEWS
    repeats_are_news: Final = True

    def __init__(self, secrets: Sequence[str]) -> None:
        self._proofs = [token_proof(secret, "") for secret in secrets]

    def judge(self, delivery: Delivery) -> Judged:
        """The token alone."""
        given = delivery.proof or token_proof(delivery.token, "")
        if not same(given, self._proofs):
            return refused("This address is not the one we gave to Mews.")
        return Judged(verdict=Verdict.GENUINE, key=digest(delivery.body))

    def papers(self, delivery: Delivery) -> Mapping[str, str]:
        """Nothing more is verified later."""
        del delivery
        return {}

    def normalise(self, stored: Stored) -> Normalised:
        """Every entity once: an added one also comes as updated."""
        events = _mapping(stored.raw).get("Events")
        if not isinstance(events, list):
            raise UnreadableError("Mews' webhook has no list of Events with ids")
        kinds, found = dict[str, None](), dict[Aggregate, None]()
        for event in events[:EVENTS_MAX]:
            # One that is none of theirs takes no other with it.
            part = event if isinstance(event, dict) else {}
            word = _type(part.get("Discriminator"))
            kinds[word] = None
            if id_ := _id(_part(part, "Value").get("Id")):
                found[Aggregate(kind=_mews_kind(word), id=id_)] = None
        if events and not found:
            raise UnreadableError("Mews' webhook has no list of Events with ids")
        return _normalised(stored, " ".join(kinds)[:TYPE_CHARS_MAX], list(found))


def token_proof(token: str, login: str) -> str:
    """Name a secret path and a login by a digest, so that only digests are compared and kept."""
    return hashlib.sha256(f"{len(token)}.{token}.{login}".encode()).hexdigest()


def basic_login(header: str) -> str:
    """Read `login:password` of HTTP Basic (RFC 7617); empty when there is none."""
    kind, _, coded = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(coded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def digest(body: bytes) -> str:
    """Name a body that nothing else names."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class _Named(msgspec.Struct):
    id: str = ""


def _mews_kind(word: str) -> str:
    # ServiceOrderUpdated, CustomerAdded: the entity, then what happened to it.
    thing = word.removesuffix("Updated").removesuffix("Added").removesuffix("Removed").lower()
    return RESERVATION if thing == "serviceorder" else thing


def _svix(delivery: Delivery, part: str) -> str:
    headers = delivery.headers
    return headers.get(f"svix-{part}") or headers.get(f"webhook-{part}") or ""


def _mapping(raw: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise UnreadableError("the body is no JSON object") from None
    return found


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    good = isinstance(value, str) and 0 < len(value) <= ID_CHARS_MAX and value.isprintable()
    return str(value) if good else ""


def _type(value: object) -> str:
    return value[:TYPE_CHARS_MAX] if isinstance(value, str) and value.isprintable() else ""


def _iso_ms(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _normalised(
    stored: Stored,
    kind: str,
    aggregates: Sequence[Aggregate],
    *,
    time_ms: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> Normalised:
    return Normalised(
        source=stored.source,
        key=stored.dedupe_id,
        type=kind,
        aggregates=tuple(aggregates),
        time_ms=stored.received_ms if time_ms is None else time_ms,
        received_ms=stored.received_ms,
        trace=stored.trace,
        data=data or {},
    )
