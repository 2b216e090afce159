"""The network as it is trained, and the heads that teach it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from anomaly_zoo.encoders import zoonet

WIDTHS = (48, 96, 192)  # channels of the stages
BLOCKS = (1, 1, 2)  # residual blocks of each


class Convolution(nn.Module):
    """A convolution with batch normalisation."""

    def __init__(self, before: int, after: int, side: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, side, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that does the same after training."""
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert isinstance(mean, Tensor) and isinstance(variance, Tensor)
        scale = self.norm.weight / torch.sqrt(variance + self.norm.eps)
        return self.conv.weight * scale[:, None, None, None], self.norm.bias - mean * scale


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Convolution(width, width), Convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class Stage(nn.ModuleDict):
    """Blocks at one resolution, below a step down to it where there is one above."""

    def __init__(self, before: int | None, width: int, blocks: int) -> None:
        parts: dict[str, nn.Module] = (
            {} if before is None else {"down": Convolution(before, width, 3, 2)}
        )
        super().__init__(parts | {str(k): Block(width) for k in range(blocks)})

    def forward(self, x: Tensor) -> Tensor:
        for name, part in self.items():
            x = F.relu(part(x)) if name == "down" else part(x)
        return x


class Network(nn.Module):
    """The network of `zoonet.features` as it is trained: images (b, 3, 64, 64) to (b, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.window: Tensor
        self.register_buffer("window", zoonet.window(), persistent=False)
        self.stem = Convolution(3, WIDTHS[0], 6, 4)
        before = (None, *WIDTHS[:-1])
        self.stages = nn.ModuleList(map(Stage, before, WIDTHS, BLOCKS))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem((x - zoonet.MEAN) / zoonet.STD * self.window))
        for stage in self.stages:
            x = stage(x)
        return x.mean((2, 3))

    def folded(self) -> dict[str, Tensor]:
        """The weights that `zoonet.features` takes, before the last linear map."""
        weights: dict[str, Tensor] = {}
        for name, part in self.named_modules():
            if isinstance(part, Convolution):
                weights[f"{name}.weight"], weights[f"{name}.bias"] = part.folded()
        return {name: tensor.detach().cpu() for name, tensor in weights.items()}


class Learner(nn.Module):
    """The network with a head for each thing that it learns."""

    def __init__(self, morphologies: int, kinds: int, answers: int) -> None:
        super().__init__()
        width = WIDTHS[-1]
        self.network = Network()
        self.same = nn.Sequential(
            nn.Linear(width, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 128)
        )
        self.morphology = nn.Linear(width, morphologies)
        self.kind = nn.Linear(width, kinds)
        self.votes = nn.Linear(width, answers)
