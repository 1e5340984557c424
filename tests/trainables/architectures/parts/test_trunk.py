"""What the architectures on the trunk share: two halves in one table, decay by parts, and what is kept of a fit."""

import io
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures.parts import implicit
from reeltune.trainables.architectures.parts.trunk import Trunk, TrunkConfig, TrunkModel, ratings_of
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.bundle import restored
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.scoring.decoders import decode
from reeltune.trainables.scoring.metrics import predict
from tests.worlds import (
    STARS,
    features_of,
    rows_of,
    small_config,
    telling_habits,
    told_by_features,
)

NAMES = [name for name, architecture in ARCHITECTURES.items() if issubclass(architecture.Model, TrunkModel)]
FBGEMM = "fbgemm" in torch.backends.quantized.supported_engines  # on x86
EVERY = pytest.mark.parametrize("name", NAMES)
# Users 5, 6 and 7, and items 5 and 6, have no rating.
USERS = torch.tensor([1, 1, 1, 2, 2, 3, 4, 4, 4, 4])
ITEMS = torch.tensor([1, 2, 3, 1, 4, 2, 1, 2, 2, 4])
RATINGS = [5.0, 4, 1, 3, 2, 5, 1, 2, 3, 4]
USER_SIDES = features_of([[0, 0], [1, 0], [0, 1], [1, 0], [0, 0], [1, 0], [0, 1], [1, 0]])
ITEM_SIDES = features_of([[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]])
PLAIN = Shape(users=8, items=7, scale=STARS)
SIDED = Shape(users=8, items=7, scale=STARS, user_features=USER_SIDES, item_features=ITEM_SIDES)


def trunk_of(shape=SIDED, *, seed=0, **changes):
    torch.manual_seed(seed)
    trunk = Trunk(TrunkConfig(**{"factors": 3, "initial": 0.5, **changes}), shape)
    with torch.no_grad():
        trunk.table[:, -1].normal_()
    trunk.see(USERS, ITEMS)
    return trunk


def fit_of(name, shape=SIDED, *, seed=1, **changes):
    rows = rows_of(USERS, ITEMS, RATINGS)
    return Fit(ARCHITECTURES[name], small_config(name, **{"batch_size": 4, **changes}), shape, rows, seed=seed)


def fitted(name, shape=SIDED, **changes):
    fit = fit_of(name, shape, **changes)
    list(loop.run(fit))
    return fit


def rated(fit, users, items):
    return predict(fit.model, torch.tensor(users), torch.tensor(items))


def learnt(name, world, **changes):
    """The error on the rows to predict after a short fit, and their variance."""
    rows, held_out, shape = world
    config = small_config(name, epochs=15, learning_rate=2e-2, **changes)
    *_, last = loop.run(Fit(ARCHITECTURES[name], config, shape, rows, seed=1), validation=held_out)
    return last.validation.of("argmax"), held_out.ratings.var()


@cache
def by_ratings_alone(swapped):
    return learnt("pmf", telling_habits(swapped=swapped))[0]


def dense(features):
    matrix = torch.zeros(features.rows, len(features.names))
    places = torch.from_numpy(np.repeat(np.arange(features.rows), np.diff(features.offsets)))
    matrix[places, torch.from_numpy(features.columns)] = torch.from_numpy(features.weights)
    return matrix


def written_out(trunk, table, shown_users, shown_items):
    """Vectors of the rated pairs as the docstring of the trunk has them, less what each pair itself adds."""
    own_users, own_items, of_items, of_users, user_sides, item_sides = trunk.parts(table)
    incidence = torch.zeros(8, 7).index_put_((USERS, ITEMS), torch.ones(len(USERS)), accumulate=True)
    sides = [features if features is None else dense(features) for features in (SIDED.user_features, ITEM_SIDES)]

    def vectors(own, matrix, implicit, sides, side_table, ids, shown, partners):
        counts = matrix.sum(1, keepdim=True)
        scale = torch.where(counts > 0, counts.clamp(min=1) ** -trunk.config.exponent, 0)
        others = (matrix @ implicit)[shown] - implicit[partners]
        known = own[shown] + scale[shown] * others
        return known + (sides @ side_table)[ids] if len(side_table) else known

    return (
        vectors(own_users, incidence, of_items, sides[0], user_sides, USERS, shown_users, ITEMS),
        vectors(own_items, incidence.T, of_users, sides[1], item_sides, ITEMS, shown_items, USERS),
    )


@pytest.mark.parametrize("shape", [PLAIN, SIDED], ids=["ids alone", "with features"])
@pytest.mark.parametrize("id_dropout", [0.0, 0.5])
def test_one_gradient_holds_what_autograd_has_for_every_part(shape, id_dropout):
    trunk = trunk_of(shape, id_dropout=id_dropout)
    torch.manual_seed(7)
    found = trunk(USERS, ITEMS)
    torch.manual_seed(7)
    shown = trunk._shown(USERS), trunk._shown(ITEMS)
    assert bool((shown[0] == 0).any()) == (id_dropout > 0)
    expected = written_out(trunk, trunk.table, *shown)
    weights = [torch.randn_like(vectors) for vectors in expected]
    gradients = []
    for vectors in (found, expected):
        total = sum((vector * weight).sum() for vector, weight in zip(vectors, weights, strict=True))
        gradients.append(torch.autograd.grad(total, trunk.table)[0])
    for vector, known in zip(found, expected, strict=True):
        assert torch.allclose(vector, known, atol=1e-6)
    assert torch.allclose(*gradients, atol=1e-5)
    assert gradients[0].abs().sum() > 0


@pytest.mark.parametrize("masked", [False, True])
def test_the_rating_and_its_gradient_by_hand_are_those_of_the_formula(masked):
    draw = torch.Generator().manual_seed(0)
    users, items = (torch.randn(5, 4, dtype=torch.float64, generator=draw).requires_grad_() for _ in range(2))
    mask = torch.randint(0, 2, (5, 4), generator=draw).double() * 1.25 if masked else None
    if mask is not None:
        mask[:, -1] = 1  # as dropout has it
    dropped = users if mask is None else users * mask
    mean, unit = torch.tensor(3.5, dtype=torch.float64), 1.25
    expected = mean + unit * ((dropped[:, :-1] * items[:, :-1]).sum(1) + users[:, -1] + items[:, -1])
    assert torch.allclose(ratings_of(users, items, mask, mean, unit), expected)
    assert torch.autograd.gradcheck(lambda p, q: ratings_of(p, q, mask, mean, unit), (users, items))


def test_ratings_of_many_rows_are_summed_in_pieces_to_the_same_bits_and_of_none_there_are_none(monkeypatch):
    users, items = torch.randn(2, 12, 5, generator=torch.Generator().manual_seed(0))
    mean = torch.tensor(3.5)
    whole = ratings_of(users, items, None, mean, 1.25)
    monkeypatch.setattr(implicit, "PIECE", 5)
    assert torch.equal(ratings_of(users, items, None, mean, 1.25), whole)
    assert ratings_of(users[:0], items[:0], None, mean, 1.25).shape == (0,)


@EVERY
@pytest.mark.parametrize("swapped", [False, True], ids=["what a user rated", "who rated an item"])
def test_it_learns_from_who_rated_what_alone(name, swapped):
    error, variance = learnt(name, telling_habits(swapped=swapped))
    assert error < 0.1 * variance
    assert by_ratings_alone(swapped) > variance  # they tell nothing


@EVERY
@pytest.mark.parametrize("swapped", [False, True], ids=["items", "users"])
def test_it_learns_from_features_what_no_rating_has_told(name, swapped):
    world = told_by_features(swapped=swapped)
    error, variance = learnt(name, world)
    assert error < 0.4 * variance
    rows, held_out, shape = world
    blind = replace(shape, user_features=None, item_features=None)
    assert learnt(name, (rows, held_out, blind))[0] > 0.9 * variance


@EVERY
def test_predictions_are_the_same_in_any_unit_of_ratings(name, small_world, small_shape):
    found = []
    for factor, shift in ((1, 0), (20, 0), (1, 7)):
        rows = replace(small_world.rows, ratings=small_world.rows.ratings * factor + shift)
        shape = replace(small_shape, scale=Scale.of(rows.ratings))
        fit = Fit(ARCHITECTURES[name], small_config(name), shape, rows, seed=1)
        list(loop.run(fit))
        output = predict(fit.model, fit.rows.users, fit.rows.items)
        ratings = decode(output, fit.model.grid, shape.scale, decoder="mean", temperature=1.0)
        found.append((ratings - shift) / factor)
    assert found[0].std() > 0.2
    assert torch.allclose(found[0], found[1], atol=2e-3)
    assert torch.allclose(found[0], found[2], atol=2e-3)


def test_in_evaluation_nothing_is_taken_out_and_no_id_is_dropped():
    trunk = trunk_of(id_dropout=0.5).eval()
    users, items = trunk(USERS, ITEMS)
    again = trunk(USERS, ITEMS)
    tables = trunk.folded()
    assert torch.equal(users, tables.users[USERS])
    assert torch.equal(items, tables.items[ITEMS])
    assert torch.equal(users, again[0])


def test_an_id_without_a_rating_is_what_unknown_and_its_features_are():
    tables = trunk_of().folded()
    assert torch.equal(tables.users[5], tables.users[7])
    assert not torch.allclose(tables.users[5], tables.users[6])
    unknown = trunk_of(PLAIN).folded()
    assert torch.equal(unknown.users[5], unknown.users[0])
    assert torch.equal(unknown.items[6], unknown.items[0])


@EVERY
def test_two_new_users_are_rated_alike_where_their_features_are_alike(name):
    fit = fitted(name, batch_size=8, epochs=3)
    assert torch.equal(rated(fit, [5], [1]), rated(fit, [7], [1]))
    assert not torch.allclose(rated(fit, [5], [1]), rated(fit, [6], [1]), atol=1e-6)
    assert not torch.allclose(rated(fit, [1], [5]), rated(fit, [1], [6]), atol=1e-6)
    plain = fitted(name, PLAIN, batch_size=8, epochs=3)
    assert torch.equal(rated(plain, [5, 6], [1, 1]), rated(plain, [0, 0], [1, 1]))


@EVERY
def test_unknown_is_learnt_where_ids_are_dropped(name):
    known, dropped = (fitted(name, PLAIN, id_dropout=share, weight_decay=0, bias_decay=0) for share in (0.0, 0.5))
    start = fit_of(name, PLAIN).model.trunk.table[0]
    assert torch.equal(known.model.trunk.table[0], start)
    assert not torch.allclose(dropped.model.trunk.table[0], start)


def test_each_part_of_the_table_decays_by_its_own_strength():
    config = {"weight_decay": 1, "implicit_decay": 2, "side_decay": 3, "bias_decay": 4}
    trunk = trunk_of(**config)
    with torch.no_grad():
        trunk.table.fill_(1)
    trunk.shrink(0.01)
    for part, left in zip(trunk.parts(trunk.table), (0.99, 0.99, 0.98, 0.98, 0.97, 0.97), strict=True):
        assert len(part) > 0
        assert torch.allclose(part[:, :-1], torch.tensor(left))
        assert torch.allclose(part[:, -1], torch.tensor(0.96))


def test_pulled_biases_start_at_their_goals_and_decay_to_them():
    trunk = trunk_of(weight_decay=1, implicit_decay=1, bias_decay=4)
    goals = torch.linspace(-1, 1, 8 + 7)
    trunk.pull(goals)
    assert torch.equal(trunk.table[:15, -1], goals)
    before = trunk.table.detach().clone()
    with torch.no_grad():
        trunk.table[:15, -1] += 1
    trunk.shrink(0.01)
    assert torch.allclose(trunk.table[:15, -1], goals + 0.96)
    assert torch.allclose(trunk.table[:15, :-1], 0.99 * before[:15, :-1])
    assert torch.allclose(trunk.table[15:, -1], 0.96 * before[15:, -1])  # the others' still decay to 0


def test_a_decay_that_a_step_cannot_hold_takes_numbers_to_where_they_decay_to_and_no_further():
    trunk = trunk_of(weight_decay=100, implicit_decay=1, bias_decay=50)
    goals = torch.linspace(-1, 1, 8 + 7)
    trunk.pull(goals)
    before = trunk.table.detach().clone()
    with torch.no_grad():
        trunk.table[:15, -1] += 1
    trunk.shrink(0.1)
    assert torch.allclose(trunk.table[:15, :-1], torch.tensor(0.0), atol=1e-6)
    assert torch.allclose(trunk.table[:15, -1], goals, atol=1e-6)
    implicit = slice(15, 30)
    assert torch.equal(
        trunk.table[implicit, :-1], torch.addcmul(before, before, trunk.decay, value=-0.1)[implicit, :-1]
    )


def kind_and_good(*, each=4, seed=0):
    """Biases alone, and a few ratings of each of 300 users and 300 items: fitted rows, rows to predict, their shape."""
    draw = np.random.default_rng(seed)
    users, items = (1 + draw.permutation(300 * each) % 300 for _ in range(2))
    biases = draw.normal(0, 0.7, (2, 301))
    ratings = np.clip(np.round(3 + biases[0][users] + biases[1][items] + draw.normal(0, 0.7, len(users))), 1, 5)
    half = len(users) // 2
    rows = [rows_of(users[part], items[part], ratings[part]) for part in (slice(half, None), slice(half))]
    return *rows, Shape(users=301, items=301, scale=STARS)


@EVERY
def test_where_ids_have_few_ratings_the_pull_to_damped_means_helps(name):
    world = kind_and_good()
    decays = {"weight_decay": 10, "implicit_decay": 5}
    plain, pulled = (learnt(name, world, **decays, bias_pull=share, bias_decay=1.0)[0] for share in (0.0, 1.0))
    assert pulled < 0.97 * plain


@EVERY
def test_a_step_shrinks_what_has_no_gradient_by_rate_times_decay(name):
    """Row 5 of the users has no rating, and AdamW itself lets the table be."""
    fit = fit_of(name, weight_decay=0.5)
    before = fit.model.trunk.table[5].detach().clone()
    fit.advance(rate=0.1)
    assert torch.allclose(fit.model.trunk.table[5, :-1], before[:-1] * (1 - 0.1 * 0.5))
    assert fit.optimizer.param_groups[0]["weight_decay"] == 0


def test_vectors_start_at_the_given_deviation_and_biases_at_zero():
    table = Trunk(TrunkConfig(factors=20, initial=0.03), Shape(users=200, items=100, scale=STARS)).table
    assert table.shape == (2 * 300, 21)
    assert table[:, :-1].std().item() == pytest.approx(0.03, rel=0.05)
    assert not table[:, -1].any()


def test_dropout_is_one_draw_for_each_user_and_spares_biases():
    model = fit_of("svdpp", factors=200, dropout=0.25).model
    with torch.no_grad():
        model.trunk.table[:, -1] = 1

    def mask(users, items):
        """What the users' vectors are multiplied by."""
        return model.vectors(users, items)[0] / model.trunk(users, items)[0]

    found = mask(USERS, ITEMS)  # ten rows of eight users
    assert torch.allclose(found[0], found[1])
    assert not torch.allclose(found[0], found[3])
    assert torch.minimum(found.abs(), (found - 1 / 0.75).abs())[:, :-1].max() < 1e-4
    assert torch.allclose(found[:, -1], torch.tensor(1.0))
    few = mask(USERS[:2], ITEMS[:2])
    assert not torch.allclose(few[0], few[1])  # a draw for each row, as there are fewer rows than users
    assert (few[:, :-1] == 0).float().mean().item() == pytest.approx(0.25, abs=0.06)


KEPT_OF_HEADS = {"svdpp_classifier": {"classes.weight", "layers.0.weight"}, "svdpp_ordinal": {"head.first"}}


@EVERY
def test_what_is_kept_of_a_fit_is_vectors_mean_and_head(name):
    fit = fitted(name)
    weights = fit.model.served().state_dict()
    trunk = {key: value.shape for key, value in weights.items() if not key.startswith(("layers.", "classes.", "head."))}
    assert trunk == {"mean": (), "trunk.users": (8, 9), "trunk.items": (7, 9)}
    assert KEPT_OF_HEADS.get(name, set()) <= weights.keys()
    served = restored(ARCHITECTURES[name], fit.config, PLAIN, weights)  # it needs no side tables
    users, items = torch.arange(8).repeat_interleave(7), torch.arange(7).repeat(8)
    assert torch.equal(served(users, items), fit.model.eval()(users, items))


@EVERY
@pytest.mark.parametrize("id_dropout", [0.0, 0.3])
def test_looking_between_steps_changes_nothing(name, id_dropout):
    looked = fit_of(name, dropout=0.3, id_dropout=id_dropout)
    while looked.step < looked.steps:
        predict(looked.model, USERS, ITEMS)
        looked.advance()
        looked.model.served()
    blind = fitted(name, dropout=0.3, id_dropout=id_dropout)
    states = looked.model.state_dict(), blind.model.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@EVERY
def test_a_fit_that_drops_ids_is_taken_up_again_as_it_was(name):
    through, stopped = (fit_of(name, dropout=0.3, id_dropout=0.3) for _ in range(2))
    list(loop.run(through))
    for _ in range(through.steps // 2):
        stopped.advance()
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    file.seek(0)
    resumed = fit_of(name, dropout=0.3, id_dropout=0.3)
    resumed.load_state(torch.load(file, weights_only=True))
    list(loop.run(resumed))
    assert torch.equal(resumed.model.trunk.table, through.model.trunk.table)


@pytest.fixture
def few_and_many(small_world, small_shape, monkeypatch):
    """Fits for 25 steps, first as if ratings were few, then as if they were many: the second fit, and both tables."""

    def fitted_as_both(name, batch_size):
        ends = []
        for most in (10**6, 0):
            monkeypatch.setattr(implicit, "WHOLE", most)
            config = small_config(name, batch_size=batch_size)
            fit = Fit(ARCHITECTURES[name], config, small_shape, small_world.rows, seed=1)
            for _ in range(25):
                fit.advance()
            ends.append(fit.model.trunk.table.detach())
        return fit, ends

    return fitted_as_both


@EVERY
def test_a_fit_that_multiplies_its_own_rows_alone_ends_as_one_that_multiplies_all(name, few_and_many):
    fit, ends = few_and_many(name, 4)
    assert fit.model.trunk.user_half._rows_alone(fit.rows.users[:4], implicit.BACKWARD) is not None
    assert torch.allclose(*ends, atol=1e-4)


@EVERY
@pytest.mark.skipif(not FBGEMM, reason="a product in float16 is no faster here, and not taken")
def test_a_fit_of_many_ratings_in_float16_ends_as_one_in_float32(name, few_and_many):
    fit, ends = few_and_many(name, 400)
    halves = fit.model.trunk.user_half, fit.model.trunk.item_half
    assert all(half.float16 for half in halves)
    assert halves[0]._rows_alone(fit.rows.users[:400], implicit.BACKWARD) is None
    assert not torch.equal(*ends)
    assert torch.allclose(*ends, atol=3e-3)


def test_sums_over_workers_are_not_rounded_to_float16(small_world, small_shape, monkeypatch):
    """On another number of workers their parts would be rounded otherwise."""
    monkeypatch.setattr(implicit, "WHOLE", 0)
    fit = Fit(ARCHITECTURES["svdpp"], small_config("svdpp"), small_shape, small_world.rows, seed=1)
    trunk = fit.model.trunk
    assert trunk.user_half.float16 == FBGEMM
    trunk.sharded = True
    trunk.see(fit.rows.users, fit.rows.items)
    assert not trunk.user_half.float16
    assert not trunk.item_half.float16


@EVERY
def test_pairs_to_be_predicted_are_no_feedback(name):
    """Who rated what is read off the fitted rows: measuring on any other rows leaves every prediction as it is."""
    fit = fitted(name)
    before = rated(fit, [1, 2, 5], [4, 2, 6])
    everything = on_device(rows_of(np.arange(8).repeat(7), np.tile(np.arange(7), 8), np.ones(56)), fit.device)
    loop.evaluate(fit, everything, decoder="mean")
    assert torch.equal(rated(fit, [1, 2, 5], [4, 2, 6]), before)
    assert fit.model.trunk.user_half.partners_of.sizes.tolist() == [0, 3, 2, 1, 4, 0, 0, 0]


@EVERY
def test_the_momentum_stays_at_nine_tenths(name):
    fit = fit_of(name)
    seen = set()
    while fit.step < fit.steps:
        fit.advance()
        seen |= {group["betas"] for group in fit.optimizer.param_groups}
    assert {(round(first, 9), second) for first, second in seen} == {(0.9, 0.99)}
    assert {group["eps"] for group in fit.optimizer.param_groups} == {1e-6}


@EVERY
@pytest.mark.parametrize("fault", [{"exponent": 1.1}, {"initial": 0}, {"id_dropout": 1}, {"side_decay": -1}])
def test_what_a_trunk_cannot_be_is_refused(name, fault):
    with pytest.raises(ValueError, match=next(iter(fault))):
        ARCHITECTURES[name].Config(**fault)
