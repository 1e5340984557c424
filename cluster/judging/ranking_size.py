"""For how many users top lists are judged, and how long judging takes. Light: the time left of a search counts it."""

from reeltune.cluster.session.machine import usable_cpus
from reeltune.trainables.data.shape import Shape

MOST_USERS = 2000
MOST_PAIRS = 1 << 21  # for each fit to rate: seconds, for those that need one forward pass a pair
MOST_AT_ONCE = 8  # fits that are rated side by side: each takes some 0.1 GB, of a class head
PAIR_SECONDS = 2e-7  # of a processor for a fit to rate a pair, mean over the architectures that are shipped

# Of one processor for each test row, once and for each fit: 9 fits on 6.4 million rows took 157 s.
ROW_SECONDS, ROW_AND_FIT_SECONDS = 14e-6, 1.2e-6


def at_once() -> int:
    """How many fits are rated side by side on this machine."""
    return min(MOST_AT_ONCE, usable_cpus())


def seconds_to_rank(fits: int, shape: Shape) -> float:
    """About how long the top lists of so many fits take on this machine, if each user has test rows."""
    pairs = min(MOST_USERS, shape.users - 1) * (shape.items - 1)
    return fits * min(MOST_PAIRS, pairs) * PAIR_SECONDS / at_once()


def seconds_to_judge(fits: int, rows: int, shape: Shape) -> float:
    """About how long it takes on this machine to judge so many fits on so many test rows, with their top lists."""
    return rows * (ROW_SECONDS + fits * ROW_AND_FIT_SECONDS) + seconds_to_rank(fits, shape)
