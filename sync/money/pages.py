"""The few pages that sync itself shows a guest: on to the payment provider, and back from it.

Plain HTML without scripts of ours from elsewhere, without cookies; no card number is ever typed
here (PCI SAQ A, cloud.md 2.1). Everything a page says is known to whoever holds its link.
"""

from __future__ import annotations

import hmac
import html
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qsl

from aiohttp import web

# An answer that a browser carries back is below 8 KiB; what is larger is read by nobody.
BODY_BYTES_MAX: Final = 64 * 1024
ROOT: Final = "pay"
# A guest's browser waits for one look at the provider, which has its own time limit below this.
STOP_S: Final = 1.0
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A sentence for the guest, and a form that their browser posts, or HTML of ours (`inner`)."""

    sentence: str
    post_to: str = ""
    fields: Mapping[str, str] | None = None
    status: int = 200
    inner: str = ""


NOWHERE: Final = Page(sentence="There is nothing here.", status=404)


class Pages(Protocol):
    """One provider's pages, below /pay/NAME/."""

    async def open(self, rest: list[str]) -> Page:
        """A guest opened a link; `rest` is what follows the provider's name."""
        ...

    async def come_back(self, fields: Mapping[str, str]) -> Page:
        """The provider sent the guest's browser back with these fields."""
        ...


class GuestPages:
    """Answers GET /pay/NAME/... and POST /pay/NAME/return."""

    def __init__(self, pages: Mapping[str, Pages]) -> None:
        self._pages = pages

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        parts = request.path.strip("/").split("/")
        found = self._pages.get(parts[1]) if len(parts) > 2 and parts[0] == ROOT else None
        if found is None:
            return render(NOWHERE)
        if request.method == "GET":
            return render(await found.open(parts[2:]))
        if request.method != "POST" or parts[2:] != ["return"]:
            return render(Page(sentence="This page is only read.", status=405))
        body = await request.content.read(BODY_BYTES_MAX + 1)
        while len(body) <= BODY_BYTES_MAX and (more := await request.content.read(BODY_BYTES_MAX)):
            body += more
        if len(body) > BODY_BYTES_MAX:
            return render(Page(sentence="That is too much.", status=413))
        try:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=64))
        except ValueError:
            return render(Page(sentence="That cannot be read.", status=400))
        return render(await found.come_back(fields))


def is_ours(token: str, right: str) -> bool:
    """Whether a link's last part is the one we gave; as slow for every wrong one."""
    return hmac.compare_digest(token.encode("utf-8", "replace"), right.encode())


def render(page: Page) -> web.Response:
    """The page as HTML."""
    inner = f"<p>{html.escape(page.sentence)}</p>{page.inner}"
    if page.fields is not None:
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in page.fields.items()
        )
        inner += (
            f'<form id="on" method="post" action="{html.escape(page.post_to)}">{hidden}'
            "<button>Continue to the payment</button></form>"
            "<script>document.getElementById('on').submit()</script>"
        )
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Payment</title>'
        f"<body>{inner}</body></html>"
    )
    return web.Response(status=page.status, text=text, content_type="text/html", headers=_HEADERS)


@asynccontextmanager
async def listen(pages: GuestPages, host: str, port: int) -> AsyncGenerator[int]:
    """Listen until the context ends; yields the port. Raises OSError where it is taken."""
    runner = web.ServerRunner(web.Server(pages.answer, access_log=None), shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
