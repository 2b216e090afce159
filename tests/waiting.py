"""Waiting for what happens on another thread or in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(question: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer; fails with the last one."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)
    return answer
