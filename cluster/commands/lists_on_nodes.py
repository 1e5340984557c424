"""Lists of the best items for many users by the nodes of a cluster, for `recommend`.

This machine reads the seen pairs, and each part of the users goes to a node with those that are theirs.
"""

import tempfile
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from reeltune.cluster.commands.on_nodes import in_session
from reeltune.trainables.best_items import Best, Some, best_items, best_of, in_steps, step_of
from reeltune.trainables.bundle import Predictor

PAIRS = 1 << 24  # users by items of a part: some tenths of a second by a matrix product, some seconds pair by pair
USERS, SEEN = "users.npy", "seen.npy"


def best_on_nodes(
    address: str,
    predictor: Predictor,
    users: np.ndarray,
    *,
    seen: np.ndarray,
    top: int,
    seconds: int | None,
    say: Callable[[str], None],
) -> Generator[Best]:
    """As `best_items`, by the nodes of the cluster at this address; one part alone is rated here, and `say` says so.

    The nodes rate the same users at once as one machine does, so sums are rounded alike.
    """
    width, step = predictor.items.rows - 1, step_of(predictor)
    part = step * max(1, PAIRS // (step * width))
    if len(users) <= part:
        say(f"{len(users):,} users of {width:,} items are one part: rated here, not on the cluster")
        yield from best_items(predictor, users, seen=seen, top=top, seconds=seconds)
        return
    with tempfile.TemporaryDirectory(prefix="reeltune-") as folder:
        # The process that hands out the parts maps these files: what is seen may be large.
        np.save(Path(folder) / USERS, users)
        np.save(Path(folder) / SEEN, seen)
        read = partial(_parts, folder, width=width, step=step, part=part)
        for lists in in_session(address, read, partial(_lists, predictor, top, seconds), say=say):
            yield from lists


def _parts(folder: str, *, width: int, step: int, part: int) -> Iterator[list[Some]]:
    users, seen = (np.load(Path(folder) / name, mmap_mode="r") for name in (USERS, SEEN))
    for start in range(0, len(users), part):
        places = range(start, min(start + part, len(users)))
        yield list(in_steps(users, seen, width=width, step=step, places=places))


def _lists(predictor: Predictor, top: int, seconds: int | None, part: list[Some]) -> list[Best]:
    return [best_of(predictor, some, top=top, seconds=seconds) for some in part]
