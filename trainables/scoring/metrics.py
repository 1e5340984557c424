"""How good predictions are. Sums first, then one division: exact over any number of workers and rows."""

import math
from dataclasses import dataclass

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

SUMS = 10  # what `sums` gives
CHUNK = 65_536  # rows predicted at once: bounds the memory of the logits


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Errors in rating units (squared ones for MSE). `median_mse` and `log_loss` are None for a scalar head."""

    argmax_mse: float
    mean_mse: float
    median_mse: float | None
    rounded_mse: float
    grid_mse: float  # of the mean, or a scalar head's value, read out on the finest class grid
    rmse: float  # of the chosen decoder, as mae
    mae: float
    accuracy: float  # share of rows whose decoded rating is nearest to the true value
    log_loss: float | None

    def of(self, decoder: Decoder) -> float:
        """The mean squared error of a decoder; a scalar head's value where it has no such decoder."""
        value = getattr(self, f"{decoder}_mse")
        return self.mean_mse if value is None else value


@dataclass(frozen=True, kw_only=True)
class DecoderErrors:
    mse: float
    mae: float


def predict(model: RatingModel, users: Tensor, items: Tensor, times: Tensor | None = None) -> Tensor:
    """What the model gives for indices and, if it is a timed one, times of shape (rows,); in chunks, no gradients."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        served = model.served()
        columns = [column.split(CHUNK) for column in served.inputs(users, items, times)]
        parts = [served(*chunk) for chunk in zip(*columns, strict=True)]
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
) -> Tensor:
    """Sums over rows, which add up over workers: count, five squared errors, absolute error, hits, log-loss."""
    ratings = ratings.double()

    def squared(kind: Decoder) -> Tensor:
        return (decode(output, grid, scale, decoder=kind, temperature=temperature).double() - ratings).square().sum()

    chosen = decode(output, grid, scale, decoder=decoder, temperature=temperature).double()
    hits = round_to_scale(chosen, scale) == round_to_scale(ratings, scale)
    log_loss = torch.zeros((), dtype=torch.float64, device=output.device)
    if grid is not None:
        logs = observed_log_probabilities(output, grid, scale, temperature=temperature)
        log_loss = -logs.gather(1, nearest(ratings, scale)[:, None]).double().sum()
    count = torch.tensor(float(len(ratings)), dtype=torch.float64, device=output.device)
    errors = [squared("argmax"), squared("mean"), squared("median"), squared("rounded"), squared("grid")]
    return torch.stack(
        [
            count,
            *errors,
            (chosen - ratings).square().sum(),
            (chosen - ratings).abs().sum(),
            hits.sum(),
            log_loss,
        ]
    )


def from_sums(total: Tensor, *, scalar: bool) -> Metrics:
    """Divide the sums of all workers."""
    values = (total[1:] / total[0]).tolist()
    argmax_mse, mean_mse, median_mse, rounded_mse, grid_mse, mse, mae, accuracy, log_loss = values
    return Metrics(
        argmax_mse=argmax_mse,
        mean_mse=mean_mse,
        median_mse=None if scalar else median_mse,
        rounded_mse=rounded_mse,
        grid_mse=grid_mse,
        rmse=math.sqrt(mse),
        mae=mae,
        accuracy=accuracy,
        log_loss=None if scalar else log_loss,
    )


def decoder_errors(
    output: Tensor, ratings: Tensor, grid: Tensor | None, scale: Scale, *, temperature: float
) -> dict[Decoder, DecoderErrors]:
    """Every decoder's errors on the same rows. A scalar head has no median; its argmax and mean are its value."""

    def errors(decoder: Decoder) -> DecoderErrors:
        decoded = decode(output, grid, scale, decoder=decoder, temperature=temperature)
        off = decoded.double() - ratings.double()
        return DecoderErrors(mse=float(off.square().mean()), mae=float(off.abs().mean()))

    return {decoder: errors(decoder) for decoder in DECODERS if grid is not None or decoder != "median"}


def add_up(total: Tensor) -> Tensor:
    """The sum of every worker's tensor; a single worker's own."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(total)
    return total
