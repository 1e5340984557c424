"""How good a class head's probabilities are: log-loss, ranked probability score and calibration.

A row has a share p_1 … p_K of each of the K observed values: the grid's mass at the temperature, folded onto the
nearest one (`decoders.observed_log_probabilities`). Its true rating is nearest to value y.

    log-loss = mean of -log p_y
    RPS = mean of 1/(K-1) Σ_{k<K} (p_1 + … + p_k - [y <= k])²      (Epstein 1969; Gneiting & Raftery 2007)
    ECE = Σ_bins (rows in the bin / rows) |frequency - confidence|  (Guo et al. 2017)

RPS is 0 for a sure and right forecast, 1 for a sure one at the other end of the scale; every threshold between
neighbouring values weighs alike, however far they are apart. For calibration a row's forecast is the observed value
of the largest share, that share is its confidence, and the event is that the true rating is nearest to it; bins are
of equal width in confidence.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.decoders import nearest, observed_log_probabilities

BINS = 15  # as Guo et al.


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Rows of a confidence above `low` and up to `high`: how sure they were, and how often right."""

    low: float
    high: float
    count: int
    confidence: float  # mean of the rows'
    frequency: float


@dataclass(frozen=True, kw_only=True)
class Probabilities:
    """The reliability curve's bins are in order of confidence; those without rows are left out."""

    log_loss: float
    rps: float
    ece: float
    temperature: float
    reliability: list[Bin]


def judge_probabilities(
    logits: Tensor, ratings: Tensor, grid: Tensor, scale: Scale, *, temperature: float
) -> Probabilities:
    """Judge logits of shape (rows, classes) by the true ratings of shape (rows,)."""
    logs = observed_log_probabilities(logits, grid, scale, temperature=temperature).double()
    truth = nearest(ratings, scale)
    confidence, guess = logs.exp().max(1)
    bins = reliability(confidence.numpy(), (guess == truth).numpy())
    return Probabilities(
        log_loss=-float(logs.gather(1, truth[:, None]).mean()),
        rps=ranked_probability_score(logs.exp(), truth),
        ece=sum(bin.count * abs(bin.frequency - bin.confidence) for bin in bins) / len(truth),
        temperature=temperature,
        reliability=bins,
    )


def ranked_probability_score(probabilities: Tensor, truth: Tensor) -> float:
    """The mean RPS of shares of shape (rows, values), of which those at `truth`, shape (rows,), came."""
    values = probabilities.shape[1]
    reached = truth[:, None] <= torch.arange(values, device=truth.device)
    misses = (probabilities.cumsum(1) - reached.double())[:, :-1]  # the last of both is always 1
    return float(misses.square().sum(1).mean() / (values - 1))


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[Bin]:
    """The reliability curve of forecasts of shape (rows,), held with a confidence in (0, 1] and right or not."""
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, weights=values, minlength=BINS) for values in (confidence, right)]
    return [
        Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=int(counts[number]),
            confidence=float(sums[0][number] / counts[number]),
            frequency=float(sums[1][number] / counts[number]),
        )
        for number in counts.nonzero()[0].tolist()
    ]
