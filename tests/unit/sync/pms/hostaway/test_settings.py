"""What nightporter.toml says of Hostaway becomes an account, and what it leaves out is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import load_settings
from sync.pms.hostaway.token import HostawayAccount
from sync.settings import SyncUnsetError, from_box


def box(folder: Path, *lines: str) -> Settings:
    secret = folder / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    text = "\n".join(
        ["[sync.pms]", 'kind = "hostaway"', 'base_url = "https://api.hostaway.com/"', *lines]
    )
    (folder / "nightporter.toml").write_text(text)
    return load_settings({}, etc=folder).settings


def test_hostaway_is_told_by_its_account_and_a_file(tmp_path: Path) -> None:
    lines = ['client_id = "10450"', f'client_secret_file = "{tmp_path / "secret"}"']
    found = from_box(box(tmp_path, *lines), {}).pms
    assert isinstance(found, HostawayAccount)
    assert (found.base_url, found.client_id) == ("https://api.hostaway.com", "10450")
    assert found.client_secret == "s3cret"
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize("missing", ["client_id", "client_secret_file"])
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    lines = {"client_id": '"10450"', "client_secret_file": f'"{tmp_path / "secret"}"'}
    del lines[missing]
    with pytest.raises(SyncUnsetError, match=missing):
        from_box(box(tmp_path, *(f"{name} = {value}" for name, value in lines.items())), {})
