"""How good probabilities of the observed ratings are: log-loss, ranked probability score and calibration.

A row has probabilities p_1 … p_K of the K observed values: those of the grid's classes at the temperature, each counted
for the value nearest to it, or those of a scalar head's rating with noise (`decoders.observed_log_probabilities`). Its
true rating is nearest to value y.

    log-loss = mean of -log p_y
    RPS = mean of 1/(K-1) Σ_{k<K} (p_1 + … + p_k - [y <= k])²      (Epstein 1969; Gneiting & Raftery 2007)
    ECE = Σ_bins (rows in the bin / rows) |frequency - confidence|  (Guo et al. 2017)

RPS is 0 for a forecast that is certain and right, 1 for one that is certain of the other end of the scale. Thresholds
between neighbouring values have equal weight, however far apart the values are. For calibration, a row's forecast is
its most probable value, its confidence that value's probability, and the event that the true rating is nearest to it.
Bins have equal width in confidence. Where rows have weights, all these means are by them, and so are the bins' shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.decoders import nearest, observed_log_probabilities

BINS = 15  # as Guo et al.


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Rows whose confidence is above `low` and at most `high`: their mean confidence, and how often they were right."""

    low: float
    high: float
    count: int
    confidence: float  # mean of the rows'
    frequency: float
    weight: float  # of the rows together; without weights their count


@dataclass(frozen=True, kw_only=True)
class Probabilities:
    """`reliability` holds the bins that have rows, in order of confidence."""

    log_loss: float
    rps: float
    ece: float
    temperature: float
    reliability: list[Bin]


def judge_probabilities(
    output: Tensor,
    ratings: Tensor,
    grid: Tensor | None,
    scale: Scale,
    *,
    temperature: float,
    weights: Tensor | None = None,
) -> Probabilities:
    """Scores of logits of shape (rows, classes), or of ratings with noise, given the true ratings of shape (rows,)."""
    logs = observed_log_probabilities(output, grid, scale, temperature=temperature).double()
    truth = nearest(ratings, scale)
    confidence, guess = logs.exp().max(1)
    bins = reliability(
        confidence.numpy(), (guess == truth).numpy(), None if weights is None else weights.double().numpy()
    )
    return Probabilities(
        log_loss=-mean_of(logs.gather(1, truth[:, None])[:, 0], weights),
        rps=mean_of(ranked_probability_scores(logs.exp(), truth), weights),
        ece=_calibration_error(bins, len(truth) if weights is None else float(weights.sum())),
        temperature=temperature,
        reliability=bins,
    )


def mean_of(values: Tensor, weights: Tensor | None) -> float:
    """The mean of values of shape (rows,), by weights of the same shape where there are any."""
    return float(values.mean() if weights is None else (values * weights).sum() / weights.sum())


def _calibration_error(bins: Sequence[Bin], rows: float) -> float:
    return sum(bin.weight * abs(bin.frequency - bin.confidence) for bin in bins) / rows


def joined(parts: Sequence[Probabilities], rows: Sequence[float]) -> Probabilities:
    """The scores of all rows, from those of parts of them with so many rows, or so much weight, each."""
    if len(parts) == 1:
        return parts[0]
    bins = _joined_bins([bin for part in parts for bin in part.reliability])
    return Probabilities(
        log_loss=float(np.average([part.log_loss for part in parts], weights=rows)),
        rps=float(np.average([part.rps for part in parts], weights=rows)),
        ece=_calibration_error(bins, sum(rows)),
        temperature=parts[0].temperature,
        reliability=bins,
    )


def _joined_bins(bins: Sequence[Bin]) -> list[Bin]:
    """Those of the same confidence as one, in order."""
    found = []
    for low in sorted({bin.low for bin in bins}):
        same = [bin for bin in bins if bin.low == low]
        sizes = [bin.weight for bin in same]
        confidence, frequency = (
            float(np.average([getattr(bin, name) for bin in same], weights=sizes))
            for name in ("confidence", "frequency")
        )
        count = sum(bin.count for bin in same)
        found.append(replace(same[0], count=count, confidence=confidence, frequency=frequency, weight=sum(sizes)))
    return found


def ranked_probability_scores(probabilities: Tensor, truth: Tensor) -> Tensor:
    """The RPS of each row, shape (rows,), of probabilities of shape (rows, values).

    `truth`, shape (rows,), is the index of the true value.
    """
    values = probabilities.shape[1]
    reached = truth[:, None] <= torch.arange(values, device=truth.device)
    misses = (probabilities.cumsum(1) - reached.double())[:, :-1]  # the last of both is always 1
    return misses.square().sum(1) / (values - 1)


def reliability(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None) -> list[Bin]:
    """The reliability curve of forecasts: their confidence in (0, 1] and whether they were right, shape (rows,)."""
    known = np.nan_to_num(confidence)  # one that is no number makes the bin's mean none, and is in no bin by itself
    place = np.clip(np.ceil(known * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    sizes = counts if weights is None else np.bincount(place, weights=weights, minlength=BINS)
    each = 1.0 if weights is None else weights
    sums = [np.bincount(place, weights=values * each, minlength=BINS) for values in (confidence, right)]
    return [
        Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=int(counts[number]),
            confidence=float(sums[0][number] / sizes[number]),
            frequency=float(sums[1][number] / sizes[number]),
            weight=float(sizes[number]),
        )
        for number in counts.nonzero()[0].tolist()
    ]
