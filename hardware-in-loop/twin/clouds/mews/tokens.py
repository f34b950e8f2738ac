"""Endpoints about what opens a door: the PINs and cards that the box reports for a reservation."""

from __future__ import annotations

from twin.clouds.mews import shapes
from twin.clouds.mews.body import Body
from twin.clouds.mews.listing import Asked, Json, listed
from twin.clouds.mews.records import AccessToken
from twin.clouds.mews.selling import find
from twin.clouds.mews.words import forbidden, invalid

TOKEN_TYPES = ("PinCode", "RfidTag")
ACTIVE, DELETED = "Active", "Deleted"


def add_access_tokens(asked: Asked) -> Json:
    """`resourceAccessTokens/add`: no idempotency, the same again is a second token."""
    store, made = asked.store, []
    for part in asked.body.parts("ResourceAccessTokenParameters"):
        if (kind := part.text("Type")) not in TOKEN_TYPES:
            raise invalid("Invalid Type: PinCode or RfidTag is expected.")
        one = AccessToken(
            id=store.new_id(),
            reservation_id=find(store, part.id("ServiceOrderId")).id,
            room_id=part.maybe_id("ResourceId"),
            companionship_id=part.maybe_id("CompanionshipId"),
            type=kind,
            value=part.text("Value"),
            serial=part.maybe_text("SerialNumber"),
            from_s=part.time_s("ValidityStartUtc"),
            until_s=part.time_s("ValidityEndUtc"),
            permissions=_permissions(part.part("Permissions")),
            at_s=store.now_s(),
            updated_s=store.now_s(),
        )
        _in_order(one.from_s, one.until_s)
        made.append(one)
    for one in made:
        store.access_tokens[one.id] = one
        store.journal(
            "pms.access_token.added", id=one.id, reservation=one.reservation_id, type=one.type
        )
    return {"ResourceAccessTokens": [shapes.access_token(store, one) for one in made]}


def update_access_tokens(asked: Asked) -> Json:
    """`resourceAccessTokens/update`: validity and permissions; the value of a token stays."""
    store, changes = asked.store, []
    for part in asked.body.parts("ResourceAccessTokenUpdates"):
        one = store.access_tokens.get(part.id("ResourceAccessTokenId"))
        if one is None:
            raise invalid("Invalid ResourceAccessTokenId: the token does not exist.")
        if not one.active:
            raise forbidden("The resource access token is deleted.")
        start, end = part.change("ValidityStartUtc"), part.change("ValidityEndUtc")
        from_s = one.from_s if start is None else start.time_s("Value")
        until_s = one.until_s if end is None else end.time_s("Value")
        _in_order(from_s, until_s)
        allowed = part.maybe_part("Permissions")
        permissions = one.permissions | ({} if allowed is None else _permissions(allowed))
        changes.append((one, from_s, until_s, permissions))
    for one, from_s, until_s, permissions in changes:
        one.from_s, one.until_s, one.permissions = from_s, until_s, permissions
        one.updated_s = store.now_s()
        store.journal("pms.access_token.updated", id=one.id, reservation=one.reservation_id)
    rows = [shapes.access_token(store, change[0]) for change in changes]
    return {"ResourceAccessTokens": rows}


def get_access_tokens(asked: Asked) -> Json:
    """`resourceAccessTokens/getAll`: by one filter at least; active ones where none are named."""
    body = asked.body
    ids, orders = body.ids("ResourceAccessTokenIds"), body.ids("ServiceOrderIds")
    colliding, updated = body.interval("CollidingUtc"), body.interval("UpdatedUtc")
    if ids is None and orders is None and colliding is None and updated is None:
        raise invalid("Invalid filter: identifiers, reservations or an interval are required.")
    states = body.texts("ActivityStates") or [ACTIVE]
    rows = [
        one
        for one in asked.store.access_tokens.values()
        if (ACTIVE if one.active else DELETED) in states
        and (ids is None or one.id in ids)
        and (orders is None or one.reservation_id in orders)
        and (colliding is None or colliding.meets(one.from_s, one.until_s))
        and (updated is None or updated.holds(one.updated_s))
    ]
    return listed(asked, "ResourceAccessTokens", rows, shapes.access_token, lambda one: one.id)


def delete_access_tokens(asked: Asked) -> Json:
    """`resourceAccessTokens/delete`."""
    store = asked.store
    for token_id in asked.body.ids("Ids") or []:
        if token_id not in store.access_tokens:
            raise invalid("Invalid Ids: a token does not exist.")
        one = store.access_tokens[token_id]
        if one.active:
            store.journal("pms.access_token.deleted", id=one.id, reservation=one.reservation_id)
        one.active, one.updated_s = False, store.now_s()
    return {}


def _permissions(part: Body) -> dict[str, bool]:
    return {
        name: change.flag("Value", default=False)
        for name in ("Bed", "Room", "Floor", "Building")
        if (change := part.change(name)) is not None
    }


def _in_order(from_s: int, until_s: int) -> None:
    if until_s <= from_s:
        raise invalid("Invalid ValidityEndUtc: it is not after ValidityStartUtc.")
