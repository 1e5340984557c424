import io
import weakref

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import load_data
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.fit import Fit
from tests.models import EXPECTED, MODELS, SOLVED, TRAINED, dropping
from tests.worlds import shape_of, small_config

EVERY = pytest.mark.parametrize("name", MODELS)
EVERY_TRAINED = pytest.mark.parametrize("name", TRAINED)
DROPPING = pytest.mark.parametrize("name", [name for name in TRAINED if EXPECTED[name].drops])
BY_DIMENSION = ("pmf", "embedding_nn", "classifier", "autorec")  # how these decay; svdpp's is told in test_trunk.py


@pytest.fixture
def new_fit(small_world, small_shape):
    def start(name, *, seed=7, rows=small_world.rows, **changes):
        return Fit(MODELS[name], small_config(name, **changes), small_shape, rows, seed=seed)

    return start


def advanced(fit, steps):
    for _ in range(steps):
        fit.advance()
    return fit


def weights(fit):
    return {name: value.clone() for name, value in fit.model.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def through_a_file(state):
    """The state as a checkpoint gives it back: saved, and loaded without running any pickled code."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@EVERY_TRAINED
def test_the_same_seed_gives_the_same_weights_bit_for_bit(new_fit, name):
    first, again, other = (advanced(new_fit(name, seed=seed, **dropping(name, 0.3)), 20) for seed in (1, 1, 2))
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


def test_more_threads_change_no_digit_of_a_model_that_is_threaded():
    data = load_data("synthetic:users=800,items=600,ratings=40000")
    architecture, shape = ARCHITECTURES["svdpp"], shape_of(data)
    config = architecture.reference(shape).model_copy(update={"batch_size": 8192, "dropout": 0.1, "bias_pull": 0.5})
    fits = [Fit(architecture, config, shape, data.rows, seed=1, threads=threads) for threads in (1, 3)]
    assert [fit.threads for fit in fits] == [1, 3]
    one, three = (weights(advanced(fit, 8)) for fit in fits)
    assert same(one, three)


def test_a_model_whose_sums_threads_would_share_steps_on_one(small_world, small_shape):
    for name in ("svdpp_classifier", "svdpp_ordinal", "embedding_nn", "pmf"):
        fit = Fit(ARCHITECTURES[name], small_config(name), small_shape, small_world.rows, seed=1, threads=3)
        assert fit.threads == 1
    timed = small_config("svdpp", time="day")
    assert Fit(ARCHITECTURES["svdpp"], timed, small_shape, small_world.rows, seed=1, threads=3).threads == 1


@pytest.mark.parametrize("name", SOLVED)
def test_what_is_solved_takes_one_step_on_all_rows_and_has_one_answer(new_fit, name, small_world):
    fit, other = new_fit(name, seed=1), new_fit(name, seed=2)
    assert (fit.steps, fit.batch_size, fit.epochs) == (1, 600, 1)
    solved = weights(fit)
    loss = fit.advance()
    assert loss == pytest.approx(fit.model.loss(fit.model(fit.rows.users, fit.rows.items), fit.rows.ratings).item())
    assert loss < small_world.rows.ratings.var()
    assert same(weights(fit), solved)
    assert same(weights(other), solved)
    assert (fit.rate, fit.progress, fit.epoch) == (0, 1, 1)


@pytest.mark.parametrize("name", SOLVED)
def test_what_is_solved_is_taken_up_again_as_it_was(new_fit, name, small_world):
    solved = advanced(new_fit(name), 1)
    resumed = new_fit(name, rows=small_world.rows.take(np.arange(60)))
    assert not same(weights(resumed), weights(solved))
    resumed.load_state(through_a_file(solved.state()))
    assert same(weights(resumed), weights(solved))
    assert resumed.step == 1


@EVERY_TRAINED
def test_nothing_that_the_caller_draws_changes_a_fit(new_fit, name):
    fit = advanced(new_fit(name, **dropping(name, 0.3)), 20)
    torch.manual_seed(12345)
    np.random.seed(12345)
    assert same(weights(fit), weights(advanced(new_fit(name, **dropping(name, 0.3)), 20)))


@EVERY_TRAINED
def test_random_numbers_drawn_between_epochs_change_nothing(new_fit, name):
    quiet, busy = new_fit(name, **dropping(name, 0.3)), new_fit(name, **dropping(name, 0.3))
    for _ in range(3):
        advanced(quiet, quiet.steps_per_epoch)
        torch.rand(17)
        advanced(busy, busy.steps_per_epoch)
        torch.manual_seed(5)
    assert same(weights(quiet), weights(busy))


@EVERY_TRAINED
@pytest.mark.parametrize("epochs_done", [3, 2.5], ids=["between epochs", "in an epoch"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_a_fit_taken_up_again_ends_as_one_that_ran_through(new_fit, name, epochs_done, dropout):
    through = new_fit(name, **dropping(name, dropout))
    advanced(through, through.steps)
    stopped = new_fit(name, **dropping(name, dropout))
    advanced(stopped, int(stopped.steps_per_epoch * epochs_done))
    state = through_a_file(stopped.state())
    torch.manual_seed(999)
    resumed = new_fit(name, **dropping(name, dropout))
    resumed.load_state(state)
    advanced(resumed, resumed.steps - resumed.step)
    assert same(weights(resumed), weights(through))
    assert resumed.progress == 1


@DROPPING
def test_dropout_is_what_the_random_state_is_kept_for(new_fit, name):
    """Else the test above could pass without it."""
    stopped = advanced(new_fit(name, **dropping(name, 0.4)), 4)
    state = through_a_file(stopped.state())
    ends = []
    for random in (state["random"], torch.Generator().manual_seed(5).get_state()):
        fit = new_fit(name, **dropping(name, 0.4))
        fit.load_state({**state, "random": random})
        ends.append(weights(advanced(fit, 2)))
    assert not same(*ends)


def test_an_epoch_takes_each_row_once_in_an_order_of_its_own(new_fit, small_world):
    fit = new_fit("pmf", batch_size=100)
    epochs = []
    for epoch in range(2):
        batches = []
        for number in range(6):
            batches.append(fit._batch(epoch, number))
            fit.step += 1
        epochs.append(torch.cat([batch.ratings * 10_000 + batch.users * 100 + batch.items for batch in batches]))
    rows = small_world.rows
    every = np.sort(rows.ratings * 10_000 + rows.users * 100 + rows.items)
    assert all(np.array_equal(np.sort(epoch.numpy()), every) for epoch in epochs)
    assert not torch.equal(*epochs)


@pytest.mark.parametrize(("world", "rank"), [(1, 0), (3, 1)])
@pytest.mark.parametrize("ahead", [1, 199, 250, 10_000])
def test_batches_are_the_same_however_many_are_taken_from_the_columns_at_once(new_fit, monkeypatch, ahead, world, rank):
    fit = new_fit("pmf", batch_size=100)
    fit.world, fit.rank = world, rank
    monkeypatch.setattr("reeltune.trainables.fitting.fit.AHEAD", ahead)
    order = fit._shuffled(0)
    for number in (0, 1, 4, 5, 2):
        batch, expected = fit._batch(0, number), fit.rows.take(order[number * 100 : (number + 1) * 100][rank::world])
        assert torch.equal(batch.users, expected.users.long())
        assert torch.equal(batch.items, expected.items.long())
        assert torch.equal(batch.ratings, expected.ratings)


def test_an_ended_fit_holds_no_batches_and_gives_what_a_running_one_does(new_fit):
    fit = new_fit("pmf", batch_size=100)
    advanced(fit, fit.steps - 1)
    held = [weakref.ref(each) for each in (fit._order[1], fit._ahead[1])]
    last = fit._batch(fit.epochs - 1, 5)
    fit.advance()
    assert [each() for each in held] == [None, None]
    again = new_fit("pmf", batch_size=100)
    again.load_state(through_a_file(fit.state()))
    for ended in (fit, again):
        assert ended.progress == 1
        assert same(weights(ended), weights(fit))
        assert torch.equal(ended.predicted(ended.rows), fit.model.served()(fit.rows.users, fit.rows.items))
        assert torch.equal(ended._batch(fit.epochs - 1, 5).ratings, last.ratings)


def test_an_ended_fit_can_be_taken_back_to_an_earlier_state(new_fit):
    fit = new_fit("pmf", **dropping("pmf", 0.3))
    state = through_a_file(advanced(fit, fit.steps // 2).state())
    end = weights(advanced(fit, fit.steps - fit.step))
    fit.load_state(state)
    assert same(weights(advanced(fit, fit.steps - fit.step)), end)


def test_rows_that_fill_no_batch_are_left_out(new_fit):
    fit = new_fit("pmf", batch_size=64, epochs=3)
    assert (fit.steps_per_epoch, fit.steps) == (9, 27)


def test_a_batch_larger_than_the_data_is_all_of_it(new_fit):
    fit = new_fit("pmf", batch_size=4096, epochs=3)
    assert (fit.batch_size, fit.steps) == (600, 3)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_for_a_batch_are_an_error(new_fit, small_world, count):
    with pytest.raises(InputError, match=f"a batch of {count} rows is too small: two are the least"):
        new_fit("pmf", rows=small_world.rows.take(np.arange(count)))


def test_bfloat16_without_a_gpu_is_an_error(small_world, small_shape):
    with pytest.raises(InputError, match="bfloat16 needs a GPU"):
        Fit(ARCHITECTURES["pmf"], small_config("pmf"), small_shape, small_world.rows, seed=0, bfloat16=True)


@pytest.mark.parametrize("name", BY_DIMENSION)
def test_biases_and_norms_do_not_decay(new_fit, name):
    fit = new_fit(name, weight_decay=0.3, head_decay=0.3)
    decay = {id(p): group["weight_decay"] for group in fit.optimizer.param_groups for p in group["params"]}
    assert decay.keys() == {id(p) for p in fit.model.parameters()}
    for label, parameter in fit.model.named_parameters():
        plain = label.endswith("bias") or (label.startswith("layers.3.") and name == "embedding_nn")
        assert decay[id(parameter)] == (0 if plain else 0.3), label


def test_a_weight_without_gradient_decays_by_rate_times_decay(new_fit):
    """Decoupled (AdamW): the row of 'unknown' never has a gradient, and shrinks all the same."""
    fit = new_fit("pmf", weight_decay=0.5)
    before = fit.model.users.weight[0].clone()
    fit.advance(rate=0.1)
    assert torch.allclose(fit.model.users.weight[0], before * (1 - 0.1 * 0.5))


def test_the_rate_follows_one_cycle_from_the_first_step_to_the_last(new_fit):
    fit = new_fit("pmf", learning_rate=0.02)
    seen = []
    while fit.step < fit.steps:
        fit.advance()
        group = fit.optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"]))
    assert seen[0] == (pytest.approx(0.02 / 25), (pytest.approx(0.95), 0.99))
    assert max(rate for rate, _ in seen) == pytest.approx(0.02, rel=0.01)
    assert min(momentum for _, (momentum, _) in seen) == pytest.approx(0.85, abs=1e-3)
    assert seen[-1] == (pytest.approx(0.02 / 1e5), (pytest.approx(0.95), 0.99))


@EVERY
def test_every_architecture_tells_the_optimiser_of_all_its_weights_once(new_fit, name):
    fit = new_fit(name)
    groups = fit.optimizer.param_groups if fit.optimizer else []
    told = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(told) == sorted(id(parameter) for parameter in fit.model.parameters())


def test_progress_and_epoch_count_what_is_done(new_fit):
    fit = advanced(new_fit("pmf"), 10)  # 9 steps an epoch, 45 in all
    assert (fit.epoch, fit.progress) == (1, 10 / 45)
