"""For how many users top lists are judged, and how long that takes. Light: the time left of a search counts it."""

from reeltune.cluster.session.machine import usable_cpus
from reeltune.trainables.data.shape import Shape

MOST_USERS = 2000
MOST_PAIRS = 1 << 21  # for each fit to rate: seconds, for those that need one forward pass a pair
PAIR_SECONDS = 2e-7  # of a processor for a fit to rate a pair, mean over the architectures that are shipped


def seconds_to_rank(fits: int, shape: Shape) -> float:
    """About how long the top lists of so many fits take on this machine, if each user has test rows."""
    pairs = min(MOST_USERS, shape.users - 1) * (shape.items - 1)
    return fits * min(MOST_PAIRS, pairs) * PAIR_SECONDS / usable_cpus()
