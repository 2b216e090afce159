"""Go once through a pool in small blocks, on a worker a core, with progress and a way to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    >>> sweep([rows_of(np.ones((3, 4)))], 3, begin)
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


def rows_of(X: np.ndarray, first: int = 0, last: int | None = None) -> Source:
    """The rows from `first` to before `last` of an array, in memory or memory-mapped."""

    def batches(size: int) -> Iterator[tuple[int, np.ndarray]]:
        stop = len(X) if last is None else last
        for start in range(first, stop, size):
            yield start, X[start : min(start + size, stop)]

    return batches


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
