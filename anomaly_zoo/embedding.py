"""`az.embed`: from images to features, whatever the images are kept in.

Reading and preparing run on threads (Pillow and zlib let others run meanwhile: threads were as
fast as processes on 64 and on 424 pixel JPEGs, and start at once), encoding in the calling thread.
Rows are taken in chunks of the source's order and in batches within them, so that the result does
not depend on the number of threads, nor on where a run was broken off.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import anomaly_zoo
from anomaly_zoo import tables
from anomaly_zoo.cutouts import CutoutError
from anomaly_zoo.encoders import chosen
from anomaly_zoo.encoders.protocol import Encoder, label
from anomaly_zoo.ids import Ids
from anomaly_zoo.parts import Part, Parts, Skipped, alone, skipped_table
from anomaly_zoo.representation import Representation
from anomaly_zoo.sources import Item, Source, open_source
from anomaly_zoo.threads import cores

if TYPE_CHECKING:
    from anomaly_zoo.catalog import Catalog

__all__ = ["Embedded", "embed", "embed_to"]

REVISION = 1  # raise it when the code changes what an encoder is shown
CHUNK = 2048  # rows of the source in a part
BATCH = 128  # images encoded at a time
TASK = 16  # images read by a thread at a time
AHEAD = 2 * BATCH  # images read before they are needed, at most
HELD = 64 * 2**20  # bytes of images that wait to be read


@dataclass(frozen=True)
class Embedded:
    """What a run has done: n objects in `output`, `skipped` that are not."""

    output: Path
    encoder: str
    n: int
    skipped: int
    reused: int
    """Rows of the source that an earlier run had done already: all of them where there was
    nothing left to do."""
    d: int

    @property
    def table(self) -> Path | None:
        """Where those skipped are listed, with the reasons."""
        return skipped_table(self.output) if self.skipped else None


def embed(
    source: Catalog | Source | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    encoder: Encoder | str | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    cutouts: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    id_column: str | None = None,
    dataset: str | None = None,
    stretch: str | None = None,
    half: bool = False,
    workers: int | None = None,
    progress: bool = True,
    overwrite: bool = False,
) -> Representation:
    """Encode the images of a source: a Representation (n, d), its rows in the source's order.

    `source` is a `Catalog`, a folder, a pattern, a list of files, a catalogue file, a tar, an
    array in HDF5 or Zarr, or a FITS cube: see `anomaly_zoo.sources.open_source`, which takes
    `cutouts`, `root`, `id_column`, `dataset` and `stretch`. `encoder` is an object of
    `anomaly_zoo.encoders` or what `encoders.named` takes; zoonet by default. The encoder is shown
    the RGB picture that the viewer shows.

    With `output` (.parquet) memory holds the ids and a few images until the features are read
    back at the end, and finished parts are kept beside it while it is made: broken off at any
    moment, the same call goes on where it was and gives the same file. A file that is whole is
    read and nothing is done; one of another run (other images, encoder or version) is an error
    unless `overwrite`. Images that a catalogue only names, as paths or addresses, are known by
    their names: a change within them goes unnoticed. `half` keeps float16 numbers.

    Images that cannot be used never stop it: a UserWarning says how many and why, and
    ``features.skipped.csv`` beside the output lists each with its reason. `workers` is the number
    of threads that read, by default the number of cores.

    Raises what `open_source` raises; ValueError where fewer than two images can be used, with the
    first reasons; FileExistsError for an output of another run; BlockingIOError where another
    process is writing it; OSError when the disk is full or read-only, and parts are kept.

    >>> import numpy as np, anomaly_zoo as az
    >>> sky = np.random.default_rng(0).normal(size=(4, 64, 64))
    >>> catalog = az.Catalog({"id_str": list("abcd")}, lambda row: sky[ord(row["id_str"]) - 97])
    >>> encoder = az.encoders.Pixels()
    >>> features = az.embed(catalog, encoder, progress=False)
    >>> features.ids.tolist(), features.d, features.encoder == az.encoders.label(encoder)
    (['a', 'b', 'c', 'd'], 176, True)
    """
    options: dict[str, Any] = {
        "cutouts": cutouts,
        "root": root,
        "id_column": id_column,
        "dataset": dataset,
        "stretch": stretch,
    }
    if output is None:
        if half or overwrite:
            raise ValueError(f"{'half' if half else 'overwrite'}= is for an output file")
        opened = open_source(source, **options)
        features, skipped = _in_memory(opened, chosen(encoder), workers, progress)
        if skipped:
            warnings.warn(
                f"{len(skipped):,} of {len(opened):,} images were skipped: {_shown(skipped[:3])}; "
                "output='features.parquet' keeps a table of all of them beside it",
                stacklevel=2,
            )
        return features
    done = embed_to(
        source,
        encoder,
        output,
        **options,
        half=half,
        workers=workers,
        progress=progress,
        overwrite=overwrite,
    )
    if done.table is not None:
        warnings.warn(
            f"{done.skipped:,} of {done.n + done.skipped:,} images were skipped: {done.table} says "
            "why",
            stacklevel=2,
        )
    return Representation.read(done.output)


def embed_to(
    source: Catalog | Source | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    encoder: Encoder | str | None,
    output: str | os.PathLike[str],
    *,
    half: bool = False,
    workers: int | None = None,
    progress: bool = True,
    overwrite: bool = False,
    **options: Any,
) -> Embedded:
    """The same into a file, which is not read back: memory holds the ids and a few images.

    `options` are those of `open_source`. Raises as `embed` does, and gives no warning.
    """
    path = tables.target(output)
    if tables.kind(path) != "parquet":
        raise ValueError(f"{path.name}: features are written as .parquet")
    if isinstance(source, (str, os.PathLike)) and Path(source).expanduser().resolve() == path:
        raise ValueError(f"{path.name} is the source itself; choose another name for the output")
    opened, encoder = open_source(source, **options), chosen(encoder)
    sizes = [min(CHUNK, len(opened) - first) for first in range(0, len(opened), CHUNK)]
    parts = Parts(path, _run(opened, encoder, half), sizes, encoder.d, half)
    reused = len(opened)
    skipped = parts.complete(overwrite)
    if skipped is None:
        with alone(path):
            skipped = parts.complete(overwrite)  # another process may just have finished it
            if skipped is None:
                skipped, reused = _fill(parts, opened, encoder, workers, progress, overwrite)
    elif parts.folder.exists():  # it was killed when all was done but to tidy up
        with suppress(OSError), alone(path):
            parts.discard()
    return Embedded(path, label(encoder), len(opened) - skipped, skipped, reused, encoder.d)


def _run(source: Source, encoder: Encoder, half: bool) -> dict[str, Any]:
    """All that decides the result, and no path."""
    return {
        "encoder": label(encoder),
        "source": source.name,
        "kind": source.kind,
        "rows": len(source),
        "identity": source.identity,
        "numbers": "float16" if half else "float32",
        "chunk": CHUNK,
        "batch": BATCH,
        "revision": REVISION,
    }


def _fill(
    parts: Parts,
    source: Source,
    encoder: Encoder,
    workers: int | None,
    progress: bool,
    overwrite: bool,
) -> tuple[int, int]:
    """Make the parts that are missing and join all; how many were skipped, how many were there."""
    parts.begin(overwrite)
    finished = parts.finished()
    todo = [number for number in range(len(parts.sizes)) if number not in finished]
    reused = sum(parts.sizes[number] for number in finished)
    skipped = sum(finished.values())
    made = _chunks(source, encoder, todo, workers, progress, parts.half, reused)
    with closing(made):
        for number, part in made:
            parts.add(number, part)
            skipped += len(part.skipped)
    if len(source) - skipped < 2:
        reasons = parts.reasons(3)
        parts.discard()  # so that mended images are looked at again
        raise ValueError(_too_few(len(source), skipped, reasons))
    about = {
        "name": source.name,
        "encoder": label(encoder),
        "creator": f"anomaly_zoo {anomaly_zoo.__version__}",
    }
    parts.merge(about)
    return skipped, reused


def _in_memory(
    source: Source, encoder: Encoder, workers: int | None, progress: bool
) -> tuple[Representation, list[Skipped]]:
    todo = range(-(-len(source) // CHUNK))
    done = [part for _, part in _chunks(source, encoder, todo, workers, progress)]
    skipped = [row for part in done for row in part.skipped]
    if len(source) - len(skipped) < 2:
        raise ValueError(_too_few(len(source), len(skipped), skipped[:3]))
    ids = np.concatenate([part.ids for part in done])
    X = np.concatenate([part.X for part in done])
    return Representation(Ids.of(ids), X, source.name, label(encoder)), skipped


# from images to chunks


class _Seen(NamedTuple):
    """A prepared image (size, size, 3), or the reason why there is none."""

    id_str: str
    where: str
    image: np.ndarray | None
    reason: str = ""


def _chunks(
    source: Source,
    encoder: Encoder,
    todo: Sequence[int],
    workers: int | None,
    progress: bool,
    half: bool = False,
    done: int = 0,
) -> Generator[tuple[int, Part], None, None]:
    """The chunks `todo` of the source, encoded, each as soon as it is finished."""
    from tqdm.auto import tqdm

    spans = [(first * CHUNK, min((last + 1) * CHUNK, len(source))) for first, last in _joint(todo)]
    name = "".join(c for c in source.name if c.isprintable())[:30]
    with (
        tqdm(total=len(source), initial=done, desc=name, unit="img", disable=not progress) as bar,
        closing(_seen(source, encoder, spans, _threads(workers))) as seen,
    ):
        for number in todo:
            size = min(CHUNK, len(source) - number * CHUNK)
            yield number, _encoded(itertools.islice(seen, size), encoder, half, bar)


def _joint(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers, (first, last).

    >>> list(_joint([0, 1, 2, 5, 7, 8]))
    [(0, 2), (5, 5), (7, 8)]
    """
    for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield members[0], members[-1]


def _seen(
    source: Source, encoder: Encoder, spans: list[tuple[int, int]], threads: int
) -> Generator[_Seen, None, None]:
    """The images of some rows, in order, read and prepared on threads, a bounded number ahead."""
    items = itertools.chain.from_iterable(source.items(*span) for span in spans)
    ahead = max(AHEAD // TASK, 2 * threads)
    waiting: deque[tuple[Future[list[_Seen]], int]] = deque()
    held = 0
    pool = ThreadPoolExecutor(threads, thread_name_prefix="embed")
    stopped = Event()
    try:
        for task in _tasks(items):
            size = sum(item.size for item in task)
            waiting.append((pool.submit(_look, task, encoder, stopped), size))
            held += size
            while len(waiting) >= ahead or (held > HELD and len(waiting) > threads):
                first, size = waiting.popleft()
                held -= size
                yield from first.result()
        for first, _ in waiting:
            yield from first.result()
    finally:
        stopped.set()  # an image from the web may take half a minute: no thread begins another
        pool.shutdown(cancel_futures=True)


def _tasks(items: Iterator[Item]) -> Iterator[list[Item]]:
    """Items for one thread at a time: `TASK` of them, or fewer that hold much memory.

    >>> large, small = (Item("J1", "", bytes, size) for size in (HELD, 10))
    >>> [len(task) for task in _tasks(iter([small, large, small]))]
    [2, 1]
    """
    task: list[Item] = []
    for item in items:
        task.append(item)
        if len(task) == TASK or sum(each.size for each in task) > HELD:
            yield task
            task = []
    if task:
        yield task


def _look(items: list[Item], encoder: Encoder, stopped: Event) -> list[_Seen]:
    seen: list[_Seen] = []
    for item in items:
        if stopped.is_set():
            break
        try:
            image = encoder.prepare(np.asarray(item.read()))
            seen.append(_Seen(item.id_str, item.where, image))
        except (CutoutError, ValueError, TypeError) as error:
            seen.append(_Seen(item.id_str, item.where, None, _sentence(str(error))))
        except Exception as error:  # whatever an image does to its reader, the others go on
            about = f"{type(error).__name__}: {error}"
            seen.append(_Seen(item.id_str, item.where, None, _sentence(about)))
    return seen


def _encoded(rows: Iterator[_Seen], encoder: Encoder, half: bool, bar: Any) -> Part:
    """One chunk: batches of fixed size, so that a vector never depends on what came before."""
    ids: list[str] = []
    blocks: list[np.ndarray] = []
    skipped: list[Skipped] = []
    batch: list[_Seen] = []

    def encode() -> None:
        images = [seen.image for seen in batch if seen.image is not None]
        X, reasons = _vectors(encoder, _stacked(images, encoder), half)
        good = [row for row in range(len(batch)) if row not in reasons]
        ids.extend(batch[row].id_str for row in good)
        blocks.append(X[good])
        for row, reason in reasons.items():
            skipped.append(Skipped(batch[row].id_str, batch[row].where, reason))
        bar.update(len(batch))
        batch.clear()

    order: dict[str, int] = {}
    for seen in rows:
        order[seen.id_str] = len(order)
        if seen.image is None:
            skipped.append(Skipped(seen.id_str, seen.where, seen.reason))
            bar.update()
            continue
        batch.append(seen)
        if len(batch) == BATCH:
            encode()
    if batch:
        encode()
    skipped.sort(key=lambda row: order[row.id_str])
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    X = np.concatenate(blocks) if blocks else np.empty((0, encoder.d), np.float32)
    return Part(array, X, skipped)


def _stacked(images: list[np.ndarray], encoder: Encoder) -> np.ndarray:
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ValueError(
            f"the encoder {encoder.name} prepares images of different shapes, "
            f"{', '.join(map(str, sorted(shapes)[:3]))}; expected one, (size, size, 3)"
        )
    return np.stack(images)


def _vectors(encoder: Encoder, images: np.ndarray, half: bool) -> tuple[np.ndarray, dict[int, str]]:
    """The features (b, d) of images, and the rows that are of no use, with the reason."""
    X = np.asarray(encoder.encode(images))
    expected = (len(images), encoder.d)
    if X.shape != expected or X.dtype.kind != "f":
        raise ValueError(
            f"the encoder {encoder.name} gave an array {X.shape} of {X.dtype} for {len(images)} "
            f"images; expected {expected} of float32"
        )
    with np.errstate(over="ignore"):
        kept = X.astype(np.float16 if half else np.float32)
    reasons = {}
    for row in np.flatnonzero(~np.isfinite(kept).all(axis=1)).tolist():
        large = np.isfinite(X[row]).all()
        reasons[row] = (
            f"the features are too large for {kept.dtype}"
            if large
            else "the encoder gave NaN or infinite features"
        )
    return kept, reasons


# what is said


def _threads(workers: int | None) -> int:
    if workers is None:
        return min(16, max(2, cores()))
    if not isinstance(workers, Integral) or isinstance(workers, bool) or workers < 1:
        raise ValueError(f"workers is a whole number of threads, at least 1, got {workers!r}")
    return int(workers)


def _too_few(n: int, skipped: int, reasons: list[Skipped]) -> str:
    used = "not one" if n == skipped else "only one"
    said = f"; {_shown(reasons)}" if reasons else ""
    return f"{used} of {n:,} images could be used, at least two are needed{said}"


def _shown(rows: Sequence[Skipped]) -> str:
    return "; ".join(f"{row.id_str!r}: {row.reason}" for row in rows)


def _sentence(text: str) -> str:
    """A reason in one line of text that can be written as UTF-8."""
    line = " ".join(text.split())
    return line.encode("utf-8", "backslashreplace").decode("utf-8")[:500]
