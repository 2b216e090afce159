"""Round steps: 1, 2 or 5 times a power of ten, and the digits that tell their multiples apart."""

from __future__ import annotations

import math


def round_step(least: float) -> float:
    """The finest round step that is no less, but for a thousandth.

    >>> round_step(0.03), round_step(0.2), round_step(70.0)
    (0.05, 0.2, 100.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    nice = next((m for m in (1, 2, 5) if m * power >= least * 0.999), 10)
    return float(f"{nice * power:.6g}")


def digits(step: float) -> int:
    """How many digits after the point a multiple of a step has, fewer than none for large ones.

    >>> digits(0.05), digits(1.0), digits(200.0)
    (2, 0, -2)
    """
    return -math.floor(math.log10(step) + 1e-9)
