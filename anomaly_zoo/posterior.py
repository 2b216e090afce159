"""What the model believes about every object: a mean and a standard deviation of its interest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from anomaly_zoo.extremes import Extremes
from anomaly_zoo.highest import highest

INTERESTING = 4.0
"""From this score on an object is interesting."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Gaussian belief about the interest of n objects, in score units (0 to 5).

    Parameters
    ----------
    mean : (n,) float32, expected interest. A Gaussian knows no bounds: it may leave 0 to 5 a
        little, and is kept as it is, because clipping would make ties at the top of the ranking
        and bias probabilities.
    std : (n,) float32, > 0, standard deviation of the latent interest (without rating noise).
    noise : standard deviation of one rating around the latent interest, >= 0.

    Raises ValueError for unequal lengths, values that are not finite, std <= 0 or noise < 0.

    >>> belief = Posterior(mean=[0.5, 4.0], std=[1.0, 0.3], noise=0.4)
    >>> len(belief)
    2
    """

    mean: np.ndarray
    std: np.ndarray
    noise: float = 0.0
    means: Extremes = field(default=None, repr=False)  # type: ignore[assignment]
    """The extremes of the mean, measured unless they are given."""
    stds: Extremes = field(default=None, repr=False)  # type: ignore[assignment]
    """The same of std."""

    def __post_init__(self) -> None:
        mean = np.asarray(self.mean, dtype=np.float32).view()
        std = np.asarray(self.std, dtype=np.float32).view()
        if mean.ndim != 1 or mean.shape != std.shape:
            raise ValueError(
                f"mean and std must be one-dimensional and equally long, got {mean.shape} and "
                f"{std.shape}; give one value per object in each"
            )
        # Extremes show every NaN and infinity without a temporary array.
        means, stds = self.means or Extremes.of(mean), self.stds or Extremes.of(std)
        if not np.isfinite([*means.range, *stds.range]).all():
            raise ValueError("mean and std must be finite, got NaN or infinite values")
        if len(std) and not stds.range[0] > 0:
            raise ValueError(f"std must be > 0, got {stds.range[0]}")
        noise = float(self.noise)
        if not (np.isfinite(noise) and noise >= 0):
            raise ValueError(f"noise must be a finite number >= 0, got {self.noise}")
        mean.flags.writeable = False
        std.flags.writeable = False
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)
        object.__setattr__(self, "noise", noise)
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "stds", stds)

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.mean)

    def best(self, k: int, open_: np.ndarray) -> np.ndarray:
        """Return the rows (at most k) of the highest means where `open_` (n,), best first, ties by
        row.

        >>> Posterior([1.0, 3.0, 2.0], [0.1, 0.1, 0.1]).best(2, np.array([True, True, False]))
        array([1, 0])
        """
        return highest(self.mean, k, open_, self.means)
