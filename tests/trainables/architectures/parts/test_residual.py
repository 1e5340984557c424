"""Residuals as a Gaussian process in time, on worlds whose residuals are known."""

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures.parts import residual
from reeltune.trainables.architectures.parts.residual import LENGTHS, Residuals, variances

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


def learnt(columns, held_out=None, q=None):
    users, items, times, residuals = columns
    torch.manual_seed(0)
    process = Residuals(max(USERS, int(users.max())) + 2, len(users))
    base = torch.full_like(residuals, 3.0) if held_out is None else held_out
    process.learn(users, items, times, base + residuals, base, vectors() if q is None else q)
    return process


def vectors():
    return torch.eye(30, 4)


def corrections(process, columns, base=3.0, q=None):
    users, items, times, _ = columns
    q = vectors() if q is None else q
    return process.correction(users, items, times, torch.full((len(users),), base), q)


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


DRIFTS = {"of all items": (0.25, 0.0), "of similar items": (0.05, 0.25)}


def drifting(*, gap, drift, users=60, each=60, items=50, noise=0.25, seed=0):
    """Users whose residuals are draws of the process itself, about 1.5 gaps from one rating to the next.

    The columns, the items' vectors of 4 dimensions, and the covariance of any two of a user's ratings.
    """
    draw = np.random.default_rng(seed)
    q = draw.normal(size=(items, 4))
    unit = q / np.linalg.norm(q, axis=1, keepdims=True)
    plain, similar = drift

    def covariance(first, second):
        (of, at), (by, then) = first, second
        return np.exp(-np.abs(at[:, None] - then) / (30 * gap)) * (plain + similar * (unit[of] @ unit[by].T) ** 2)

    columns = []
    for user in range(1, users + 1):
        times = np.cumsum(np.round(gap * (0.5 + draw.exponential(1, each)))).astype(np.int64)
        rated = draw.integers(0, items, each)
        own = covariance((rated, times), (rated, times)) + noise * np.eye(each)
        columns.append((np.full(each, user), rated, times, np.linalg.cholesky(own) @ draw.normal(size=each)))
    return [np.concatenate(column) for column in zip(*columns, strict=True)], torch.tensor(q).float(), covariance


def best_possible(fitted, rest, covariance, noise=0.25):
    """What the process's mean is for who knows the covariance."""
    found = np.zeros(len(rest[0]))
    for user in np.unique(rest[0]):
        known, asked = fitted[0] == user, rest[0] == user
        of_known, of_asked = ((rows[1][inside], rows[2][inside]) for rows, inside in ((fitted, known), (rest, asked)))
        own = covariance(of_known, of_known) + noise * np.eye(known.sum())
        found[asked] = covariance(of_asked, of_known) @ np.linalg.solve(own, fitted[3][known])
    return found


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
@pytest.mark.parametrize("gap", [5, 60, 3600, 100_000])
def test_at_any_pace_of_rating_a_drift_is_corrected_to_within_a_fifth_of_what_is_possible(gap, drift):
    columns, q, covariance = drifting(gap=gap, drift=drift)
    out = np.random.default_rng(1).random(len(columns[0])) < 0.25
    fitted, rest = ([column[inside] for column in columns] for inside in (~out, out))
    process = learnt([torch.tensor(fitted[0]), *map(torch.tensor, fitted[1:3]), torch.tensor(fitted[3]).float()], q=q)
    found = corrections(process, [*map(torch.tensor, rest[:3]), None], q=q).numpy()
    error, best = (np.square(rest[3] - guess).mean() for guess in (found, best_possible(fitted, rest, covariance)))
    alone = np.square(rest[3]).mean()
    assert alone - best > 0.12
    assert alone - error > 0.8 * (alone - best)
    assert process.plain.sum() + process.similar.sum() + process.noise == pytest.approx(np.square(fitted[3]).mean())


def test_item_vectors_of_few_dimensions_make_a_covariance():
    draw = np.random.default_rng(0)
    users, items = np.repeat(np.arange(1, USERS + 1), 50), draw.integers(0, 30, 50 * USERS)
    angle = draw.uniform(0, 2 * np.pi, 30)
    q = torch.tensor(np.stack([np.cos(angle), np.sin(angle)], 1)).float()
    liking = draw.normal(0, 1, (USERS + 1, 3))
    squares = np.stack([np.cos(angle) ** 2, np.sin(angle) ** 2, np.sin(2 * angle) / 2**0.5], 1)  # whose product is cos²
    residuals = (liking[users] * squares[items]).sum(1) + draw.normal(0, 0.1, len(users))
    columns = [torch.tensor(users), torch.tensor(items), torch.tensor(users * 0), torch.tensor(residuals).float()]
    found = corrections(learnt(columns, q=q), columns, q=q)
    assert (found - columns[3]).square().mean() < 0.3 * columns[3].square().mean()


@pytest.mark.parametrize("users", [1, 5])
def test_a_thousand_ratings_of_one_second_that_all_err_alike_are_corrected(users):
    columns = [torch.arange(1000) % users + 1, torch.arange(1000) % 30, torch.zeros(1000).long(), torch.ones(1000)]
    found = corrections(learnt(columns), columns)
    assert torch.allclose(found, torch.ones(1000), atol=0.1)


@pytest.mark.parametrize("residuals", [torch.zeros(900), torch.arange(900) % 2 * 2.0 - 1], ids=["no error", "noise"])
def test_where_nothing_errs_alike_nothing_is_learnt(residuals):
    columns = [torch.arange(900) // 30 + 1, torch.arange(900) % 30, torch.arange(900) % 30, residuals]
    assert not learnt(columns).learnt


@pytest.mark.parametrize("rows", [1, 2])
def test_a_rating_or_two_tell_nothing(rows):
    columns = [torch.ones(rows).long(), torch.ones(rows).long(), torch.zeros(rows).long(), torch.ones(rows)]
    assert not learnt(columns).learnt


def test_a_kernel_that_is_nearly_nothing_has_no_variance():
    gram = np.diag([1e6, 1e-9])
    assert variances(gram, np.array([2e5, 1.0]), most=1.0).tolist() == pytest.approx([0.2, 0])


def test_variances_sum_to_no_more_than_there_is():
    gram, moments = np.array([[2e6, 1e6], [1e6, 1e6]]), np.array([4e6, 2.4e6])
    assert variances(gram, moments, most=5.0).tolist() == pytest.approx([1.6, 0.8])
    # On Σx = 2 it is 2 x² - 1.6 x that is least, x being the first, at 1.6.
    bounded = variances(gram, moments, most=2.0)
    assert bounded.sum() == pytest.approx(2.0)
    at = np.linspace(0, 2, 2001)
    costs = [np.array([x, 2 - x]) @ gram @ [x, 2 - x] - 2 * moments @ [x, 2 - x] for x in at]
    assert bounded[0] == pytest.approx(at[np.argmin(costs)], abs=2e-3)


def test_lengths_reach_from_a_page_to_a_season():
    assert LENGTHS[0] <= 10
    assert LENGTHS[-1] >= 90 * 86_400
