"""Residuals as a Gaussian process in time, on worlds whose residuals are known."""

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures.parts import residual
from reeltune.trainables.architectures.parts.residual import LENGTHS, Residuals

USERS, PAGES, ON_A_PAGE = 40, 12, 6


def world(*, together, noise=0.3, seed=0):
    """Users rate pages of items within a second, pages an hour apart; a page's ratings err by a common draw."""
    draw = np.random.default_rng(seed)
    users = np.repeat(np.arange(1, USERS + 1), PAGES * ON_A_PAGE)
    page = np.tile(np.repeat(np.arange(PAGES), ON_A_PAGE), USERS)
    common = draw.normal(0, together, (USERS + 1, PAGES))[users, page]
    residuals = common + draw.normal(0, noise, len(users))
    times = page * 3600
    items = draw.integers(1, 30, len(users))
    columns = torch.tensor(users), torch.tensor(items), torch.tensor(times), torch.tensor(residuals).float()
    return columns, torch.tensor(common).float()


def learnt(columns, held_out=None):
    users, items, times, residuals = columns
    torch.manual_seed(0)
    process = Residuals(USERS + 2, len(users))
    base = torch.full_like(residuals, 3.0) if held_out is None else held_out
    process.learn(users, items, times, base + residuals, base, vectors())
    return process


def vectors():
    return torch.eye(30, 4)


def corrections(process, columns, base=3.0):
    users, items, times, _ = columns
    return process.correction(users, items, times, torch.full((len(users),), base), vectors())


def test_a_rating_of_the_same_page_errs_as_the_others_do():
    columns, common = world(together=0.5)
    fitted = [column[::2] for column in columns]
    rest = [column[1::2] for column in columns]
    found = corrections(learnt(fitted), rest)
    left = (rest[3] - found).square().mean()
    assert rest[3].square().mean() > 0.32
    assert left < 0.17  # the noise alone is 0.09; three others tell the page's draw to 0.03
    assert torch.corrcoef(torch.stack([found, common[1::2]]))[0, 1] > 0.9


def test_where_nothing_is_alike_nothing_is_corrected():
    columns, _ = world(together=0.0)
    found = corrections(learnt([column[::2] for column in columns]), [column[1::2] for column in columns])
    assert found.square().mean() < 0.01


def test_the_variances_are_those_of_the_world():
    process = learnt(world(together=0.5)[0])
    assert process.plain.sum() + process.similar.sum() == pytest.approx(0.25, abs=0.06)
    assert process.noise == pytest.approx(0.09, abs=0.06)


def test_a_user_without_a_history_is_not_corrected():
    process = learnt(world(together=0.5)[0])
    strangers = torch.tensor([0, USERS + 1])
    found = process.correction(strangers, strangers * 0, strangers, torch.tensor([3.0, 4.0]), vectors())
    assert not found.any()


def test_a_pair_is_corrected_alike_whatever_is_beside_it():
    columns, _ = world(together=0.5)
    process = learnt(columns)
    together = corrections(process, columns)
    alone = torch.cat([corrections(process, [column[row : row + 1] for column in columns]) for row in (0, 7, 500)])
    assert torch.allclose(together[[0, 7, 500]], alone, atol=1e-5)


def test_the_order_of_the_ratings_changes_nothing_but_rounding():
    columns, _ = world(together=0.5)
    order = torch.randperm(len(columns[0]), generator=torch.Generator().manual_seed(1))
    straight, shuffled = learnt(columns), learnt([column[order] for column in columns])
    # Within a page no time passes, so that this world does not tell the shortest lengths apart: rounding does.
    assert torch.allclose(straight.plain.sum(), shuffled.plain.sum(), atol=1e-4)
    assert torch.allclose(straight.noise, shuffled.noise, atol=1e-4)


def test_a_long_history_is_cut_up_in_time(monkeypatch):
    columns, _ = world(together=0.5)
    whole = learnt(columns)
    monkeypatch.setattr(residual, "MOST", 2 * ON_A_PAGE)
    cut = learnt(columns)
    # Pages are an hour apart and err apart: two pages of a process know what all twelve do.
    assert (corrections(whole, columns) - corrections(cut, columns)).square().mean() < 0.01


def test_what_it_has_learnt_goes_through_a_state_dict():
    columns, _ = world(together=0.5)
    process = learnt(columns)
    empty = Residuals(USERS + 2, len(columns[0]))
    assert not empty.noise
    empty.load_state_dict(process.state_dict())
    assert torch.equal(corrections(process, columns), corrections(empty, columns))


def test_lengths_reach_from_a_page_to_a_season():
    assert LENGTHS[0] <= 10
    assert LENGTHS[-1] >= 90 * 86_400
