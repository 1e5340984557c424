"""A linear layer on [user vector, item vector] of many pairs: what each id adds is computed once, not in each pair."""

import torch
from torch import Tensor, nn

from reeltune.trainables.model import RatingModel


def worth_it(model: RatingModel, shipped: type[RatingModel], users: Tensor, tables: tuple[Tensor, Tensor]) -> bool:
    """Whether to rate these pairs by `paired`, in evaluation: there are as many pairs as ids, or more.

    Only for a model of the class `shipped` itself: one that derives from it may have other layers or its own
    `rate_rows`, which rate pair by pair. `torch.export` takes one way for any number of pairs, the plain one.
    """
    if model.training or type(model) is not shipped or torch.compiler.is_compiling():
        return False
    return len(users) >= len(tables[0]) + len(tables[1])


def paired(layer: nn.Linear, tables: tuple[Tensor, Tensor], users: Tensor, items: Tensor) -> Tensor:
    """W [u, i] + b, shape (batch, width), of the rows u and i of `tables` at indices of shape (batch,)."""
    of_users, of_items = tables
    by_user, by_item = layer.weight.split([of_users.shape[1], of_items.shape[1]], 1)
    added = of_users @ by_user.T if layer.bias is None else torch.addmm(layer.bias, of_users, by_user.T)
    return added.index_select(0, users).add_((of_items @ by_item.T).index_select(0, items))
