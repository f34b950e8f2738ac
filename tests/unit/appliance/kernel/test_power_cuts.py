"""Acknowledged means on disk: the log's own statements on a disk that loses and tears."""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import apsw
import pytest

from appliance.kernel import rebuild
from appliance.kernel.clock import Reading
from appliance.kernel.deciding import Asking, Deciding, encode_answer
from appliance.kernel.log import COLUMNS, ChainBrokenError, Log, create_tables, verify
from appliance.kernel.messages import Answer
from appliance.kernel.sealed import Sealed
from support.desk import CLERK
from support.powercut import Disk, PowerCutError, open_on
from support.toy import TOY, Shelve

# 300 cuts is what an issue asks of CI; `make chaos` asks for 10,000 by this variable.
CUTS = int(os.environ.get("NIGHTPORTER_CUTS", "330"))
NORMAL_CUTS = 120
BATCHES_MAX = 60
# Where a cut may fall: sixty batches make about this many I/O calls, checkpoints included.
CALLS_MAX = 700


class Found(StrEnum):
    """What the disk holds after a cut."""

    WHOLE = "whole"
    LOST = "lost"
    HALF = "half"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class StillClock:
    """A clock that stands still; order comes from the log."""

    def read(self) -> Reading:
        return Reading(wall_ms=1_000, boot_ms=1, boot_id="boot", uncertainty_ms=0)


class KeysOnDisk:
    """The vault's duty on the same disk: keys in a file of their own, committed first."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        db.execute("CREATE TABLE IF NOT EXISTS k (subject TEXT PRIMARY KEY) STRICT")
        self._known = {row[0] for row in db.execute("SELECT subject FROM k")}
        self._new: set[str] = set()

    def seal(self, subject: str, text: str, aad: bytes) -> Sealed:
        if subject not in self._known:
            self._new.add(subject)
        return Sealed(subject=subject, box=aad + text.encode())

    def commit_new_keys(self) -> None:
        if not self._new:
            return
        self._db.execute("BEGIN IMMEDIATE")
        for subject in sorted(self._new):
            self._db.execute("INSERT OR IGNORE INTO k VALUES (?)", (subject,))
        self._db.execute("COMMIT")
        self._known |= self._new
        self._new = set()

    def drop_new_keys(self) -> None:
        self._new = set()

    def keyed_hash(self, data: bytes, purpose: str) -> bytes:
        return purpose.encode() + data[:64]


def _batch(chance: random.Random, number: int) -> list[Asking]:
    return [
        Asking(
            command=Shelve(
                shelf=f"s{chance.randrange(30)}",
                owner=f"p{chance.randrange(40)}",
                what=chance.choice(["parcel", "loud", "curse", "jinx", "w" * 900]),
            ),
            # Some ids come twice: a repeat must find its first answer, cut or not.
            command_id=f"c{number - chance.randrange(2)}.{entry}",
            who=CLERK,
        )
        for entry in range(chance.randint(1, 6))
    ]


def _work_until_cut(disk: Disk, synchronous: str, chance: random.Random) -> dict[str, Answer]:
    """Write batches until the power goes; returns the answers somebody was given."""
    acknowledged: dict[str, Answer] = {}
    with (
        open_on(disk, "log.db", synchronous) as log_db,
        open_on(disk, "keys.db", synchronous) as keys_db,
        contextlib.suppress(PowerCutError),
    ):
        create_tables(log_db)
        rebuild.settle_forms(log_db, [TOY])
        deciding = Deciding(Log(log_db), KeysOnDisk(keys_db), StillClock(), [TOY])  # type: ignore[arg-type]
        disk.cut_at = disk.calls + chance.randrange(1, CALLS_MAX)
        for number in range(BATCHES_MAX):
            batch = _batch(chance, number)
            decided = deciding.carry_out(batch)
            if disk.dark:
                break
            for asking, one in zip(batch, decided, strict=True):
                acknowledged.setdefault(asking.command_id, one.answer)
    disk.dark = True
    return acknowledged


def _find(disk: Disk, acknowledged: dict[str, Answer]) -> Found:
    try:
        with open_on(disk, "log.db") as db, open_on(disk, "keys.db") as keys:
            return _judge(db, keys, acknowledged)
    except apsw.SQLError:
        return Found.LOST  # no such table: creation itself was not durable
    except (apsw.Error, ChainBrokenError):
        return Found.CORRUPT


def _judge(db: apsw.Connection, keys: apsw.Connection, acknowledged: dict[str, Answer]) -> Found:
    if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
        return Found.CORRUPT
    verify(iter(db.execute(f"SELECT {COLUMNS}, chain FROM event ORDER BY position")))  # noqa: S608 - our own constant
    answers = dict(db.execute("SELECT command_id, answer FROM answered"))
    shelved = db.execute("SELECT count(*) FROM event WHERE kind LIKE '%shelved%'").fetchall()
    rows = db.execute("SELECT count(*) FROM toy_parcel").fetchall()
    done = sum('"done"' in answer for answer in answers.values())
    subjects = db.execute(
        "SELECT DISTINCT json_extract(body, '$.owner.subject') FROM event"
        " WHERE kind LIKE '%shelved%'"
    ).fetchall()
    held = set(keys.execute("SELECT subject FROM k").fetchall())
    if shelved != rows or shelved != [(done,)] or not set(subjects) <= held:
        return Found.HALF
    for command_id, answer in acknowledged.items():
        # What a kernel refusal answered was not kept, and promised nothing.
        if getattr(answer, "engine", "") != "kernel" and answers.get(command_id) != encode_answer(
            answer
        ):
            return Found.LOST
    return Found.WHOLE


def _cut(seed: int, synchronous: str) -> Found:
    chance = random.Random(seed)
    disk = Disk()
    acknowledged = _work_until_cut(disk, synchronous, chance)
    return _find(disk.after_cut(chance), acknowledged)


def test_no_cut_loses_or_halves_an_acknowledged_command() -> None:
    found = Counter(_cut(seed, "FULL") for seed in range(CUTS))
    assert found == {Found.WHOLE: CUTS}


def test_the_same_harness_sees_losses_without_full() -> None:
    found = Counter(_cut(seed, "NORMAL") for seed in range(NORMAL_CUTS))
    assert found[Found.LOST] > NORMAL_CUTS // 4, found


def test_the_same_harness_sees_damage_without_any_sync() -> None:
    found = Counter(_cut(seed, "OFF") for seed in range(30))
    assert found[Found.WHOLE] < 10, found


@pytest.mark.parametrize("seed", range(20))
def test_life_goes_on_after_a_cut(seed: int) -> None:
    chance = random.Random(seed)
    disk = Disk()
    first = _work_until_cut(disk, "FULL", chance)
    healed = disk.after_cut(chance)
    # The same people come back with other commands; what they were told before still holds.
    second = _work_until_cut(healed, "FULL", random.Random(seed + 1_000))
    again = healed.after_cut(chance)
    assert _find(again, first | {k: v for k, v in second.items() if k not in first}) is Found.WHOLE
