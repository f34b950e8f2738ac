"""Promises of the settings' keys: each has a sentence, limits hold, places follow the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from appliance.kernel.settings_files import known_keys, load_settings

NOWHERE = Path("/nonexistent")


@pytest.mark.parametrize("key", known_keys())
def test_every_key_has_a_sentence(key: str) -> None:
    sentence = known_keys()[key].description or ""
    assert sentence.endswith(".")
    assert sentence[0].isupper()


def test_every_file_of_the_box_is_below_its_folder() -> None:
    settings = load_settings({}, etc=NOWHERE).settings
    data = Path("/var/lib/nightporter")
    assert {
        settings.log_file.parent,
        settings.keys_file.parent,
        settings.telemetry_file.parent,
        settings.sync_file.parent,
        settings.blobs_dir.parent,
        settings.floor_file.parent,
        settings.master_file.parent,
        settings.bus_credentials_file.parent,
    } == {data}
    assert settings.command_socket == Path("/run/nightporter/command.sock")


def test_settings_cannot_be_changed_while_the_box_runs() -> None:
    settings = load_settings({}, etc=NOWHERE).settings
    with pytest.raises(ValidationError):
        settings.web.port = 1
