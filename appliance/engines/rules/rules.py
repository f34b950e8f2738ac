"""Which values a live rule may take."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.engines.rules import catalogue
from appliance.engines.rules.messages import ChangeSetting, Refusal, SettingChanged
from appliance.kernel.engine import Context, Decision, No, Yes


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What stands in force for one key and scope; None: the default."""

    value: catalogue.Value | None


def change_setting(state: InForce, command: ChangeSetting, _context: Context) -> Decision:
    """A known key, the type of its default, a value in its range; None is the default again."""
    rule = catalogue.rule(command.key)
    if rule is None:
        return No(refusal=Refusal.UNKNOWN_KEY, detail={"key": command.key[:80]})
    refusal = None if command.value is None else _refusal(rule, command.value)
    if refusal is not None:
        return refusal
    result = {"key": command.key, "value": command.value}
    if _same(state.value, command.value):
        return Yes(events=[], result=result)
    changed = SettingChanged(key=command.key, scope=command.scope, value=command.value)
    return Yes(events=[changed], result=result)


def _refusal(rule: catalogue.Rule, value: catalogue.Value) -> Decision | None:
    if type(value) is not rule.type:
        return No(
            refusal=Refusal.WRONG_TYPE, detail={"key": rule.key, "expected": rule.type.__name__}
        )
    size = len(value) if isinstance(value, str) else value
    at_most = catalogue.TEXT_CHARS_MAX if isinstance(value, str) else rule.at_most
    low = rule.at_least is not None and size < rule.at_least
    high = at_most is not None and size > at_most
    if not isinstance(value, bool) and (low or high):
        return No(
            refusal=Refusal.OUT_OF_RANGE,
            detail={"key": rule.key, "at_least": rule.at_least, "at_most": at_most},
        )
    return None


def _same(one: object, other: object) -> bool:
    # True == 1 in Python: a switch and a number are never the same value here.
    return type(one) is type(other) and one == other
