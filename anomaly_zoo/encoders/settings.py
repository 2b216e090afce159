"""What encoders check about their settings, and how they word what went wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np


def numbers(key: str, said: Any, count: int) -> tuple[float, ...]:
    """One finite number, or `count` of them, as `count` floats; else ValueError.

    >>> numbers("mean", 0.5, 3)
    (0.5, 0.5, 0.5)
    """
    values = list(said) if isinstance(said, list | tuple | np.ndarray) else [said]
    good = all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool) and math.isfinite(v)
        for v in values
    )
    if not good or len(values) not in (1, count):
        wanted = f"a number or {count} of them" if count > 1 else "a number"
        raise ValueError(f"{key} must be {wanted}, got {said!r}")
    return tuple(float(v) for v in values) * (count // len(values))


def one_of(key: str, said: Any, choices: Sequence[str]) -> Any:
    """What was said, if it is one of the choices; else ValueError."""
    if said not in choices:
        raise ValueError(f"{key}: expected one of {', '.join(choices)}, got {said!r}")
    return said


def one_word(text: str) -> str:
    """A name that can stand before a version and in a file's name.

    >>> one_word("my net/2")
    'my_net_2'
    """
    word = re.sub(r"[^\w.+-]+", "_", text).strip("_.")
    if not word:
        raise ValueError(f"name must hold a letter or a digit, got {text!r}")
    return word


def one_line(error: BaseException) -> str:
    """An error's message in one line.

    >>> one_line(ValueError("no\\n  good"))
    'no good'
    """
    return " ".join(str(error).split())[:300] or type(error).__name__
