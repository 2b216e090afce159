"""Two-dimensional maps of a representation: PCA at once, UMAP when there is time.

Objects are read in blocks, so X may be a memory map larger than the memory; a map itself is 8 bytes
an object. Run as a program, `python -m anomaly_zoo.projection` is the other side of
`umap_map_apart`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Protocol

import numpy as np

from anomaly_zoo.representation import Representation
from anomaly_zoo.sweep import Rows
from anomaly_zoo.threads import cores, each

SAMPLE = 50_000  # objects that UMAP itself is fitted on
_NEIGHBOURS = 15
_ANCHORS = 5  # sample points that place each of the other objects
_BLOCK = 8_192  # objects at a time; a product of more would wait for threads
_PLACED = 32_768  # the same where they are placed
_GROUP = 200  # landmarks that lie together, on average
_SEARCHED = 16  # groups around an object that are searched for its nearest


def pca_map(X: np.ndarray | Representation) -> np.ndarray:
    """Return the (n, 2) float32 positions of (n, d) objects on their two principal axes.

    Scaled to about -1 to 1 with the aspect ratio kept; each axis points towards its longer tail,
    so the same objects give the same map. Beyond 50,000 objects axes and scale come from an even
    sample. Constant features give 0. X may be a Representation, too, which is read in blocks from
    where it lies. Raises ValueError for an array that is not (n, d) and finite, OSError where the
    file of a Representation is not as it was.

    >>> X = np.random.default_rng(0).normal(size=(100, 5)) * [5, 1, 0.1, 0.1, 0.1]
    >>> positions = pca_map(X)
    >>> positions.shape, bool(positions[:, 0].std() > 3 * positions[:, 1].std())
    ((100, 2), True)
    """
    source = _source(X)
    sample = _finite(source.take(np.arange(0, len(source), _stride(len(source)))))
    sample = sample.astype(np.float64)
    centre = sample.mean(axis=0)
    sample -= centre
    _, axes = np.linalg.eigh(sample.T @ sample)
    axes = axes[:, ::-1][:, :2]
    skewness = ((sample @ axes) ** 3).sum(axis=0)
    axes = (axes * np.where(skewness < 0, -1.0, 1.0)).astype(np.float32)
    middle = centre.astype(np.float32)
    positions = np.zeros((len(source), 2), dtype=np.float32)
    for first, block in source.batches(_BLOCK):
        spots = (_finite(block) - middle) @ axes
        positions[first : first + len(block), : axes.shape[1]] = spots
    return _to_square(positions)


def umap_map(X: np.ndarray | Representation, seed: int = 0) -> np.ndarray:
    """Return (n, 2) float32 UMAP positions of (n, d) objects, neighbours kept together.

    UMAP (McInnes, Healy & Melville 2018) with 15 neighbours, the same for the same seed, scaled to
    about -1 to 1 with the aspect ratio kept. Up to 10,000 objects start from the spectral layout,
    more of them from PCA (faster, and it keeps the large structure). Beyond 50,000 UMAP is fitted
    on a seeded sample of 50,000, and each other object goes to the mean of its 5 (nearly)
    nearest sampled ones, weighted by 1 / distance. Five objects or fewer have no neighbourhood:
    they get `pca_map`.

    The first map of a process compiles for 10 to 20 s, whatever n; 50,000 objects take about a
    minute, each further million about half a minute. On a thread it holds the interpreter's lock
    for up to half a second at a time: beside a screen, use `umap_map_apart`.

    Raises as `pca_map` does.

    >>> umap_map([[0.0, 0.0], [2.0, 0.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    source = _source(X)
    return pca_map(X) if len(source) <= _ANCHORS else _mapped(source, seed, _Umap(seed))


def umap_map_apart(
    X: np.ndarray | Representation,
    seed: int = 0,
    cancelled: Callable[[], bool] | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Return `umap_map(X, seed)`, computed by another Python process that leaves this one free.

    Blocks the calling thread and nothing else: call it from a worker. The other process gets the
    sample, then the other objects a block at a time, so nothing of X is copied whole. `cancelled`
    is asked ten times a second, on another thread; as soon as it says True, or this call is
    interrupted, the process is killed. `progress` is told which share of the objects has its
    place, from 0 to 1.

    Raises InterruptedError when cancelled, RuntimeError with the last line of what the process
    said when it failed; otherwise as `pca_map` does.
    """
    source = _source(X)
    if len(source) <= _ANCHORS:
        return pca_map(X)
    with _other_process(int(seed), source.X.shape[1], cancelled) as umap:
        return _mapped(source, seed, umap, progress)


class _Layout(Protocol):
    """What makes a map: it lays out a sample, then places other objects among it."""

    def fit(self, sample: np.ndarray) -> np.ndarray: ...

    def place(self, objects: np.ndarray) -> np.ndarray: ...


def _mapped(
    source: Representation | Rows,
    seed: int,
    umap: _Layout,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    n = len(source)
    if n <= SAMPLE:
        return _to_square(umap.fit(_finite(source.take(np.arange(n)))))
    chosen = np.sort(np.random.default_rng(seed).choice(n, SAMPLE, replace=False))
    layout = umap.fit(_finite(source.take(chosen)))
    positions = np.empty((n, 2), dtype=np.float32)
    for first, block in source.batches(_PLACED):
        positions[first : first + len(block)] = umap.place(_finite(block))
        if progress is not None:
            progress((first + len(block)) / n)
    positions[chosen] = layout
    return _to_square(positions)


class _Umap:
    """UMAP of a sample, here; other objects between their nearest in the sample."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, sample: np.ndarray) -> np.ndarray:
        """The layout (m, 2) float32 of a sample (m, d)."""
        self._layout = _fit_umap(sample, np.random.default_rng(self._seed))
        self._centre = sample.mean(axis=0)
        self._landmarks = sample - self._centre
        return self._layout

    @cached_property
    def _nearest(self) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        return _search(self._landmarks)

    def place(self, objects: np.ndarray) -> np.ndarray:
        """Positions (b, 2) of objects (b, d): means of their nearest landmarks' positions."""
        nearest = self._nearest
        parts = np.array_split(objects - self._centre, cores())
        found = each(lambda some: self._between(*nearest(some)), parts, len(self._landmarks))
        return np.concatenate(found)

    def _between(self, rows: np.ndarray, distances: np.ndarray) -> np.ndarray:
        # An object on top of a landmark goes on top of it on the map, too.
        smallest = np.maximum(distances.min(axis=1, keepdims=True), 1e-12)
        weights = smallest / np.maximum(distances, smallest)
        weights /= weights.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("nk,nkc->nc", weights, self._layout[rows]), np.float32)


class _Apart:
    """The same, asked of another process through its standard streams."""

    def __init__(self, to: IO[bytes], back: IO[bytes]) -> None:
        self._to, self._back = to, back

    def fit(self, sample: np.ndarray) -> np.ndarray:
        try:
            _send(self._to, sample)
        except OSError as error:  # the pipe is broken
            raise EOFError from error
        return _receive(self._back, 2)

    place = fit


@contextlib.contextmanager
def _other_process(seed: int, d: int, cancelled: Callable[[], bool] | None) -> Iterator[_Apart]:
    """A process that answers as `_Umap(seed)` does, for as long as the block runs."""
    # The package may be imported from a folder that only this process knows.
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    over, stopped = threading.Event(), threading.Event()

    with tempfile.TemporaryDirectory(prefix="anomaly_zoo_") as folder:
        said = Path(folder, "said.txt")
        with said.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "anomaly_zoo.projection", str(seed), str(d)],
                stdin=subprocess.PIPE,  # closes with this process, however it ends
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                cwd=folder,  # -m imports from here first: no stray module of the user's
            )

        def watch() -> None:
            while not over.wait(0.1):
                if cancelled is not None and cancelled():
                    stopped.set()
                    process.kill()
                    return

        threading.Thread(target=watch, name="anomaly_zoo-watch", daemon=True).start()
        assert process.stdin is not None and process.stdout is not None
        try:
            yield _Apart(process.stdin, process.stdout)
        except EOFError:
            if stopped.is_set():
                raise InterruptedError("the map was cancelled") from None
            process.wait()
            lines = said.read_text(errors="replace").strip().splitlines() or ["no message"]
            raise RuntimeError(f"the map failed in its own process: {lines[-1]}") from None
        finally:
            over.set()
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(OSError):  # what was not yet sent
                process.stdin.close()


def _send(stream: IO[bytes], array: np.ndarray) -> None:
    """Write float32 rows and how many they are."""
    stream.write(len(array).to_bytes(8, "little"))
    stream.write(np.ascontiguousarray(array, dtype=np.float32).data)
    stream.flush()


def _receive(stream: IO[bytes], columns: int) -> np.ndarray:
    """Read float32 rows that were sent; raises EOFError where the other side is gone."""
    head = stream.read(8)
    size = 4 * columns * int.from_bytes(head, "little")
    data = bytearray(stream.read(size))
    if len(head) < 8 or len(data) < size:
        raise EOFError
    return np.frombuffer(data, dtype=np.float32).reshape(-1, columns)


def _answer(seed: int, d: int) -> None:
    """Be that process: a sample and then blocks (b, d) come in, their positions go out."""
    # Neither sys.stdin, whose lock would stand in the way of a normal end, nor sys.stdout, where
    # a library may write.
    incoming, outgoing = open(0, "rb", closefd=False), open(os.dup(1), "wb")  # noqa: SIM115
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        os.nice(10)
    questions: SimpleQueue[np.ndarray] = SimpleQueue()

    def listen() -> None:
        with contextlib.suppress(EOFError):
            while True:
                questions.put(_receive(incoming, d))
        os._exit(0)  # the process that asked has ended, whatever is going on here

    threading.Thread(target=listen, daemon=True).start()
    umap = _Umap(seed)
    _send(outgoing, umap.fit(questions.get()))
    while True:
        _send(outgoing, umap.place(questions.get()))


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


def _search(landmarks: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a function from (b, d) objects to the (b, 5) rows and distances of their nearest
    landmarks.

    Landmarks lie in groups (by k-means), and all objects of a group look through the landmarks of
    the 16 groups around it: a tenth of the work of looking through all of 50,000. Up to 3,200 the
    nearest are found exactly; beyond, what is found in their place is hardly farther away (0.03%
    on average where objects form clusters, 1.5% where they are one Gaussian cloud).
    """
    import torch

    z = torch.from_numpy(landmarks)

    def homes(objects: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
        return torch.addmm(centres.square().sum(1), objects, centres.T, alpha=-2).argmin(1)

    centres = z[:: -(-len(z) // max(len(z) // _GROUP, 1))]
    for _ in range(6):
        filled, home, sizes = homes(z, centres).unique(return_inverse=True, return_counts=True)
        centres = torch.zeros(len(filled), z.shape[1]).index_add_(0, home, z) / sizes[:, None]
    order = home.argsort(stable=True)
    rows, members = order.split(sizes.tolist()), z[order].split(sizes.tolist())
    distances = torch.cdist(centres, centres)
    around = distances.topk(min(_SEARCHED, len(centres)), largest=False).indices.tolist()

    def nearest(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        some = torch.from_numpy(objects)
        home = homes(some, centres)
        found = torch.empty(len(some), _ANCHORS, dtype=torch.long)
        away = torch.empty(len(some), _ANCHORS)
        sizes = torch.bincount(home, minlength=len(centres)).tolist()
        for group, mine in enumerate(home.argsort(stable=True).split(sizes)):
            if not len(mine):
                continue
            near = torch.cat([members[other] for other in around[group]])
            here = some[mine]
            square = torch.addmm(near.square().sum(1), here, near.T, alpha=-2)
            best = square.topk(_ANCHORS, largest=False).indices
            found[mine] = torch.cat([rows[other] for other in around[group]])[best]
            away[mine] = (near[best] - here[:, None]).square().sum(2).sqrt()
        return found.numpy(), away.numpy()

    return nearest


def _to_square(positions: np.ndarray) -> np.ndarray:
    """Centre float32 positions and scale both axes alike, so that 99% lie within -1 to 1.

    The few beyond follow at a fifth of the scale and stop at 1.5: no outlier shrinks the map.
    Beyond 50,000 an even sample says where the 99% are. What is given is changed.
    """
    if len(positions) >= 200:
        sample = positions[:: _stride(len(positions))].astype(np.float64)
        low, high = np.quantile(sample, [0.005, 0.995], axis=0)
    if len(positions) < 200 or not (high > low).any():
        low, high = (f(axis=0).astype(np.float64) for f in (positions.min, positions.max))
    centre, half = (low + high) / 2, float((high - low).max()) / 2 or 1.0
    for start in range(0, len(positions), _BLOCK):
        part = slice(start, start + _BLOCK)
        scaled = (positions[part] - centre) / half
        squeezed = np.sign(scaled) * np.minimum(1 + (np.abs(scaled) - 1) / 5, 1.5)
        positions[part] = np.where(np.abs(scaled) > 1, squeezed, scaled)
    return positions


def _stride(n: int) -> int:
    """Every so many-th of n objects make an even sample."""
    return -(-n // SAMPLE)


def _source(X: np.ndarray | Representation) -> Representation | Rows:
    if isinstance(X, Representation):
        return X
    X = np.asanyarray(X)
    if X.ndim != 2 or len(X) < 1 or X.shape[1] < 1:
        raise ValueError(f"expected (n, d) objects, got shape {X.shape}")
    return Rows(X)


def _finite(some: np.ndarray) -> np.ndarray:
    """Some objects as float32, in memory."""
    with np.errstate(over="ignore"):
        some = np.asarray(some, dtype=np.float32)
    if not np.isfinite(some).all():
        raise ValueError("objects must be finite as float32, got NaN or infinite values")
    return some


if __name__ == "__main__":
    _answer(*map(int, sys.argv[1:]))
