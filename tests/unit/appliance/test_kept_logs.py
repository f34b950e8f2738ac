"""A log that any release wrote opens in this one: every fact, every state, every read model."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from appliance.engines.rules.messages import ChangeSetting, Scope
from appliance.kernel import codec, rebuild
from appliance.kernel import log as kernel_log
from appliance.kernel.deciding import Asking, Deciding
from appliance.kernel.engine import Recorded
from appliance.kernel.log import Log
from appliance.kernel.messages import Done, Event, event_of
from appliance.kernel.secrets import load_masters
from appliance.kernel.vault import KeyState, Vault, open_vault
from appliance.kernel.verbs import our_version
from appliance.kernel.virtual_clock import VirtualClock
from appliance.rooms import ENGINES
from support.desk import FRIDAY_18_MS, MANAGER
from support.house import ROOT

KEPT = sorted((ROOT / "tests" / "data").glob("log-*"))


@dataclass
class Kept:
    """One kept log, opened as this release opens it."""

    source: Path
    folder: Path
    db: sqlite3.Connection
    vault: Vault

    @property
    def kinds(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.source / "kinds.json").read_text())
        return found

    def facts(self) -> list[Recorded]:
        return kernel_log.read(self.db, 0, 10_000)

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table: sorted(self.db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608
            for projection, _ in rebuild.projections_of(ENGINES)
            for table in projection.tables
        }


@pytest.fixture(params=KEPT, ids=lambda path: path.name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    for name in ("log.db", "keys.db"):
        data = gzip.decompress((request.param / f"{name}.gz").read_bytes())
        (tmp_path / name).write_bytes(data)
    master = tmp_path / "master.key"
    master.touch(mode=0o600)
    master.write_text((request.param / "master.key").read_text())
    vault = open_vault(tmp_path / "keys.db", load_masters(master, {}))
    db = kernel_log.connect(tmp_path / "log.db")
    yield Kept(request.param, tmp_path, db, vault)
    db.close()
    vault.close()


def test_a_log_of_this_release_is_kept() -> None:
    assert ROOT / "tests" / "data" / f"log-{our_version()}" in KEPT


def test_every_kind_of_this_release_is_in_its_kept_log() -> None:
    kinds = json.loads((ROOT / f"tests/data/log-{our_version()}/kinds.json").read_text())
    ours = [kind for kind, form in event_of.items() if form.__module__.startswith("appliance.")]
    assert sorted(kinds) == sorted(ours), "run `scripts/keep-log --again` before the release"


def test_the_chain_of_a_kept_log_is_whole(kept: Kept) -> None:
    head = kernel_log.verify_file(kept.folder / "log.db")
    assert head.position == sum(kept.kinds.values())


def test_every_fact_is_read_and_none_is_missing(kept: Kept) -> None:
    query = "SELECT kind, count(*) FROM event GROUP BY kind"
    assert dict(kept.db.execute(query).fetchall()) == kept.kinds
    assert len(kept.facts()) == sum(kept.kinds.values())


def test_every_stream_is_folded(kept: Kept) -> None:
    folds = {prefix: fold for engine in ENGINES for prefix, fold in engine.folds.items()}
    streams: dict[str, list[Event]] = {}
    for fact in kept.facts():
        streams.setdefault(fact.stream, []).append(fact.event)
    assert folds.keys() <= {stream.partition("/")[0] for stream in streams}
    for stream, events in streams.items():
        fold = folds.get(stream.partition("/")[0])
        if fold is not None:
            # In one go and fact by fact: a cached state is the same as one read anew.
            step = None
            for event in events:
                step = fold(step, [event])
            assert fold(None, events) == step, stream


def test_every_read_model_is_built_anew_and_says_the_same(kept: Kept) -> None:
    rebuild.settle_forms(kept.db, ENGINES)
    before = kept.tables()
    kept.db.execute("DELETE FROM read_model")
    built = rebuild.settle_forms(kept.db, ENGINES)
    assert set(built) == {projection.name for projection, _ in rebuild.projections_of(ENGINES)}
    assert kept.tables() == before
    assert len([table for table, rows in before.items() if rows]) > len(before) // 2


def test_every_name_opens_but_that_of_who_was_forgotten(kept: Kept) -> None:
    assert kept.vault.state("temp") is KeyState.FORGOTTEN
    opened = 0
    for fact in kept.facts():
        told = codec.opened(fact.event, kept.vault)
        for name in codec.sealed_fields(type(fact.event)):
            sealed, text = getattr(fact.event, name), told[name]
            if sealed is None or isinstance(sealed, tuple):
                assert text is None or None not in text
                continue
            assert (text is None) == (sealed.subject == "temp"), fact.event.kind
            opened += text is not None
    assert opened > 5


def test_a_new_fact_is_written_after_the_old_ones(kept: Kept) -> None:
    rebuild.settle_forms(kept.db, ENGINES)
    clock = VirtualClock(FRIDAY_18_MS + 86_400_000)
    deciding = Deciding(Log(kept.db), kept.vault, clock, ENGINES)
    command = ChangeSetting(key="doors.grace_minutes", scope=Scope.PROPERTY, value=45)
    asking = Asking(command=command, command_id="later", who=MANAGER)
    [decided] = deciding.carry_out([asking])
    assert isinstance(decided.answer, Done)
    head = kernel_log.verify_file(kept.folder / "log.db")
    assert head.position == sum(kept.kinds.values()) + 1


# -- facts of a form that nothing writes any more -------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed(Event):
    """What a parcel weighs, in grams; the first form said kilograms."""

    kind: ClassVar[str] = "kept_logs.weighed.v3"
    parcel: str
    weight_g: int
    by: str


@pytest.fixture
def three_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(event_of, Weighed.kind, Weighed)
    forms = {
        "kept_logs.weighed.v1": lambda body: (
            "kept_logs.weighed.v2",
            {"parcel": body["parcel"], "weight_g": body["weight_kg"] * 1_000},
        ),
        "kept_logs.weighed.v2": lambda body: (Weighed.kind, body | {"by": "unknown"}),
        "kept_logs.circle.v1": lambda body: ("kept_logs.circle.v2", body),
        "kept_logs.circle.v2": lambda body: ("kept_logs.circle.v1", body),
    }
    for kind, upcaster in forms.items():
        monkeypatch.setitem(codec._upcasters, kind, upcaster)


@pytest.mark.usefixtures("three_forms")
def test_a_fact_of_the_first_form_is_read_as_the_newest(tmp_path: Path) -> None:
    db = kernel_log.connect(tmp_path / "log.db")
    row: tuple[Any, ...] = (
        1,
        "parcel/a",
        1,
        "kept_logs.weighed.v1",
        '{"parcel":"a","weight_kg":2}',
        "c",
    )
    row += ('{"actor":"a","role":"service"}', None, None, None, 1, 1, "boot", 0)
    chain = kernel_log.chained(kernel_log.CHAIN_START, row)
    db.execute(f"INSERT INTO event VALUES ({', '.join('?' * 15)})", (*row, chain))  # noqa: S608
    [fact] = kernel_log.read(db, 0, 10)
    assert fact.event == Weighed(parcel="a", weight_g=2_000, by="unknown")
    assert Log(db).events_of("parcel/a") == [fact.event]
    # What is on disk keeps its first form, and the chain over it.
    assert db.execute("SELECT kind FROM event").fetchall() == [("kept_logs.weighed.v1",)]
    assert kernel_log.verify_file(tmp_path / "log.db").position == 1
    db.close()


@pytest.mark.usefixtures("three_forms")
@pytest.mark.parametrize("kind", ["kept_logs.circle.v1", "kept_logs.of_tomorrow.v1"])
def test_a_fact_nobody_can_read_is_said_with_the_release_that_can(kind: str) -> None:
    with pytest.raises(codec.UnreadableEventError, match="no class and no upcaster"):
        codec.decode_event(kind, "{}")
