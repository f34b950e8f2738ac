"""The PMS cloud's event stream without a socket, for sync on virtual time."""

from __future__ import annotations

from contextlib import AsyncExitStack

from sync.pms.mews.stream import StreamAwayError
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN
from twin.clouds.mews.stream import Listener, Streams

COOKIES = {"ClientToken": CLIENT_TOKEN, "AccessToken": ACCESS_TOKEN}


class DialInProcess:
    """Implements `sync.pms.mews.stream.Dial`."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.calls = 0

    async def __call__(self) -> LineInProcess:
        """One connection, as the handshake would make it."""
        self.calls += 1
        if not self._streams.admits(COOKIES):
            raise StreamAwayError("Mews answered 401 to the handshake")
        ends = AsyncExitStack()
        return LineInProcess(
            self._streams, await ends.enter_async_context(self._streams.listening()), ends
        )


class LineInProcess:
    """Implements `sync.pms.mews.stream.Line`."""

    def __init__(self, streams: Streams, listener: Listener, ends: AsyncExitStack) -> None:
        self._streams = streams
        self._listener = listener
        self._ends = ends

    async def heard(self) -> str:
        """The next message, or that the other side hung up."""
        text = await self._listener.messages.get()
        if text is None:
            raise StreamAwayError("Mews hung up")
        return text

    async def ping(self) -> None:
        """Answered unless the stream has gone silent."""
        if not self._streams.faults.silent:
            self._listener.messages.put_nowait("")

    async def close(self) -> None:
        """Hang up."""
        await self._ends.aclose()
