"""The belief about every object: checked at its boundary."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_zoo.posterior import Posterior


def test_values_are_float32_and_locked_but_the_callers_are_not():
    mean, std = np.zeros(3, dtype=np.float32), np.ones(3, dtype=np.float32)
    belief = Posterior(mean, std, 0.1)
    assert belief.mean.dtype == belief.std.dtype == np.float32 and len(belief) == 3
    with pytest.raises(ValueError):
        belief.mean[0] = 1
    mean[0] = 1


def test_an_empty_pool_is_allowed():
    empty = Posterior([], [], 0.1)
    assert len(empty) == len(empty.best(3, np.zeros(0, dtype=bool))) == 0


@pytest.mark.parametrize(
    ("mean", "std", "noise", "says"),
    [
        ([1.0], [1.0, 2.0], 0.1, "equally long"),
        ([[1.0]], [[1.0]], 0.1, "one-dimensional"),
        ([np.nan], [1.0], 0.1, "finite"),
        ([1.0], [np.inf], 0.1, "finite"),
        ([1.0], [0.0], 0.1, "std must be > 0"),
        ([1.0], [1.0], -0.1, "noise"),
        ([1.0], [1.0], np.nan, "noise"),
    ],
)
def test_bad_beliefs_are_refused(mean, std, noise, says):
    with pytest.raises(ValueError, match=says):
        Posterior(mean, std, noise)
