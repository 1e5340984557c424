"""How many threads a fit computes on: one, but for large fits of `reeltune train`."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

LARGE = 1_000_000  # rows from which a step is worth dealing to threads
# OpenMP's, which it reads when torch is loaded; cluster/cli/app.py sets it. By default idle threads spin: where another
# process has the core of the one that they wait for, a step takes up to six times as many core seconds.
WAITING, WITHOUT_SPINNING = "OMP_WAIT_POLICY", "PASSIVE"


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Have torch compute on so many threads within."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread() -> AbstractContextManager[None]:
    """Have torch compute on one thread within, as each worker does: the sums of several come in any order."""
    return on_threads(1)


def threads_for(rows: int, *, cores: int) -> int:
    """Threads for the steps of a fit on so many rows that has these cores to itself.

    One where threads would spin, as in a Python session that loaded torch before.
    """
    sleeps = os.environ.get(WAITING, "").upper() == WITHOUT_SPINNING
    return max(1, cores) if sleeps and rows >= LARGE else 1
