"""The port: what the box asks of a bus, whatever client or broker is behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name: both ends compare no dates.
NO_CHECK_TIME = 0x200000


class Published(StrEnum):
    """What is known of one publication (DESIGN law 3)."""

    ACCEPTED = "accepted"  # QoS 1: the broker acknowledged; QoS 0: handed to the socket
    NOT_SENT = "not_sent"  # no byte has left and none will
    UNKNOWN = "unknown"  # it left, or may still; no acknowledgement came in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it arrived. A QoS 1 message may arrive again: its payload has the number."""

    topic: str
    payload: bytes
    qos: int = 1
    retained: bool = False
    repeated: bool = False  # the broker's DUP flag: a hint, never proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker publishes for a client that goes without a word."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The bus as a status line may show it (DESIGN law 7); ages in seconds."""

    connected: bool
    confirmed_age_s: float | None  # since the other side last answered; None: it never has
    outgoing: int  # publications not yet acknowledged
    waiting: int  # messages received and not yet handled
    oldest_wait_s: float  # age of the oldest of them, 0 where none waits
    parked: int  # messages given up after their handler failed, since the start


Handler = Callable[[Message], Awaitable[None]]
Greeting = Callable[[], Awaitable[None]]


class BusRefusedError(Exception):
    """The broker does not grant a subscription; the text says which and what to look at."""


class Bus(Protocol):
    """One identity's connection to the bus."""

    @property
    def identity(self) -> str:
        """The name this end speaks under."""
        ...

    @property
    def connected(self) -> bool:
        """Whether a message published now would leave."""
        ...

    def standing(self) -> Standing:
        """How the connection is, with the age of that knowledge."""
        ...

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> Published:
        """Publish once; never kept for later where the line is down. Raises nothing for the line."""
        ...

    async def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 1) -> None:
        """Have messages handled, now and after every reconnect.

        A message is acknowledged only after its handler has returned. Raises BusRefusedError
        where the broker says no; without a connection the answer is only known later.
        """
        ...

    def on_connect(self, greeting: Greeting) -> None:
        """Have this awaited after every connect: the bus forgets, its owners say it again."""
        ...

    async def close(self) -> None:
        """Say good-bye (the will is not published) and stop."""
        ...
