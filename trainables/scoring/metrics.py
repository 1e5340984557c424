"""How good predictions are, from sums over rows and one division: exact however rows are spread over workers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from reeltune.trainables.data.scale import Scale
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.decoders import (
    DECODERS,
    Decoder,
    decode,
    nearest,
    observed_log_probabilities,
    round_to_scale,
)
from reeltune.trainables.scoring.metric_table import METRICS, Metric
from reeltune.trainables.scoring.probabilities import mean_of, ranked_probability_scores

Read = Callable[[Tensor, slice], Tensor]  # of the output for a chunk of rows, and where these are among all
CHUNK = 65_536  # rows predicted at once: bounds the memory of the logits
# What `sums` gives, in this order: of each decoder the squared error, of the chosen one three sums more, and two of
# probabilities.
SUMS = ("rows", *(f"{decoder}_squared" for decoder in DECODERS), "squared", "absolute", "hits", "log_loss", "rps")


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """How good ratings are, in rating units; the mean squared errors in squared ones."""

    mse: dict[Decoder, float | None]  # of every decoder; None where the head has no such decoder
    rmse: float  # of the chosen decoder, as `mae` and `accuracy`
    mae: float
    accuracy: float  # share of rows whose rating is nearer to the true observed value than to any other
    log_loss: float | None  # None for a scalar head, unless noise makes probabilities of its ratings
    rps: float | None  # the ranked probability score (Epstein 1969), likewise

    def of(self, decoder: Decoder) -> float:
        """The mean squared error of a decoder; that of a scalar head's value where the head has no such decoder."""
        found = self.mse[decoder]
        found = self.mse["mean"] if found is None else found
        assert found is not None
        return found

    def by_name(self) -> dict[str, float | None]:
        """The metrics by their keys in files: `argmax_mse`, `mean_mse` …, `rmse`, `mae`, `accuracy`, `log_loss`, …"""
        errors = {f"{decoder}_mse": error for decoder, error in self.mse.items()}
        chosen = {"rmse": self.rmse, "mae": self.mae, "accuracy": self.accuracy}
        return {**errors, **chosen, "log_loss": self.log_loss, "rps": self.rps}


@dataclass(frozen=True, kw_only=True)
class DecoderErrors:
    mse: float
    mae: float


def predict(
    model: RatingModel, users: Tensor, items: Tensor, times: Tensor | None = None, *, chunk: int = CHUNK
) -> Tensor:
    """The model's output for indices and, if it is timed, times in seconds, all of shape (rows,).

    It is computed in evaluation mode, in chunks of rows and without gradients. Raises InputError if times are missing.
    """
    return predict_as(model, users, items, times, lambda output, _: output, chunk=chunk)


def predict_as(
    model: RatingModel,
    users: Tensor,
    items: Tensor,
    times: Tensor | None,
    read: Read,
    *,
    chunk: int | None = None,
) -> Tensor:
    """What `read` makes of the output of each chunk of rows, which it is told, one after the other along dimension 0.

    So the logits of a class head for all rows are never there at once.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        served = model.served()
        size = CHUNK if chunk is None else chunk
        columns = [column.split(size) for column in served.inputs(users, items, times)]
        parts = [
            read(served(*(column.long() for column in rows)), slice(place * size, (place + 1) * size))
            for place, rows in enumerate(zip(*columns, strict=True))
        ]
    model.train(was_training)
    return torch.cat(parts)


def sums(
    output: Tensor,
    ratings: Tensor,
    grid: Tensor | None,
    scale: Scale,
    *,
    decoder: Decoder,
    temperature: float,
    noisy: bool = False,
    weights: Tensor | None = None,
) -> Tensor:
    """The sums over rows that SUMS names, shape (len(SUMS),). Those of several parts of the rows add up.

    `noisy` gives a scalar head's ratings noise of standard deviation `temperature`, which makes probabilities of them.
    With weights, shape (rows,), each row counts so often, also among the rows.
    """
    ratings = ratings.double()

    def errors(kind: Decoder) -> Tensor:
        return decode(output, grid, scale, decoder=kind, temperature=temperature).double() - ratings

    def total(values: Tensor) -> Tensor:
        return values.sum() if weights is None else (values * weights).sum()

    rated = decode(output, grid, scale, decoder=decoder, temperature=temperature).double()
    chosen = rated - ratings
    rows = torch.tensor(float(len(ratings)), dtype=torch.float64, device=output.device)
    found = {
        "rows": rows if weights is None else weights.sum(),
        **{f"{kind}_squared": total(errors(kind).square()) for kind in DECODERS},
        "squared": total(chosen.square()),
        "absolute": total(chosen.abs()),
        "hits": total(round_to_scale(rated, scale) == round_to_scale(ratings, scale)),
        "log_loss": torch.zeros((), dtype=torch.float64, device=output.device),
        "rps": torch.zeros((), dtype=torch.float64, device=output.device),
    }
    if grid is not None or noisy:
        logs, truth = observed_log_probabilities(output, grid, scale, temperature=temperature), nearest(ratings, scale)
        found["log_loss"] = -total(logs.gather(1, truth[:, None])[:, 0].double())
        found["rps"] = total(ranked_probability_scores(logs.double().exp(), truth))
    return torch.stack([found[name] for name in SUMS])


def errors_of_rows(
    output: Tensor,
    ratings: Tensor,
    grid: Tensor | None,
    scale: Scale,
    *,
    decoder: Decoder,
    metric: Metric,
    temperature: float,
) -> Tensor:
    """Each row's part in the metric, float64 of shape (rows,): their mean, by the rows' weights, is the metric.

    Its squared or absolute error by the decoder, or the score of its probabilities.
    """
    if METRICS[metric].probabilities:
        logs = observed_log_probabilities(output, grid, scale, temperature=temperature).double()
        truth = nearest(ratings.double(), scale)
        return (
            ranked_probability_scores(logs.exp(), truth) if metric == "rps" else -logs.gather(1, truth[:, None])[:, 0]
        )
    off = decode(output, grid, scale, decoder=decoder, temperature=temperature).double() - ratings.double()
    return off.abs() if metric == "mae" else off.square()


def from_sums(total: Tensor, *, scalar: bool, noisy: bool = False) -> Metrics:
    """Divide the sums of all workers by their rows, or the rows' weights.

    `scalar` says that the model has a scalar head, `noisy` that its ratings had noise.
    """
    means = dict(zip(SUMS, (total / total[0]).tolist(), strict=True))
    lacking = {decoder for decoder, rule in DECODERS.items() if scalar and not rule.scalar}
    return Metrics(
        mse={decoder: None if decoder in lacking else means[f"{decoder}_squared"] for decoder in DECODERS},
        rmse=math.sqrt(means["squared"]),
        mae=means["absolute"],
        accuracy=means["hits"],
        log_loss=None if scalar and not noisy else means["log_loss"],
        rps=None if scalar and not noisy else means["rps"],
    )


def decoder_errors(
    output: Tensor,
    ratings: Tensor,
    grid: Tensor | None,
    scale: Scale,
    *,
    temperature: float,
    weights: Tensor | None = None,
) -> dict[Decoder, DecoderErrors]:
    """The errors of every decoder that the head has, on the same rows, by their weights where they have any."""

    def errors(decoder: Decoder) -> DecoderErrors:
        decoded = decode(output, grid, scale, decoder=decoder, temperature=temperature)
        off = decoded.double() - ratings.double()
        return DecoderErrors(mse=mean_of(off.square(), weights), mae=mean_of(off.abs(), weights))

    return {decoder: errors(decoder) for decoder, rule in DECODERS.items() if grid is not None or rule.scalar}


def joined_errors(parts: Sequence[DecoderErrors], rows: Sequence[float]) -> DecoderErrors:
    """The errors on all rows, from those on parts of them with so many rows, or so much weight, each."""
    if len(parts) == 1:
        return parts[0]
    mse, mae = (np.average([getattr(part, name) for part in parts], weights=rows) for name in ("mse", "mae"))
    return DecoderErrors(mse=float(mse), mae=float(mae))


def add_up(total: Tensor) -> Tensor:
    """The sum of this tensor over all workers, in place; itself on a single worker."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(total)
    return total
