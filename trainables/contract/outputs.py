"""Clauses on what a model gives, and on its loss."""

import numpy as np
import torch

from reeltune.trainables.adamw import parameters_of
from reeltune.trainables.contract import worlds
from reeltune.trainables.contract.subject import Subject, expect, output_of, rated
from reeltune.trainables.fitting.breach import OFF, breaches, crossed_breach, row_losses_breach
from reeltune.trainables.model import has_row_losses


def shapes_are_right_on_every_scale(subject: Subject) -> None:
    for name, scale in worlds.SCALES.items():
        _, shape = worlds.noise(scale)
        model, rows = subject.fresh(scale)
        wrong = next(breaches(model, shape, rows, trained=subject.trained), None)
        expect(wrong is None, f"on the scale {scale.described()}: {wrong}")
        output = output_of(model, rows)
        expect(bool(torch.isfinite(output).all()), f"`forward` gave what is no finite number, on the scale of {name}")
        loss = model.loss(output, rows.ratings)
        expect(bool(torch.isfinite(loss)), f"`loss` gave {loss.item()}, on the scale of {name}")


def the_loss_is_the_mean_over_rows(subject: Subject) -> None:
    model, rows = subject.fresh()
    model.eval()
    output = output_of(model, rows)
    each = [model.loss(output[row : row + 1], rows.ratings[row : row + 1]).item() for row in range(len(rows))]
    whole, mean = model.loss(output, rows.ratings).item(), float(np.mean(each))
    expect(abs(whole - mean) <= 1e-4 * abs(mean) + 1e-7, f"`loss` of all rows is {whole:g}, and its mean {mean:g}")


def the_losses_of_rows_are_those_of_the_loss(subject: Subject) -> None:
    """A row of weight 2 counts as the same row twice."""
    model, rows = subject.fresh()
    if not has_row_losses(type(model)):
        return  # then it is fitted on rows without weights only
    model.eval()
    output = output_of(model, rows)
    wrong = next(row_losses_breach(model, output, rows), None)
    expect(wrong is None, str(wrong))
    weights = 1 + torch.arange(len(rows)) % 2
    each, often = model.row_losses(output, rows.ratings), torch.arange(len(rows)).repeat_interleave(weights)
    weighed = ((weights * each).sum() / weights.sum()).item()
    repeated = model.loss(output[often], rows.ratings[often]).item()
    said = f"with rows of weight 2 the loss is {weighed:g}, and with these rows twice {repeated:g}"
    expect(abs(weighed - repeated) <= OFF * abs(repeated) + 1e-7, said)


def every_parameter_has_a_gradient_and_a_group(subject: Subject) -> None:
    """Workers wait for each other's gradient of every parameter: one without any stops them all."""
    if not subject.trained:
        return
    model, rows = subject.fresh()
    model.train()
    model.loss(output_of(model, rows), rows.ratings).backward()
    for name, parameter in model.named_parameters():
        expect(parameter.grad is not None, f"the parameter {name} has no part in the loss")
        assert parameter.grad is not None
        expect(bool(torch.isfinite(parameter.grad).all()), f"the gradient of {name} is no finite number")
    groups = model.groups(subject.config(worlds.noise()[1]))
    grouped = [id(parameter) for group in groups for parameter in parameters_of(group)]
    names = [name for name, parameter in model.named_parameters() if grouped.count(id(parameter)) != 1]
    expect(not names, f"`groups` must have every parameter once; not so {', '.join(names)}")


def a_pair_is_rated_alike_whatever_is_beside_it(subject: Subject) -> None:
    model, rows = subject.fresh()
    together = rated(model, rows.users, rows.items)
    apart = torch.cat([rated(model, rows.users[n : n + 1], rows.items[n : n + 1]) for n in range(len(rows))])
    far = (together - apart).abs().max().item()
    expect(bool(torch.allclose(together, apart, atol=1e-5)), f"alone a pair is rated otherwise, by up to {far:g}")
    model.eval()
    wrong = next(crossed_breach(model, worlds.noise()[1], rows), None)
    expect(wrong is None, str(wrong))


def a_rating_draws_no_random_numbers(subject: Subject) -> None:
    model, rows = subject.fresh()
    before = torch.get_rng_state()
    same = torch.equal(rated(model, rows.users, rows.items), rated(model, rows.users, rows.items))
    expect(same, "in evaluation the same pairs are rated otherwise a second time")
    expect(torch.equal(torch.get_rng_state(), before), "in evaluation `forward` draws random numbers")


def a_model_takes_times_where_its_configuration_says(subject: Subject) -> None:
    model, _ = subject.fresh()
    said = subject.config(worlds.noise()[1]).timed
    expect(model.timed == said, f"`Model.timed` is {model.timed}, and `Config.timed` {said}")


def item_vectors_are_a_row_for_each_item_or_none(subject: Subject) -> None:
    model, _ = subject.fresh()
    _, shape = worlds.noise()
    vectors = model.served().item_vectors()
    if vectors is not None:
        expect(
            vectors.dim() == 2 and len(vectors) == shape.items,
            f"`item_vectors` gave {tuple(vectors.shape)}, expected ({shape.items}, width)",
        )
