"""What payments does after its own facts and the night audit: look for money left over, charge rents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from appliance.engines.payments.messages import (
    CaptureNoted,
    CheckRecovery,
    DisputeNoted,
    IntentNoted,
    IntentState,
    PayLinkNoted,
    PaymentSettled,
    RefundNoted,
    SecondChargeFound,
    StrayMoneyFound,
)
from appliance.engines.payments.rent_messages import ChargeRents, RentsCharged
from appliance.engines.stays.messages import BusinessDateRolled, NoShowMarked, StayCancelled
from appliance.kernel.engine import Reaction, Recorded
from appliance.kernel.messages import Command

_WORTH_A_LOOK: Final = frozenset(
    {
        IntentState.DECLINED,
        IntentState.EXPIRED,
        IntentState.REQUIRES_ACTION,
        IntentState.MANUAL,
    }
)


def _look(_event: Any, _recorded: Recorded) -> Sequence[Command]:
    return [CheckRecovery()]


def _look_if_it_failed(event: Any, _recorded: Recorded) -> Sequence[Command]:
    return [CheckRecovery()] if event.state in _WORTH_A_LOOK else []


def _rolled(event: BusinessDateRolled, _recorded: Recorded) -> Sequence[Command]:
    return [CheckRecovery(), ChargeRents(on=event.opened)]


def _more_rents(event: RentsCharged, _recorded: Recorded) -> Sequence[Command]:
    return [ChargeRents(on=event.on, after=event.through)] if event.more else []


REACTIONS: Final = (
    Reaction(
        name="recovery",
        on={
            BusinessDateRolled: _rolled,
            IntentNoted: _look_if_it_failed,
            CaptureNoted: _look_if_it_failed,
            RefundNoted: _look_if_it_failed,
            PayLinkNoted: _look_if_it_failed,
            # It may have come for a stay that is off by now.
            PaymentSettled: _look,
            SecondChargeFound: _look,
            StrayMoneyFound: _look,
            DisputeNoted: _look,
            StayCancelled: _look,
            NoShowMarked: _look,
            RentsCharged: _more_rents,
        },
    ),
)
