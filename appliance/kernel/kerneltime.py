"""Asks the operating system whether a time service vouches for its clock."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

# From <sys/timex.h>: no time service has set the clock, or not for some hours.
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5
# systemd-timesyncd touches this at each answer it gets; needs no system call that a unit forbids.
_TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")
# A time service over the open internet is good to this, whatever it claims.
SERVICE_UNCERTAINTY_MS = 1_000
# An ordinary crystal, between two answers.
_DRIFT_PPM = 100
# Past a day without an answer the mark says nothing any more.
_MARK_AGE_S_MAX = 86_400


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),  # larger than any platform's remaining fields
    )


def kernel_uncertainty_ms(wall_ms: int) -> int | None:
    """How far off the system's time, which reads `wall_ms`, may be; None when nobody vouches."""
    asked = _adjtimex()
    return asked if asked is not None else _by_mark(wall_ms)


def _adjtimex() -> int | None:
    library = _library()
    if library is None:
        return None
    answer = _Timex()
    state = library.adjtimex(ctypes.byref(answer))
    if state in {-1, _TIME_ERROR} or answer.status & _STA_UNSYNC:
        return None
    return int(max(SERVICE_UNCERTAINTY_MS, answer.maxerror // 1000))


def _by_mark(wall_ms: int) -> int | None:
    try:
        age_s = wall_ms / 1000 - _TIMESYNC_MARK.stat().st_mtime
    except OSError:
        return None
    if not 0 <= age_s <= _MARK_AGE_S_MAX:
        return None
    return SERVICE_UNCERTAINTY_MS + int(age_s * 1000) * _DRIFT_PPM // 1_000_000


@cache
def _library() -> Any | None:
    try:
        library = ctypes.CDLL(None, use_errno=True)
        return library if hasattr(library, "adjtimex") else None
    except OSError:
        return None
