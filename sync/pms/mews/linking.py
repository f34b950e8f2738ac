"""A sale of the box gets its Mews reservation: by answer, by look-up, or found in a pull."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.engines.stays.messages import LinkUpstream
from appliance.kernel.values import derived_id
from sync.ledger import EffectState, Ledger
from sync.mirror import Mirror, Stay
from sync.outcome import Homeward
from sync.pms.mews.words import SOURCE, version_of


def link_letter(
    stay_id: str, upstream_id: str, version: str, code: str, generation: int = 0
) -> Homeward:
    """The command that tells the box: from now on this stay is known by this id."""
    told = (SOURCE, stay_id, upstream_id, str(generation))
    return Homeward(
        command_id=derived_id("link", *told),
        lane=f"{SOURCE}:{upstream_id}",
        command=LinkUpstream(
            stay_id=stay_id,
            source=SOURCE,
            upstream_id=upstream_id,
            upstream_version=version,
            code=code,
        ),
    )


def letter_of(stay_id: str, row: Mapping[str, Any]) -> Homeward:
    """As `link_letter`, from a reservation of theirs."""
    return link_letter(
        stay_id, str(row["Id"]), version_of(row["UpdatedUtc"]), str(row.get("Number") or "")
    )


def adopt(ledger: Ledger, mirror: Mirror, stay: Stay, row: Mapping[str, Any], now_ms: int) -> None:
    """A pull shows our own sale: the evidence that settles an answer that never came.

    What is just being sent is left to its answer; the row is looked at again afterwards.
    """
    if stay.upstream_id is not None:
        return
    owed = ledger.effects("natural_key = ?", f"{SOURCE}.book:{stay.stay_id}")
    if not owed or owed[0].state not in {
        EffectState.QUEUED,
        EffectState.UNKNOWN,
        EffectState.RECONCILING,
        EffectState.PARKED,
        EffectState.MANUAL,
    }:
        return
    upstream_id = str(row["Id"])
    mirror.link(stay.stay_id, SOURCE, upstream_id)
    ledger.post(letter_of(stay.stay_id, row), now_ms)
    ledger.turn(
        owed[0].id,
        EffectState.SUCCEEDED,
        f"found at Mews by our own reference, as number {row.get('Number')}",
        now_ms,
        provider_ref=upstream_id,
    )
