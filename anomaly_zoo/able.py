"""Which objects may be among the nearest to one or many: all are measured roughly at once."""

from __future__ import annotations

import numpy as np

from anomaly_zoo.representation import Representation
from anomaly_zoo.scan import ArrayPart, MapPart
from anomaly_zoo.threads import cores, each

_NUMBERS = 2**18  # of a block and of its distances: they stay in a core's own cache


def able(
    space: Representation, queries: np.ndarray, k: int, among: np.ndarray | None = None
) -> np.ndarray:
    """(n,) True for those that may be among the k nearest to the closest of the queries (q, d).

    None of the k is left out, and hardly any others are let in: squared distances are taken by one
    product of matrices in float32, about the middle of the queries, as |a|^2 - 2ab + |b|^2, which
    is off by no more than 4 (d + 8) eps (|a| + |b|)^2; what exceeds the k-th lowest of all by more
    than that is out. Only objects of `among` (n,) count where that is given. It takes 4 bytes an
    object.

    >>> space = Representation(["J1", "J2", "J3", "J4"], [[0.0], [1.0], [3.0], [7.0]])
    >>> able(space, np.array([[0.0], [7.5]]), 2).tolist()
    [True, False, False, True]
    """
    import torch

    middle = queries.mean(axis=0).astype(np.float32)
    b = (queries - middle.astype(np.float64)).astype(np.float32)
    squares = np.einsum("ij,ij->i", b, b)
    farthest = float(np.sqrt(squares.max()))
    product, add = torch.from_numpy(-2 * b.T), torch.from_numpy(squares)
    rounding = np.float32(4 * (space.d + 8) * np.finfo(np.float32).eps)
    low = np.empty(len(space), dtype=np.float32)
    size = max(1, _NUMBERS // (space.d + len(queries)))

    def measure(part: ArrayPart | MapPart) -> np.ndarray:
        """The k lowest squared distances (at most k,) at their most, and all at their least."""
        most, limit = np.zeros(0, dtype=np.float32), np.float32(np.inf)
        for first, block in part.batches(size):
            a = block - middle
            own = np.einsum("ij,ij->i", a, a)
            distance = torch.addmm(add, torch.from_numpy(a), product).amin(dim=1).numpy()
            distance += own
            off = rounding * np.square(np.sqrt(own) + farthest)
            np.subtract(distance, off, out=low[first : first + len(a)])
            distance += off
            near = distance <= limit
            if among is not None:
                near &= among[first : first + len(a)]
            most = np.concatenate([most, distance[near]])
            if len(most) > 2 * k:
                most = np.partition(most, k - 1)[:k]
                limit = most[k - 1]
        return most

    with np.errstate(over="ignore", invalid="ignore"):
        most = np.concatenate(each(measure, space.parts(4 * cores()), len(space)))
        limit = np.partition(most, k - 1)[k - 1] if len(most) >= k else np.inf
        mask = ~(low > limit)
    return mask if among is None else np.logical_and(mask, among, out=mask)
