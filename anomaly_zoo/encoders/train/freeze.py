"""From the trained network to the weights in the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from anomaly_zoo.encoders import zoonet
from anomaly_zoo.encoders.pixels import Pixels
from anomaly_zoo.encoders.train.network import WIDTHS, Network

DIMENSIONS = 128
POWER = 0.15  # of the variance that an axis is divided by
MEASURED = 96  # axes of what is measured by hand
SHARE = 0.5  # of the network's variance that they get


def frozen(network: Network, images: Tensor) -> dict[str, Tensor]:
    """The weights that `Zoonet` loads, its linear maps fitted to images (n, 3, 64, 64) uint8."""
    weights = network.folded()
    width = WIDTHS[-1]
    plain = weights | {"out.weight": torch.eye(width), "out.bias": torch.zeros(width)}
    with torch.inference_mode():
        h = torch.cat([zoonet.features(part.float() / 255, plain) for part in images.split(512)])
    axes, variance = principal(h, DIMENSIONS)
    weight = axes / (variance / variance[0]).clamp(min=1e-4)[:, None] ** POWER
    measured = torch.from_numpy(Pixels().encode(images.permute(0, 2, 3, 1).numpy()))
    by_hand, spread = principal(measured, MEASURED)
    by_hand = by_hand * torch.sqrt(SHARE * (h @ weight.T).var(0).sum() / spread.sum())
    return weights | {
        "out.weight": weight,
        "out.bias": -weight @ h.mean(0),
        "measured.weight": by_hand,
        "measured.bias": -by_hand @ measured.mean(0),
    }


def principal(X: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """The d leading principal axes (d, D) of X (n, D), and the variance along each (d,)."""
    variance, axes = torch.linalg.eigh(torch.cov(X.T.double()))
    variance, axes = variance.flip(0)[:d], axes.flip(1)[:, :d]
    axes = axes * torch.sign(axes.gather(0, axes.abs().argmax(0, keepdim=True)))
    return axes.T.float(), variance.float()


def write(weights: dict[str, Tensor], path: Path, about: dict[str, Any]) -> None:
    """The weights as float16, with what they were made of."""
    halves = {name: tensor.half().contiguous() for name, tensor in weights.items()}
    save_file(halves, path, {name: json.dumps(value) for name, value in about.items()})
