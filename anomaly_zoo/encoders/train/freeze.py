"""From the trained network to the weights in the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from anomaly_zoo.encoders import zoonet
from anomaly_zoo.encoders.train.network import WIDTHS, Network

DIMENSIONS = 128
POWER = 0.15  # of the variance that an axis is divided by


def frozen(network: Network, images: Tensor) -> dict[str, Tensor]:
    """The weights that `Zoonet` loads, with the last linear map fitted to images (n, 3, 64, 64)."""
    weights = network.folded()
    width = WIDTHS[-1]
    plain = weights | {"out.weight": torch.eye(width), "out.bias": torch.zeros(width)}
    with torch.inference_mode():
        h = torch.cat([zoonet.features(part.float() / 255, plain) for part in images.split(512)])
    mean = h.mean(0)
    variance, axes = torch.linalg.eigh(torch.cov(h.T.double()))
    variance, axes = variance.flip(0)[:DIMENSIONS], axes.flip(1)[:, :DIMENSIONS]
    axes = axes * torch.sign(axes.gather(0, axes.abs().argmax(0, keepdim=True)))
    weight = (axes / (variance / variance[0]).clamp(min=1e-4) ** POWER).T.float()
    return weights | {"out.weight": weight, "out.bias": -weight @ mean}


def write(weights: dict[str, Tensor], path: Path, about: dict[str, Any]) -> None:
    """The weights as float16, with what they were made of."""
    halves = {name: tensor.half().contiguous() for name, tensor in weights.items()}
    save_file(halves, path, {name: json.dumps(value) for name, value in about.items()})
