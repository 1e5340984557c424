"""What the class head on the vectors of SVD++ starts as and becomes; the vectors themselves are in test_trunk.py."""

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures import svdpp, svdpp_classifier
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from tests.worlds import STARS, small_config

SCALES = {"stars": STARS, "thumbs": Scale.of(np.array([0.0, 1.0])), "percent": Scale.of(np.arange(101.0))}


@pytest.fixture
def new_fit(small_world, small_shape):
    def start(**changes):
        config = small_config("svdpp_classifier", **changes)
        return Fit(svdpp_classifier, config, small_shape, small_world.rows, seed=1)

    return start


@pytest.mark.parametrize("subdivisions", [1, 8])
def test_at_first_a_logit_is_minus_the_squared_distance_to_what_svdpp_predicts(
    new_fit, small_world, small_shape, subdivisions
):
    """In quarters of the span, and but for a constant of the row; svdpp with the same seed has the same vectors."""
    classifier = new_fit(subdivisions=subdivisions).model.eval()
    scalar = Fit(svdpp, small_config("svdpp"), small_shape, small_world.rows, seed=1)
    users, items = scalar.rows.users, scalar.rows.items
    predicted = scalar.model.eval()(users, items)
    assert predicted.std() > 1e-4
    distances = (classifier.grid - predicted[:, None]) / classifier.unit
    constants = classifier(users, items) + distances.square()
    assert torch.allclose(constants, constants[:, :1], atol=1e-4)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_at_first_it_is_so_on_any_scale(scale):
    torch.manual_seed(0)
    shape = Shape(users=3, items=3, scale=scale)
    model = svdpp_classifier.Model(svdpp_classifier.Config(subdivisions=2), shape)
    model.trunk.see(torch.tensor([1, 2]), torch.tensor([2, 1]))
    aim = scale.low + 0.3 * (scale.high - scale.low)
    model.mean.fill_(aim)
    model.trunk.table.data.zero_()  # they start small, not at 0
    logits = model.eval()(torch.tensor([0]), torch.tensor([0]))[0]
    expected = -(((model.grid - aim) / model.unit) ** 2)
    assert torch.allclose(logits - logits.max(), expected - expected.max(), atol=1e-4)
    assert logits.argmax() == expected.argmax()


def test_every_class_has_weights_of_its_own_which_are_free(new_fit):
    fit = new_fit()
    start = {key: value.clone() for key, value in fit.model.classes.state_dict().items()}
    assert not start["weight"][:, 1:].any()
    list(loop.run(fit))
    after = fit.model.classes.state_dict()
    moved = after["weight"] - start["weight"]
    others = fit.model.grid != fit.model.middle  # cost regression asks 0 of the class in the middle, which it is
    assert moved[others, 0].all()
    assert (after["bias"] != start["bias"])[others].all()
    assert len(moved[:, 1:].unique(dim=0)) == len(fit.model.grid)
    # Nothing holds the logits to a parabola: second differences of it would all be the same.
    bends = after["bias"].diff().diff()
    assert bends.std() > 1e-4


def served(fit):
    list(loop.run(fit))
    return fit.model.eval().served()


def test_many_pairs_few_and_all_of_some_users_have_the_logits_that_training_gives(new_fit):
    """Each way sums in another order: by what each id adds to all its pairs, pair by pair, or by matrices."""
    model = served(new_fit(head_dropout=0.0))
    users, items = torch.arange(len(model.trunk.users)), torch.arange(len(model.trunk.items))
    pairs = users.repeat_interleave(len(items)), items.repeat(len(users))
    assert len(pairs[0]) > len(users) + len(items)
    in_training = model.train().rate_rows(*model.trunk(*pairs))
    model.eval()
    few = torch.cat([model(u, i) for u, i in zip(pairs[0].split(7), pairs[1].split(7), strict=True)])
    for found in (model(*pairs), few, model.crossed(users, items, None).flatten(0, 1)):
        assert torch.allclose(found, in_training, atol=1e-5)


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_the_head_learns_at_its_share_of_the_vectors_rate(new_fit, share):
    fit = new_fit(head_rate=share, learning_rate=0.02)
    head = {id(p) for part in (fit.model.layers, fit.model.classes) for p in part.parameters()}
    for _ in range(fit.steps):
        fit.advance()
        rates = {group["lr"] for group in fit.optimizer.param_groups if head & {id(p) for p in group["params"]}}
        assert list(rates) == pytest.approx([share * fit.rate])
    fit = new_fit(head_rate=share)
    fit.advance(rate=0.01)
    assert {group["lr"] for group in fit.optimizer.param_groups} == {0.01, 0.01 * share}


def test_a_head_of_lower_rate_moves_less(new_fit):
    moved = []
    for share in (0.01, 1.0):
        fit = new_fit(head_rate=share)
        start = fit.model.classes.bias.detach().clone()
        list(loop.run(fit))
        moved.append((fit.model.classes.bias - start).abs().mean().item())
    assert moved[0] < 0.1 * moved[1]


def test_the_heads_weights_decay_by_its_own_decay_and_its_biases_do_not(new_fit):
    fit = new_fit(head_decay=0.3, weight_decay=5.0, bias_decay=2.0)
    decay = {id(p): group["weight_decay"] for group in fit.optimizer.param_groups for p in group["params"]}
    for part in (fit.model.layers[0], fit.model.classes):
        assert decay[id(part.weight)] == 0.3
        assert decay[id(part.bias)] == 0


def test_dropout_of_the_hidden_layer_is_its_own(new_fit):
    fit = new_fit(dropout=0.0, head_dropout=0.5)
    for _ in range(9):
        fit.advance()
    users, items = fit.rows.users, fit.rows.items
    assert not torch.equal(fit.model(users, items), fit.model(users, items))
    plain = new_fit(dropout=0.0, head_dropout=0.0)
    assert torch.equal(plain.model(users, items), plain.model(users, items))


@pytest.mark.parametrize("loss", ["cross_entropy", "spread_cross_entropy", "cost_regression", "reverse_kl"])
def test_every_loss_lowers_the_error(new_fit, small_world, loss):
    fit = new_fit(loss=loss, epochs=8)
    *_, last = loop.run(fit, validation=small_world.rows)
    assert last.validation.of("argmax") < small_world.rows.ratings.var()
