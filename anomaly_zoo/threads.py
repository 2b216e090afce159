"""One worker a core, each with one thread of torch: quicker than torch's own threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")
_WORTH = 500


def cores() -> int:
    """How many cores this process may use.

    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one core in this thread, and in this thread only.

    Its own threads wait for each other all the time: they cost more than they give for matrices
    and images of our size, on a busy machine ten times as much. Work is spread over a worker a
    core instead.
    """
    if _threads() == 1:  # which also is torch's own setting of a new thread
        yield
        return
    with _controller().limit(limits=1, user_api="openmp"):
        yield


def alone() -> None:
    """The same for the rest of this thread's life: for workers, which are told once."""
    if _threads() > 1:
        _controller().limit(limits=1, user_api="openmp")


def each(function: Callable[[T], R], items: Sequence[T], size: int) -> list[R]:
    """The function of each item, in order, with one thread of torch: here, or on a worker a core
    where the matrices are of `size` 500 and more and a new thread is worth its start.

    >>> each(abs, [-1, 2, -3], size=3)
    [1, 2, 3]
    """

    count = min(cores(), len(items))
    if count < 2 or size < _WORTH:
        with one_thread():
            return [function(item) for item in items]
    with ThreadPoolExecutor(count, "anomaly_zoo-each", initializer=alone) as workers:
        return list(workers.map(function, items))


def _threads() -> int:
    import torch

    return torch.get_num_threads()


@cache
def _controller() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
