"""The words of live rules: fees, flags, policies and texts, changed while the box runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from appliance.kernel.messages import Command, Event, Role, asked, fact


class Refusal(StrEnum):
    """Why a rule stays as it is."""

    UNKNOWN_KEY = "unknown_key"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"


class Scope(StrEnum):
    """How far a rule reaches."""

    ACCOUNT = "account"
    PROPERTY = "property"
    LISTING = "listing"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSetting(Command):
    """Put a live rule in force at once."""

    name: ClassVar[str] = "rules.change_setting"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.MANAGER, Role.ADMIN, Role.SERVICE})
    key: str
    scope: Scope
    value: str | int | bool | None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChanged(Event):
    """A live rule is in force."""

    kind: ClassVar[str] = "rules.setting_changed.v1"
    key: str
    scope: Scope
    value: str | int | bool | None
