"""A sale of the box gets its id at the PMS: by answer, by look-up, or found in a pull."""

from __future__ import annotations

from appliance.engines.stays.messages import LinkUpstream
from appliance.kernel.values import derived_id
from sync.ledger import Effect, EffectState, Ledger
from sync.mirror import Mirror, Stay
from sync.outcome import Homeward
from sync.pms.port import Seen

# A pull that shows our sale settles it from here; what is just being sent is left to its answer.
_ADOPTABLE = frozenset(
    {
        EffectState.QUEUED,
        EffectState.UNKNOWN,
        EffectState.RECONCILING,
        EffectState.PARKED,
        EffectState.MANUAL,
    }
)


def link_letter(
    source: str, stay_id: str, upstream_id: str, *, version: str, code: str, generation: int = 0
) -> Homeward:
    """The command that tells the box: from now on this stay is known by this id."""
    told = (source, stay_id, upstream_id, str(generation))
    return Homeward(
        command_id=derived_id("link", *told),
        lane=f"{source}:{upstream_id}",
        command=LinkUpstream(
            stay_id=stay_id,
            source=source,
            upstream_id=upstream_id,
            upstream_version=version,
            code=code,
        ),
    )


def retold(source: str, mirror: Mirror, effect: Effect, generation: int) -> list[Homeward]:
    """A restored box hears again by which id the PMS knows its sale; of other acts, nothing."""
    if effect.kind != "pms.book" or effect.provider_ref is None:
        return []
    stay_id = effect.natural_key.partition(":")[2]
    booking = mirror.booking(source, effect.provider_ref)
    version = booking.full_version if booking is not None else ""
    letter = link_letter(
        source, stay_id, effect.provider_ref, version=version, code="", generation=generation
    )
    return [letter]


def adopt(  # noqa: PLR0913 - a pull and what it knows, by name
    ledger: Ledger, mirror: Mirror, stay: Stay, seen: Seen, *, source: str, title: str, now_ms: int
) -> None:
    """A pull shows our own sale: the evidence that settles an answer that never came.

    Call inside a transaction; the row is looked at again afterwards.
    """
    if stay.upstream_id is not None:
        return
    owed = ledger.effects("natural_key = ?", f"{source}.book:{stay.stay_id}")
    if not owed or owed[0].state not in _ADOPTABLE:
        return
    mirror.link(stay.stay_id, source, seen.upstream_id)
    letter = link_letter(
        source, stay.stay_id, seen.upstream_id, version=seen.version, code=seen.number
    )
    ledger.post(letter, now_ms)
    ledger.turn(
        owed[0].id,
        EffectState.SUCCEEDED,
        f"found at {title} by our own reference, as number {seen.number}",
        now_ms,
        provider_ref=seen.upstream_id,
    )
