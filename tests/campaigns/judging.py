"""What both sides hold when all is quiet: equal, once, or shown to a person."""

from __future__ import annotations

from collections import Counter

from appliance.engines.stays.messages import StayState
from campaigns.house import House


def judge(house: House, counts: Counter[str]) -> list[str]:
    """Every broken promise in a sentence; `counts` gains what there was."""
    broken = [*_queue(house), *_bookings(house, counts), *_money(house, counts)]
    for effect in house.sync.ledger.effects("true"):
        counts[f"effect: {effect.state.value}"] += 1
    counts["true 429"] += house.channel.too_many()
    return broken


def _queue(house: House) -> list[str]:
    ledger, name = house.sync.ledger, house.channel.name
    broken = [
        f"{effect.kind} is still {effect.state.value}: {effect.sentence}"
        for effect in ledger.effects("state IN ('queued', 'sending', 'unknown', 'reconciling')")
        if not behind_parked(house, effect.lane)
    ]
    letters = ledger.letters("refused IS NULL")
    broken += [f"{letter.name} is still on its way home" for letter in letters]
    held = house.sync.mirror.held(name, person=False)
    return broken + [f"{name}:{upstream_id} is still held: {why}" for upstream_id, why, _ in held]


def behind_parked(house: House, lane: str) -> bool:
    """Whether a lane waits for a person: its sale was put aside."""
    return bool(
        house.sync.ledger.effects(
            "lane = ? AND kind = 'pms.book' AND state IN ('parked', 'manual')", lane
        )
    )


def shown(house: House, stay_id: str) -> bool:
    """Whether a person has been told that the two sides differ about a stay."""
    effects = house.sync.ledger.effects(
        "lane = ? AND state IN ('parked', 'manual')", f"stay:{stay_id}"
    )
    return bool(effects) or bool(house.hotel.conflicts(stay_id))


def _bookings(house: House, counts: Counter[str]) -> list[str]:
    rows = house.hotel.rows(
        "SELECT stay_id, source, upstream_id, state, arrival, departure FROM stays_stay"
    )
    held = {each.upstream_id: each for each in house.channel.holds()}
    by_us = Counter(each.our_ref for each in held.values() if each.our_ref)
    broken = [f"{ref} is {n} bookings at the PMS" for ref, n in by_us.items() if n > 1]
    known = Counter(str(row[2]) for row in rows if row[2] is not None)
    broken += [f"{name} is {n} stays here" for name, n in known.items() if n > 1]
    broken += [f"{name} was sold there and is unknown here" for name in held.keys() - known]
    for stay_id, _, upstream_id, state, arrival, departure in rows:
        told = shown(house, str(stay_id))
        counts["stays: shown to a person" if told else "stays: equal"] += 1
        if told:
            continue
        one = held.get(str(upstream_id))
        if one is None:
            broken.append(f"{stay_id} ({state}) is not at the PMS, and nobody is told")
            continue
        ours = (_as_kept(house, str(state)), str(arrival), str(departure))
        theirs = (one.state.value, str(one.arrival), str(one.departure))
        left = state == StayState.DEPARTED.value and not house.channel.keeps_check_ins
        if ours != theirs and not _over_alike(ours, theirs) and not left:
            broken.append(f"{stay_id} is {ours} here and {theirs} there, and nobody is told")
    return broken


def _as_kept(house: House, state: str) -> str:
    """A state of ours as the PMS can keep it: some know of no check-in."""
    if house.channel.keeps_check_ins:
        return state
    return {
        StayState.IN_HOUSE.value: StayState.CONFIRMED.value,
        StayState.DEPARTED.value: StayState.CONFIRMED.value,
    }.get(state, state)


def _over_alike(ours: tuple[str, str, str], theirs: tuple[str, str, str]) -> bool:
    """What is over is over: a cancelled stay's dates bind nobody.

    A departed one's last day may be the day on which the guest really left.
    """
    over = {StayState.CANCELLED.value, StayState.NO_SHOW.value}
    if ours[0] in over and theirs[0] in over:
        return True
    return ours[0] == theirs[0] == StayState.DEPARTED.value


def _money(house: House, counts: Counter[str]) -> list[str]:
    charged = Counter(
        str(row["metadata"].get("outbox_id")) for row in house.journal.read("payments.charged")
    )
    broken = [f"{ref} was charged {n} times" for ref, n in charged.items() if n > 1]
    states = dict(house.hotel.rows("SELECT intent_id, state FROM payments_intent"))
    broken += [
        f"{ref} was charged and is {states.get(ref)} here"
        for ref in charged
        if states.get(ref) != "succeeded"
    ]
    broken += [
        f"{ref} is succeeded here and was never charged"
        for ref, state in states.items()
        if state == "succeeded" and ref not in charged
    ]
    told = Counter(house.channel.payments())
    broken += [f"{ref} was told {n} times" for ref, n in told.items() if ref and n > 1]
    owed = house.sync.ledger.effects("kind = 'pms.payment' AND state = 'succeeded'")
    broken += [
        f"{effect.natural_key} is done and not at the PMS"
        for effect in owed
        if effect.natural_key.partition(":")[2] not in told
    ]
    counts["charges"] += sum(charged.values())
    return broken
