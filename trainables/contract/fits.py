"""Clauses on what a fit learns, and on what is kept of it."""

import io
from collections.abc import Mapping

import numpy as np
import torch

from reeltune.trainables.bundle import restored
from reeltune.trainables.contract import worlds
from reeltune.trainables.contract.subject import CPU, Broken, Subject, differing, expect, rated, weights
from reeltune.trainables.data import split
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import on_device
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.breach import crossed_breach

# What is tried to learn with: an architecture's own rates may be for more data than there is here.
LEARNING: tuple[Mapping[str, object], ...] = (
    {"batch_size": 32, "epochs": 10, "learning_rate": 2e-2, "weight_decay": 0.05},
    {"batch_size": 32, "epochs": 15},
    {"batch_size": 32, "epochs": 15, "learning_rate": 2e-3, "weight_decay": 0.01},
)


def learns_a_pattern_that_no_mean_can(subject: Subject) -> None:
    """A solved model is let off: it may be a mean."""
    if not subject.trained:
        return
    rows, shape = worlds.two_tastes()
    parts, errors = split(rows, seed=1), []
    mean = float(np.square(parts.validation.ratings - parts.train.ratings.mean()).mean())
    for settings in LEARNING:
        try:
            *_, last = loop.run(subject.fit(parts.train, shape, settings), validation=parts.validation)
        except FitFailed:
            continue
        assert last.validation is not None
        errors.append(last.validation.of("mean"))
        if errors[-1] < 0.25 * mean:
            return
    found = f"{min(errors):.2f}" if errors else "no number"
    raise Broken(f"two groups of opposite tastes: the squared error is {found}, that of a mean {mean:.2f}")


def every_user_and_item_changes_what_is_rated(subject: Subject) -> None:
    users, items = worlds.every_pair(9, 7)
    rows = worlds.rows_of(users, items, np.random.default_rng(0).uniform(1, 5, len(users)))
    shape = Shape(users=10, items=8, scale=worlds.STARS)
    fit = subject.fitted(rows, shape, {"batch_size": 16, "epochs": 3})
    pairs = on_device(rows, CPU)
    table = rated(fit.model, pairs.users, pairs.items).reshape(9, 7, -1)
    of_users, of_items = (each.flatten(1).unique(dim=0) for each in (table, table.transpose(0, 1)))
    expect(len(of_users) == 9, f"of 9 users only {len(of_users)} are rated differently after a fit")
    expect(len(of_items) == 7, f"of 7 items only {len(of_items)} are rated differently after a fit")


def the_same_seed_gives_the_same_fit(subject: Subject) -> None:
    rows, shape = worlds.two_tastes(side=16)
    settings = {"batch_size": 32, "epochs": 2}
    one = weights(subject.fitted(rows, shape, settings))
    np.random.seed(7)
    torch.manual_seed(7)
    other = differing(one, weights(subject.fitted(rows, shape, settings)))
    expect(not other, f"the same seed gave other values of {', '.join(other)}")


def a_fit_taken_up_again_ends_as_one_that_ran_through(subject: Subject) -> None:
    """By way of a file, in the middle of an epoch."""
    rows, shape = worlds.two_tastes(side=16)
    settings = {"batch_size": 32, "epochs": 4}
    through = weights(subject.fitted(rows, shape, settings))
    stopped = subject.fit(rows, shape, settings)
    for _ in range(max(1, int(stopped.steps * 0.6)) if subject.trained else 1):
        stopped.advance()
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    file.seek(0)
    torch.manual_seed(999)
    resumed = subject.fit(rows, shape, settings)
    resumed.load_state(torch.load(file, weights_only=True))
    while resumed.step < resumed.steps:
        resumed.advance()
    other = differing(through, weights(resumed))
    hint = "the whole state of a model must be in parameters and buffers"
    expect(not other, f"a fit that was stopped and taken up again has other values of {', '.join(other)}; {hint}")


def ids_without_a_rating_are_rated_alike_and_near_the_mean(subject: Subject) -> None:
    (rows, of_users, of_items), shape = worlds.kind_and_unkind()
    settings = {"epochs": 12, "batch_size": 128, "learning_rate": 2e-2, **subject.shares}
    fit = subject.fitted(rows, shape, settings)
    every = torch.arange(61).repeat_interleave(31), torch.arange(31).repeat(61)
    table = rated(fit.model, *every).reshape(61, 31, -1)
    hint = "name the tensors with a row for each id in `tables`"
    expect(bool((table[51:] == table[:1]).all()), f"users without a rating are not rated alike; {hint}")
    expect(bool((table[:, 25:] == table[:, :1]).all()), f"items without a rating are not rated alike; {hint}")
    mean = rows.ratings.mean()
    for kind, unrated, most in (("users", of_users, 1.1), ("items", of_items, 1.2)):
        error = loop.evaluate(fit, on_device(unrated, fit.device), decoder="argmax").of("argmax")
        least = most * float(np.square(unrated.ratings - mean).mean())
        found = f"of {kind} without a rating the squared error is {error:.2f}"
        expect(error < least, f"{found}, expected less than {least:.2f}, about a mean's")


def giving_them_means_changes_no_rating_of_others(subject: Subject) -> None:
    if not subject.trained:
        return
    (rows, _, _), shape = worlds.kind_and_unkind()
    settings = {"epochs": 3, "batch_size": 128, **subject.shares}
    once, often = (subject.fit(rows, shape, settings) for _ in range(2))
    for _ in range(once.steps):
        once.advance()
        often.settle()
        often.advance()
    other = differing(weights(once), weights(often))
    hint = "a row of `tables` must have no part in the rating of a rated pair of other ids"
    expect(not other, f"{', '.join(other)} differ where unrated ids had means in between; {hint}")


def a_served_model_rates_as_the_fitted_one_and_needs_nothing_else(subject: Subject) -> None:
    """With side tables and without: a bundle has none."""
    rows, plain = worlds.two_tastes(side=16)
    users, items = torch.arange(17).repeat_interleave(17), torch.arange(17).repeat(17)
    for shape in (plain, worlds.with_sides(plain)):
        fit = subject.fitted(rows, shape, {"batch_size": 64, "epochs": 2})
        served = fit.model.served().state_dict()
        try:
            model = restored(subject.architecture, fit.config, plain, served)
        except RuntimeError as error:
            raise Broken(f"a bundle's weights do not load: {' '.join(str(error).split())}") from error
        same = torch.equal(rated(model, users, items), rated(fit.model, users, items))
        sides = "" if shape is plain else ", of data with side tables,"
        expect(same, f"a model restored from its weights{sides} rates otherwise than the fitted one")
        other = model.served().state_dict().keys() ^ served.keys()
        expect(not other, f"serving a served model changes {', '.join(sorted(other))}")


def all_items_at_once_are_rated_as_pairs_are_after_a_fit(subject: Subject) -> None:
    """What a derived model adds to the rating may be zero at the start, and its inherited `crossed` lack it."""
    if not subject.fresh()[0].factored:
        return
    rows, shape = worlds.two_tastes(side=16)
    fit = subject.fitted(rows, shape, {"batch_size": 64, "epochs": 2})
    model = fit.model.eval().served()
    wrong = next(crossed_breach(model, shape, on_device(rows, CPU).wide()), None)
    expect(wrong is None, f"after a fit {wrong}")


def rows_of_ids_rate_as_their_indices_do(subject: Subject) -> None:
    """Where a model names its rows: new users and items get theirs without a fit (`folding`)."""
    rows, shape = worlds.two_tastes(side=16)
    fit = subject.fitted(rows, shape, {"batch_size": 64, "epochs": 2})
    model = fit.model.eval().served()
    found = model.id_rows()
    if found is None:
        return
    lengths = tuple(len(table) for table in found)
    expect(lengths == (17, 17), f"`id_rows` gave {lengths[0]} and {lengths[1]} rows, expected 17 and 17")
    users, items = torch.arange(17).repeat_interleave(17), torch.arange(17).repeat(17)
    own = found[0].detach()[users].requires_grad_()
    output = model.rate_rows(own, found[1][items])
    expected = model(*model.inputs(users, items, None)) if not model.timed else rated(model, users, items)
    expect(output.shape == expected.shape, f"`rate_rows` gave {tuple(output.shape)}, expected {tuple(expected.shape)}")
    far = (output - expected).abs().max().item()
    if not model.timed:  # where time counts, `rate_rows` leaves it out
        expect(far <= 1e-3, f"`rate_rows` rates rows of ids otherwise than `forward` rates the ids, by up to {far:g}")
    output.sum().backward()
    expect(own.grad is not None, "`rate_rows` has no gradient in the users' rows")
