"""The reference of an architecture on the trunk: its defaults, sized for the data.

Decays fall with the root of the ratings per id. Adam divides a gradient by its own root mean square. So, with S steps
an epoch, a decoupled decay of d acts on an id of n ratings, whose residuals have deviation σ, as a ridge penalty of
d · σ · √(S n) ratings does. The right penalty is a ratio of variances, whatever n is: d ~ 1/√n. See docs/defaults.md,
also for the constants.
"""

import math
from typing import TypeVar

from reeltune.trainables.architectures.parts.trunk import TrunkConfig
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import batch_for

STEPS = 36  # of an epoch, when the defaults were chosen
RATINGS_PER_ID = 58.0  # of MovieLens-100k's training rows, on which the defaults' decays were chosen
DENSEST = 264.0  # ratings per id up to which the rule was measured: beyond, decays stay what they are there
DECAYS = ("weight_decay", "implicit_decay", "side_decay", "bias_decay")
LARGEST = 0.9  # of a decay times the learning rate: a step leaves a tenth of the weights, where little is known
FEW = 20.0  # ratings per id below which implicit feedback decays by 1/n
RARE = 12.0  # ratings per id up to which biases are pulled all the way to damped means; beyond, by 12/n
LEAST_PULL = 0.3  # a weaker pull is left out
PULLED = 4.0  # times the decay of biases that are pulled
MANY = 1000.0  # rated users, and rated items, beyond which dense data has room for more factors
WIDEST = 1.5  # times the factors at most
LONGEST = 1.5  # times the epochs at most, which grow with √n beyond RATINGS_PER_ID

C = TypeVar("C", bound=TrunkConfig)


def sized(defaults: C, shape: Shape) -> C:
    """The defaults with batches of about 36 steps an epoch, and the rest for the ratings per id of this data."""
    n = min(DENSEST, shape.ratings_per_id or RATINGS_PER_ID)
    denser, pull = math.sqrt(n / RATINGS_PER_ID), min(1.0, RARE / n)
    changes = {
        "batch_size": batch_for(shape, steps=STEPS),
        "factors": round(defaults.factors * (_room(shape) if denser > 1 else 1.0)),
        "epochs": round(defaults.epochs * min(LONGEST, max(1.0, denser))),
        "bias_pull": _two_digits(pull) if pull >= LEAST_PULL else 0.0,
        **_decays(defaults, n, pulled=pull >= LEAST_PULL),
    }
    return defaults.model_copy(update=changes)


def sized_gently(defaults: C, shape: Shape) -> C:
    """As `sized`, but on sparse data the decays of vectors grow with the fourth root alone: for class heads."""
    config, n = sized(defaults, shape), shape.ratings_per_id or RATINGS_PER_ID
    if n >= RATINGS_PER_ID:
        return config
    gentle = {
        name: getattr(defaults, name) * (RATINGS_PER_ID / n) ** 0.25 for name in ("weight_decay", "implicit_decay")
    }
    return config.model_copy(update={name: _two_digits(decay) for name, decay in gentle.items()})


def sized_when_sparse(decay: float, shape: Shape) -> float:
    """A decay of MovieLens-100k, which is larger by the rule where ids have fewer ratings than there."""
    n = min(RATINGS_PER_ID, shape.ratings_per_id or RATINGS_PER_ID)
    return _two_digits(decay * math.sqrt(RATINGS_PER_ID / n))


def _room(shape: Shape) -> float:
    """By how much more factors than the defaults' the shorter side of the matrix has room for."""
    return min(WIDEST, max(1.0, min(shape.rated) / MANY))


def _decays(defaults: TrunkConfig, n: float, *, pulled: bool) -> dict[str, float]:
    denser = math.sqrt(n / RATINGS_PER_ID)
    decays = {name: getattr(defaults, name) / denser for name in DECAYS}
    # Where ids have more ratings of their own, what else is known of them should tell less.
    decays["implicit_decay"] *= max(1.0, denser) * math.sqrt(max(1.0, FEW / n))
    decays["side_decay"] *= max(1.0, denser) ** 2
    decays["bias_decay"] *= PULLED if pulled else 1.0
    most = min(100.0, LARGEST / defaults.learning_rate)
    return {name: min(most, _two_digits(decay)) for name, decay in decays.items()}


def _two_digits(value: float) -> float:
    """Rounded to two digits: decays are not known better, and data of nearly the same n get the same ones."""
    return float(f"{value:.2g}")
