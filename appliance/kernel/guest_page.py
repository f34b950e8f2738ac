"""Addresses of pages that a guest is sent to: what may be shown, and drawn as a code."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

# An address with its tokens; longer ones fit no code that a phone reads from a screen.
CHARS_MAX: Final = 2_000
# Names that mean a host of the property's own network (RFC 6762 section 3, RFC 8375, ICANN 2024).
_OWN_NAMES: Final = (".local", ".home.arpa", ".internal", ".lan")


def is_guest_page(url: str) -> bool:
    """Whether an address may be shown to a guest: https, or http on a host of the property's own.

    Never with a user's name or password in it, nor with blanks or anything that is not ASCII.
    """
    if len(url) > CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_own(host))


def _is_own(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_OWN_NAMES)
