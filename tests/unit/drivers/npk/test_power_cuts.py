"""The power may go at any commit, on either side: one press moves the bolt once and is never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.kernel.cose import point_of
from appliance.kernel.edicts import IssuerCertificate, sign_issuer
from drivers.npk.codes import Command, LogKind, Op, Status
from drivers.npk.collector import Collector
from drivers.npk.phone import Verdict
from support.cut_flash import CutFlash
from support.npk_bench import DOOR, ROOT, HungUpError, NpkBench, Phone, new_key
from support.powercut import PowerCutError

# More commits than any transaction here has; each loop ends at the first run that is not cut.
CUTS_MAX = 40


def cut_bench(folder: Path, cut_at: int, *, written: bool) -> NpkBench:
    """A lock that has been running, and whose power goes at the n-th commit from now."""
    bench = NpkBench(flash=CutFlash(folder / f"flash-{cut_at}-{written}"))
    bench.flash.cut_at = 0 if not cut_at else bench.flash.commits + cut_at
    bench.flash.written = written
    return bench


def power_back(bench: NpkBench) -> None:
    """The same flash, a new life."""
    bench.flash = CutFlash(bench.flash._path)
    bench.restart()
    bench.wait(60)


def log_of(bench: NpkBench) -> list[tuple[int, bytes, int]]:
    """(kind, cti, status) of the whole log, chain and signature checked."""
    collector = Collector(lock_id=DOOR, lock_point=bench.lock.point)
    admin = bench.admin()
    found = []
    while True:
        status, blob = admin.request(Op.LOG, collector.seq, 40)
        assert status == Status.DONE
        assert isinstance(blob, bytes)
        batch = collector.take(blob)
        assert batch.lost is None
        found += [(entry.kind, entry.cti, entry.status) for entry in batch.entries]
        if not batch.more:
            return found


def cut_everywhere(
    folder: Path, act: Callable[[NpkBench], Any], check: Callable[[NpkBench, Any], None]
) -> int:
    """Run `act` with the power going at each commit in turn; `check` gets None where it was cut."""
    for cut_at in range(1, CUTS_MAX):
        ended = 0
        for written in (False, True):
            bench = cut_bench(folder, cut_at, written=written)
            result = None
            try:
                result = act(bench)
                ended += 1
            except PowerCutError:
                power_back(bench)
            bench.flash.cut_at = 0
            check(bench, result)
        if ended == 2:
            return cut_at
    raise AssertionError("the act commits for ever")


@pytest.mark.parametrize("command", [Command.UNLOCK, Command.OFFICE])
def test_a_press_moves_the_bolt_once_and_is_in_the_log_wherever_the_power_goes(
    tmp_path: Path, command: Command
) -> None:
    def press(bench: NpkBench) -> Verdict:
        return bench.press(bench.key(int(command)), command, b"press--1")

    def check(bench: NpkBench, first: Verdict | None) -> None:
        moved = bench.opened
        assert moved <= 1
        again = press(bench)
        after = bench.opened
        # Begun and not ended: nobody knows, and nobody tries again. Not begun: it is done now.
        if again.status == Status.UNKNOWN:
            assert after == moved
        else:
            assert again.done
            assert after == 1
        if first is not None:
            assert first.done
            assert again.repeated
        kind = LogKind.UNLOCK if command is Command.UNLOCK else LogKind.OFFICE
        entries = [entry for entry in log_of(bench) if entry[1] == b"guest--1"]
        assert len(entries) == 1
        assert entries[0][0] in {kind, LogKind.UNLOCK}
        assert entries[0][2] in {Status.DONE, Status.UNKNOWN}

    assert cut_everywhere(tmp_path, press, check) >= 4


def test_a_lock_command_is_carried_out_once_wherever_the_power_goes(tmp_path: Path) -> None:
    def act(bench: NpkBench) -> Any:
        bench.flash.cut_at, keep = 0, bench.flash.cut_at
        bench.press()
        bench.flash.cut_at = bench.flash.commits + keep if keep else 0
        return bench.admin().request(Op.LOCK, b"lock---1")

    def check(bench: NpkBench, _: Any) -> None:
        thrown = bench.journal.count("bolt", to="locked", via="lock")
        assert thrown <= 1
        status, _ = bench.admin().request(Op.LOCK, b"lock---1")
        assert status in {Status.DONE, Status.UNKNOWN}
        assert bench.journal.count("bolt", to="locked", via="lock") <= 1
        log_of(bench)

    cut_everywhere(tmp_path, act, check)


def test_a_denylist_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    def act(bench: NpkBench) -> Any:
        return bench.admin().request(Op.DENYLIST, bench.denylist(7, b"guest--1", b"guest--2"))

    def check(bench: NpkBench, _: Any) -> None:
        judge = bench.lock.core.judge
        held = [judge.is_denied(cti.hex()) for cti in (b"guest--1", b"guest--2")]
        assert held == [judge.denylist_seq == 7] * 2
        status, seq = bench.admin().request(
            Op.DENYLIST, bench.denylist(7, b"guest--1", b"guest--2")
        )
        assert status in {Status.DONE, Status.SUPERSEDED}
        assert seq == 7

    cut_everywhere(tmp_path, act, check)


def test_the_time_an_issuer_and_local_hours_survive_a_cut_whole(tmp_path: Path) -> None:
    point = point_of(new_key().public_key())

    def act(bench: NpkBench) -> Any:
        certificate = IssuerCertificate(
            point=point,
            nbf_s=bench.now_s,
            exp_s=bench.now_s + 86_400,
            property_id="marina",
            generation=1,
        )
        admin = bench.admin()
        admin.request(Op.SET_TIME, bench.now_s + 5)
        admin.request(Op.ISSUER, sign_issuer(certificate, ROOT))
        return admin.request(Op.LOCAL_TIME, [[0, 60], [bench.now_s, 120]])

    def check(bench: NpkBench, _: Any) -> None:
        assert len(bench.lock.core.issuers) in {1, 2}
        local = bench.lock.core.local_time()
        assert local is None or len(local.changes) == 2
        assert bench.press().done
        log_of(bench)

    cut_everywhere(tmp_path, act, check)


def collect(bench: NpkBench, box: dict[str, Any], *, die_at: str | None = None) -> None:
    """The box fetches one batch; `die_at` is the step before which it dies."""
    collector = Collector(
        lock_id=DOOR, lock_point=bench.lock.point, seq=box["seq"], head=box["head"]
    )
    admin = bench.admin()
    _, blob = admin.request(Op.LOG, collector.seq, 3)
    assert isinstance(blob, bytes)
    if die_at == "persist":
        return
    batch = collector.take(blob)
    assert batch.lost is None
    box["entries"] += [entry.seq for entry in batch.entries]
    box["seq"], box["head"] = batch.seq, batch.head
    if die_at == "ack":
        return
    status, _ = admin.request(Op.ACK, batch.seq, batch.head)
    assert status == Status.DONE


@pytest.mark.parametrize("die_at", ["persist", "ack", "answer", None])
def test_a_box_that_dies_while_collecting_has_every_entry_once(die_at: str | None) -> None:
    bench = NpkBench()
    box: dict[str, Any] = {"seq": 0, "head": bytes(32), "entries": []}
    for _ in range(6):
        bench.press()
        collect(bench, box, die_at=die_at)
        bench.wait(60)
        collect(bench, box)
        bench.wait(60)
    while bench.lock.core.log.waiting > 1:
        collect(bench, box)
        bench.wait(60)
    assert box["entries"] == list(range(1, len(box["entries"]) + 1))


def test_an_acknowledgement_cut_short_loses_nothing(tmp_path: Path) -> None:
    box: dict[str, Any] = {"seq": 0, "head": bytes(32), "entries": []}

    def act(bench: NpkBench) -> None:
        box.update(seq=0, head=bytes(32), entries=[])
        collect(bench, box)

    def check(bench: NpkBench, _: Any) -> None:
        collect(bench, box)
        assert box["entries"] == list(range(1, len(box["entries"]) + 1))

    cut_everywhere(tmp_path, act, check)


def test_a_phone_that_dies_after_m3_and_presses_again_opens_once() -> None:
    bench = NpkBench()
    phone: Phone = bench.phone()
    phone.greet()
    link, phone.link = phone.link, phone.link
    for frame in phone.framer.split(3, phone.session.m3(Command.UNLOCK, b"press--1"), 244):
        link.feed(frame)  # the answer goes nowhere
    again = bench.press(command_id=b"press--1")
    assert (again.done, again.repeated, bench.opened) == (True, True, 1)


def test_a_lock_whose_cells_are_flat_gives_no_link() -> None:
    bench = NpkBench(battery_pct=0)
    with pytest.raises(HungUpError):
        bench.phone()
