"""Seeds made of several numbers, and torch's own random numbers, which fits seed."""

from contextlib import AbstractContextManager

import numpy as np


def mix(*numbers: int) -> int:
    """One seed from several numbers, well spread even if they are small."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def random_numbers_as_before() -> AbstractContextManager[None]:
    """At the end of the body torch's random numbers go on as if it had drawn none, and seeded nothing."""
    import torch  # late: it takes seconds, and whoever only imports this needs none

    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    return torch.random.fork_rng(devices=[*gpus])
