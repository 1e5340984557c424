"""What is summed over workers where users are sharded.

Of the vectors of `trunk.py` a worker has the rows of A, U and X of its own users alone.

    P = U + n_u^-a (A Y) + S_u C_u        Q = I + n_i^-a (Aᵀ X) + S_i C_i

P is of what a worker has. Aᵀ X is a sum over workers, each of which has its users' part. Backward, dI is summed, which
dX = A (n_i^-a dI) needs, and then dY and dC_u. So a step sends three tables of items x width, each while a product of
A is computed. The codes of `autorec` are such a sum too: see `summed_product`.
"""

import torch
import torch.distributed as dist
from torch import Tensor

from reeltune.trainables.architectures.parts.implicit import Half, sum_by_id
from reeltune.trainables.architectures.parts.sparse import Bags
from reeltune.trainables.model import filled
from reeltune.trainables.scoring.metrics import add_up


class Summing:
    """Sums a tensor over all workers in place, while other work is done until `wait`."""

    def __init__(self, total: Tensor) -> None:
        several = dist.is_initialized() and dist.get_world_size() > 1 and total.numel() > 0
        self.work = dist.all_reduce(total, async_op=True) if several else None

    def wait(self) -> None:
        if self.work is not None:
            self.work.wait()


def summed_product(bags: Bags, transpose: Bags, table: Tensor) -> Tensor:
    """`product` of a table of own users, summed over workers: each has the columns of its users, and a part of the sum.

    The gradient of the table is whole on each worker.
    """
    return _SummedProduct.apply(table, bags, transpose)


class _SummedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, table, bags, transpose):  # type: ignore[no-untyped-def]
        ctx.transpose = transpose
        return add_up(bags.times(table))

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        # A copy: the gradient given belongs to autograd, and each worker's own part of it is summed elsewhere too.
        return ctx.transpose.times(add_up(gradient.clone(memory_format=torch.contiguous_format))), None, None


def sharded_tables(of_users: Half, of_items: Half, parts: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """P of this worker's users and Q of all items, as `Trunk.folded` has them."""
    users, items, implicit_items, implicit_users, user_sides, item_sides = parts
    summed = of_items.partners_of.times(implicit_users)
    message = Summing(summed)
    p = of_users.partners_of.times(implicit_items).mul_(of_users.scale).add_(users)
    rated = of_users.scale > 0
    total = torch.cat([(p * rated).double().sum(0), rated.double().sum(0)])
    add_up(total)
    p = p.where(rated, (total[:-1] / total[-1]).to(p.dtype))
    message.wait()
    q = filled(summed.mul_(of_items.scale).add_(items), of_items.counts, rare=of_items.rare)
    if of_users.features is not None:
        p = p.add_(of_users.features[0].times(user_sides))
    if of_items.features is not None:
        q = q.add_(of_items.features[0].times(item_sides))
    return p, q


class ShardedVectors(torch.autograd.Function):
    """The vectors of a batch of pairs of own users. The gradient of all but U and X is the sum over workers."""

    @staticmethod
    def forward(ctx, table, users, items, trunk):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(users, items)
        ctx.trunk = trunk
        own_users, own_items, implicit_items, implicit_users, user_sides, item_sides = trunk.parts(table.detach())
        half = trunk.item_half
        summed = half.partners_of.times(implicit_users)
        message = Summing(summed)
        p = trunk.user_half.vectors(own_users, implicit_items, user_sides, users, users, items)
        message.wait()
        known = summed.mul_(half.scale).add_(own_items)
        return p, half.without_pairs(known, items, implicit_users, item_sides, items, items, users)

    @staticmethod
    def backward(ctx, grad_users, grad_items):  # type: ignore[no-untyped-def]
        users, items = ctx.saved_tensors
        trunk = ctx.trunk
        gradient = torch.empty_like(trunk.table)
        own_users, own_items, implicit_items, implicit_users, user_sides, item_sides = trunk.parts(gradient)
        sum_by_id(own_items, grad_items, items)
        of_own = Summing(own_items)
        trunk.user_half.gradients((own_users, implicit_items, user_sides), grad_users, users, users, items)
        of_own.wait()
        of_others = Summing(implicit_items), Summing(user_sides)
        into = own_items, implicit_users, item_sides
        trunk.item_half.gradients_of_others(into, grad_items, items, items, users, whole=True)
        for message in of_others:
            message.wait()
        return gradient, None, None, None
