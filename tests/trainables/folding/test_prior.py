import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

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
        given = posterior.Pairs.of(torch.zeros_like(items), items, ratings, 1).given(torch.tensor([0]))
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
    pairs = posterior.Pairs.of(rows.users[kept], rows.items[kept], rows.ratings[kept], IDS)
    solved = []
    for numbers in (1, 1000, 1 << 21):
        monkeypatch.setattr(posterior, "NUMBERS", numbers)
        groups = list(pairs.in_turns(WIDTH))
        assert sorted(torch.cat([group for group, _ in groups]).tolist()) == list(range(IDS))
        table = torch.empty(IDS, WIDTH)
        for group, given in groups:
            table[group] = posterior.rows_of(match, given, found, mean.expand(len(group), -1))
        solved.append(table)
    torch.testing.assert_close(solved[0], solved[2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(solved[1], solved[2], rtol=1e-4, atol=1e-4)


def test_a_group_has_the_ratings_of_its_ids_in_their_order_and_a_place_for_the_most_of_one():
    owners, partners = torch.tensor([2, 0, 2, 3, 0, 2]), torch.tensor([7, 3, 8, 5, 4, 9])
    pairs = posterior.Pairs.of(owners, partners, partners / 2, 4)
    given = pairs.given(torch.tensor([0, 1, 3]))
    assert given.partners.tolist() == [[3, 4], [0, 0], [5, 0]]
    assert given.ratings.tolist() == [[1.5, 2], [0, 0], [2.5, 0]]
    assert given.mask.tolist() == [[1, 1], [0, 0], [1, 0]]


class Counted(TorchDispatchMode):
    """How many numbers PyTorch's operations write."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        self.numbers += sum(each.numel() for each in pytree.tree_leaves(found) if isinstance(each, torch.Tensor))
        return found


def test_the_work_of_going_through_groups_grows_as_the_ratings_do(monkeypatch):
    monkeypatch.setattr(posterior, "NUMBERS", 1000)
    numbers = []
    for ids in (500, 5000):
        owners = torch.arange(ids).repeat(4)
        with Counted() as counted:
            groups = list(posterior.Pairs.of(owners, owners, owners / 2, ids).in_turns(WIDTH))
        assert len(groups) > ids // 1000
        numbers.append(counted.numbers)
    assert numbers[1] < 15 * numbers[0]


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
