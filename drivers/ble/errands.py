"""Keys for errands: what the box last gave this driver for each lock beside pressing it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.kernel import cose
from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

logger = logging.getLogger(__name__)

# An errand takes seconds; a key that ends within this is not begun with.
LEFT_S_MIN: Final = 60


class Errands:
    """The newest key of each lock that carries the right to collect and to set.

    It comes with any order of the box whose credential has that right, and is kept in a file so
    that after a restart an unsettled order can still be asked about. It is bound to this driver's
    own key: whoever reads the file cannot use it.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        issuers: Mapping[bytes, ec.EllipticCurvePublicKey],
        point: bytes,
    ) -> None:
        self._path = path
        self.issuers = issuers
        self._point = point
        self._keys: dict[str, tuple[bytes, int]] = {}
        if path is not None:
            self._load(path)

    def offer(self, lock: str, door_number: int, credential: bytes | None) -> None:
        """Keep it if it is a key for errands at that door, ours, and lives longer than the last."""
        if credential is None:
            return
        claims = cose.verify(credential, self.issuers)
        if not isinstance(claims, cose.Claims) or claims.cnf != self._point:
            return
        if not dict(claims.doors).get(door_number, 0) & cose.ADMIN_BIT:
            return
        known = self._keys.get(lock)
        if known is not None and known[1] >= claims.exp_s:
            return
        self._keys[lock] = (credential, claims.exp_s)
        if self._path is not None:
            write_whole(self._path, msgspec.json.encode(self._keys))

    def key(self, lock: str, now_s: int) -> bytes | None:
        """The key for that lock, None where there is none or it ends now."""
        known = self._keys.get(lock)
        return known[0] if known is not None and known[1] - now_s > LEFT_S_MIN else None

    def _load(self, path: Path) -> None:
        try:
            self._keys = msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[bytes, int]])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError):
            # The box brings new ones within a day.
            logger.warning("the file of errand keys is unreadable and begun anew")
