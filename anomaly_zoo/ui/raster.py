"""Paint many objects into one picture: the mean value a pixel, brighter where there are more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GROW_BELOW = 1.5
"""Objects a hundred pixels: sparser pictures get larger dots."""


@dataclass(frozen=True)
class Window:
    """A rectangle of the map in map coordinates."""

    x0: float
    x1: float
    y0: float
    y1: float

    def grown(self, margin: float) -> Window:
        """The window with `margin` times its size added on every side."""
        dx, dy = margin * (self.x1 - self.x0), margin * (self.y1 - self.y0)
        return Window(self.x0 - dx, self.x1 + dx, self.y0 - dy, self.y1 + dy)

    def holds(self, xy: np.ndarray) -> np.ndarray:
        """(n,) True for the points (n, 2) inside."""
        x, y = xy[:, 0], xy[:, 1]
        return (x >= self.x0) & (x < self.x1) & (y >= self.y0) & (y < self.y1)


def paint(
    xy: np.ndarray,
    values: np.ndarray | None,
    palette: np.ndarray,
    limits: tuple[float, float],
    window: Window,
    width: int,
    height: int,
) -> np.ndarray:
    """An RGBA picture (height, width) uint32, first row at the bottom, of points xy (n, 2).

    `values` (n,) are coloured by `palette` (m, 3) uint8 between the two `limits`; without them the
    colour is the number of points. Where points are sparse each is grown to a disc.

    >>> palette = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)
    >>> picture = paint(np.zeros((1, 2)), np.ones(1), palette, (0, 1), Window(-1, 1, -1, 1), 9, 9)
    >>> picture.shape, hex(picture[4, 4]), int(picture[0, 0])
    ((9, 9), '0xffffffff', 0)
    """
    column = np.floor((xy[:, 0] - window.x0) * (width / (window.x1 - window.x0)))
    row = np.floor((xy[:, 1] - window.y0) * (height / (window.y1 - window.y0)))
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    pixel = row[inside].astype(np.int32) * width + column[inside].astype(np.int32)
    count = np.bincount(pixel, minlength=width * height).astype(np.float32)
    count = count.reshape(height, width)
    radius = _radius(pixel.size, int((count > 0).sum()), width * height)
    if values is None:
        count = _spread(count, radius)
        shade = np.log1p(count) / max(np.log1p(count.max(initial=1)), 1e-6)
    else:
        total = np.bincount(pixel, weights=values[inside], minlength=width * height)
        total = _spread(total.astype(np.float32).reshape(height, width), radius)
        count = _spread(count, radius)
        low, high = limits
        with np.errstate(divide="ignore", invalid="ignore"):
            shade = (total / count - low) / max(high - low, 1e-9)
    seen = count > 0
    step = np.clip(np.nan_to_num(shade) * (len(palette) - 1) + 0.5, 0, len(palette) - 1)
    rgba = np.zeros((height, width, 4), dtype=np.uint8)
    rgba[..., :3] = palette[step.astype(np.int16)]
    # One object is well visible, a crowd is solid.
    rgba[..., 3] = np.where(seen, np.minimum(255, 150 + 55 * count), 0).astype(np.uint8)
    if radius:
        rgba[..., 3] = np.where(seen, 255, 0)
    return rgba.view(np.uint32)[..., 0]


def _radius(points: int, filled: int, pixels: int) -> int:
    """Pixels by which each point grows, so that sparse maps can be seen: 0 to 3."""
    if not points:
        return 0
    cover = 100 * filled / pixels
    return 3 if cover < 0.15 else 2 if cover < 0.5 else 1 if cover < GROW_BELOW else 0


def _spread(image: np.ndarray, radius: int) -> np.ndarray:
    """Each pixel's value added to all pixels within `radius` of it."""
    if not radius:
        return image
    out = np.zeros_like(image)
    height, width = image.shape
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dx * dx + dy * dy <= radius * radius + 0.5:
                out[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] += image[
                    max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
                ]
    return out
