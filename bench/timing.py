"""Durations of many equal things, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """`p50` and `p95` in milliseconds, `rate` in things per second, `failed` in things."""

    count: int
    rate: float
    p50: float
    p95: float
    failed: int = 0


def timing(milliseconds: list[float], seconds: float, failed: int = 0) -> Timing:
    """What a run of `seconds` over all clients comes to."""
    ordered = sorted(milliseconds) or [0.0]
    return Timing(
        count=len(milliseconds),
        rate=len(milliseconds) / seconds,
        p50=percentile(ordered, 50),
        p95=percentile(ordered, 95),
        failed=failed,
    )


def percentile(ordered: list[float], share: float) -> float:
    """The value that `share` percent of a sorted list do not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]
