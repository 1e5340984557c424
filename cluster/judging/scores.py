"""Scores refits on the opened test rows: predictions, errors by seed, decoders, confusion matrix."""

from collections.abc import Iterable
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
from reeltune.trainables.scoring.decoders import Decoder, decode, fit_temperature
from reeltune.trainables.scoring.metric_table import Objective
from reeltune.trainables.scoring.metrics import (
    CHUNK,
    SUMS,
    DecoderErrors,
    Metrics,
    decoder_errors,
    errors_of_rows,
    from_sums,
    joined_errors,
    predict,
    predict_as,
    sums,
)
from reeltune.trainables.scoring.probabilities import Probabilities, joined, judge_probabilities


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One fit's scores: its decoded ratings and those for the ensemble (`averaged`), shape (rows,), and metrics.

    `errors`, shape (rows,), are what is judged: each row's part in the metric.
    """

    ratings: np.ndarray
    averaged: np.ndarray
    errors: np.ndarray
    metrics: Metrics
    decoders: dict[Decoder, DecoderErrors]
    probabilities: Probabilities | None  # None for a scalar head, unless the metric is one of probabilities

    @property
    def finite(self) -> bool:
        """Whether there is a number for each row, and all metrics are numbers."""
        numbers = [value for value in self.metrics.by_name().values() if value is not None]
        return all(bool(np.isfinite(each).all()) for each in (self.ratings, self.averaged, self.errors, numbers))


def score(
    order: FitOrder,
    fitted: Fitted,
    rows: Rows,
    shape: Shape,
    *,
    objective: Objective,
    temperature: float,
    averaged: Decoder = "mean",
    registry: Registry = SHIPPED,
) -> Scored:
    """Predict the rows and score the predictions. Runs in the process that opened the rows."""
    model = restored_fit(order, fitted, shape, registry)
    pairs, truth, parts = on_device(rows, torch.device("cpu")), torch.tensor(rows.ratings), []
    weights = pairs.weights
    reading = _Reading(grid=model.grid, shape=shape, objective=objective, temperature=temperature, averaged=averaged)

    def read(output: torch.Tensor, chunk: slice) -> torch.Tensor:
        parts.append(reading.part(output, truth[chunk], None if weights is None else weights[chunk]))
        return reading.columns(output, truth[chunk])

    return reading.joined(parts, predict_as(model, pairs.users, pairs.items, pairs.times, read))


def score_pieces(
    order: FitOrder,
    fitted: Fitted,
    pieces: Iterable[Rows],
    shape: Shape,
    *,
    objective: Objective,
    temperature: float,
    registry: Registry = SHIPPED,
) -> Metrics:
    """The metrics of rows that are in memory a piece at a time."""
    model = restored_fit(order, fitted, shape, registry)
    reading = _Reading(grid=model.grid, shape=shape, objective=objective, temperature=temperature, averaged="mean")
    total = torch.zeros(len(SUMS), dtype=torch.float64)
    for rows in pieces:
        pairs, truth = on_device(rows, torch.device("cpu")), torch.tensor(rows.ratings)

        def read(output: torch.Tensor, chunk: slice, truth: torch.Tensor = truth) -> torch.Tensor:
            return reading.part(output, truth[chunk], None).sums[None]

        total += predict_as(model, pairs.users, pairs.items, pairs.times, read).sum(0)
    return from_sums(total, scalar=model.grid is None, noisy=reading.noisy)


def crossed_output(
    model: RatingModel, users: torch.Tensor, items: torch.Tensor, times: torch.Tensor | None, *, chunk: int = CHUNK
) -> torch.Tensor:
    """What a model gives for each of these users with each of the items, user by user: (users · items, ...).

    `times` are those of the users.
    """
    served = model.served()
    if served.factored:
        with torch.no_grad():
            return served.crossed(users, items, times).flatten(0, 1)
    of_pairs = None if times is None else times.repeat_interleave(len(items))
    return predict(model, users.repeat_interleave(len(items)), items.repeat(len(users)), of_pairs, chunk=chunk)


def restored_fit(order: FitOrder, fitted: Fitted, shape: Shape, registry: Registry) -> RatingModel:
    """The fitted model, in evaluation."""
    architecture = registry[order.architecture]
    return restored(architecture, architecture.Config.model_validate(order.config), shape, fitted.weights)


def of_values(
    values: np.ndarray, rows: Rows, shape: Shape, *, objective: Objective, temperature: float = 1.0
) -> Scored:
    """Score ratings, shape (rows,), like those of a scalar head; `temperature` as `fitting.loop.calibrate` has it."""
    return scored(torch.tensor(values).float(), None, rows, shape, objective=objective, temperature=temperature)


def noise_of(values: np.ndarray, rows: Rows, shape: Shape, *, objective: Objective) -> float:
    """The temperature of ratings, shape (rows,), that fits these rows best; 1 where no probabilities are scored."""
    if not objective.measure.probabilities:
        return 1.0
    weights = None if rows.weights is None else torch.tensor(rows.weights)
    return fit_temperature(torch.tensor(values).float(), torch.tensor(rows.ratings), None, shape.scale, weights)


def scored(
    output: torch.Tensor,
    grid: torch.Tensor | None,
    rows: Rows,
    shape: Shape,
    *,
    objective: Objective,
    temperature: float,
) -> Scored:
    """Score what a model gives for these rows: ratings, or logits of the grid's classes."""
    reading = _Reading(grid=grid, shape=shape, objective=objective, temperature=temperature, averaged="mean")
    truth = torch.tensor(rows.ratings)
    weights = None if rows.weights is None else torch.tensor(rows.weights)
    return reading.joined([reading.part(output, truth, weights)], reading.columns(output, truth))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The scores of some of the rows; sums and means, which those of other rows can join."""

    sums: torch.Tensor
    decoders: dict[Decoder, DecoderErrors]
    probabilities: Probabilities | None
    rows: float  # how many, or their weight


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """How the outputs of a model are scored, some rows at a time: logits of all of them would not fit in memory."""

    grid: torch.Tensor | None
    shape: Shape
    objective: Objective
    temperature: float
    averaged: Decoder

    @property
    def noisy(self) -> bool:
        return self.objective.measure.probabilities

    def part(self, output: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor | None) -> _Part:
        grid, scale, temperature = self.grid, self.shape.scale, self.temperature
        return _Part(
            sums=sums(
                output,
                truth,
                grid,
                scale,
                decoder=self.objective.decoder,
                temperature=temperature,
                noisy=self.noisy,
                weights=weights,
            ),
            decoders=decoder_errors(output, truth, grid, scale, temperature=temperature, weights=weights),
            probabilities=None
            if grid is None and not self.noisy
            else judge_probabilities(output, truth, grid, scale, temperature=temperature, weights=weights),
            rows=len(truth) if weights is None else float(weights.sum()),
        )

    def columns(self, output: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Ratings, ratings for the ensemble, and errors, shape (rows, 3)."""
        grid, scale, temperature = self.grid, self.shape.scale, self.temperature
        decoders = self.objective.decoder, self.averaged
        errors = errors_of_rows(
            output,
            truth,
            grid,
            scale,
            decoder=self.objective.decoder,
            metric=self.objective.metric,
            temperature=temperature,
        )
        rated = [decode(output, grid, scale, decoder=by, temperature=temperature) for by in decoders]
        return torch.stack([*(column.to(errors.dtype) for column in rated), errors], 1)

    def joined(self, parts: list[_Part], columns: torch.Tensor) -> Scored:
        rows, probabilities = [part.rows for part in parts], [each.probabilities for each in parts]
        judged = [each for each in probabilities if each is not None]
        ratings, averaged, errors = (column.numpy().copy() for column in columns.unbind(1))
        return Scored(
            ratings=ratings.astype(np.float32),
            averaged=averaged.astype(np.float32),
            errors=errors,
            metrics=from_sums(
                torch.stack([part.sums for part in parts]).sum(0), scalar=self.grid is None, noisy=self.noisy
            ),
            decoders={name: joined_errors([part.decoders[name] for part in parts], rows) for name in parts[0].decoders},
            probabilities=joined(judged, rows) if judged else None,
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


def judged_errors(scores: list[Scored]) -> np.ndarray:
    """What is judged: each row's part in the metric, by each seed's fit, shape (seeds, rows)."""
    return np.stack([score.errors for score in scores])


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
        weighted=rows.weights is not None,
    )
