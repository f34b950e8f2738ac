"""What a clerk reads of an intent: pending is said until money has arrived, never "paid" before."""

from __future__ import annotations

from typing import assert_never

from appliance.engines.payments.messages import IntentState


def sentence(state: IntentState, code: str | None = None) -> str:  # noqa: PLR0911 - one for each state
    """One sentence in English; the web's catalogue says it in other languages by `key`."""
    match state:
        case IntentState.QUEUED:
            return "Pending: it will be charged when the line is back. Nothing is sent yet."
        case IntentState.SENDING:
            return "Pending: it is on its way to the payment service."
        case IntentState.UNKNOWN:
            return (
                "Pending: the payment service has not answered."
                " We look it up and never charge twice; do not take it again."
            )
        case IntentState.SUCCEEDED:
            return "Paid: the payment service has confirmed it."
        case IntentState.DECLINED:
            why = f" ({code})" if code else ""
            return f"Declined by the bank{why}: ask the guest for another way to pay."
        case IntentState.REQUIRES_ACTION:
            return "Not paid: the bank wants the guest to confirm it. Ask for another way to pay."
        case IntentState.EXPIRED:
            return "Not charged: the line came back too late. Take the deposit again if it is due."
        case IntentState.MANUAL:
            return "Pending: a person must look it up at the payment service before anything else."
        case _:
            assert_never(state)


def key(state: IntentState) -> str:
    """The sentence's key in the text catalogue."""
    return f"payments.intent.{state.value}"
