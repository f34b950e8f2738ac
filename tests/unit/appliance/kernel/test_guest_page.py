"""Which addresses a guest may be sent to."""

from __future__ import annotations

import pytest

from appliance.kernel.guest_page import CHARS_MAX, is_guest_page


@pytest.mark.parametrize(
    "url",
    [
        "https://pay.example/pay/stripe/pi_1/0123",
        "http://192.168.1.4:8080/pay/stripe/pi_1/0123",
        "http://127.0.0.1/pay",
        "http://[fd00::1]/pay",
        "http://box.local/pay",
        "http://nightporter/pay",
        "https://pay.example/" + "x" * (CHARS_MAX - 20),
    ],
)
def test_pages_for_guests(url: str) -> None:
    assert is_guest_page(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pay.example/1",
        "//pay.example/1",
        "http://pay.example/1",
        "http://93.184.216.34/1",
        "https://sk:secret@pay.example/1",
        "https://pay.example:port/1",
        "https://[pay/1",
        "https:///1",
        "javascript:alert(1)",
        "https://pay.example/a b",
        "https://pay.example/\n1",
        "https://p\u00e4y.example/1",
        "https://pay.example/" + "x" * (CHARS_MAX - 19),
    ],
)
def test_addresses_that_no_guest_is_sent_to(url: str) -> None:
    assert not is_guest_page(url)
