"""A linear layer on [user vector, item vector] of many pairs: what each id adds is computed once, not in each pair."""

import torch
from torch import Tensor, nn


def worth_it(users: Tensor, tables: tuple[Tensor, Tensor]) -> bool:
    """Whether there are more pairs than ids; `torch.export` takes one way for any number of pairs, the plain one."""
    return not torch.compiler.is_compiling() and len(users) >= len(tables[0]) + len(tables[1])


def paired(layer: nn.Linear, tables: tuple[Tensor, Tensor], users: Tensor, items: Tensor) -> Tensor:
    """W [u, i] + b, shape (batch, width), of the rows u and i of `tables` at indices of shape (batch,)."""
    of_users, of_items = tables
    by_user, by_item = layer.weight.split([of_users.shape[1], of_items.shape[1]], 1)
    added = of_users @ by_user.T if layer.bias is None else torch.addmm(layer.bias, of_users, by_user.T)
    return added.index_select(0, users).add_((of_items @ by_item.T).index_select(0, items))
