"""The training loop of a worker: a generator of reports, which knows nothing of Ray."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting.dealt import Dealt
from reeltune.trainables.fitting.fit import Fit, Tensors
from reeltune.trainables.scoring.decoders import DECODERS, Decoder, fit_temperature
from reeltune.trainables.scoring.metric_table import METRICS, Metric, Objective
from reeltune.trainables.scoring.metrics import SUMS, Metrics, add_up, from_sums, predict_as, sums

LOOK_EVERY = 64  # steps between readings of the clock, or fewer where these have
LOOK_ROWS = 1 << 20  # rows over all workers: of a large fit a step takes seconds
ENOUGH = 1 << 18  # rows to find a temperature on


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far a fit is. `validation` is None if only a checkpoint is due."""

    step: int
    epoch: int
    whole: bool  # an epoch ends here
    progress: float  # share of all steps that are done, 0 to 1
    learning_rate: float
    train_loss: float  # mean over the epoch so far
    validation: Metrics | None
    marked: bool  # this is one of the `marks`
    save: bool  # a checkpoint is due


def run(
    fit: Fit,
    *,
    validation: Rows | Dealt | None = None,
    decoder: Decoder = "argmax",
    metric: Metric = "mse",
    marks: tuple[float, ...] = (),
    save_every: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Report]:
    """Train to the end, and report at each epoch's end and at `marks` (shares of all steps, 0 to 1).

    Where the metric is one of probabilities, these are calibrated for each report.
    A report with `save` comes every `save_every` seconds, and at the end; reports are the same on all workers.
    Raises FitFailed if the training loss or the validation error is no finite number.
    """
    held_out = None if validation is None else fit.held_out(validation)
    objective = Objective(decoder=decoder, metric=metric)
    marked = {math.ceil(mark * fit.steps) for mark in marks}
    look_every = max(1, min(LOOK_EVERY, LOOK_ROWS // fit.batch_size))
    saved = clock()
    while fit.step < fit.steps:
        fit.advance()
        epoch_ends = fit.step % fit.steps_per_epoch == 0
        measure = epoch_ends or fit.step in marked
        if not measure and fit.step % look_every:
            continue
        due = agreed(fit, clock() - saved >= save_every) or fit.step == fit.steps
        if not (measure or due):
            continue
        yield _report(fit, held_out if measure else None, objective, marked=fit.step in marked, save=due)
        if due:
            saved = clock()


def agreed(fit: Fit, due: bool) -> bool:
    """Whether a checkpoint is due by the first worker's clock, as clocks differ and workers must report together."""
    if fit.world == 1:
        return due
    vote = torch.tensor(float(due and fit.rank == 0), device=fit.device)
    return bool(add_up(vote))


def _report(fit: Fit, held_out: Tensors | None, objective: Objective, *, marked: bool, save: bool) -> Report:
    steps = (fit.step - 1) % fit.steps_per_epoch + 1
    loss = float(add_up(fit.loss_sum.clone())) / steps
    epoch = (fit.step - 1) // fit.steps_per_epoch + 1
    if not math.isfinite(loss):
        raise FitFailed(f"the training loss is {loss} in epoch {epoch}")
    validation = None if held_out is None else _validated(fit, held_out, objective)
    if validation is not None and not math.isfinite(validation.of("mean") + validation.of("argmax")):
        raise FitFailed(f"the validation error is {validation.of('mean')} in epoch {epoch}")
    return Report(
        step=fit.step,
        epoch=fit.epoch,
        whole=fit.step % fit.steps_per_epoch == 0,
        progress=fit.progress,
        learning_rate=fit.rate,
        train_loss=loss,
        validation=validation,
        marked=marked,
        save=save,
    )


def _validated(fit: Fit, held_out: Tensors, objective: Objective) -> Metrics:
    fit.settle()
    metric = objective.metric
    # The temperature costs a pass over the rows, and the class of largest probability does not depend on it.
    needed = objective.measure.probabilities or not DECODERS[objective.decoder].largest
    temperature = calibrate(fit, held_out, metric=metric) if needed else 1.0
    return evaluate(fit, held_out, decoder=objective.decoder, metric=metric, temperature=temperature)


def evaluate(
    fit: Fit, held_out: Tensors, *, decoder: Decoder, metric: Metric = "mse", temperature: float = 1.0
) -> Metrics:
    """Metrics over all of these rows, of which each worker predicts its share. The same on every worker.

    A scalar head has metrics of probabilities if `metric` is one: see `calibrate`.
    """
    noisy = METRICS[metric].probabilities
    model, share = fit.served(), fit.share(held_out)
    total = torch.zeros(len(SUMS), dtype=torch.float64, device=fit.device)

    def read(output: Tensor, chunk: slice) -> Tensor:
        known, grid, scale = share.ratings[chunk], fit.model.grid, fit.shape.scale
        weights = None if share.weights is None else share.weights[chunk]
        of_chunk = sums(
            output, known, grid, scale, decoder=decoder, temperature=temperature, noisy=noisy, weights=weights
        )
        return of_chunk[None]

    if len(share):
        total = predict_as(model, share.users, share.items, share.times, read).sum(0)
    return from_sums(add_up(total), scalar=fit.model.grid is None, noisy=noisy)


def calibrate(fit: Fit, held_out: Tensors, *, metric: Metric = "mse") -> float:
    """The temperature of least log-loss on these rows. The same on every worker.

    For a scalar head it is the standard deviation of the noise that makes probabilities of its ratings, if `metric` is
    one of probabilities; else 1. It is one number: of very many rows, about ENOUGH spread evenly over them tell it as
    well.
    """
    if fit.model.grid is None and not METRICS[metric].probabilities:
        return 1.0
    output, ratings, weights = fit.for_calibration(held_out, ENOUGH)
    return fit_temperature(output, ratings, fit.model.grid, fit.shape.scale, weights)
