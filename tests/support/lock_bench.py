"""One simulated lock on a bench, with the keys of its property and a hand on the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import Order, Verb, answer_topic
from appliance.kernel.clock import Reading
from appliance.kernel.cose import Claims, issuers, point_of, sign
from twin.flash import Flash
from twin.identity import LockIdentity
from twin.journal import Journal
from twin.lock import LockCore
from twin.pin_slots import seal_pin

if TYPE_CHECKING:
    import datetime as dt

    from twin.core import Reply

ISSUER = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
SECRET = bytes(range(32))
NOON_MS = 1_789_992_000_000
DOOR = 204


@dataclass
class LockBench:
    """A lock, its flash and journal; `now_ms` is moved by hand."""

    flash: Flash = field(default_factory=Flash)
    journal: Journal = field(default_factory=Journal)
    now_ms: int = NOON_MS
    numbers: int = 0
    battery_pct: int = 100
    time_zone: dt.tzinfo | None = None

    def __post_init__(self) -> None:
        """Put the cells in."""
        self.restart()

    def restart(self) -> None:
        """Take the cells out and put them back (the clock chip keeps running)."""
        identity = LockIdentity(
            device="lock-204",
            door_number=DOOR,
            property_id="marina",
            issuers=issuers([point_of(ISSUER.public_key())]),
            secret=SECRET,
            zones=frozenset({0x8001}),
            time_zone=self.time_zone,
        )
        self.lock = LockCore(
            identity,
            flash=self.flash,
            journal=self.journal,
            now=self.now,
            battery_pct=self.battery_pct,
        )

    @property
    def now(self) -> Reading:
        """The clock on the wall."""
        return Reading(wall_ms=self.now_ms, boot_ms=self.now_ms, boot_id="bench", uncertainty_ms=0)

    def wait(self, seconds: float) -> Reply:
        """Let time pass; the lock notices at the end of it."""
        self.now_ms += int(seconds * 1000)
        return self.lock.tick(self.now)

    def key(
        self, *, gen: int = 1, cti: bytes = b"guest--1", issuer: Any = ISSUER, **claims: Any
    ) -> bytes:
        """A signed key, good from an hour ago to tomorrow unless said otherwise."""
        now_s = self.now_ms // 1000
        body: dict[str, Any] = {
            "exp_s": now_s + 86_400,
            "nbf_s": now_s - 3_600,
            "doors": ((DOOR, 1),),
            "aud": "marina",
        } | claims
        return sign(Claims(gen=gen, cti=cti, **body), issuer)

    def order(self, verb: Verb = Verb.UNLOCK, **fields: Any) -> Order:
        """An order with an id of its own that expires in eight seconds."""
        self.numbers += 1
        whole: dict[str, Any] = {
            "id": f"order-{self.numbers}",
            "expires_at_ms": self.now_ms + 8_000,
            "reply_topic": answer_topic("lock-204"),
        } | fields
        return Order(verb=verb, **whole)

    def give(self, order: Order) -> Reply:
        """The box's order arrives."""
        return self.lock.handle_order(order, self.now)

    def put_pin(
        self, digits: str, *, slot: int = 1, generation: int | None = 1, **fields: Any
    ) -> Reply:
        """Put a PIN into a slot the way the box does, good until tomorrow."""
        nonce = self.numbers.to_bytes(12, "big")
        sealed = seal_pin(digits, device="lock-204", secret=SECRET, nonce=nonce)
        now_s = self.now_ms // 1000
        times: dict[str, Any] = {
            "valid_from_s": now_s - 60,
            "valid_until_s": now_s + 86_400,
        } | fields
        return self.give(
            self.order(Verb.PUT_PIN, slot=slot, pin_sealed=sealed, generation=generation, **times)
        )

    def pin(self, digits: str) -> Reply:
        """Somebody types."""
        return self.lock.try_pin(digits, self.now)

    def hold(self, key: bytes, order_id: str | None = None) -> Reply:
        """Somebody holds a key to the lock."""
        return self.lock.try_credential(key, self.now, order_id)

    @property
    def opened(self) -> int:
        """How often the motor opened the bolt, by the twin's own record."""
        return self.journal.count("bolt", to="unlocked")
