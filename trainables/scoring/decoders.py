"""Ratings from a model's output by any decoder of the table, and the temperature that makes logits probabilities."""

import math
from typing import Annotated

import torch
from pydantic import AfterValidator
from torch import Tensor

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.scoring.decoder_table import DECODERS, FINEST, Decoder, Rule, argmax, mean, median

__all__ = [
    "DECODERS",
    "FINEST",
    "Decoder",
    "KnownDecoder",
    "argmax",
    "decode",
    "fit_temperature",
    "mean",
    "median",
    "nearest",
    "observed_log_probabilities",
    "order",
    "round_to_scale",
]


def _known(name: str) -> str:
    if name not in DECODERS:
        raise ValueError(f"must be one of {', '.join(DECODERS)}")
    return name


KnownDecoder = Annotated[Decoder, AfterValidator(_known)]  # for files that name one


def decode(output: Tensor, grid: Tensor | None, scale: Scale, *, decoder: Decoder, temperature: float) -> Tensor:
    """Ratings of shape (rows,) from ratings (rows,) or logits (rows, classes), clipped to the training range.

    A scalar head (`grid` is None) has one value, which `rounded` and `grid` move and the other decoders leave.
    """
    rule = DECODERS[decoder]
    values = output if grid is None else rule.read(_shares(output, rule, temperature), grid)
    values = values.clamp(scale.low, scale.high)
    return values if rule.onto is None else _to_nearest(values, torch.tensor(rule.onto(scale), dtype=torch.float64))


def _shares(output: Tensor, rule: Rule, temperature: float) -> Tensor:
    """The probabilities of logits, or the logits where they do as well."""
    return output if rule.largest else torch.softmax(output / temperature, 1)


def order(output: Tensor, grid: Tensor | None, scale: Scale, *, decoder: Decoder, temperature: float) -> Tensor:
    """Numbers of shape (rows,), in double precision, that order items for a list: the higher, the better.

    Items are ordered by the decoder's rating; equal ratings, which the argmax often gives, by the mean, and those of a
    scalar head by the value before it is clipped to the scale or rounded.
    """
    if grid is None:
        return output.double()
    ratings, finer = (
        decode(output, grid, scale, decoder=by, temperature=temperature).double() for by in (decoder, "mean")
    )
    # A step of the ratings counts more than any difference of the means, and both fit into a double's 53 bits.
    return ratings * (2 * (scale.high - scale.low) / float(grid.diff().min())) + finer


def round_to_scale(ratings: Tensor, scale: Scale) -> Tensor:
    """The observed value nearest to each rating, in any shape; the higher one of two."""
    return _to_nearest(ratings, torch.tensor(scale.values, dtype=torch.float64))


def _to_nearest(ratings: Tensor, values: Tensor) -> Tensor:
    values = values.to(device=ratings.device, dtype=ratings.dtype)
    return values[torch.bucketize(ratings, (values[1:] + values[:-1]) / 2, right=True)]


def nearest(ratings: Tensor, scale: Scale) -> Tensor:
    """The index, among the observed values, of the one nearest to each rating."""
    values = torch.tensor(scale.values, dtype=ratings.dtype, device=ratings.device)
    return torch.bucketize(ratings, (values[1:] + values[:-1]) / 2, right=True)


def observed_log_probabilities(output: Tensor, grid: Tensor | None, scale: Scale, *, temperature: float) -> Tensor:
    """Log-probabilities of the observed values, shape (rows, values).

    Of logits, shape (rows, classes), each class counts for the value nearest to it. A scalar head's ratings, shape
    (rows,), get Gaussian noise whose standard deviation is the temperature: each value has the probability that rating
    and noise are nearest to it, so that the lowest and the highest have the tails.
    """
    if grid is None:
        return _with_noise(output.clamp(scale.low, scale.high), scale, temperature).clamp(min=1e-12).log()
    probabilities = torch.softmax(output / temperature, 1)
    folded = probabilities.new_zeros(len(output), len(scale.values))
    folded.index_add_(1, nearest(grid, scale), probabilities)
    return folded.clamp(min=1e-12).log()


def _with_noise(ratings: Tensor, scale: Scale, deviation: float) -> Tensor:
    """Probabilities of the observed values: P(k) = Φ((b_k − r) / σ) − Φ((b_{k−1} − r) / σ), b halfway between values.

    That is an ordered probit (McKelvey & Zavoina 1975) whose thresholds are those of rounding.
    """
    values = torch.tensor(scale.values, dtype=torch.float64, device=ratings.device)
    thresholds = (values[1:] + values[:-1]) / 2
    below = torch.special.ndtr((thresholds - ratings.double()[:, None]) / deviation)
    return torch.nn.functional.pad(torch.nn.functional.pad(below, (1, 0)), (0, 1), value=1.0).diff(dim=1)


def fit_temperature(
    output: Tensor, ratings: Tensor, grid: Tensor | None, scale: Scale, weights: Tensor | None = None
) -> float:
    """The temperature of least log-loss on these rows (Guo et al. 2017), between 0.05 and 20.

    With weights, shape (rows,), each row counts so often.

    The softmax of logits that were trained by another loss than cross-entropy is no probability without it. Of a scalar
    head it is the standard deviation of its noise, between 0.005 and 5 spans of the scale.
    """
    from scipy.optimize import minimize_scalar  # half a second to load

    truth = nearest(ratings, scale)[:, None]

    def log_loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        logs = observed_log_probabilities(output, grid, scale, temperature=temperature)
        of_truth = logs.gather(1, truth)
        return -float(of_truth.mean() if weights is None else (of_truth[:, 0] * weights).sum() / weights.sum())

    unit = 1.0 if grid is not None else (scale.high - scale.low)
    low, high = (0.05, 20) if grid is not None else (0.005, 5)
    bounds = (math.log(low * unit), math.log(high * unit))
    return math.exp(float(minimize_scalar(log_loss, bounds=bounds, method="bounded").x))
