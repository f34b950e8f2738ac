"""The sheet that carries secrets from the box to the things."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.bus.device_sheet import (
    BadSheetError,
    BusAddress,
    DeviceSheet,
    SheetDevice,
    load,
    save,
)
from appliance.bus.words import DeviceKind

if TYPE_CHECKING:
    from pathlib import Path

LOCK = SheetDevice(
    device="lock-1",
    kind=DeviceKind.LOCK,
    secret_hex="ab" * 32,
    token="tok",
    door_number=7,
)
SHEET = DeviceSheet(
    property_id="marina",
    issuer_keys=("04" + "11" * 64,),
    devices=(LOCK,),
    time_zone="Europe/Lisbon",
    bus=BusAddress(port=4711),
)


def test_a_sheet_comes_back_as_it_was_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "sheet.json"
    (tmp_path / "sheet.json.new").write_text("left over")
    (tmp_path / "sheet.json.new").chmod(0o666)
    save(path, SHEET)
    assert load(path) == SHEET
    assert path.stat().st_mode & 0o777 == 0o600


def test_secrets_are_not_in_its_words() -> None:
    assert "abab" not in repr(SHEET)
    assert "tok" not in repr(SHEET)


@pytest.mark.parametrize(
    ("old", "new", "cure"),
    [
        ('"property_id"', '"property"', "write it again"),
        ("ab" * 32, "ab" * 31, "cut short"),
        ("ab" * 32, "xy" * 32, "cut short"),
        ("11" * 64, "11" * 63, "cut short"),
        ('"door_number": 7', '"door_number": null', "give it one"),
        ('"Europe/Lisbon"', '"Mars/Base"', "write one like"),
        ('"lock-1"', "5", "write it again"),
    ],
)
def test_a_wrong_sheet_is_refused_with_the_cure(
    tmp_path: Path, old: str, new: str, cure: str
) -> None:
    path = tmp_path / "sheet.json"
    save(path, SHEET)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(BadSheetError, match=cure):
        load(path)


def test_two_devices_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sheet.json"
    save(path, DeviceSheet(property_id="p", issuer_keys=(), devices=(LOCK, LOCK)))
    with pytest.raises(BadSheetError, match="twice"):
        load(path)
