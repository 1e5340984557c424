"""Seeds made of several numbers."""

import numpy as np


def mix(*numbers: int) -> int:
    """One seed from several numbers, well spread even if they are small."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
