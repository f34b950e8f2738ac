"""What a simulated lock was given when it was provisioned, and what it is sold as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True, kw_only=True)
class LockIdentity:
    """A `Door` of drivers.judge, with the metal around it."""

    device: str
    door_number: int
    property_id: str
    issuers: Mapping[bytes, ec.EllipticCurvePublicKey]
    secret: bytes = field(repr=False)  # 32 bytes, opens sealed PINs
    zones: frozenset[int] = frozenset()
    relock_s: float = 5.0
    drift_ppm: float = 0.0
    time_zone: dt.tzinfo | None = None  # without one, keys with weekly hours are refused
