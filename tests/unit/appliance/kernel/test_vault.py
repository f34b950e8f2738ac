"""Promises of people's keys: sealed on disk, opened in place, forgotten for good."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from appliance.kernel.keysdb import connect
from appliance.kernel.sealed import Sealed
from appliance.kernel.vault import (
    KEYS_IN_MEMORY_MAX,
    TEXT_BYTES_MAX,
    Forget,
    KeyState,
    MasterKeys,
    TamperedError,
    Vault,
    VaultError,
    WrongMasterError,
    open_vault,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AAD = b"stays.guest_named.v1/name"
MASTERS = MasterKeys(current=bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    with closing(open_vault(path, MASTERS)) as opened:
        yield opened


def _wrapped(path: Path, subject: str) -> bytes:
    with closing(sqlite3.connect(path)) as reader:
        query = "SELECT wrapped FROM person_key WHERE subject = ?"
        [(found,)] = reader.execute(query, (subject,)).fetchall()
        assert isinstance(found, bytes)
        return found


def _raw(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


@pytest.mark.parametrize("text", ["", "Łucja Örn", "x" * 15, "x" * 16, "x\x80\x00"])
def test_what_is_sealed_opens_again(vault: Vault, text: str) -> None:
    assert vault.open(vault.seal("p1", text, AAD), AAD) == text


def test_what_is_sealed_opens_after_a_restart(vault: Vault, path: Path) -> None:
    sealed = vault.seal("p1", "Ortega", AAD)
    vault.commit_new_keys()
    vault.close()
    with closing(open_vault(path, MASTERS)) as again:
        assert again.open(sealed, AAD) == "Ortega"


def test_the_text_is_nowhere_on_disk(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal("p1", "Ortega", AAD)
    vault.commit_new_keys()
    assert b"Ortega" not in _raw(tmp_path) + sealed.box


def test_a_box_does_not_tell_how_long_the_name_was(vault: Vault) -> None:
    lengths = {len(vault.seal("p1", name, AAD).box) for name in ("Li", "Ortega", "van der Berg")}
    assert len(lengths) == 1


def test_a_box_moved_to_another_place_does_not_open(vault: Vault) -> None:
    sealed = vault.seal("p1", "Ortega", AAD)
    vault.seal("p2", "Li", AAD)
    moved = Sealed(subject="p2", box=sealed.box)
    changed = Sealed(subject="p1", box=sealed.box[:-1] + bytes([sealed.box[-1] ^ 1]))
    for box, aad in ((sealed, b"elsewhere"), (moved, AAD), (changed, AAD)):
        with pytest.raises(TamperedError, match="nightporter log verify"):
            vault.open(box, aad)
    with pytest.raises(TamperedError):
        vault.open(Sealed(subject="p1", box=b""), AAD)


def test_a_text_that_cannot_be_utf_8_or_is_too_long_is_never_shown(vault: Vault) -> None:
    assert vault.open(vault.seal("p1", "Orte\ud800ga", AAD), AAD) == "Orte?ga"
    with pytest.raises(VaultError) as caught:
        vault.seal("p1", "Ortega" * TEXT_BYTES_MAX, AAD)
    assert "Ortega" not in str(caught.value)


def test_no_key_is_on_disk_before_the_commit_and_all_are_after_it(vault: Vault, path: Path) -> None:
    vault.seal("p1", "Ortega", AAD)
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM person_key").fetchone() == (0,)
        vault.commit_new_keys()
        assert reader.execute("SELECT count(*) FROM person_key").fetchone() == (1,)


def test_keys_of_a_failed_batch_are_dropped_and_made_anew(vault: Vault) -> None:
    lost = vault.seal("p1", "Ortega", AAD)
    vault.drop_new_keys()
    kept = vault.seal("p1", "Ortega", AAD)
    vault.commit_new_keys()
    assert vault.open(kept, AAD) == "Ortega"
    with pytest.raises(TamperedError):
        vault.open(lost, AAD)


def test_a_forgotten_person_cannot_be_read(vault: Vault) -> None:
    sealed = vault.seal("p1", "Ortega", AAD)
    other = vault.seal("p2", "Li", AAD)
    vault.commit_new_keys()
    assert vault.forget("p1", 1_000)
    assert vault.open(sealed, AAD) is None
    assert vault.open(other, AAD) == "Li"
    assert [vault.state(who) for who in ("p1", "p2", "p3")] == [
        KeyState.FORGOTTEN,
        KeyState.HELD,
        KeyState.ABSENT,
    ]


def test_a_forgotten_person_cannot_be_read_from_keys_db_its_wal_or_free_pages(
    vault: Vault, path: Path, tmp_path: Path
) -> None:
    # Random ids over many pages: an index that splits is where bytes would be left behind.
    chance = random.Random(3)
    people = [f"p_{chance.randbytes(8).hex()}" for _ in range(1_500)]
    for number, person in enumerate(people):
        vault.seal(person, "x", AAD)
        if number % 40 == 0:
            vault.commit_new_keys()
    vault.commit_new_keys()
    gone = chance.sample(people, 60)
    wrapped = [_wrapped(path, person) for person in gone]
    assert all(each in _raw(tmp_path) for each in wrapped)
    for number, person in enumerate(gone):
        vault.seal(f"later_{number}", "x", AAD)
        assert vault.forget(person, number)
    raw = _raw(tmp_path)
    assert not [each for each in wrapped if each in raw or each[12:44] in raw]


def test_a_forget_cut_before_its_scrub_is_scrubbed_at_the_next_start(
    vault: Vault, path: Path, tmp_path: Path
) -> None:
    vault.seal("p1", "Ortega", AAD)
    vault.commit_new_keys()
    wrapped = _wrapped(path, "p1")
    with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN")
        foreign.execute("SELECT * FROM person_key").fetchall()
        vault._writer.execute("PRAGMA busy_timeout=0")  # the wait is not the promise
        assert not vault.forget("p1", 1)
        # What a power cut leaves at this moment.
        after = tmp_path / "after"
        after.mkdir()
        for file in (path, path.with_name("keys.db-wal")):
            (after / file.name).write_bytes(file.read_bytes())
        assert wrapped in _raw(after)
    with closing(open_vault(after / path.name, MASTERS)) as again:
        assert wrapped not in _raw(after)
        assert again.state("p1") is KeyState.FORGOTTEN


def test_what_is_written_for_a_forgotten_person_stays_unreadable(vault: Vault, path: Path) -> None:
    vault.forget("p1", 1)
    late = vault.seal("p1", "Ortega", AAD)
    vault.commit_new_keys()
    assert vault.open(late, AAD) is None
    vault.close()
    with closing(open_vault(path, MASTERS)) as again:
        assert again.open(late, AAD) is None


def test_forgets_are_listed_once_and_applied_again_after_a_restore(
    vault: Vault, path: Path, tmp_path: Path
) -> None:
    sealed = vault.seal("p1", "Ortega", AAD)
    vault.commit_new_keys()
    old = tmp_path / "backup.db"
    vault.backup(old)
    vault.forget("p1", 5)
    vault.forget("p1", 9)
    vault.forget("never seen", 7)
    recorded = vault.forgets()
    assert recorded == [
        Forget(subject="p1", at_wall_ms=5),
        Forget(subject="never seen", at_wall_ms=7),
    ]
    with closing(open_vault(old, MASTERS)) as restored:
        assert restored.open(sealed, AAD) == "Ortega"
        assert restored.reapply_forgets(recorded)
        assert restored.open(sealed, AAD) is None
        assert restored.forgets() == recorded
    assert path.exists()


def test_a_reader_that_loaded_a_key_during_a_forget_does_not_keep_it(vault: Vault) -> None:
    sealed = {f"p{n}": vault.seal(f"p{n}", "Ortega", AAD) for n in range(40)}
    vault.commit_new_keys()
    ended = threading.Event()
    broken: list[BaseException] = []

    def read() -> None:
        try:
            while not ended.is_set():
                assert {vault.open(each, AAD) for each in sealed.values()} <= {"Ortega", None}
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            broken.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number, (person, box) in enumerate(sealed.items()):
            vault.forget(person, number)
            assert vault.open(box, AAD) is None
            if number == 20:
                vault.rotate(os.urandom(32))
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert not broken
    assert {vault.open(each, AAD) for each in sealed.values()} == {None}


class _SlowReader:
    """A reader's connection that lets something happen right after its next look."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.meanwhile: Callable[[], None] | None = None

    def execute(self, query: str, values: tuple[str, ...] = ()) -> _SlowReader:
        self._found = self._connection.execute(query, values).fetchall()
        return self

    def fetchall(self) -> list[Any]:
        if self.meanwhile is not None:
            happening, self.meanwhile = self.meanwhile, None
            happening()
        return self._found

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize("act", ["forget", "rotate"])
def test_a_reader_overtaken_by_a_forget_or_a_change_of_master_reads_rightly(
    vault: Vault, path: Path, act: str
) -> None:
    sealed = vault.seal("p1", "Ortega", AAD)
    vault.commit_new_keys()
    vault.close()
    reader = _SlowReader(connect(path))
    overtaken = Vault(writer=connect(path), reader=cast("Any", reader), master=MASTERS.current)
    writer = threading.Thread(
        target=(lambda: overtaken.forget("p1", 1))
        if act == "forget"
        else (lambda: overtaken.rotate(bytes(32)))
    )

    def overtake() -> None:
        writer.start()
        # It gets as far as the locks let it; the last step waits for this very reader.
        writer.join(0.2)

    reader.meanwhile = overtake
    with closing(overtaken):
        assert overtaken.open(sealed, AAD) == "Ortega"
        writer.join()
        assert overtaken.open(sealed, AAD) == (None if act == "forget" else "Ortega")


def test_memory_holds_a_bounded_number_of_keys(vault: Vault) -> None:
    first = vault.seal("p", "Ortega", AAD)
    for number in range(KEYS_IN_MEMORY_MAX + 10):
        vault.seal(f"p{number}", "x", AAD)
    vault.commit_new_keys()
    assert len(vault._keys) == KEYS_IN_MEMORY_MAX
    assert vault.open(first, AAD) == "Ortega"


def test_another_master_key_opens_nothing_and_says_what_to_do(vault: Vault, path: Path) -> None:
    vault.close()
    with pytest.raises(WrongMasterError, match="Put the matching key back"):
        open_vault(path, MasterKeys(current=bytes(32)))


def test_a_key_swapped_inside_keys_db_is_noticed(vault: Vault, path: Path) -> None:
    for person in ("p1", "p2"):
        vault.seal(person, "x", AAD)
    vault.commit_new_keys()
    sealed = vault.seal("p1", "Ortega", AAD)
    vault.close()
    with closing(sqlite3.connect(path)) as stranger, stranger:
        query = (
            "UPDATE person_key SET wrapped = (SELECT wrapped FROM person_key WHERE subject='p2')"
        )
        stranger.execute(query)
    with closing(open_vault(path, MASTERS)) as again, pytest.raises(TamperedError, match="backup"):
        again.open(sealed, AAD)


def test_the_file_is_its_owner_s_alone(vault: Vault, tmp_path: Path) -> None:
    vault.seal("p1", "x", AAD)
    vault.commit_new_keys()
    vault.backup(tmp_path / "copy.db")
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_derived_values_differ_by_purpose_and_stay_when_the_master_changes(
    vault: Vault, path: Path
) -> None:
    before = [
        vault.derive("pin", "s1", "d1"),
        vault.derive("pin", "s1d1"),
        vault.derive("pins", "1", "d1"),
        vault.keyed_hash(b"body", "answered"),
        vault.keyed_hash(b"body", "voucher"),
        vault.blind("ortega", "surname").encode(),
        vault.secret("door issuer", lambda: b"made once"),
    ]
    assert len(set(before)) == len(before)
    fresh = os.urandom(32)
    vault.rotate(fresh)
    vault.close()
    with closing(open_vault(path, MasterKeys(current=fresh))) as again:
        assert before == [
            again.derive("pin", "s1", "d1"),
            again.derive("pin", "s1d1"),
            again.derive("pins", "1", "d1"),
            again.keyed_hash(b"body", "answered"),
            again.keyed_hash(b"body", "voucher"),
            again.blind("ortega", "surname").encode(),
            again.secret("door issuer", lambda: b"made twice"),
        ]


def test_forgets_hold_through_a_change_of_master(vault: Vault) -> None:
    sealed = vault.seal("p1", "Ortega", AAD)
    kept = vault.seal("p2", "Li", AAD)
    vault.commit_new_keys()
    vault.forget("p1", 1)
    vault.rotate(os.urandom(32))
    assert vault.open(sealed, AAD) is None
    assert vault.open(kept, AAD) == "Li"


def test_master_keys_never_show_and_have_one_length() -> None:
    assert repr(MasterKeys(current=b"k" * 32, previous=b"j" * 32)) == "MasterKeys()"
    with pytest.raises(VaultError, match="32 bytes"):
        MasterKeys(current=b"short")
