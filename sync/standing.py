"""How sync stands, for people: ages, depths, what is parked and why. Never a green dot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from sync.editing import FIELDS_OF, editable
from sync.gate import Gate
from sync.ledger import Effect, EffectState, Ledger
from sync.manners import Standing, utc_text
from sync.mirror import Mirror
from sync.parked import answers

# What a screen can show; the number of all is told beside it.
PARKED_MAX: Final = 200


def standing(
    ledger: Ledger,
    mirror: Mirror,
    gates: Iterable[Gate],
    parked_elsewhere: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """What the command socket's `report` takes."""
    unknown = ledger.db.execute(
        "SELECT count(*) FROM effect WHERE (kind LIKE 'stripe.%' OR kind LIKE 'ccavenue.%')"
        " AND state IN ('unknown', 'reconciling')"
    ).fetchone()[0]
    known = [_counterparty(ledger, gate) for gate in gates]
    return {
        "counterparties": [*known, *_left(ledger, {each["name"] for each in known})],
        "parked": sorted([*parked(ledger, mirror), *parked_elsewhere], key=_age)[:PARKED_MAX],
        "unknown_payments": unknown,
    }


def _left(ledger: Ledger, known: set[str]) -> list[dict[str, Any]]:
    """Counterparties that are owed something and are in the settings no longer."""
    rows = ledger.db.execute(
        "SELECT counterparty, count(*), min(made_ms) FROM effect"
        " WHERE state IN ('queued', 'sending', 'unknown', 'reconciling')"
        " GROUP BY counterparty ORDER BY counterparty"
    )
    return [
        {
            "name": name,
            "last_confirmed_ms": None,
            "queued": queued,
            "oldest_ms": oldest_ms,
            "state": Standing.REFUSED.value,
            "sentence": f"{name} is not in the settings any more: put it back, or do this by hand",
            "unanswered": True,
        }
        for name, queued, oldest_ms in rows
        if name not in known
    ]


def parked(ledger: Ledger, mirror: Mirror) -> list[dict[str, Any]]:
    """Everything that waits for a person, oldest first."""
    found = [
        {
            "id": effect.id,
            "entity": effect.lane,
            "sentence": f"{effect.kind}: {effect.sentence}",
            "since_ms": effect.changed_ms,
            **_editable(effect, mirror),
        }
        for effect in ledger.effects(
            "state IN (?, ?)", EffectState.PARKED.value, EffectState.MANUAL.value
        )
    ]
    found += [
        {
            "id": f"{source}:{name}",
            "entity": f"{source}:{name}",
            "sentence": why,
            "since_ms": since_ms,
        }
        for source, name, why, since_ms in mirror.held_for_people()
    ]
    found += [
        {
            "id": letter.command_id,
            "entity": letter.lane,
            "sentence": f"the box refuses {letter.name} ({letter.refused})",
            "since_ms": letter.made_ms,
        }
        for letter in ledger.letters("refused IS NOT NULL", limit=PARKED_MAX)
    ]
    return sorted(found, key=_age)


def _editable(effect: Effect, mirror: Mirror) -> dict[str, Any]:
    """Rooms, numbers and days: of a guest nothing leaves the body."""
    if effect.kind not in FIELDS_OF:
        return {}
    told = msgspec.json.decode(effect.body)
    return {"editable": editable(effect.kind, told, mirror.number_of)}


def _age(each: dict[str, Any]) -> tuple[int, str]:
    return each["since_ms"], each["id"]


def _counterparty(ledger: Ledger, gate: Gate) -> dict[str, Any]:
    queued, oldest_ms = ledger.db.execute(
        "SELECT count(*), min(made_ms) FROM effect WHERE counterparty = ?"
        " AND state IN ('queued', 'sending', 'unknown', 'reconciling')",
        (gate.name,),
    ).fetchone()
    breaker = gate.breaker
    return {
        "name": gate.name,
        "last_confirmed_ms": gate.last_confirmed_ms,
        "queued": queued,
        "oldest_ms": oldest_ms,
        "state": breaker.standing.value,
        "sentence": breaker.sentence,
        "unanswered": gate.unanswered,
    }


def explain(ledger: Ledger, effect_id: str) -> list[str]:
    """The whole story of one effect, a line for each turn."""
    effect = ledger.effect(effect_id)
    if effect is None:
        said = answers(ledger).get(effect_id)
        asked = [] if said is None else [f"asked at the desk: {said.sentence}"]
        return [f"there is no effect {effect_id}", *asked]
    lines = [f"{effect.kind} for {effect.lane}, attempt {effect.attempt}, {effect.state.value}"]
    if effect.provider_ref:
        lines.append(f"known there as {effect.provider_ref}")
    lines += [
        f"{utc_text(at_ms)}  {state:<16} {sentence}"
        for at_ms, state, sentence in ledger.told(effect_id)
    ]
    if effect.state is EffectState.QUEUED and effect.next_at_ms:
        lines.append(f"next try not before {utc_text(effect.next_at_ms)}")
    return lines
