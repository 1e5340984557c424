"""A fitted model with rows for new users or items. Other pairs are rated as before, but for rounding (about 1e-7)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from reeltune.trainables.architectures import ensemble
from reeltune.trainables.folding.posterior import Match, Pairs, Side, rows_of
from reeltune.trainables.folding.prior import read
from reeltune.trainables.model import RatingModel


@dataclass(frozen=True, kw_only=True)
class Newcomers:
    """Ratings of ids of one side whose rows are to be found: indices, and ratings, each of shape (ratings,).

    `count` ids come behind those that the model knows. An owner may also be a known id: its row is found anew, around
    the prior's mean, or, if it is one of `expected`, around the row that it has.
    """

    side: Side
    count: int
    owners: Tensor
    partners: Tensor
    ratings: Tensor
    expected: Tensor | None = None  # known ids without a fitted rating, whose rows a side table may have shaped


class Folded(RatingModel):
    """`fresh` ids are rated by rows of their own, and pairs without one as `base` rates them."""

    users: Tensor
    items: Tensor
    fresh_users: Tensor  # shape (users,), booleans
    fresh_items: Tensor

    def __init__(
        self, base: RatingModel, *, users: Tensor, items: Tensor, fresh_users: Tensor, fresh_items: Tensor
    ) -> None:
        super().__init__(base.grid)
        self.base = base
        for name, tensor in {"users": users, "items": items}.items():
            self.register_buffer(name, tensor)
        self.register_buffer("fresh_users", fresh_users)
        self.register_buffer("fresh_items", fresh_items)
        self.eval()

    @property
    def timed(self) -> bool:
        return self.base.timed

    def forward(self, users: Tensor, items: Tensor, times: Tensor | None = None) -> Tensor:
        """As the base's. The time of a pair with a fresh id has no part in its rating."""
        fresh = self.fresh_users[users] | self.fresh_items[items]
        if torch.compiler.is_compiling():
            return self._traced(fresh, users, items, times)
        if not fresh.any():
            return self.base(*self.base.inputs(users, items, times))
        output = self.rate_rows(self.users[users], self.items[items])
        old = ~fresh
        if old.any():
            output[old] = self.base(*self.base.inputs(users[old], items[old], None if times is None else times[old]))
        return output

    def _traced(self, fresh: Tensor, users: Tensor, items: Tensor, times: Tensor | None) -> Tensor:
        """As `forward`, for `torch.export`, which takes one way for all pairs: each is rated both ways."""
        new = self.rate_rows(self.users[users], self.items[items])
        old = self.base(*self.base.inputs(users.where(~fresh, 0), items.where(~fresh, 0), times))
        return torch.where(fresh if new.dim() == 1 else fresh[:, None], new, old)

    def id_rows(self) -> tuple[Tensor, Tensor]:
        return self.users, self.items

    def rate_rows(self, users: Tensor, items: Tensor) -> Tensor:
        return self.base.rate_rows(users, items)

    def item_vectors(self) -> Tensor | None:
        """The base's. Of fresh items columns of their rows, where the base's vectors are such; else they have NaN."""
        vectors, tables = self.base.item_vectors(), self.base.id_rows()
        if vectors is None or tables is None:
            return None
        columns = tables[1][:, : vectors.shape[1]]
        if columns.shape == vectors.shape and torch.allclose(columns, vectors.to(columns.dtype)):
            return self.items[:, : vectors.shape[1]]
        found = vectors.new_full((len(self.items), vectors.shape[1]), torch.nan)
        found[: len(vectors)] = vectors.detach()
        found[self.fresh_items] = torch.nan
        return found


def folded(model: RatingModel, priors: dict[str, Tensor], newcomers: Newcomers) -> RatingModel:
    """The served `model` with the rows of newcomers: means of posteriors, and without a rating the prior's mean.

    `priors` are those of `learnt`, of an ensemble's fits below their keys. An ensemble folds fit by fit.
    """
    if isinstance(model, ensemble.Model):
        return model.changed(lambda key, fit: folded(fit, ensemble.below(key, priors), newcomers))
    return _folded(model, priors, newcomers)


@torch.no_grad()
def _folded(model: RatingModel, priors: dict[str, Tensor], newcomers: Newcomers) -> Folded:
    tables = model.id_rows()
    assert tables is not None, "a model with priors names its rows"
    users, items = tables
    of_users = newcomers.side == "users"
    own, partners = (users, items) if of_users else (items, users)
    prior = read(newcomers.side, priors)
    own = torch.cat([own, prior.mean.expand(newcomers.count, -1)])
    asked, owners = newcomers.owners.unique(return_inverse=True)
    match = Match(model=model, side=newcomers.side, partners=partners)
    means = prior.mean.repeat(len(asked), 1)
    if newcomers.expected is not None:
        unrated = torch.isin(asked, newcomers.expected)
        means[unrated] = own[asked[unrated]]
    pairs = Pairs.of(owners, newcomers.partners, newcomers.ratings, len(asked))
    for group, given in pairs.in_turns(own.shape[1]):
        own[asked[group]] = rows_of(match, given, prior, means[group])
    return _with(model, newcomers.side, own, partners, asked, newcomers.count)


def _with(model: RatingModel, side: Side, own: Tensor, partners: Tensor, asked: Tensor, count: int) -> Folded:
    """The model with these rows of one side, of which those of `asked` and the last `count` are fresh."""
    fresh = torch.zeros(len(own), dtype=torch.bool)
    fresh[asked] = True
    fresh[len(own) - count :] = True
    other = torch.zeros(len(partners), dtype=torch.bool)
    if isinstance(model, Folded):
        before = (model.fresh_users, model.fresh_items) if side == "users" else (model.fresh_items, model.fresh_users)
        fresh[: len(before[0])] |= before[0]
        other, model = before[1], model.base
    if side == "users":
        return Folded(model, users=own, items=partners, fresh_users=fresh, fresh_items=other)
    return Folded(model, users=partners, items=own, fresh_users=other, fresh_items=fresh)
