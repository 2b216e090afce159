"""Go once through a pool in small blocks, on a worker a core, with progress and a way to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from anomaly_zoo.threads import alone, cores, one_thread

T = TypeVar("T")
Job = Callable[[int, np.ndarray], None]
Source = Callable[[int], Iterator[tuple[int, np.ndarray]]]
"""From a size to (first row, block) pairs of at most so many rows: `Part.batches`."""
BLOCK = 131_072
"""Rows of a piece of what is done everywhere."""
_LARGEST, _SMALLEST = 16_384, 2_048


def sweep(
    sources: Sequence[Source],
    n: int,
    begin: Callable[[], Job],
    width: int = 0,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Have every block of n objects worked on once, in any order, the sources side by side.

    begin : called once by each worker; it gives the job, a function of a first row and a block,
        with whatever the worker needs of its own. width : how many numbers the job makes of each
        object; many of them make the blocks smaller, so that they stay in the cache. progress : is
        told the share that is done, by one worker at a time. cancelled : is asked before a block.

    Raises InterruptedError when cancelled, and what a source or a job raises.

    >>> sums = np.zeros(3)
    >>> def begin():
    ...     return lambda first, block: sums.__setitem__(
    ...         slice(first, first + len(block)), block.sum(axis=1)
    ...     )
    >>> sweep([Rows(np.ones((3, 4))).batches], 3, begin)
    >>> sums.tolist()
    [4.0, 4.0, 4.0]
    """
    size = block_size(width)
    left = list(sources)[::-1]
    done, failed = 0, threading.Event()
    telling = threading.Lock()

    def work() -> None:
        nonlocal done
        with one_thread():
            job = begin()
            while left and not failed.is_set():
                try:
                    source = left.pop()
                except IndexError:
                    return
                for first, block in source(size):
                    if failed.is_set():
                        return
                    if cancelled is not None and cancelled():
                        raise InterruptedError("cancelled")
                    job(first, block)
                    if progress is not None:
                        with telling:
                            done += len(block)
                            progress(done / n)

    def attempt() -> None:
        try:
            work()
        except BaseException:
            failed.set()
            raise

    count = min(cores(), len(left))
    if count < 2 or n <= _LARGEST:
        work()
        return
    with ThreadPoolExecutor(count, thread_name_prefix="anomaly_zoo-sweep") as workers:
        for worker in [workers.submit(attempt) for _ in range(count)]:
            worker.result()


def block_size(width: int) -> int:
    """How many rows a block has where so many numbers are made of each."""
    return max(_SMALLEST, min(_LARGEST, 2**19 // (width + 1)))


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of an array, in memory or memory-mapped, read like those of a Representation but in the
    array's own numbers; `first` is the number of the first.

    >>> [(first, block.tolist()) for first, block in Rows(np.eye(3)[:, :1], 7).batches(2)]
    [(7, [[1.0], [0.0]]), (9, [[0.0]])]
    """

    X: np.ndarray
    first: int = 0

    def __len__(self) -> int:
        return len(self.X)

    def parts(self, n: int) -> list[Rows]:
        """At most n parts."""
        size = max(1, -(-len(self) // n))
        starts = range(0, len(self), size)
        return [Rows(self.X[start : start + size], self.first + start) for start in starts]

    def batches(self, size: int) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks in order, with the number of the first row."""
        for start in range(0, len(self), size):
            yield self.first + start, self.X[start : start + size]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Some rows (k, d)."""
        return self.X[rows]


def everywhere(work: Callable[[int], T], n: int, step: int = BLOCK) -> list[T]:
    """`work(first)` for the first row of every `step` of n, in order, with one thread of torch, on
    a worker a core where there are enough of them.

    >>> everywhere(lambda first: first + 1, n=5, step=2)
    [1, 3, 5]
    """
    firsts = range(0, n, step)
    if len(firsts) < 3:
        with one_thread():
            return [work(first) for first in firsts]
    with ThreadPoolExecutor(cores(), "anomaly_zoo-rows", initializer=alone) as workers:
        return list(workers.map(work, firsts))
