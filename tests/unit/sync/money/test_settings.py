"""What nightporter.toml says of money becomes accounts, and what it leaves out is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import load_settings
from sync.money.choosing import MoneyAccounts
from sync.settings import SyncUnsetError, from_box

CCAVENUE = {
    "kind": "ccavenue",
    "base_url": "https://secure.ccavenue.com/",
    "api_url": "https://api.ccavenue.com",
    "merchant_id": "2193",
    "access_code": "AVXX",
    "guest_url": "https://box.example/",
    "pages_port": 8090,
}


def box(tmp_path: Path, payments: dict[str, Any], bank: dict[str, Any]) -> Settings:
    """Settings with secrets in files of this mode."""
    for name, text in {"key": "wk", "secret": "s", "tokens": "access-1\naccess-2\n"}.items():
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
    sections = {"sync.payments": payments, "sync.bank": bank}
    text = "\n".join(
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())])
        for name, fields in sections.items()
    )
    (tmp_path / "nightporter.toml").write_text(text)
    return load_settings({}, etc=tmp_path).settings


def test_ccavenue_and_plaid_are_told_by_files(tmp_path: Path) -> None:
    payments = {**CCAVENUE, "key_file": str(tmp_path / "key")}
    bank = {
        "kind": "plaid",
        "base_url": "https://production.plaid.com",
        "client_id": "c",
        "secret_file": str(tmp_path / "secret"),
        "access_tokens_file": str(tmp_path / "tokens"),
    }
    found = from_box(box(tmp_path, payments, bank), {}).money
    assert found.stripe is None
    assert found.ccavenue is not None
    assert (found.ccavenue.page_url, found.ccavenue.working_key) == (
        "https://secure.ccavenue.com",
        "wk",
    )
    assert found.plaid is not None
    assert found.plaid.access_tokens == ("access-1", "access-2")
    assert "wk" not in repr(found)
    assert "access-1" not in repr(found)


@pytest.mark.parametrize("missing", ["api_url", "merchant_id", "access_code", "guest_url"])
def test_what_ccavenue_needs_is_asked_for_by_name(tmp_path: Path, missing: str) -> None:
    payments = {**CCAVENUE, "key_file": str(tmp_path / "key"), missing: ""}
    with pytest.raises(SyncUnsetError, match=missing):
        from_box(box(tmp_path, payments, {"kind": "none"}), {})


def test_without_money_there_is_no_account(tmp_path: Path) -> None:
    found = from_box(box(tmp_path, {"kind": "none"}, {"kind": "none"}), {}).money
    assert found == MoneyAccounts()
