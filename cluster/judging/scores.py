"""Scores refits on the opened test rows: predictions, errors by seed, decoders, confusion matrix."""

from dataclasses import dataclass

import numpy as np
import torch

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted
from reeltune.cluster.runs.answer import ByValue
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.bundle import restored
from reeltune.trainables.data import Rows
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import on_device
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.decoders import Decoder, decode
from reeltune.trainables.scoring.metrics import (
    CHUNK,
    DecoderErrors,
    Metrics,
    decoder_errors,
    from_sums,
    joined_errors,
    predict,
    predict_as,
    sums,
)
from reeltune.trainables.scoring.probabilities import Probabilities, joined, judge_probabilities


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One fit's scores: its decoded ratings and those for the ensemble (`averaged`), shape (rows,), and metrics."""

    ratings: np.ndarray
    averaged: np.ndarray
    metrics: Metrics
    decoders: dict[Decoder, DecoderErrors]
    probabilities: Probabilities | None  # None for a scalar head


def score(
    order: FitOrder,
    fitted: Fitted,
    rows: Rows,
    shape: Shape,
    *,
    decoder: Decoder,
    temperature: float,
    averaged: Decoder = "mean",
    registry: Registry = SHIPPED,
) -> Scored:
    """Predict the rows and score the predictions. Runs in the process that opened the rows."""
    model = _model(order, fitted, shape, registry)
    pairs, truth, parts = on_device(rows, torch.device("cpu")), torch.tensor(rows.ratings), []

    def read(output: torch.Tensor, chunk: slice) -> torch.Tensor:
        parts.append(_part(output, model.grid, truth[chunk], shape, decoder=decoder, temperature=temperature))
        by = (
            decode(output, model.grid, shape.scale, decoder=by, temperature=temperature) for by in (decoder, averaged)
        )
        return torch.stack([*by], 1)

    both = predict_as(model, pairs.users, pairs.items, pairs.times, read).numpy()
    return _joined(parts, both[:, 0].copy(), both[:, 1].copy(), scalar=model.grid is None)


def output_of(
    order: FitOrder,
    fitted: Fitted,
    pairs: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None],
    shape: Shape,
    registry: Registry,
    *,
    chunk: int = CHUNK,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What a fit gives for these users, items and times, and the grid of its class head; None for a scalar head."""
    model = _model(order, fitted, shape, registry)
    return predict(model, *pairs, chunk=chunk), model.grid


def _model(order: FitOrder, fitted: Fitted, shape: Shape, registry: Registry) -> RatingModel:
    architecture = registry[order.architecture]
    return restored(architecture, architecture.Config.model_validate(order.config), shape, fitted.weights)


def of_values(values: np.ndarray, rows: Rows, shape: Shape, *, decoder: Decoder) -> Scored:
    """Score ratings, shape (rows,), like those of a scalar head."""
    output = torch.tensor(values).float()
    part = _part(output, None, torch.tensor(rows.ratings), shape, decoder=decoder, temperature=1.0)
    rated, mean = (decode(output, None, shape.scale, decoder=by, temperature=1.0).numpy() for by in (decoder, "mean"))
    return _joined([part], rated, mean, scalar=True)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The scores of some of the rows; sums and means, which those of other rows can join."""

    sums: torch.Tensor
    decoders: dict[Decoder, DecoderErrors]
    probabilities: Probabilities | None
    rows: int


def _part(
    output: torch.Tensor,
    grid: torch.Tensor | None,
    truth: torch.Tensor,
    shape: Shape,
    *,
    decoder: Decoder,
    temperature: float,
) -> _Part:
    scale = shape.scale
    return _Part(
        sums=sums(output, truth, grid, scale, decoder=decoder, temperature=temperature),
        decoders=decoder_errors(output, truth, grid, scale, temperature=temperature),
        probabilities=None
        if grid is None
        else judge_probabilities(output, truth, grid, scale, temperature=temperature),
        rows=len(truth),
    )


def _joined(parts: list[_Part], ratings: np.ndarray, averaged: np.ndarray, *, scalar: bool) -> Scored:
    rows, probabilities = [part.rows for part in parts], [part.probabilities for part in parts if part.probabilities]
    return Scored(
        ratings=ratings,
        averaged=averaged,
        metrics=from_sums(torch.stack([part.sums for part in parts]).sum(0), scalar=scalar),
        decoders={name: joined_errors([part.decoders[name] for part in parts], rows) for name in parts[0].decoders},
        probabilities=joined(probabilities, rows) if probabilities else None,
    )


def mean_metrics(scores: list[Scored]) -> dict[str, float | None]:
    """Each metric's mean over refit seeds."""
    each = [score.metrics.by_name() for score in scores]
    return {name: _mean([metrics[name] for metrics in each]) for name in each[0]}


def mean_decoders(scores: list[Scored]) -> dict[str, dict[str, float]]:
    """Each decoder's errors, mean over refit seeds."""
    return {
        decoder: {
            "mse": float(np.mean([score.decoders[decoder].mse for score in scores])),
            "mae": float(np.mean([score.decoders[decoder].mae for score in scores])),
        }
        for decoder in scores[0].decoders
    }


def _mean(values: list[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if len(numbers) == len(values) else None


def squared_errors(scores: list[Scored], rows: Rows) -> np.ndarray:
    """The squared errors of each seed's fit, shape (seeds, rows)."""
    return np.stack([(score.ratings.astype(np.float64) - rows.ratings) ** 2 for score in scores])


def by_value(scored: Scored, rows: Rows, shape: Shape) -> ByValue:
    """Confusion matrix (rows: true value) and classification report, on the nearest observed values."""
    from sklearn.metrics import classification_report, confusion_matrix  # takes a second to load

    values = [f"{value:g}" for value in shape.scale.values]
    truth, guess = shape.scale.nearest(rows.ratings), shape.scale.nearest(scored.ratings)
    labels = list(range(len(values)))
    return ByValue(
        values=values,
        confusion=confusion_matrix(truth, guess, labels=labels).tolist(),
        report=classification_report(truth, guess, labels=labels, target_names=values, digits=3, zero_division=0),
    )
