"""A backup is everything or nothing; a restore forgets again, and touches nothing before it is sure."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.archive import CONTENTS, BadBackupError
from appliance.engines.identity.messages import ForgetPerson
from appliance.keep import backup, make_backup, restore
from appliance.kernel import log as kernel_log
from appliance.kernel.vault import VaultError
from appliance.restoring import RESTORED_MARK, Restored, restore_backup
from appliance.where import EXIT_CONFIG
from support.desk import MANAGER
from support.kept_house import KeptHouse, master_text, names_in
from support.own_property import bare_settings


@pytest.fixture
def house(tmp_path: Path) -> Iterator[KeptHouse]:
    house = KeptHouse(tmp_path / "house")
    yield house
    house.close()


def _restore(archive: Path, house: KeptHouse, into: Path) -> Restored:
    return restore_backup(
        archive, into, house.clock, run_dir=into / "run", master=into / "master.key"
    )


def _backup(house: KeptHouse, name: str = "night.npb") -> Path:
    archive = house.folder.parent / name
    make_backup(house.settings, archive, house.clock)
    return archive


def _facts(folder: Path) -> int:
    return kernel_log.verify_file(folder / "log.db").position


def _state(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_a_restore_into_an_empty_folder_brings_every_fact_and_every_name(
    house: KeptHouse, tmp_path: Path
) -> None:
    stay = house.learned("up-1")
    archive = _backup(house)
    new = tmp_path / "new box"
    restored = _restore(archive, house, new)
    assert restored.set_aside is None
    assert _facts(new) == restored.facts == _facts(house.folder)
    assert "Weber" in str(names_in(new)[stay])


def test_a_restored_box_reads_its_settings_from_where_it_stands_now(
    house: KeptHouse, tmp_path: Path
) -> None:
    own = house.folder / "nightporter.toml"
    own.write_text(own.read_text().replace('data_dir = "."', f'data_dir = "{house.folder}"'))
    restored = _restore(_backup(house), house, tmp_path / "new")
    assert restored.moved
    assert 'data_dir = "."' in (tmp_path / "new" / "nightporter.toml").read_text()


def test_a_backup_while_facts_are_written_is_one_moment_of_them(house: KeptHouse) -> None:
    enough, writing = threading.Event(), threading.Event()
    wrote: list[int] = []

    def write() -> None:
        for number in range(400):
            house.learn(f"up-{number}", room_type_id="suite")
            wrote.append(number)
            writing.set()
            if enough.is_set():
                break

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert writing.wait(20)
        before = len(wrote)
        archive = _backup(house)
        after = len(wrote) + 1
    finally:
        enough.set()
        thread.join()
    new = house.folder.parent / "new"
    _restore(archive, house, new)
    names = names_in(new)
    assert before <= len(names) <= after
    assert all("Weber" in str(name) for name in names.values())
    with closing(sqlite3.connect(new / "log.db")) as db:
        booked = "SELECT count(*) FROM event WHERE kind LIKE 'stays.booked%'"
        assert db.execute(booked).fetchone()[0] == len(names)


def test_what_was_there_is_set_aside_whole(house: KeptHouse) -> None:
    house.learn("up-1")
    archive = _backup(house)
    house.learn("up-2")
    house.close()
    later = _facts(house.folder)
    restored = _restore(archive, house, house.folder)
    assert restored.set_aside is not None
    assert _facts(restored.set_aside) == later
    assert _facts(house.folder) == restored.facts < later
    assert (restored.set_aside / "master.key").exists()


def test_two_restores_in_one_second_lose_nothing(house: KeptHouse) -> None:
    archive = _backup(house)
    house.close()
    first = _restore(archive, house, house.folder).set_aside
    second = _restore(archive, house, house.folder).set_aside
    assert first is not None
    assert second is not None
    assert first != second
    assert (first / "log.db").exists()
    assert (second / "log.db").exists()


def test_sync_is_told_to_look_everything_up_before_it_sends(
    house: KeptHouse, tmp_path: Path
) -> None:
    _restore(_backup(house), house, tmp_path / "new")
    assert (tmp_path / "new" / RESTORED_MARK).exists()


def test_who_was_forgotten_before_the_backup_stays_forgotten(
    house: KeptHouse, tmp_path: Path
) -> None:
    gone, kept = house.learned("up-1"), house.learned("up-2")
    house.forget(house.person_of(gone))
    restored = _restore(_backup(house), house, tmp_path / "new")
    names = names_in(tmp_path / "new")
    assert names[gone] is None
    assert names[kept] is not None
    assert restored.forgotten == 1


def test_who_was_forgotten_after_the_backup_is_forgotten_again_by_the_keys_that_are_there(
    house: KeptHouse,
) -> None:
    stay = house.learned("up-1")
    archive = _backup(house)
    house.vault.forget(house.person_of(stay), house.clock.read().wall_ms)
    house.close()
    _restore(archive, house, house.folder)
    assert names_in(house.folder) == {stay: None}


def test_who_was_forgotten_after_the_backup_is_forgotten_again_by_the_fact_alone(
    house: KeptHouse,
) -> None:
    """The follower had not come to destroy the key before the box died."""
    stay = house.learned("up-1")
    archive = _backup(house)
    house.done(ForgetPerson(person_id=house.person_of(stay), reason="asked"), MANAGER)
    house.close()
    _restore(archive, house, house.folder)
    assert names_in(house.folder) == {stay: None}


def test_a_fact_in_the_archive_destroys_a_key_that_the_archive_still_had(
    house: KeptHouse, tmp_path: Path
) -> None:
    stay = house.learned("up-1")
    house.done(ForgetPerson(person_id=house.person_of(stay), reason="asked"), MANAGER)
    _restore(_backup(house), house, tmp_path / "new")
    assert names_in(tmp_path / "new") == {stay: None}


def test_a_damaged_property_does_not_stand_in_the_way_of_its_own_restore(house: KeptHouse) -> None:
    stay = house.learned("up-1")
    archive = _backup(house)
    house.close()
    (house.folder / "log.db").write_bytes(b"no database at all" * 100)
    (house.folder / "keys.db").write_bytes(b"neither this" * 100)
    restored = _restore(archive, house, house.folder)
    assert restored.set_aside is not None
    assert "Weber" in str(names_in(house.folder)[stay])


def test_everything_that_is_secret_is_for_its_owner_only(house: KeptHouse, tmp_path: Path) -> None:
    archive = _backup(house)
    assert archive.stat().st_mode & 0o777 == 0o600
    _restore(archive, house, tmp_path / "new")
    for path in (tmp_path / "new").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_secrets_that_the_settings_name_come_along(house: KeptHouse, tmp_path: Path) -> None:
    (house.folder / "pms.secret").write_text("inside")
    outside = tmp_path / "payments.secret"
    outside.write_text("outside")
    more = (
        f'[sync.pms]\nclient_token_file = "{house.folder}/pms.secret"\n'
        f'[sync.payments]\nkey_file = "{outside}"\n'
    )
    house.settings = bare_settings(house.folder, more)
    restored = _restore(_backup(house), house, tmp_path / "new")
    assert (tmp_path / "new" / "pms.secret").read_text() == "inside"
    assert restored.elsewhere == ("sync.payments.key_file",)
    assert (tmp_path / "new/elsewhere/sync.payments.key_file").read_text() == "outside"


def test_blobs_certificates_and_every_other_database_come_along(
    house: KeptHouse, tmp_path: Path
) -> None:
    small = ["blobs/ab/abcd", "pki/ca.crt", "driver-ble0.json", "driver-ble0.key"]
    small += ["driver-ble0/log-101.json", "satellite-zb1/tls/driver-zb1.key"]
    for name in (*small, "driver-ble0/zigbee.db-wal"):
        path = house.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for name in ("sync.db", "driver-ble0.db", "rebuild-stays.db"):
        with closing(sqlite3.connect(house.folder / name)) as db:
            db.execute("CREATE TABLE kept (name TEXT)")
            db.execute("INSERT INTO kept VALUES (?)", (name,))
            db.commit()
    new = tmp_path / "new"
    _restore(_backup(house), house, new)
    for name in small:
        assert (new / name).read_text() == name
    assert not (new / "driver-ble0/zigbee.db-wal").exists()
    assert (new / "driver-ble0.restored").exists()
    for name in ("sync.db", "driver-ble0.db"):
        with closing(sqlite3.connect(new / name)) as db:
            assert db.execute("SELECT name FROM kept").fetchall() == [(name,)]
    assert not (new / "rebuild-stays.db").exists()


# -- archives that are refused, with nothing changed ------------------------------------------


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        found = {}
        for member in tar:
            stream = tar.extractfile(member)
            assert stream is not None
            found[member.name] = stream.read()
        return found


def _pack(archive: Path, members: dict[str, bytes], *special: tarfile.TarInfo) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in special:
            tar.addfile(member)


def _add(archive: Path, name: str, data: bytes = b"x") -> None:
    _pack(archive, _members(archive) | {name: data})


def _link(archive: Path) -> None:
    link = tarfile.TarInfo("master.key")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    members = _members(archive)
    del members["master.key"]
    _pack(archive, members, link)


def _change_a_fact(archive: Path) -> None:
    """As somebody would who knows the form: the digest is made to fit again."""
    members = _members(archive)
    path = archive.with_name("changed.db")
    path.write_bytes(members["log.db"])
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE event SET at_wall = at_wall + 1 WHERE position = 3")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _replace(archive, members, "log.db", path.read_bytes())


def _replace(archive: Path, members: dict[str, bytes], name: str, data: bytes) -> None:
    import hashlib  # noqa: PLC0415 - one forger needs it

    contents = json.loads(members[CONTENTS])
    contents["digests"][name] = hashlib.sha256(data).hexdigest()
    _pack(archive, members | {CONTENTS: json.dumps(contents).encode(), name: data})


def _truncate(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-3000])


def _empty(archive: Path) -> None:
    _pack(archive, {})


def _other(archive: Path) -> None:
    _pack(archive, {"log.db": b"x"})


def _no_archive(archive: Path) -> None:
    archive.write_bytes(gzip.compress(b"a letter"))


def _other_form(archive: Path) -> None:
    members = _members(archive)
    text = members[CONTENTS].replace(b"nightporter backup 1", b"nightporter backup 9")
    _pack(archive, members | {CONTENTS: text})


def _without_log(archive: Path) -> None:
    members = _members(archive)
    contents = json.loads(members[CONTENTS])
    del members["log.db"], contents["digests"]["log.db"]
    _pack(archive, members | {CONTENTS: json.dumps(contents).encode()})


def _damaged_database(archive: Path) -> None:
    _replace(archive, _members(archive), "keys.db", b"SQLite format 3\0" + b"?" * 4096)


def _tampered(archive: Path) -> None:
    members = _members(archive)
    _pack(archive, members | {"master.key": master_text(b"z" * 32).encode()})


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_truncate, "cannot be read to its end"),
        (_empty, "is no backup of nightporter"),
        (_other, "is no backup of nightporter"),
        (_no_archive, "cannot be read"),
        (_other_form, "another form"),
        (_tampered, "is not what was backed up"),
        (_change_a_fact, "was changed"),
        (_without_log, "there is no log"),
        (_damaged_database, "damaged"),
        (_link, "which no backup has"),
        (lambda archive: _add(archive, "../outside"), "which no backup has"),
        (lambda archive: _add(archive, "/etc/outside"), "which no backup has"),
        (lambda archive: _add(archive, "blobs/../../outside"), "which no backup has"),
        (lambda archive: _add(archive, "pki/.bashrc"), "which no backup has"),
        (lambda archive: _add(archive, "extra.db"), "which nobody put there"),
    ],
)
def test_a_bad_archive_is_refused_with_a_sentence_and_nothing_changes(
    house: KeptHouse, spoil: Callable[[Path], None], says: str
) -> None:
    house.learn("up-1")
    archive = _backup(house)
    house.close()
    before = _state(house.folder)
    spoil(archive)
    with pytest.raises(BadBackupError) as refused:
        _restore(archive, house, house.folder)
    assert says in str(refused.value)
    assert _state(house.folder) == before
    assert not (house.folder.parent / "outside").exists()


def test_an_archive_whose_keys_do_not_open_is_refused_before_anything_is_touched(
    house: KeptHouse,
) -> None:
    archive = _backup(house)
    house.close()
    before = _state(house.folder)
    _replace(archive, _members(archive), "master.key", master_text(b"z" * 32).encode())
    with pytest.raises(VaultError):
        _restore(archive, house, house.folder)
    assert _state(house.folder) == before


def test_an_archive_without_a_master_key_opens_with_the_one_of_this_box(
    house: KeptHouse, tmp_path: Path
) -> None:
    stay = house.learned("up-1")
    key = house.folder / "master.key"
    kept = key.rename(tmp_path / "kept.key")
    archive = _backup(house)
    new = tmp_path / "new"
    with pytest.raises(VaultError, match="master key"):
        _restore(archive, house, new)
    restore_backup(archive, new, house.clock, run_dir=new / "run", master=kept)
    shutil.copy(kept, new / "master.key")
    assert names_in(new)[stay] is not None


def test_a_log_that_does_not_verify_makes_no_backup(house: KeptHouse) -> None:
    house.learn("up-1")
    house.db.execute("UPDATE event SET kind = 'other' WHERE position = 2")
    archive = house.folder.parent / "night.npb"
    with pytest.raises(kernel_log.ChainBrokenError):
        make_backup(house.settings, archive, house.clock)
    assert sorted(path.name for path in house.folder.parent.iterdir()) == ["house"]


# -- the two verbs ------------------------------------------------------------------------------


def test_the_verbs_say_what_they_did(house: KeptHouse, tmp_path: Path) -> None:
    stay = house.learned("up-1")
    house.forget(house.person_of(stay))
    archive = tmp_path / "night.npb"
    said = CliRunner().invoke(backup, [str(archive), "--data", str(house.folder)])
    assert said.exit_code == 0, said.output
    assert "lock it away" in said.output
    new = tmp_path / "new"
    said = CliRunner().invoke(restore, [str(archive), "--data", str(new)])
    assert said.exit_code == 0, said.output
    assert "1 forgotten people are forgotten again" in said.output
    assert names_in(new) == {stay: None}


def test_a_backup_into_no_folder_is_refused_with_a_sentence(
    house: KeptHouse, tmp_path: Path
) -> None:
    archive = tmp_path / "nowhere" / "night.npb"
    said = CliRunner().invoke(backup, [str(archive), "--data", str(house.folder)])
    assert said.exit_code == EXIT_CONFIG
    assert "there is no folder" in said.output


def test_a_folder_without_a_property_has_nothing_to_back_up(tmp_path: Path) -> None:
    said = CliRunner().invoke(backup, [str(tmp_path / "a.npb"), "--data", str(tmp_path / "none")])
    assert said.exit_code == EXIT_CONFIG
    assert "there is no property" in said.output


def test_a_running_box_is_not_restored_over(house: KeptHouse) -> None:
    import socket  # noqa: PLC0415 - stands for the running box

    archive = _backup(house)
    house.settings.run_dir.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(house.settings.command_socket))
        server.listen()
        said = CliRunner().invoke(restore, [str(archive), "--data", str(house.folder)])
    assert said.exit_code == EXIT_CONFIG
    assert "stop it first" in said.output
    # The file of a box that was killed is no running box.
    house.close()
    said = CliRunner().invoke(restore, [str(archive), "--data", str(house.folder)])
    assert said.exit_code == 0, said.output


def test_a_bad_archive_ends_the_verb_with_a_sentence(house: KeptHouse) -> None:
    archive = house.folder.parent / "letter.npb"
    archive.write_text("a letter")
    said = CliRunner().invoke(restore, [str(archive), "--data", str(house.folder)])
    assert said.exit_code == EXIT_CONFIG
    assert "Nothing was changed." in said.output
