import io
import itertools
import math

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data import split
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.scoring import metrics
from tests.models import MODELS, SOLVED, TRAINED, dropping
from tests.worlds import config_of, rows_of

EVERY = pytest.mark.parametrize("name", MODELS)
EVERY_TRAINED = pytest.mark.parametrize("name", TRAINED)


@pytest.fixture(scope="module")
def parts(small_world):
    return split(small_world.rows, seed=0)


@pytest.fixture
def new_fit(parts, small_shape):
    def start(name="pmf", *, seed=1, **changes):
        config = config_of(name, **{"batch_size": 43, "epochs": 3, **changes})
        return Fit(MODELS[name], config, small_shape, parts.train, seed=seed)

    return start


def test_there_is_a_report_at_each_epochs_end(new_fit, parts):
    reports = list(loop.run(new_fit(), validation=parts.validation))  # 432 rows: 10 steps an epoch
    assert [(r.step, r.epoch, r.whole, r.progress) for r in reports] == [
        (10, 1, True, 10 / 30),
        (20, 2, True, 20 / 30),
        (30, 3, True, 1),
    ]
    assert all(r.validation.of("argmax") > 0 for r in reports)
    assert [r.marked for r in reports] == [False] * 3


def test_there_is_a_report_at_each_mark(new_fit, parts):
    reports = list(loop.run(new_fit(), validation=parts.validation, marks=(0.25, 2 / 3, 0.71)))
    assert [(r.step, r.whole, r.marked) for r in reports] == [
        (8, False, True),
        (10, True, False),
        (20, True, True),
        (22, False, True),
        (30, True, False),
    ]
    assert all(r.validation is not None for r in reports)


def test_without_validation_rows_nothing_is_measured(new_fit):
    assert [r.validation for r in loop.run(new_fit())] == [None] * 3


def test_the_training_loss_is_the_mean_over_the_epoch_so_far(new_fit):
    fit = new_fit()
    losses = []
    while fit.step < fit.steps:
        losses.append(float(fit.advance()))
    for report in loop.run(new_fit(), marks=(0.5,)):
        start = (report.step - 1) // 10 * 10
        total = sum(losses[start : report.step])
        assert report.train_loss == pytest.approx(total / (report.step - start), rel=1e-4)


@EVERY
def test_the_last_report_holds_the_metrics_of_the_fitted_model(new_fit, parts, name):
    fit = new_fit(name)
    *_, last = loop.run(fit, validation=parts.validation, decoder="mean")
    held_out = on_device(parts.validation, fit.device)
    temperature = loop.calibrate(fit, held_out)
    assert loop.evaluate(fit, held_out, decoder="mean", temperature=temperature) == last.validation
    assert last.validation.rmse == pytest.approx(math.sqrt(last.validation.of("mean")))


@EVERY
def test_looking_changes_nothing(new_fit, parts, name):
    looked, blind = new_fit(name, **dropping(name, 0.3)), new_fit(name, **dropping(name, 0.3))
    list(loop.run(looked, validation=parts.validation, marks=(0.1, 0.37, 0.9)))
    list(loop.run(blind))
    ends = [fit.model.state_dict() for fit in (looked, blind)]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_a_checkpoint_is_due_when_the_clock_says_so_and_at_the_end(new_fit):
    ticks = itertools.count(step=10.0)  # ten seconds between two looks
    reports = list(loop.run(new_fit(epochs=6), save_every=25, clock=lambda: next(ticks)))
    assert [(r.epoch, r.save) for r in reports] == [
        (1, False),
        (2, False),
        (3, True),
        # The clock is read once more after a save, and the count starts there.
        (4, False),
        (5, False),
        (6, True),
    ]


def test_without_an_interval_only_the_end_is_saved(new_fit):
    assert [r.save for r in loop.run(new_fit())] == [False, False, True]


def test_a_long_epoch_is_saved_within(new_fit):
    """200 steps in an epoch: the clock is looked at every 64."""
    reports = list(loop.run(new_fit(batch_size=2, epochs=1), save_every=0))
    assert [r.step for r in reports] == [64, 128, 192, 216]
    assert all(r.save for r in reports)
    assert [r.whole for r in reports] == [False, False, False, True]


def test_large_steps_are_saved_each(new_fit, monkeypatch):
    """They take seconds, and an epoch of them minutes."""
    monkeypatch.setattr(loop, "LOOK_ROWS", 60)
    assert [r.step for r in loop.run(new_fit(epochs=1), save_every=0)] == list(range(1, 11))


@pytest.mark.parametrize("name", SOLVED)
def test_what_is_solved_is_reported_once(new_fit, parts, name):
    (report,) = loop.run(new_fit(name), validation=parts.validation, marks=(0.25, 0.5))
    assert (report.step, report.epoch, report.whole, report.progress, report.save) == (1, 1, True, 1, True)
    assert report.learning_rate == 0
    assert report.validation.of("mean") < parts.validation.ratings.var()


@EVERY_TRAINED
def test_a_loop_taken_up_in_mid_epoch_reports_as_one_that_ran_through(new_fit, parts, name):
    through = list(loop.run(new_fit(name, **dropping(name, 0.2)), validation=parts.validation, marks=(0.5,)))
    stopped = new_fit(name, **dropping(name, 0.2))
    for report in loop.run(stopped, validation=parts.validation, marks=(0.5,)):
        if report.marked:
            break
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    file.seek(0)
    resumed = new_fit(name, **dropping(name, 0.2))
    resumed.load_state(torch.load(file, weights_only=True))
    rest = list(loop.run(resumed, validation=parts.validation, marks=(0.5,)))
    assert rest == [report for report in through if report.step > 15]


def test_a_loss_that_is_no_number_ends_the_fit(new_fit):
    fit = new_fit()
    reports = loop.run(fit)
    next(reports)
    with torch.no_grad():
        fit.model.users.weight.fill_(math.nan)
    with pytest.raises(FitFailed, match="the training loss is nan in epoch 2"):
        next(reports)


def test_ratings_too_large_to_square_end_the_fit(small_shape):
    architecture = ARCHITECTURES["pmf"]
    rows = rows_of([1, 2, 3, 4], [1, 2, 3, 4], [1e25, -1e25, 1e25, -1e25])
    fit = Fit(architecture, architecture.Config(batch_size=4, learning_rate=10), small_shape, rows, seed=0)
    with pytest.raises(FitFailed, match="the training loss is inf in epoch 1"):
        list(loop.run(fit))


@EVERY
def test_a_temperature_is_fitted_for_class_heads_and_for_others_where_probabilities_are_scored(new_fit, parts, name):
    fit = new_fit(name)
    list(loop.run(fit))
    held_out = on_device(parts.validation, fit.device)
    if fit.model.grid is None:
        assert loop.calibrate(fit, held_out) == 1
        assert loop.evaluate(fit, held_out, decoder="argmax").log_loss is None
    temperature = loop.calibrate(fit, held_out, metric="log_loss")
    losses = [
        loop.evaluate(fit, held_out, decoder="argmax", metric="log_loss", temperature=t).log_loss
        for t in (temperature, temperature * 1.1, temperature / 1.1, 1.0)
    ]
    assert min(losses) == losses[0]


def test_of_very_many_rows_some_tell_the_temperature(new_fit, parts, monkeypatch):
    fit = new_fit("classifier")
    list(loop.run(fit))
    held_out = on_device(parts.validation, fit.device)
    monkeypatch.setattr(loop, "ENOUGH", len(held_out) // 3)
    assert loop.calibrate(fit, held_out) == loop.calibrate(fit, held_out.take(torch.arange(0, len(held_out), 3)))


@pytest.mark.parametrize("name", ["pmf", "classifier"])
def test_metrics_are_the_same_however_many_rows_are_predicted_at_once(new_fit, parts, monkeypatch, name):
    fit = new_fit(name)
    list(loop.run(fit))
    held_out = on_device(parts.validation, fit.device)
    whole = loop.evaluate(fit, held_out, decoder="argmax").by_name()
    monkeypatch.setattr(metrics, "CHUNK", 7)
    pieces = loop.evaluate(fit, held_out, decoder="argmax").by_name()
    assert [number is None for number in pieces.values()] == [number is None for number in whole.values()]
    known = [name for name, number in whole.items() if number is not None]
    assert [pieces[name] for name in known] == pytest.approx([whole[name] for name in known], rel=1e-6)


def test_a_fit_takes_no_copy_of_users_and_items_and_no_times_that_it_does_not_use(new_fit, parts):
    fit = new_fit()
    assert np.shares_memory(fit.rows.users.numpy(), parts.train.users)
    assert np.shares_memory(fit.rows.items.numpy(), parts.train.items)
    assert parts.train.timestamps is not None
    assert fit.rows.times is None


@EVERY
def test_probabilities_are_calibrated_in_every_report_where_they_are_scored(new_fit, parts, name):
    fit = new_fit(name)
    *_, last = loop.run(fit, validation=parts.validation, metric="rps")
    held_out = on_device(parts.validation, fit.device)
    temperature = loop.calibrate(fit, held_out, metric="rps")
    assert last.validation == loop.evaluate(fit, held_out, decoder="argmax", metric="rps", temperature=temperature)
    assert 0 < last.validation.rps < 0.3
    plain = new_fit(name)
    list(loop.run(plain, validation=parts.validation))
    weights = fit.model.state_dict()
    assert all(torch.equal(weights[key], tensor) for key, tensor in plain.model.state_dict().items())
