"""Time as an option of `svdpp`: a world in which the day, or the page, decides how somebody rates."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures import svdpp
from reeltune.trainables.bundle import restored
from reeltune.trainables.data import Ids, Ratings, split
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit, on_device
from reeltune.trainables.scoring.metrics import predict
from tests.worlds import config_of, rows_of

DAY = 86_400
TIMED = ("day", "residual")


def moody(*, users=30, days=8, a_day=12, seed=0):
    """Each user has good days (4 or 5) and bad ones (1 or 2); within a day, ratings are seconds apart."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(1, users + 1), days * a_day)
    day = np.tile(np.repeat(np.arange(days), a_day), users)
    good = draw.integers(0, 2, (users + 1, days))[who, day]
    times = day * DAY + np.tile(np.arange(a_day), users * days)
    ratings = 1.0 + 3 * good + draw.integers(0, 2, len(who))
    return Ratings(
        name="moody",
        rows=rows_of(who, draw.integers(1, 41, len(who)), ratings, times),
        users=Ids(np.array([f"u{number}" for number in range(users)])),
        items=Ids(np.array([f"i{number}" for number in range(40)])),
    )


@pytest.fixture(scope="module")
def parts():
    return split(moody().rows, seed=1)


SHAPE = Shape(users=31, items=41, scale=Scale.of(np.arange(1.0, 6.0)))


def fitted(rows, **changes):
    fit = Fit(svdpp, config_of("svdpp", factors=8, batch_size=64, epochs=6, **changes), SHAPE, rows, seed=1)
    *_, last = loop.run(fit)
    return fit, last


@pytest.fixture(scope="module")
def fits(parts):
    """A fit by each use of time, for all to read."""
    return {time: fitted(parts.train, time=time)[0] for time in TIMED}


def error(fit, rows):
    return loop.evaluate(fit, on_device(rows, fit.device), decoder="mean").of("mean")


@pytest.mark.parametrize("time", TIMED)
def test_time_tells_what_ids_cannot(time, parts):
    without, _ = fitted(parts.train)
    knowing, _ = fitted(parts.train, time=time, day_decay=0.5)
    assert error(without, parts.validation) > 1.5
    assert error(knowing, parts.validation) < 0.6


@pytest.mark.parametrize("time", TIMED)
def test_rows_without_times_are_refused(time):
    rows = rows_of([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4])
    with pytest.raises(InputError, match=f"time = '{time}' needs timestamps"):
        Fit(svdpp, config_of("svdpp", batch_size=2, time=time), SHAPE, rows, seed=1)


@pytest.mark.parametrize("time", TIMED)
def test_a_pair_without_a_time_is_refused(time, fits):
    fit = fits[time]
    assert fit.model.timed
    with pytest.raises(InputError, match="no pairs without a timestamp"):
        predict(fit.model, torch.tensor([1]), torch.tensor([1]))


@pytest.mark.parametrize("time", TIMED)
def test_what_is_served_rates_as_the_fit_does(time, parts, fits):
    fit = fits[time]
    pairs = on_device(parts.validation, fit.device)
    expected = predict(fit.model, pairs.users, pairs.items, pairs.times)
    weights = {key: tensor.clone() for key, tensor in fit.model.served().state_dict().items()}
    model = restored(svdpp, fit.config, SHAPE, weights)
    assert torch.allclose(predict(model, pairs.users, pairs.items, pairs.times), expected, atol=1e-5)


@pytest.mark.parametrize("time", TIMED)
def test_the_same_seed_gives_the_same_fit_and_a_resumed_one_too(time, parts, fits):
    whole = fits[time]
    first = Fit(svdpp, whole.config, SHAPE, parts.train, seed=1)
    for _ in range(first.steps // 2):
        first.advance()
    second = Fit(svdpp, whole.config, SHAPE, parts.train, seed=1)
    second.load_state(first.state())
    list(loop.run(second))
    expected = whole.model.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in second.model.state_dict().items())


def test_without_time_nothing_of_it_is_kept(parts):
    fit, _ = fitted(parts.train)
    assert not fit.model.timed
    assert not [name for name in fit.model.served().state_dict() if name.startswith(("days", "residuals"))]


@pytest.mark.parametrize("count", [2, 5, 19])
def test_of_too_few_ratings_the_correction_is_nothing_and_says_so(count, parts):
    fit, _ = fitted(parts.train.take(np.arange(count)), time="residual")
    assert not fit.model.residuals.learnt
    assert fit.model.notes == ("time = 'residual' corrects nothing here: it needs 20 ratings",)


def test_where_time_tells_nothing_the_correction_is_nothing_and_says_so(parts):
    draw = np.random.default_rng(0)
    ratings = draw.integers(1, 6, len(parts.train)).astype(float)
    fit, _ = fitted(replace(parts.train, ratings=ratings, timestamps=np.arange(len(ratings)) * 10**8), time="residual")
    (note,) = fit.model.notes
    assert "corrects nothing here: ratings close in time do not err alike" in note
    pairs = on_device(parts.validation, fit.device)
    first, later = (predict(fit.model, pairs.users, pairs.items, pairs.times + more) for more in (0, 10**9))
    assert torch.equal(first, later)


def test_a_fit_that_time_corrects_has_nothing_to_say(fits):
    assert fits["residual"].model.notes == ()


def test_a_correction_is_the_same_in_any_unit_of_ratings(parts, fits):
    fit = fits["residual"]
    shape = replace(SHAPE, scale=Scale.of(np.arange(1.0, 6.0) * 16))
    large = Fit(svdpp, fit.config, shape, replace(parts.train, ratings=parts.train.ratings * 16), seed=1)
    list(loop.run(large))
    pairs = on_device(parts.validation, fit.device)
    of_stars, of_large = (predict(one.model, pairs.users, pairs.items, pairs.times) for one in (fit, large))
    assert torch.allclose(of_large / 16, of_stars, atol=0.02)


def test_residuals_come_from_fits_that_did_not_see_their_rows(parts, monkeypatch):
    seen = []
    original = Fit._again

    def watched(self, config, rows):
        seen.append(rows.numpy())
        return original(self, config, rows)

    monkeypatch.setattr(Fit, "_again", watched)
    fitted(parts.train, time="residual")
    left_out = [np.setdiff1d(np.arange(len(parts.train)), rows) for rows in seen]
    assert sorted(np.concatenate(left_out)) == list(range(len(parts.train)))
