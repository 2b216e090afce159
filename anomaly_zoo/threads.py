"""One worker a core, each with one thread of torch: quicker than torch's own threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


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
    import torch

    torch.get_num_threads()  # torch's own setting of a new thread has to come first
    with _controller().limit(limits=1, user_api="openmp"):
        yield


@cache
def _controller() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
