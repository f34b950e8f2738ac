"""The words of drawers: cash and slips of a terminal, counted when its shift ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from appliance.engines.payments.messages import DESK
from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDrawer(Command):
    """A cash drawer is opened at the asker's terminal with this much in it."""

    name: ClassVar[str] = "payments.open_drawer"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    float_minor: int
    currency: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CloseDrawer(Command):
    """A drawer is counted and closed, once. Whoever counts has not been told what should be in it.

    `slips_minor` is the total of the terminal slips in the drawer.
    """

    name: ClassVar[str] = "payments.close_drawer"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    drawer_id: str
    counted_minor: int
    slips_minor: int
    currency: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DrawerOpened(Event):
    """A drawer is open at a terminal."""

    kind: ClassVar[str] = "payments.drawer_opened.v1"
    drawer_id: str
    terminal: str
    float_minor: int
    currency: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DrawerClosed(Event):
    """A drawer was counted; over is above zero, short below."""

    kind: ClassVar[str] = "payments.drawer_closed.v1"
    drawer_id: str
    terminal: str
    counted_minor: int
    expected_minor: int
    slips_minor: int
    slips_expected_minor: int
    currency: str
