"""The lock's log reaches the box whole, once and true, or the box is told that it does not."""

from __future__ import annotations

import pytest

from appliance.kernel.cbor import read, write
from appliance.kernel.cose import point_of, sign1, split1
from drivers.judge import DeviceTime
from drivers.npk.codes import MESSAGE_BYTES_MAX, LogKind, Status
from drivers.npk.collector import BATCH_MAX, Breach, Collector, LogBrokenError
from drivers.npk.log import ENTRIES_MAX, LOG_LABEL, LockLog
from support.npk_bench import new_key
from twin.flash import Flash

KEY = new_key()
NOW = DeviceTime(1_789_992_000_000, 2_000, known=True)


def log_with(count: int, flash: Flash | None = None) -> LockLog:
    log = LockLog(flash or Flash(), lock_id=204)
    for number in range(count):
        log.add(LogKind.UNLOCK, NOW, cti=b"guest--1", command_id=number.to_bytes(8, "big"))
    return log


def collector(seq: int = 0, head: bytes = bytes(32), *, lock_id: int = 204) -> Collector:
    return Collector(lock_id=lock_id, lock_point=point_of(KEY.public_key()), seq=seq, head=head)


def forged(blob: bytes, change: dict[int, object]) -> bytes:
    """The same export with other items, signed by the lock itself: a lock that lies."""
    signed = split1(blob)
    assert signed is not None
    items = read(signed.payload)
    assert isinstance(items, list)
    for at, value in change.items():
        items[at] = value  # type: ignore[call-overload]  # any lie
    return sign1(write(items), KEY, aad=LOG_LABEL)


def test_batches_continue_each_other_until_nothing_is_left() -> None:
    log, box = log_with(120), collector()
    seen: list[int] = []
    while True:
        blob = log.export(box.seq, BATCH_MAX, KEY)
        assert len(blob) <= MESSAGE_BYTES_MAX - 32
        batch = box.take(blob)
        seen += [entry.seq for entry in batch.entries]
        assert log.acknowledge(batch.seq, batch.head)
        if not batch.more:
            break
    assert seen == list(range(1, 121))
    assert log.waiting == 0
    assert log.add(LogKind.TAMPER, NOW).seq == 121
    assert [entry.seq for entry in box.take(log.export(box.seq, 40, KEY)).entries] == [121]


def test_a_restarted_lock_continues_its_chain() -> None:
    flash = Flash()
    log, box = log_with(10, flash), collector()
    batch = box.take(log.export(0, 4, KEY))
    assert log.acknowledge(batch.seq, batch.head)
    again = LockLog(flash, lock_id=204)
    assert [e.seq for e in box.take(again.export(box.seq, 40, KEY)).entries] == list(range(5, 11))


def test_a_full_log_loses_its_oldest_and_says_which() -> None:
    log, box = log_with(ENTRIES_MAX + 7), collector()
    batch = box.take(log.export(0, 5, KEY))
    assert batch.lost == (1, 7)
    assert [entry.seq for entry in batch.entries] == list(range(8, 13))
    assert box.take(log.export(box.seq, 5, KEY)).lost is None


@pytest.mark.parametrize("bit", range(0, 1_600, 7))
def test_a_flipped_bit_is_found(bit: int) -> None:
    bent = bytearray(log_with(3).export(0, 40, KEY))
    bit %= len(bent) * 8
    bent[bit // 8] ^= 1 << bit % 8
    box = collector()
    with pytest.raises(LogBrokenError) as broken:
        box.take(bytes(bent))
    assert broken.value.breach is Breach.NOT_SIGNED
    assert box.seq == 0


def test_another_locks_log_is_not_taken() -> None:
    blob = log_with(3).export(0, 40, KEY)
    for box in (
        collector(lock_id=205),
        Collector(lock_id=204, lock_point=point_of(new_key().public_key())),
    ):
        with pytest.raises(LogBrokenError) as broken:
            box.take(blob)
        assert broken.value.breach is Breach.NOT_SIGNED


@pytest.mark.parametrize(
    "change",
    [{4: bytes(32)}, {3: []}, {1: 1}, {5: 1}, {2: b"short"}, {3: [[1]]}, {3: 0}, {0: b""}],
)
def test_a_lock_that_signs_nonsense_is_found_out(change: dict[int, object]) -> None:
    with pytest.raises(LogBrokenError) as broken:
        collector().take(forged(log_with(3).export(0, 40, KEY), change))
    assert broken.value.breach is Breach.NOT_A_CHAIN


def test_another_history_is_a_fork() -> None:
    box = collector()
    box.take(log_with(3).export(0, 40, KEY))
    other = LockLog(Flash(), lock_id=204)
    for _ in range(5):
        other.add(LogKind.TAMPER, NOW)
    with pytest.raises(LogBrokenError) as broken:
        box.take(other.export(box.seq, 40, KEY))
    assert broken.value.breach is Breach.FORK
    assert box.seq == 3


def test_a_lock_whose_memory_was_put_back_is_rolled_back() -> None:
    box = collector()
    box.take(log_with(5).export(0, 40, KEY))
    with pytest.raises(LogBrokenError) as broken:
        box.take(log_with(3).export(box.seq, 40, KEY))
    assert broken.value.breach is Breach.ROLLED_BACK


def test_the_lock_forgets_nothing_for_a_box_that_has_something_else() -> None:
    log = log_with(5)
    for seq, head in ((5, bytes(32)), (6, bytes(32)), (-1, bytes(32)), (3, collector().head)):
        assert not log.acknowledge(seq, head)
    assert log.waiting == 5
    assert log.acknowledge(0, bytes(32))


def test_more_than_a_message_is_never_exported() -> None:
    log = log_with(200)
    blob = log.export(0, 10_000, KEY)
    assert len(write([int(Status.DONE), blob])) + 16 <= MESSAGE_BYTES_MAX
    assert log.export(-5, -1, KEY)
