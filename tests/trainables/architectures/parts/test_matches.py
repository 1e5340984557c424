"""Matches of a batch's pairs, and their gradients, are those of vectors that are written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures import pmf, svdpp
from reeltune.trainables.architectures.parts import implicit, matches
from reeltune.trainables.architectures.parts.matches import TableMatches
from reeltune.trainables.architectures.parts.trunk import Trunk, ratings_of
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from tests.trainables.architectures.parts.test_trunk import ITEMS, PLAIN, RATINGS, SIDED, USERS, fit_of, trunk_of
from tests.worlds import STARS, rows_of, small_config

SHAPES = pytest.mark.parametrize("shape", [PLAIN, SIDED], ids=["ids alone", "with features"])


@pytest.fixture
def many(monkeypatch):
    """Any number of ratings is many."""
    monkeypatch.setattr(implicit, "WHOLE", 0)


def mask_of(share):
    mask = (torch.rand(8, 4) >= share) / (1 - share)
    mask[:, -1] = 1
    return mask


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("piece", [3, 4096], ids=["several pieces", "one piece"])
def test_matches_of_two_tables_and_their_gradients_are_those_of_autograd(share, piece, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(implicit, "PIECE", piece)
    tables = [torch.randn(count, 4, requires_grad=True) for count in (8, 7)]
    mask, weights = torch.ones(8, 4), torch.randn(len(USERS))
    if share:
        mask[:, :-1] = 2.0 * (torch.rand(8, 3) < 0.5)
        present = mask[USERS.unique()]
        monkeypatch.setattr(matches, "masks", lambda rows, width, share: present.clone())
    found = TableMatches.apply(*tables, USERS, ITEMS, share)
    expected = ratings_of(tables[0][USERS], tables[1][ITEMS], mask[USERS], torch.zeros(()), 1.0)
    assert torch.allclose(found, expected, atol=1e-5)
    gradients = [torch.autograd.grad((each * weights).sum(), tables) for each in (found, expected)]
    for gradient, known in zip(*gradients, strict=True):
        assert torch.allclose(gradient, known, atol=1e-5)


@SHAPES
@pytest.mark.parametrize("share", [0.0, 0.4])
@pytest.mark.parametrize("piece", [3, 4096], ids=["several pieces", "one piece"])
def test_matches_and_gradient_are_those_of_vectors_that_are_written_out(shape, share, piece, monkeypatch):
    monkeypatch.setattr(implicit, "PIECE", piece)
    trunk = trunk_of(shape)
    mask = mask_of(share) if share else None
    weights = torch.randn(len(USERS))
    found = trunk.matches(USERS, ITEMS, mask)
    of_pairs = None if mask is None else mask[USERS]
    expected = ratings_of(*trunk(USERS, ITEMS), of_pairs, torch.zeros(()), 1.0)
    gradients = [torch.autograd.grad((each * weights).sum(), trunk.table)[0] for each in (found, expected)]
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(*gradients, atol=1e-5)
    for part in trunk.parts(gradients[0]):
        assert part.numel() == 0 or part.abs().sum() > 0


def test_a_step_on_many_ratings_takes_matches_where_its_batch_has_as_many_rows_as_there_are_users_and_items(many):
    model = fit_of("svdpp").model
    assert model.matches(USERS[:8], ITEMS[:8]) is not None
    assert model.matches(USERS[:7], ITEMS[:7]) is None
    assert model.eval().matches(USERS[:8], ITEMS[:8]) is None
    more_items = fit_of("svdpp", replace(PLAIN, items=10)).model
    assert more_items.matches(USERS, ITEMS) is not None
    assert more_items.matches(USERS[:9], ITEMS[:9]) is None


def test_no_step_on_few_ratings_takes_them():
    assert fit_of("svdpp").model.matches(USERS, ITEMS) is None


@pytest.mark.parametrize("sharded", [False, True], ids=["ids are dropped", "users are sharded"])
def test_no_step_takes_them_where(sharded, many):
    model = fit_of("svdpp", id_dropout=0.0 if sharded else 0.5).model
    model.trunk.sharded = sharded
    assert model.matches(USERS, ITEMS) is None


def test_a_derived_model_with_a_formula_of_its_own_takes_none(many, monkeypatch):
    class OfHalves(pmf.Model):
        def rate_rows(self, users, items):
            return super().rate_rows(users / 2, items)

    class Unmasked(svdpp.Model):
        def mask(self, users):
            return None

    monkeypatch.setattr(implicit, "PIECE", 1)
    torch.manual_seed(0)
    model = OfHalves(pmf.Config(factors=3), replace(PLAIN, ratings=2_000_000)).train()
    assert torch.equal(model(USERS, ITEMS), model.eval()(USERS, ITEMS))
    model = Unmasked(svdpp.Config(factors=3), PLAIN).train()
    model.trunk.see(USERS, ITEMS)
    assert model.matches(USERS, ITEMS) is None


def test_a_fit_that_takes_them_and_is_stopped_ends_as_it_would_have_on_any_number_of_threads(
    many, small_world, small_shape
):
    def begun(threads):
        config = small_config("svdpp", batch_size=400, epochs=20, dropout=0.2)
        return Fit(ARCHITECTURES["svdpp"], config, small_shape, small_world.rows, seed=1, threads=threads)

    through, stopped, resumed = begun(1), begun(1), begun(2)
    list(loop.run(through))
    for _ in range(10):
        stopped.advance()
    resumed.load_state(stopped.state())
    list(loop.run(resumed))
    assert torch.equal(resumed.model.trunk.table, through.model.trunk.table)


@pytest.mark.parametrize("time", ["none", "day"])
def test_a_step_with_vectors_of_days_takes_none(time, many, monkeypatch):
    taken = []
    original = Trunk.matches
    monkeypatch.setattr(Trunk, "matches", lambda *given: taken.append(given) or original(*given))
    rows = rows_of(USERS, ITEMS, RATINGS, np.arange(10) * 86_400)
    fit = Fit(ARCHITECTURES["svdpp"], small_config("svdpp", batch_size=10, time=time), PLAIN, rows, seed=1)
    fit.advance()
    assert bool(taken) == (time == "none")


def test_dropout_is_drawn_for_each_user_and_spares_biases(many, monkeypatch):
    model = fit_of("svdpp", dropout=0.25, factors=999).model
    given = []
    monkeypatch.setattr(type(model.trunk), "matches", lambda trunk, users, items, mask: given.append(mask))
    model.matches(USERS, ITEMS)
    [mask] = given
    assert mask.shape == (8, 1000)
    assert mask[:, -1].tolist() == [1.0] * 8
    assert mask[:, :-1].unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert (mask[:, :-1] == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("name", ["svdpp", "svdpp_ordinal"])
def test_a_fit_of_many_ratings_ends_as_one_whose_vectors_are_written_out(
    name, many, small_world, small_shape, monkeypatch
):
    ends = []
    for has in (True, False):
        monkeypatch.setattr(implicit.Bags, "has_float16", False)
        fit = Fit(
            ARCHITECTURES[name], small_config(name, batch_size=400, epochs=25), small_shape, small_world.rows, seed=1
        )
        assert fit.model.trunk.has_matches(fit.rows.users[:400])
        if not has:
            monkeypatch.setattr(type(fit.model.trunk), "has_matches", lambda trunk, users: False)
        list(loop.run(fit))
        ends.append(fit.model.trunk.table.detach())
    assert not torch.equal(*ends)
    assert torch.allclose(*ends, atol=1e-4)


def test_pmf_on_many_ratings_ends_as_on_few(small_world, small_shape, monkeypatch):
    monkeypatch.setattr(implicit, "PIECE", 100)
    ends = []
    for ratings in (2_000_000, 1_000_000):
        shape = replace(small_shape, ratings=ratings)
        fit = Fit(ARCHITECTURES["pmf"], small_config("pmf", batch_size=400, epochs=25), shape, small_world.rows, seed=1)
        list(loop.run(fit))
        ends.append(torch.cat([table.detach() for table in fit.model.id_rows()]))
    assert not torch.equal(*ends)
    assert torch.allclose(*ends, atol=1e-5)


def test_pmf_drops_a_share_of_each_user_of_a_large_batch_and_no_bias(monkeypatch):
    monkeypatch.setattr(implicit, "PIECE", 1)
    shape = replace(PLAIN, ratings=2_000_000)
    model = pmf.Model(pmf.Config(factors=4000, dropout=0.25), shape).train()
    with torch.no_grad():
        for table in model.id_rows():
            table.fill_(0.01)
        model.users.weight[:, -1] = 0.5
    low, high = STARS.sigmoid_range
    match = torch.logit((model(USERS, ITEMS) - low) / (high - low))
    assert (match - 0.5 - 0.01).tolist() == pytest.approx([4000 * 0.01**2] * len(USERS), abs=0.03)
    assert match[0] == match[1] == match[2]
    assert match.unique().numel() > 1
