"""The galaxies that the network learns from."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from anomaly_zoo.encoders.images import square
from anomaly_zoo.encoders.zoonet import SIZE

RAREST = 0.035  # least share of a kind among the simulated galaxies that are trained on
HELD_OUT = 5  # one real galaxy in so many


class Galaxies(NamedTuple):
    """Images (n, 3, 64, 64) uint8 and what is known of them; -1 or zero counts where nothing is."""

    images: Tensor
    morphology: Tensor  # (n,)
    kind: Tensor  # (n,)
    votes: Tensor  # (n, answers)
    questions: tuple[int, ...]  # the number of answers of each


def held_out(ids: pd.Series) -> np.ndarray:
    """Which galaxies (n,) are never trained on: one in five, by a hash of the id.

    >>> held_out(pd.Series(["1", "2", "12"])).tolist()
    [False, True, True]
    """
    digests = (hashlib.blake2b(str(name).encode(), digest_size=4).digest() for name in ids)
    return np.array([int.from_bytes(digest, "big") % HELD_OUT == 0 for digest in digests])


def real(path: Path) -> Galaxies:
    """The galaxies of the Parquet file that may be trained on."""
    table = pd.read_parquet(path, columns=["id", "morphology", "image"])
    table = table[~held_out(table["id"])]
    morphology = pd.Categorical(table["morphology"].astype(str))
    n = len(table)
    images, nothing = pictures(table["image"]), torch.full((n,), -1)
    codes = torch.from_numpy(morphology.codes.astype(np.int64))
    return Galaxies(images, codes, nothing, torch.zeros(n, 0), ())


def simulated(n: int, seed: int, work: Path, blind: Sequence[str] = ()) -> Galaxies:
    """Simulated galaxies in which no kind is rare, made once and then read from `work`.

    Those of the kinds `blind` come without kind and votes. Raises ValueError for kinds unknown.
    """
    from anomaly_zoo import simulate, tables

    path = work / f"simulated-{n}-{seed}.parquet"
    if path.is_file():
        table = pd.read_parquet(path)
    else:
        shares = {kind: max(share, RAREST) for kind, share in simulate.SHARES.items()}
        # A seed of its own, so that no galaxy of an example is among them.
        table = simulate.zoo(n, seed + 1_000_003, shares=shares)
        with tables.replacing(path) as beside:
            table.to_parquet(beside)
    kinds = list(simulate.KINDS)
    if unknown := sorted(set(blind) - set(kinds)):
        raise ValueError(f"no such kinds: {', '.join(unknown)}; there are {', '.join(kinds)}")
    told = ~table["kind"].isin(blind).to_numpy()
    columns = [f"{q}_{a}" for q, answers in simulate.QUESTIONS.items() for a in answers]
    return Galaxies(
        pictures(table["image"]),
        torch.full((n,), -1),
        torch.tensor([kinds.index(kind) for kind in table["kind"]]).where(torch.tensor(told), -1),
        torch.tensor(table[columns].to_numpy(np.float32) * told[:, None]),
        tuple(len(answers) for answers in simulate.QUESTIONS.values()),
    )


def pictures(encoded: pd.Series) -> Tensor:
    """Encoded images as (n, 3, 64, 64) uint8."""
    from PIL import Image

    arrays = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in encoded)
    stacked = np.stack([square(array, SIZE) for array in arrays])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()


def together(real: Galaxies, simulated: Galaxies) -> Galaxies:
    """Both in one."""
    votes = torch.zeros(len(real.images), simulated.votes.shape[1])
    return Galaxies(
        torch.cat([real.images, simulated.images]),
        torch.cat([real.morphology, simulated.morphology]),
        torch.cat([real.kind, simulated.kind]),
        torch.cat([votes, simulated.votes]),
        simulated.questions,
    )


def batches(galaxies: Galaxies, size: int, draw: torch.Generator) -> Iterator[Galaxies]:
    """All of them once, in an order drawn anew; the rest that fills no batch is left out."""
    order = torch.randperm(len(galaxies.images), generator=draw)
    for start in range(0, len(order) - size + 1, size):
        rows = order[start : start + size]
        images, morphology, kind, votes = (part[rows] for part in galaxies[:4])
        yield Galaxies(images, morphology, kind, votes, galaxies.questions)
