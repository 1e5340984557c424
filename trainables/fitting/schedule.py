"""The one-cycle schedule of learning rate and momentum."""

import math

WARM_UP = 0.25
START_DIVISOR = 25.0
END_DIVISOR = 1e5


def one_cycle(done: float, highest: float, *, momenta: tuple[float, float]) -> tuple[float, float]:
    """Learning rate and first momentum at a share `done` (0 to 1) of all steps (Smith 2018).

    As fastai's `fit_one_cycle`: the rate rises as a cosine from highest/25 over the first quarter and falls to
    highest/100000 over the rest, while momentum goes from the first of `momenta` to the second and back.
    """
    if done < WARM_UP:
        share = done / WARM_UP
        return _cosine(highest / START_DIVISOR, highest, share), _cosine(*momenta, share)
    share = (done - WARM_UP) / (1 - WARM_UP)
    return _cosine(highest, highest / END_DIVISOR, share), _cosine(momenta[1], momenta[0], share)


def _cosine(start: float, end: float, share: float) -> float:
    return start + (end - start) * (1 - math.cos(math.pi * share)) / 2
