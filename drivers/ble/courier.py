"""The newest signed denylist that this driver was given: brought to every lock that has an older one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.kernel import edicts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric import ec


class Courier:
    """Holds one list, as bytes: locks verify it themselves."""

    def __init__(self, issuers: Mapping[bytes, ec.EllipticCurvePublicKey]) -> None:
        self._issuers = issuers
        self._list: bytes | None = None
        self._seq = 0

    def offer(self, denylist: bytes | None) -> None:
        """Keep it if an issuer of ours signed it and it is newer than the one at hand."""
        if denylist is None:
            return
        found = edicts.read_denylist(denylist, self._issuers)
        if isinstance(found, edicts.Denylist) and found.seq > self._seq:
            self._list, self._seq = denylist, found.seq

    def newer_than(self, seq: int) -> bytes | None:
        """The list, where a lock that has number `seq` lacks it."""
        return self._list if self._seq > seq else None
