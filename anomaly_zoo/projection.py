"""Two-dimensional maps of a representation: PCA at once, UMAP when there is time.

Run as a program, `python -m anomaly_zoo.projection in.npy out.npy [seed]` writes the UMAP map of
the array in the first file to the second: `umap_map_apart` does so in a process of its own.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

SAMPLE = 50_000  # objects that UMAP itself is fitted on
_NEIGHBOURS = 15
_ANCHORS = 5  # sample points that place each of the other objects
_BLOCK = 16_384


def pca_map(X: np.ndarray) -> np.ndarray:
    """Return the (n, 2) float32 positions of (n, d) objects on their two principal axes.

    Scaled to about -1 to 1 with the aspect ratio kept; each axis points towards its longer tail,
    so the same objects give the same map. Beyond 50,000 objects the axes come from an even sample.
    Constant features give 0. Raises ValueError for an array that is not (n, d) and finite.

    >>> X = np.random.default_rng(0).normal(size=(100, 5)) * [5, 1, 0.1, 0.1, 0.1]
    >>> positions = pca_map(X)
    >>> positions.shape, bool(positions[:, 0].std() > 3 * positions[:, 1].std())
    ((100, 2), True)
    """
    X = _check(X)
    sample = X[:: -(-len(X) // SAMPLE)].astype(np.float64)
    centre = sample.mean(axis=0)
    sample = sample - centre
    _, axes = np.linalg.eigh(sample.T @ sample)
    axes = axes[:, ::-1][:, :2]
    skewness = ((sample @ axes) ** 3).sum(axis=0)
    axes = axes * np.where(skewness < 0, -1.0, 1.0)
    positions = np.zeros((len(X), 2))
    for start in range(0, len(X), _BLOCK):
        block = X[start : start + _BLOCK] - centre
        positions[start : start + len(block), : axes.shape[1]] = block @ axes
    return _to_square(positions)


def umap_map(X: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return (n, 2) float32 UMAP positions of (n, d) objects, neighbours kept together.

    UMAP (McInnes, Healy & Melville 2018) with 15 neighbours, the same for the same seed, scaled to
    about -1 to 1 with the aspect ratio kept. Up to 10,000 objects start from the spectral layout,
    more of them from PCA (faster, and it keeps the large structure). Beyond 50,000 UMAP is fitted
    on a seeded sample of 50,000, and each other object goes to the mean of its 5 nearest sampled
    ones, weighted by 1 / distance. Five objects or fewer have no neighbourhood: they get `pca_map`.

    The first map of a process compiles for 10 to 20 s, whatever n; 50,000 objects take about a
    minute. On a thread it holds the interpreter's lock for up to half a second at a time: beside
    a screen, use `umap_map_apart`.

    Raises ValueError for an array that is not (n, d) and finite.

    >>> umap_map([[0.0, 0.0], [2.0, 0.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    X = _check(X)
    if len(X) <= _ANCHORS:
        return pca_map(X)
    rng = np.random.default_rng(seed)
    if len(X) <= SAMPLE:
        return _to_square(_fit_umap(X, rng))
    chosen = np.sort(rng.choice(len(X), SAMPLE, replace=False))
    landmarks = np.asarray(X[chosen], dtype=np.float32)
    layout = _fit_umap(landmarks, rng)
    positions = np.empty((len(X), 2))
    others = np.delete(np.arange(len(X)), chosen)
    positions[chosen] = layout
    positions[others] = _place(X, others, landmarks, layout)
    return _to_square(positions)


def umap_map_apart(
    X: np.ndarray, seed: int = 0, cancelled: Callable[[], bool] | None = None
) -> np.ndarray:
    """Return `umap_map(X, seed)`, computed by another Python process that leaves this one free.

    Blocks the calling thread and nothing else: call it from a worker. `cancelled` is asked ten
    times a second; as soon as it says True, or this call is interrupted, the process is killed.

    Raises InterruptedError when cancelled, RuntimeError with the last line of what the process
    said when it failed, ValueError for an array that is not (n, d) and finite.
    """
    X = _check(X)
    if len(X) <= _ANCHORS:
        return pca_map(X)
    with tempfile.TemporaryDirectory(prefix="anomaly_zoo_") as folder:
        source, target = Path(folder, "in.npy"), Path(folder, "out.npy")
        said = Path(folder, "said.txt")
        np.save(source, np.asarray(X, dtype=np.float32), allow_pickle=False)
        # The package may be imported from a folder that only this process knows.
        paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)}
        module = "anomaly_zoo.projection"
        command = [sys.executable, "-m", module, str(source), str(target), str(int(seed))]
        command.append("attached")
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # closes with this process, however it ends
                stdout=output,
                stderr=output,
                env=environment,
                cwd=folder,  # -m imports from here first: no stray module of the user's
            )
            try:
                while True:
                    try:
                        status = process.wait(timeout=0.1)
                        break
                    except subprocess.TimeoutExpired:
                        if cancelled is not None and cancelled():
                            raise InterruptedError("the map was cancelled") from None
            finally:
                process.kill()
                process.wait()
                assert process.stdin is not None
                process.stdin.close()
        if status != 0:
            lines = said.read_text(errors="replace").strip().splitlines() or ["no message"]
            raise RuntimeError(f"the map failed in its own process: {lines[-1]}")
        return np.load(target, allow_pickle=False)


def _fit_umap(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Run UMAP on all of X, as it is, with a seed drawn from rng."""
    with warnings.catch_warnings():
        # Deprecations of its dependencies, and that a seed means one thread: wanted here.
        warnings.simplefilter("ignore")
        import umap

        reducer = umap.UMAP(
            n_neighbors=min(_NEIGHBOURS, len(X) - 1),
            init="spectral" if 2 * _NEIGHBOURS < len(X) <= 10_000 else _start(X, rng),
            random_state=int(rng.integers(2**31)),
            n_jobs=1,
        )
        layout = np.asarray(reducer.fit_transform(np.asarray(X, dtype=np.float32)))
    if not np.isfinite(layout).all():  # an object without any neighbour
        layout = np.where(np.isfinite(layout), layout, np.nanmedian(layout, axis=0))
    return layout


def _start(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the PCA map at the size UMAP starts from, duplicates a little apart."""
    start = 10 * pca_map(X)
    return (start + rng.normal(scale=1e-3, size=start.shape)).astype(np.float32)


def _place(
    X: np.ndarray, rows: np.ndarray, landmarks: np.ndarray, layout: np.ndarray
) -> np.ndarray:
    """Return positions for some rows of X: means of their nearest landmarks' positions."""
    positions = np.empty((len(rows), 2))
    centre = landmarks.mean(axis=0)
    landmarks = landmarks - centre
    nearest_landmarks = _search(landmarks)
    for start in range(0, len(rows), 256):
        part = slice(start, start + 256)
        objects = X[rows[part]].astype(np.float32) - centre
        nearest = nearest_landmarks(objects)
        distances = np.linalg.norm(landmarks[nearest] - objects[:, None], axis=2)
        # An object on top of a landmark goes on top of it on the map, too.
        smallest = np.maximum(distances.min(axis=1, keepdims=True), 1e-12)
        weights = smallest / np.maximum(distances, smallest)
        weights /= weights.sum(axis=1, keepdims=True)
        positions[part] = np.einsum("nk,nkc->nc", weights, layout[nearest])
    return positions


def _search(landmarks: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from (b, d) objects to the (b, 5) rows of their nearest landmarks.

    The five nearest lie in the five groups of 128 whose own nearest is nearest: a minimum over
    groups costs a tenth of a selection among all.
    """
    import torch

    groups = -(-len(landmarks) // 128)
    z = torch.zeros(groups * 128, landmarks.shape[1])
    z[: len(landmarks)] = torch.from_numpy(landmarks)
    norms = z.square().sum(1)
    norms[len(landmarks) :] = torch.inf
    scratch = torch.empty(0)

    def nearest(objects: np.ndarray) -> np.ndarray:
        nonlocal scratch
        if len(scratch) != len(objects):
            scratch = torch.empty(len(objects), groups * 128)
        torch.addmm(norms, torch.from_numpy(objects), z.T, alpha=-2, out=scratch)
        distance2 = scratch.view(len(objects), groups, 128)
        best = distance2.amin(2).topk(min(_ANCHORS, groups), dim=1, largest=False).indices
        candidates = distance2.gather(1, best[:, :, None].expand(-1, -1, 128)).flatten(1)
        inside = candidates.topk(_ANCHORS, dim=1, largest=False).indices
        return (best.gather(1, inside // 128) * 128 + inside % 128).numpy()

    return nearest


def _to_square(positions: np.ndarray) -> np.ndarray:
    """Centre positions and scale both axes alike, so that 99% of them lie within -1 to 1.

    The few beyond follow at a fifth of the scale and stop at 1.5: no outlier shrinks the map.
    """
    if len(positions) >= 200:
        low, high = np.quantile(positions, [0.005, 0.995], axis=0)
    else:
        low, high = positions.min(axis=0), positions.max(axis=0)
    centre, half = (low + high) / 2, float((high - low).max()) / 2
    if not half > 0:
        low, high = positions.min(axis=0), positions.max(axis=0)
        centre, half = (low + high) / 2, float((high - low).max()) / 2 or 1.0
    scaled = (positions - centre) / half
    beyond = np.abs(scaled) > 1
    squeezed = np.sign(scaled) * np.minimum(1 + (np.abs(scaled) - 1) / 5, 1.5)
    return np.where(beyond, squeezed, scaled).astype(np.float32)


def _check(X: np.ndarray) -> np.ndarray:
    X = np.asanyarray(X)
    if X.ndim != 2 or len(X) < 1 or X.shape[1] < 1:
        raise ValueError(f"expected (n, d) objects, got shape {X.shape}")
    if not math.isfinite(
        sum(float(X[i : i + _BLOCK].sum(dtype=np.float64)) for i in range(0, len(X), _BLOCK))
    ):
        raise ValueError("objects must be finite, got NaN or infinite values")
    return X


def _attach() -> None:
    """Give way to the process that waits for this one, and end when it ends."""

    def end_with_parent() -> None:
        os.read(0, 1)  # not sys.stdin, whose lock would stand in the way of a normal end
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(5)


if __name__ == "__main__":
    source, target, *rest = sys.argv[1:]
    if "attached" in rest:
        rest.remove("attached")
        _attach()
    positions = umap_map(np.load(source, allow_pickle=False, mmap_mode="r"), *map(int, rest))
    np.save(target, positions, allow_pickle=False)
