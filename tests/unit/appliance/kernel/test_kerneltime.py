"""Promises of asking the operating system about its clock."""

from __future__ import annotations

from appliance.kernel.kerneltime import SERVICE_UNCERTAINTY_MS, kernel_uncertainty_ms


def test_the_kernel_s_word_is_a_doubt_in_milliseconds_or_none() -> None:
    # Which of the two depends on the machine; neither may raise, inside a container or out.
    answer = kernel_uncertainty_ms(1_800_000_000_000)
    assert answer is None or answer >= SERVICE_UNCERTAINTY_MS
