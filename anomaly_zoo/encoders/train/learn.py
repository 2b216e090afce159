"""The training itself, with a checkpoint after every epoch."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from anomaly_zoo.encoders.train.galaxies import Galaxies, batches
from anomaly_zoo.encoders.train.lessons import loss
from anomaly_zoo.encoders.train.network import Learner, Network
from anomaly_zoo.encoders.train.views import exposed, view

PEAK_RATE = 2e-3
WEIGHT_DECAY = 0.05


class Settings(NamedTuple):
    """What decides the result, together with the data."""

    epochs: int = 24
    batch: int = 256
    simulated: int = 16_000
    seed: int = 0
    same: float = 1.0  # weight of telling two views of one galaxy
    named: float = 1.0  # weight of morphology, kind and votes
    blind: str = ""  # simulated kinds, with commas, whose name and votes are not told


def train(galaxies: Galaxies, settings: Settings, work: Path, compile: bool = True) -> Network:
    """The trained network; goes on from the last checkpoint in `work` of the same settings."""
    torch.manual_seed(settings.seed)
    learner = Learner(
        int(galaxies.morphology.max()) + 1, int(galaxies.kind.max()) + 1, galaxies.votes.shape[1]
    )
    optimiser = torch.optim.AdamW(learner.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    steps = settings.epochs * (len(galaxies.images) // settings.batch)
    network = torch.compile(learner.network) if compile else learner.network
    altered = torch.compile(exposed) if compile else exposed
    done = resume(learner, optimiser, settings, work)
    for epoch in range(done, settings.epochs):
        draw = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
        started, losses = time.monotonic(), []
        for number, batch in enumerate(batches(galaxies, settings.batch, draw)):
            step = epoch * (steps // settings.epochs) + number
            for group in optimiser.param_groups:
                group["lr"] = PEAK_RATE * rate(step / steps)
            images = batch.images.float() / 255
            views = torch.cat([view(images, draw, altered), view(images, draw, altered)])
            with torch.autocast("cpu", torch.bfloat16):
                h = network(views)
            value = loss(learner, h.float(), batch, settings.same, settings.named)
            optimiser.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(learner.parameters(), 5.0)
            optimiser.step()
            losses.append(float(value.detach()))
        save(learner, optimiser, settings, work, epoch + 1)
        seconds = time.monotonic() - started
        print(
            f"epoch {epoch + 1} of {settings.epochs}: loss {np.mean(losses):.4f}, {seconds:.0f} s",
            flush=True,
        )
    return learner.network.eval()


def rate(part: float) -> float:
    """The learning rate as a share of its peak: up over the first tenth, then down a cosine.

    >>> [round(rate(part), 3) for part in (0, 0.05, 0.1, 0.55, 1)]
    [0.01, 0.505, 1.0, 0.5, 0.0]
    """
    if part < 0.1:
        return 0.01 + 0.99 * part / 0.1
    return (1 + math.cos(math.pi * (part - 0.1) / 0.9)) / 2


def save(
    learner: Learner, optimiser: torch.optim.Optimizer, settings: Settings, work: Path, epoch: int
) -> None:
    """A checkpoint of everything that the next epoch needs; the one before is replaced."""
    tensors = {f"learner.{name}": tensor for name, tensor in learner.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": tensor for name, tensor in state.items()}
    beside = work / "checkpoint.writing"
    save_file(tensors, beside, {"epoch": str(epoch), "settings": repr(settings)})
    beside.replace(work / "checkpoint.safetensors")


def resume(
    learner: Learner, optimiser: torch.optim.Optimizer, settings: Settings, work: Path
) -> int:
    """Bring back the last checkpoint; the number of epochs that it has seen, 0 without one."""
    path = work / "checkpoint.safetensors"
    if not path.is_file():
        return 0
    with safe_open(path, "pt") as file:
        about = file.metadata()
        if about["settings"] != repr(settings):
            raise ValueError(
                f"{path} is of other settings, {about['settings']}; name another --work"
            )
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    prefix = "learner."
    learner.load_state_dict(
        {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    )
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, number, part = name.split(".")
            states.setdefault(int(number), {})[part] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
    return int(about["epoch"])
