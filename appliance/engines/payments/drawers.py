"""The tables of drawers, and what the books say of their cash and slips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from appliance.engines.payments import journal
from appliance.engines.payments.drawer_messages import DrawerClosed, DrawerOpened
from appliance.engines.payments.journal import Leg
from appliance.kernel.engine import Apply, Connection, Facts, Recorded
from appliance.kernel.messages import Event
from appliance.kernel.reader import Reader

DDL: Final = """
CREATE TABLE IF NOT EXISTS payments_drawer (
    drawer_id TEXT PRIMARY KEY,
    terminal TEXT NOT NULL,
    opened_at_ms INTEGER NOT NULL,
    opened_by TEXT NOT NULL,
    shift TEXT,
    float_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    closed_at_ms INTEGER,
    closed_by TEXT,
    counted_minor INTEGER,
    expected_minor INTEGER,
    slips_minor INTEGER,
    slips_expected_minor INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_drawer_open ON payments_drawer (terminal, closed_at_ms)
"""
TABLES: Final = ("payments_drawer",)
_OPEN: Final = "SELECT drawer_id FROM payments_drawer WHERE terminal = ? AND closed_at_ms IS NULL"
_STANDS: Final = "SELECT balance_minor FROM payments_account WHERE account = ? AND currency = ?"


def cash(drawer_id: str) -> str:
    """The cash of one opening of a drawer."""
    return f"cash:{drawer_id}"


def slips(drawer_id: str) -> str:
    """The terminal slips beside it."""
    return f"slips:{drawer_id}"


def drawer_account(db: Connection, means: str, terminal: str | None) -> str:
    """Where cash or a slip taken at a terminal lies: its open drawer, or loose beside it."""
    row = None if terminal is None else db.execute(_OPEN, (terminal,)).fetchone()
    drawer_id = f"loose/{terminal or 'none'}" if row is None else str(row[0])
    return cash(drawer_id) if means == "cash" else slips(drawer_id)


def _opened(db: Connection, event: DrawerOpened, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO payments_drawer VALUES"
        " (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, NULL, NULL, NULL)",
        (
            event.drawer_id,
            event.terminal,
            recorded.at_wall_ms,
            recorded.who.actor,
            recorded.who.shift,
            event.float_minor,
            event.currency,
        ),
    )
    legs = journal.moved(cash(event.drawer_id), journal.SAFE, event.float_minor, event.currency)
    journal.post(db, recorded, "drawer_opened", event.drawer_id, legs)


def _closed(db: Connection, event: DrawerClosed, recorded: Recorded) -> None:
    db.execute(
        "UPDATE payments_drawer SET closed_at_ms = ?, closed_by = ?, counted_minor = ?,"
        " expected_minor = ?, slips_minor = ?, slips_expected_minor = ? WHERE drawer_id = ?",
        (
            recorded.at_wall_ms,
            recorded.who.actor,
            event.counted_minor,
            event.expected_minor,
            event.slips_minor,
            event.slips_expected_minor,
            event.drawer_id,
        ),
    )
    over = event.counted_minor - event.expected_minor
    over += event.slips_minor - event.slips_expected_minor
    amounts = {
        journal.SAFE: event.counted_minor,
        cash(event.drawer_id): -event.expected_minor,
        journal.clearing("terminal"): event.slips_minor,
        slips(event.drawer_id): -event.slips_expected_minor,
        # What is over is a gain, a credit.
        journal.OVER_SHORT: -over,
    }
    legs = [
        Leg(account=account, amount_minor=amount, currency=event.currency)
        for account, amount in amounts.items()
    ]
    journal.post(db, recorded, "drawer_closed", event.drawer_id, legs)


ON: Final[dict[type[Event], Apply]] = {DrawerOpened: _opened, DrawerClosed: _closed}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawerScene:
    """What is known of a drawer, and what the books say should be in it."""

    currency: str
    open_at_terminal: str | None = None
    terminal: str | None = None  # of the drawer that is named; None: unknown
    closed: bool = False
    expected_minor: int = 0
    slips_expected_minor: int = 0


def load_opening(facts: Facts, _command: Any, context: Any) -> DrawerScene:
    """Whether a drawer is open at the asker's terminal already."""
    row = facts.row(_OPEN, (context.who.terminal,))
    house = facts.row("SELECT currency FROM payments_house")
    return DrawerScene(currency=house[0] if house else "", open_at_terminal=row[0] if row else None)


def load_closing(facts: Facts, command: Any, _context: Any) -> DrawerScene:
    """The drawer that is named, and what stands on its accounts."""
    row = facts.row(
        "SELECT terminal, closed_at_ms, currency FROM payments_drawer WHERE drawer_id = ?",
        (command.drawer_id,),
    )
    if row is None:
        return DrawerScene(currency="")
    in_cash, in_slips = (
        facts.row(_STANDS, (account, row[2])) or (0,)
        for account in (cash(command.drawer_id), slips(command.drawer_id))
    )
    return DrawerScene(
        currency=row[2],
        terminal=row[0],
        closed=row[1] is not None,
        expected_minor=in_cash[0],
        slips_expected_minor=in_slips[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawerRow:
    """One opening of a drawer: an X report while it is open, a Z report once it is closed."""

    drawer_id: str
    terminal: str
    opened_at_ms: int
    opened_by: str
    shift: str | None
    float_minor: int
    currency: str
    closed_at_ms: int | None
    closed_by: str | None
    counted_minor: int | None
    expected_minor: int
    slips_minor: int | None
    slips_expected_minor: int


_COLUMNS: Final = (
    "d.drawer_id, d.terminal, d.opened_at_ms, d.opened_by, d.shift, d.float_minor, d.currency,"
    " d.closed_at_ms, d.closed_by, d.counted_minor,"
    " coalesce(d.expected_minor, (SELECT balance_minor FROM payments_account a"
    "  WHERE a.account = 'cash:' || d.drawer_id AND a.currency = d.currency), 0),"
    " d.slips_minor,"
    " coalesce(d.slips_expected_minor, (SELECT balance_minor FROM payments_account a"
    "  WHERE a.account = 'slips:' || d.drawer_id AND a.currency = d.currency), 0)"
)
# A month of three shifts at five terminals.
ROWS_MAX: Final = 500


async def drawers(reader: Reader, *, open_only: bool) -> list[DrawerRow]:
    """Drawers, newest first."""
    rows = await reader.rows(
        f"SELECT {_COLUMNS} FROM payments_drawer d WHERE ? OR d.closed_at_ms IS NULL"  # noqa: S608
        " ORDER BY d.opened_at_ms DESC, d.drawer_id LIMIT ?",
        (not open_only, ROWS_MAX),
    )
    names = DrawerRow.__dataclass_fields__
    return [DrawerRow(**dict(zip(names, row, strict=True))) for row in rows]
