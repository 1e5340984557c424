import pytest
import torch

from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.folding import posterior, prior
from reeltune.trainables.model import RatingModel
from tests.worlds import STARS

IDS, WIDTH, NOISE = 400, 3, 0.5


class Linear(RatingModel):
    """rating = u·i of rows that are given; those of users are shrunk, as a fit's are."""

    def __init__(self, users, items):
        super().__init__()
        self.users, self.items = users, items

    def id_rows(self):
        return self.users, self.items

    def rate_rows(self, users, items):
        return (users * items).sum(1)


@pytest.fixture
def drawn():
    """A model whose users' rows are drawn from a known prior, ratings of them with noise, and that prior."""
    draw = torch.Generator().manual_seed(0)
    root = torch.tensor([[1.0, 0, 0], [0.5, 0.7, 0], [0, 0, 0.3]])
    mean = torch.tensor([1.0, -1.0, 0.5])
    rows = mean + torch.randn(IDS, WIDTH, generator=draw) @ root.T
    items = torch.randn(50, WIDTH, generator=draw)
    users, rated = torch.arange(IDS).repeat_interleave(12), torch.randint(0, 50, (12 * IDS,), generator=draw)
    ratings = (rows[users] * items[rated]).sum(1) + NOISE**0.5 * torch.randn(12 * IDS, generator=draw)
    shrunk = mean + 0.4 * (rows - mean)
    return Linear(shrunk, items), Tensors(users=users, items=rated, ratings=ratings), mean, root @ root.T


def test_the_prior_that_rows_came_from_is_found_though_the_fitted_rows_are_shrunk(drawn):
    model, rows, mean, covariance = drawn
    found = prior.read("users", prior.learnt(model, rows, seed=1))
    torch.testing.assert_close(found.mean, mean, rtol=0, atol=0.15)
    torch.testing.assert_close(found.root @ found.root.T, covariance, rtol=0, atol=0.2)
    assert float(found.noise) == pytest.approx(NOISE, rel=0.25)


def test_a_linear_match_has_the_textbooks_posterior(drawn):
    """Rasmussen & Williams 2006, 2.1: v = m + (X'X / s² + C^-1)^-1 X'(r - X m) / s²."""
    model, _, mean, covariance = drawn
    found = posterior.Prior(mean=mean, root=torch.linalg.cholesky(covariance), noise=torch.tensor(NOISE))
    match = posterior.Match(model=model, side="users", partners=model.items)
    for count in (1, 2, 3, 7):
        items, ratings = torch.arange(count), torch.linspace(-2, 2, count)
        given = posterior.Given.of(torch.zeros_like(items), items, ratings, 1)
        rows = posterior.rows_of(match, given, found, mean[None])
        x = model.items[:count]
        system = x.T @ x / NOISE + torch.linalg.inv(covariance)
        expected = mean + torch.linalg.solve(system, x.T @ (ratings - x @ mean) / NOISE)
        torch.testing.assert_close(rows[0], expected, rtol=1e-3, atol=1e-3)


def test_ids_are_solved_alike_alone_and_in_groups(drawn, monkeypatch):
    model, rows, mean, covariance = drawn
    found = posterior.Prior(mean=mean, root=torch.linalg.cholesky(covariance), noise=torch.tensor(NOISE))
    match = posterior.Match(model=model, side="users", partners=model.items)
    kept = torch.rand(len(rows), generator=torch.Generator().manual_seed(1)) < 0.6
    owners, items, ratings = rows.users[kept], rows.items[kept], rows.ratings[kept]
    solved = []
    for numbers in (1, 1000, 1 << 21):
        monkeypatch.setattr(posterior, "NUMBERS", numbers)
        groups = list(posterior.in_turns(owners, IDS, WIDTH))
        assert sorted(torch.cat(groups).tolist()) == list(range(IDS))
        table = torch.empty(IDS, WIDTH)
        for group in groups:
            given = posterior.Given.of_some(group, owners, items, ratings)
            table[group] = posterior.rows_of(match, given, found, mean.expand(len(group), -1))
        solved.append(table)
    torch.testing.assert_close(solved[0], solved[2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(solved[1], solved[2], rtol=1e-4, atol=1e-4)


def test_a_model_that_does_not_name_its_rows_has_no_prior(drawn):
    _, rows, _, _ = drawn

    class Nameless(RatingModel):
        def __init__(self):
            super().__init__()
            self.shape = Shape(users=2, items=2, scale=STARS)

    assert prior.learnt(Nameless(), rows, seed=1) == {}


@pytest.mark.filterwarnings("error")
def test_of_one_user_alone_there_is_no_prior(drawn):
    """One row has no spread."""
    model, rows, _, _ = drawn
    assert prior.learnt(model, rows.take(torch.arange(12)), seed=1) == {}
