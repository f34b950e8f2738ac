"""Opening and closing a drawer: counted blind, over or short on the record, closed once."""

from __future__ import annotations

from appliance.engines.payments.drawer_messages import (
    CloseDrawer,
    DrawerClosed,
    DrawerOpened,
    OpenDrawer,
)
from appliance.engines.payments.drawers import DrawerScene
from appliance.engines.payments.messages import Refusal
from appliance.engines.payments.rules import AMOUNT_MINOR_MAX
from appliance.kernel.engine import Context, Decision, No, Yes


def open_drawer(scene: DrawerScene, command: OpenDrawer, context: Context) -> Decision:
    """One at a terminal."""
    if context.who.terminal is None:
        return Refusal.NO_TERMINAL
    if command.currency != scene.currency:
        return Refusal.BAD_CURRENCY
    if not 0 <= command.float_minor <= AMOUNT_MINOR_MAX:
        return Refusal.BAD_AMOUNT
    if scene.open_at_terminal is not None:
        return No(refusal=Refusal.DRAWER_OPEN, detail={"drawer_id": scene.open_at_terminal})
    drawer_id = context.new_id("drawer")
    event = DrawerOpened(
        drawer_id=drawer_id,
        terminal=context.who.terminal,
        float_minor=command.float_minor,
        currency=command.currency,
    )
    return Yes(events=[event], result={"drawer_id": drawer_id})


def close_drawer(scene: DrawerScene, command: CloseDrawer, _context: Context) -> Decision:
    """With what was counted; what should have been there is said afterwards only."""
    if scene.terminal is None:
        return Refusal.UNKNOWN_DRAWER
    if scene.closed:
        return Refusal.ALREADY_CLOSED
    if command.currency != scene.currency:
        return Refusal.BAD_CURRENCY
    if not all(
        0 <= each <= AMOUNT_MINOR_MAX for each in (command.counted_minor, command.slips_minor)
    ):
        return Refusal.BAD_AMOUNT
    event = DrawerClosed(
        drawer_id=command.drawer_id,
        terminal=scene.terminal,
        counted_minor=command.counted_minor,
        expected_minor=scene.expected_minor,
        slips_minor=command.slips_minor,
        slips_expected_minor=scene.slips_expected_minor,
        currency=command.currency,
    )
    result = {
        "over_short_minor": command.counted_minor - scene.expected_minor,
        "slips_over_short_minor": command.slips_minor - scene.slips_expected_minor,
    }
    return Yes(events=[event], result=result)
