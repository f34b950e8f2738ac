"""Acts on a folio that was written already: corrections, transfers, routes, what is billed later."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.engines.payments.messages import (
    BillFolio,
    ChargeCorrected,
    ChargeTransferred,
    CorrectCharge,
    Folio,
    FolioBilled,
    FolioRouted,
    Refusal,
    RouteFolio,
    TransferCharge,
)
from appliance.engines.payments.rules import (
    TEXT_CHARS_MAX,
    Scene,
    booker_of,
    money_refusal,
    text_refusal,
)
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.sealed import seal_later


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A charge as it stands now."""

    stay_id: str
    folio: Folio
    amount_minor: int
    currency: str
    corrected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeScene:
    """The charge that is named (None: unknown), and whether the stay it shall go to is known."""

    charge: Posted | None
    to_known: bool = False


def correct_charge(scene: ChargeScene, command: CorrectCharge, _context: Context) -> Decision:
    """Once, by a manager, with a reason; the charge itself stays in the books."""
    if scene.charge is None:
        return Refusal.UNKNOWN_CHARGE
    if scene.charge.corrected:
        return Refusal.ALREADY_CORRECTED
    refusal = text_refusal(command.reason, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    event = ChargeCorrected(
        charge_id=command.charge_id,
        stay_id=scene.charge.stay_id,
        amount_minor=scene.charge.amount_minor,
        currency=scene.charge.currency,
        reason=seal_later(booker_of(scene.charge.stay_id), command.reason.strip()),
    )
    return Yes(events=[event], stream=f"payments/{scene.charge.stay_id}")


def transfer_charge(scene: ChargeScene, command: TransferCharge, _context: Context) -> Decision:
    """A charge has one folio; it goes to another one whole."""
    charge = scene.charge
    if charge is None:
        return Refusal.UNKNOWN_CHARGE
    if not scene.to_known:
        return Refusal.UNKNOWN_STAY
    if charge.corrected:
        return Refusal.ALREADY_CORRECTED
    if (charge.stay_id, charge.folio) == (command.to_stay_id, command.to_folio):
        return Refusal.SAME_FOLIO
    refusal = text_refusal(command.reason, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    event = ChargeTransferred(
        charge_id=command.charge_id,
        stay_id=charge.stay_id,
        folio=charge.folio,
        to_stay_id=command.to_stay_id,
        to_folio=command.to_folio,
        amount_minor=charge.amount_minor,
        currency=charge.currency,
        reason=seal_later(booker_of(charge.stay_id), command.reason.strip()),
    )
    return Yes(events=[event], stream=f"payments/{charge.stay_id}")


def route_folio(scene: Scene, command: RouteFolio, _context: Context) -> Decision:
    """Which kinds of lines a company pays."""
    if not scene.known:
        return Refusal.UNKNOWN_STAY
    refusal = text_refusal(command.payer, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    kinds = tuple(dict.fromkeys(command.kinds))
    payer = seal_later(booker_of(command.stay_id), command.payer.strip())
    return [FolioRouted(stay_id=command.stay_id, kinds=kinds, payer=payer)]


def bill_folio(scene: Scene, command: BillFolio, context: Context) -> Decision:
    """No more than is due: a company does not owe what nobody has charged."""
    refusal = money_refusal(scene, command.amount_minor, command.currency)
    refusal = refusal or text_refusal(command.payer, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    if command.amount_minor > scene.due_minor:
        detail = {"left_minor": max(0, scene.due_minor)}
        return No(refusal=Refusal.MORE_THAN_LEFT, detail=detail)
    bill_id = context.new_id("bill")
    event = FolioBilled(
        bill_id=bill_id,
        stay_id=command.stay_id,
        folio=command.folio,
        amount_minor=command.amount_minor,
        currency=command.currency,
        payer=seal_later(booker_of(command.stay_id), command.payer.strip()),
    )
    return Yes(events=[event], result={"bill_id": bill_id})
