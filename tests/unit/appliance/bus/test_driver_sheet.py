"""A driver's sheet is read strictly, and its key is made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.bus import driver_sheet
from appliance.bus.device_sheet import BadSheetError, BusAddress
from appliance.bus.driver_sheet import DriverSheet, RadioThing
from appliance.bus.words import DeviceKind

THING = RadioThing(device="lock-101", kind=DeviceKind.LOCK, secret_hex="ab" * 32, door_number=101)
SHEET = DriverSheet(
    radio="ble0",
    kind="ble",
    property_id="riverside",
    issuer_keys=("04" + "cd" * 64,),
    token="tok",
    things=(THING,),
    options={"adapter": "hci0", "slots": 3, "passive": True},
)


def test_a_sheet_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / driver_sheet.sheet_name("ble0")
    driver_sheet.save(path, SHEET)
    assert driver_sheet.load(path) == SHEET


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (replace(SHEET, bus=BusAddress(tls=True)), "TLS"),
        (replace(SHEET, things=(THING, THING)), "twice"),
        (replace(SHEET, things=(replace(THING, door_number=None),)), "door_number"),
        (replace(SHEET, things=(replace(THING, secret_hex="ab"),)), "cut short"),
        (replace(SHEET, issuer_keys=("zz",)), "cut short"),
        (replace(SHEET, issuer_keys=SHEET.issuer_keys * 5), "issuer keys"),
        (replace(SHEET, things=tuple(replace(THING, device=f"l{n}") for n in range(501))), "500"),
    ],
)
def test_a_wrong_sheet_is_answered_with_its_cure(
    tmp_path: Path, wrong: DriverSheet, says: str
) -> None:
    path = tmp_path / "sheet.json"
    driver_sheet.save(path, wrong)
    with pytest.raises(BadSheetError, match=says):
        driver_sheet.load(path)


def test_a_sheet_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "sheet.json"
    driver_sheet.save(path, SHEET)
    path.chmod(0o644)
    with pytest.raises(BadSheetError, match="chmod 600"):
        driver_sheet.load(path)


def test_the_key_is_made_once_and_no_other_file_passes_for_it(tmp_path: Path) -> None:
    path = tmp_path / driver_sheet.key_name("ble0")
    made = driver_sheet.presser_key(path).private_numbers()
    assert driver_sheet.presser_key(path).private_numbers() == made
    path.write_bytes(b"-----BEGIN NOTHING-----")
    with pytest.raises(BadSheetError, match="no key of a driver"):
        driver_sheet.presser_key(path)
