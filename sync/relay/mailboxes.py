"""What a relay keeps, in a database of its own: raw requests, until their box has them."""

from __future__ import annotations

import base64
import os
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from sync.inbox.writer import Connection, Writer
from sync.relay.wire import KEPT_MS_MAX, PAGE_BYTES_MAX, PAGE_MAX, Hint, Page, Pairing, hint_mac

# One mailbox: a week of a large property, and what a stranger who knows its name can fill.
ROWS_MAX: Final = 20_000
BYTES_MAX: Final = 64 * 1024 * 1024
# Rows deleted in one step; the next pull takes the next step.
DELETED_MAX: Final = 1_000


class Mailboxes:
    """The store of a relay."""

    def __init__(self, path: Path) -> None:
        schema = files("sync.relay").joinpath("schema.sql").read_text(encoding="utf-8")
        self.writer = Writer(path, schema)
        self.epoch = ""

    async def open(self) -> None:
        """Open the file; the first time it gets its name."""
        self.writer.open()
        self.epoch = await self.writer.do(_epoch)

    async def keep(self, mailbox: str, hint: Hint) -> bool:
        """Write one request down, durably; False when the mailbox is full."""
        return await self.writer.do(lambda db: _keep(db, mailbox, hint))

    async def page(self, pairing: Pairing, after: int) -> Page:
        """Drop what the box has, give what comes next, each hint with its proof."""
        rows = await self.writer.do(lambda db: _next(db, pairing.mailbox, after))
        hints = [
            msgspec.structs.replace(hint, mac=hint_mac(pairing, self.epoch, hint)) for hint in rows
        ]
        return Page(epoch=self.epoch, hints=hints)

    async def forget(self, now_ms: int) -> int:
        """Drop what is older than any vendor's own patience, a step."""
        sql = "DELETE FROM hint WHERE seq IN (SELECT seq FROM hint WHERE received_ms < ? LIMIT ?)"
        return await self.writer.do(
            lambda db: db.execute(sql, (now_ms - KEPT_MS_MAX, DELETED_MAX)).rowcount
        )


def _epoch(db: Connection) -> str:
    row = db.execute("SELECT name FROM epoch").fetchone()
    if row is None:
        row = (base64.urlsafe_b64encode(os.urandom(9)).decode(),)
        db.execute("INSERT INTO epoch VALUES (?)", row)
    return str(row[0])


def _keep(db: Connection, mailbox: str, hint: Hint) -> bool:
    rows, size = db.execute(
        "SELECT count(*), total(length(body)) FROM hint WHERE mailbox = ?", (mailbox,)
    ).fetchone()
    if rows >= ROWS_MAX or size + len(hint.body) > BYTES_MAX:
        return False
    db.execute(
        "INSERT INTO hint (mailbox, received_ms, source, proof, headers, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            mailbox,
            hint.received_ms,
            hint.source,
            hint.proof,
            msgspec.json.encode(hint.headers),
            hint.body,
        ),
    )
    return True


def _next(db: Connection, mailbox: str, after: int) -> list[Hint]:
    if after:
        db.execute(
            "DELETE FROM hint WHERE seq IN"
            " (SELECT seq FROM hint WHERE mailbox = ? AND seq <= ? LIMIT ?)",
            (mailbox, after, DELETED_MAX),
        )
    found, size = list[Hint](), 0
    rows = db.execute(
        "SELECT seq, received_ms, source, proof, headers, body FROM hint"
        " WHERE mailbox = ? AND seq > ? ORDER BY seq LIMIT ?",
        (mailbox, after, PAGE_MAX),
    )
    for seq, received_ms, source, proof, headers, body in rows:
        size += len(body)
        if found and size > PAGE_BYTES_MAX:
            break
        found.append(
            Hint(
                seq=seq,
                received_ms=received_ms,
                source=source,
                proof=proof,
                headers=msgspec.json.decode(headers, type=dict[str, str]),
                body=body,
            )
        )
    return found
