"""The alterations that a galaxy does not care about."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from anomaly_zoo.encoders.zoonet import SIZE

# Drawing new random numbers for every pixel would take longer than all the rest.
GRAINS = torch.randn(2**23 + 1, generator=torch.Generator().manual_seed(1))


def view(
    images: Tensor, draw: torch.Generator, finish: Callable[..., Tensor] | None = None
) -> Tensor:
    """One altered view of images (b, 3, 64, 64), 0 to 1: turned, mirrored, moved, zoomed by up to
    28%, one in three blurred, brighter or darker, of another contrast and colour, one in seven
    without colour, noisier. `finish` may be a compiled `exposed`."""
    b = len(images)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(b, *shape, generator=draw) * (high - low) + low

    angle, zoom, stretch = (
        between(0, 2 * math.pi),
        torch.exp(between(-0.25, 0.25)),
        torch.exp(between(-0.06, 0.06)),
    )
    mirror, shift = torch.sign(between(-1, 1)), between(-0.08, 0.08, 2)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    across = torch.stack([cos * mirror * stretch, -sin, shift[:, 0]], 1)
    down = torch.stack([sin * mirror * stretch, cos, shift[:, 1]], 1)
    beyond = ("reflection", "zeros", "border")[int(torch.randint(3, (1,), generator=draw))]
    grid = F.affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    x = F.grid_sample(images, grid, padding_mode=beyond, align_corners=False)
    # The first third of the batch, all by one width: so both views of a galaxy are blurred, or none
    # is, and a sharp one is never to be matched with a blurred one. The weights were made so.
    some, width = b // 3, float(torch.rand(1, generator=draw)) * 0.9 + 0.3
    place = torch.arange(SIZE, dtype=torch.float32)
    blur = torch.exp(-((place[:, None] - place) ** 2) / (2 * width**2))
    blur = blur / blur.sum(1, keepdim=True)
    x = torch.cat([blur @ x[:some] @ blur.T, x[some:]])
    gamma = torch.exp(between(-0.3, 0.3, 1, 1, 1))
    gain = torch.exp(between(-0.3, 0.3, 1, 1, 1) + between(-0.12, 0.12, 3, 1, 1))
    offset, grey = between(-0.03, 0.03, 1, 1, 1), (between(0, 1, 1, 1, 1) < 0.15).float()
    start = int(torch.randint(len(GRAINS) - x.numel(), (1,), generator=draw))
    grains = GRAINS[start : start + x.numel()].view_as(x) * between(-0.04, 0.04, 1, 1, 1)
    return (finish or exposed)(x, gamma, gain, offset, grey, grains)


def exposed(
    x: Tensor, gamma: Tensor, gain: Tensor, offset: Tensor, grey: Tensor, grains: Tensor
) -> Tensor:
    """Images (b, 3, h, w) to the power gamma, times gain, plus offset, without colour where grey
    is one, plus grains."""
    x = torch.exp(gamma * torch.log(x.clamp(1e-4, 1))) * gain + offset
    x = x + (x.mean(1, keepdim=True) - x) * grey
    return (x + grains).clamp(0, 1)
