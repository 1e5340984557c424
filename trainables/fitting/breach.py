"""What a model of somebody's own gives, held against the contract before its first step: a breach is named as such."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from reeltune.trainables.adamw import DENSE
from reeltune.trainables.architectures.source import file_of
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.model import Architecture, RatingModel, has_row_losses
from reeltune.trainables.scoring.near_ties import ROUNDING, rounding_of

ROWS = 64  # that are looked at
CROSSED = 8  # of which all users are rated with all items
OFF = 1e-4  # share of the loss that the mean of `row_losses` may be off


def check_model(architecture: Architecture, model: RatingModel, shape: Shape, rows: Tensors, *, trained: bool) -> None:
    """Raise FitFailed, naming the clause, if an own model is not what the contract says.

    In evaluation, and with the caller's random numbers as they were: the fit is the same as without. Those of
    reeltune's own models are left to its tests.
    """
    file = file_of(architecture)
    if file is None:
        return
    first, training = rows.take(slice(0, ROWS)).wide(), model.training
    devices = [rows.users.device] if rows.users.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        model.eval()
        found = itertools.chain(breaches(model, shape, first, trained=trained), crossed_breach(model, shape, first))
        wrong = next(found, None)
    if wrong is not None:
        raise FitFailed(f"{file}: breaks the contract: {wrong}")
    model.train(training)


def breaches(model: RatingModel, shape: Shape, rows: Tensors, *, trained: bool) -> Iterator[str]:
    """What is wrong with a model's shapes, one clause after another; nothing is looked at after a wrong one."""
    yield from grid_breach(model, shape)
    yield from table_breach(model, shape)
    yield from sparse_breach(model)
    output = model(*model.inputs(rows.users, rows.items, rows.times))
    yield from output_breach(model, output, len(rows))
    yield from loss_breach(model.loss(output, rows.ratings), trained=trained)
    if has_row_losses(type(model)):
        yield from row_losses_breach(model, output, rows)


def grid_breach(model: RatingModel, shape: Shape) -> Iterator[str]:
    grid = model.grid
    if grid is None:
        return
    ends = [shape.scale.low, shape.scale.high]
    if grid.dim() != 1 or not bool((grid.diff() > 0).all()) or not torch.allclose(grid[[0, -1]], grid.new_tensor(ends)):
        yield f"`grid` must ascend from the scale's lowest rating to its highest, {ends}; found {grid.tolist()}"


def table_breach(model: RatingModel, shape: Shape) -> Iterator[str]:
    for kind, tables, ids in zip(("users", "items"), model.tables(), (shape.users, shape.items), strict=True):
        for table in tables:
            if len(table) != ids:
                yield f"`tables` gave {tuple(table.shape)} for {kind}, expected {ids} rows, 'unknown' among them"


def sparse_breach(model: RatingModel) -> Iterator[str]:
    for name, part in model.named_modules():
        if isinstance(part, (nn.Embedding, nn.EmbeddingBag)) and part.sparse:
            yield f"{DENSE}; found it in `{name}`"


def output_breach(model: RatingModel, output: object, count: int) -> Iterator[str]:
    wanted = (count,) if model.grid is None else (count, len(model.grid))
    if not isinstance(output, Tensor):
        yield f"`forward` gave {type(output).__name__}, expected a tensor"
    elif tuple(output.shape) != wanted:
        head = "" if model.grid is None else ": a logit for each class of `grid`"
        yield f"`forward` gave {tuple(output.shape)}, expected {wanted}{head}"
    elif not output.is_floating_point():
        yield f"`forward` gave {output.dtype}, expected numbers of a floating point"


@torch.no_grad()
def crossed_breach(model: RatingModel, shape: Shape, rows: Tensors) -> Iterator[str]:
    """A model that derives from one of reeltune's may rate pairs its own way, and all items of a user the other's.

    It must be in evaluation.
    """
    if not model.factored or not len(rows):
        return
    few = rows.take(slice(0, CROSSED))
    crossed = model.crossed(few.users, few.items, few.times if model.timed else None)
    crossed = crossed[range(len(few)), range(len(few))]
    output = model(*model.inputs(few.users, few.items, few.times))
    off = (crossed - output).abs().max().item()
    allowed = ROUNDING * shape.scale.quarter if model.grid is None else rounding_of(output.abs().max()).item()
    if off > allowed:
        yield f"`crossed` rates pairs otherwise than `forward`, by {off:.3g}: write it anew, or `factored = False`"


def loss_breach(loss: object, *, trained: bool) -> Iterator[str]:
    if not isinstance(loss, Tensor):
        yield f"`loss` gave {type(loss).__name__}, expected a tensor of one number"
    elif loss.shape != ():
        yield f"`loss` gave {tuple(loss.shape)}, expected (): the mean over the rows"
    elif trained and not loss.requires_grad:
        yield "`loss` has no gradient, so that nothing would be learnt"


@torch.no_grad()
def row_losses_breach(model: RatingModel, output: Tensor, rows: Tensors) -> Iterator[str]:
    """A fit on rows with weights takes `row_losses` in place of `loss`: they must say the same."""
    losses, loss = model.row_losses(output, rows.ratings), model.loss(output, rows.ratings).item()
    if not isinstance(losses, Tensor) or losses.shape != (len(rows),):
        found = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        yield f"`row_losses` gave {found}, expected {(len(rows),)}: the loss of each row"
    elif abs(losses.mean().item() - loss) > OFF * abs(loss) + 1e-7:
        yield f"the mean of `row_losses` is {losses.mean().item():g}, and `loss` is {loss:g}"
