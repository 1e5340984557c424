"""How well the pairs of a large batch match, p·q + b_p + b_q, without their vectors being written out.

Those of a batch would be written and read several times. Here the vectors of a few pairs at a time stay in the cache,
and gradients are products of tables, which have fewer rows than the batch has pairs.

Pair r of user u and item i has the vectors of `trunk.py` less what the pair itself adds to them. M is dropout's mask:

    p = M_u (P_u - s_u Y_i)        q = Q_i - t_i X_u        where s_u = n_u^-a and t_i = n_i^-a

Let G hold the gradient g_r of each pair's match at (u, i), and h = G t. Then the gradients are:

    of U: M (G Q - h X)            and what X loses by the pairs: M (h P - s G(t Y))
    of I: Gᵀ(M P) - Y Gᵀ(s M)      and what Y loses by the pairs: Q Gᵀ(s M) - t Gᵀ(s M X)

The last column of a vector is a bias, which nothing multiplies: its gradients are sums of g.
"""

import torch
from torch import Tensor

from reeltune.trainables.architectures.parts.dropout import masks
from reeltune.trainables.architectures.parts.implicit import pieces
from reeltune.trainables.architectures.parts.sparse import Bags


class Matches(torch.autograd.Function):
    """The matches of pairs, shape (batch,), of the table of a trunk.

    `mask` has shape (users, factors + 1), with 1 in the last column; None where nothing is dropped.
    """

    @staticmethod
    def forward(ctx, table, users, items, mask, trunk):  # type: ignore[no-untyped-def]
        own_users, own_items, implicit_items, implicit_users, user_sides, item_sides = trunk.parts(table.detach())
        p = trunk.user_half.of_all(own_users, implicit_items, user_sides)
        q = trunk.item_half.of_all(own_items, implicit_users, item_sides)
        scale, of_items = trunk.user_half.scale, trunk.item_half.scale
        if mask is not None:
            p, scale = p.mul_(mask), scale * mask
        by_user = Bags.of(users, torch.arange(len(users)), len(p))
        order = by_user.columns.long()  # in which a user's vector is read once, and then found in the cache
        users, items = users.index_select(0, order), items.index_select(0, order)
        sorted_matches = p.new_empty(len(users))
        for piece in pieces(sorted_matches):
            user, item = users[piece], items[piece]
            left = p.index_select(0, user)
            left.addcmul_(scale.index_select(0, user), implicit_items.index_select(0, item), value=-1)
            right = q.index_select(0, item)
            right.addcmul_(of_items.index_select(0, item), implicit_users.index_select(0, user), value=-1)
            sorted_matches[piece] = _matched(left, right)
        ctx.save_for_backward(p, q, scale, mask, order, users, items, by_user.offsets)
        ctx.trunk = trunk
        return torch.empty_like(sorted_matches).index_copy_(0, order, sorted_matches)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        p, q, scale, mask, order, users, items, ends = ctx.saved_tensors
        trunk = ctx.trunk
        s, t = trunk.user_half.scale, trunk.item_half.scale
        _, _, implicit_items, implicit_users, _, _ = trunk.parts(trunk.table.detach())
        gradient = gradient.index_select(0, order)
        by_user = Bags(offsets=ends, columns=items.int(), weights=gradient)
        by_item = Bags.of(items, users, len(q), gradient)
        into = torch.empty_like(trunk.table)
        own_users, own_items, of_implicit_items, of_implicit_users, user_sides, item_sides = trunk.parts(into)

        h = _sums(len(p), users, gradient * t[:, 0].index_select(0, items))
        torch.addcmul(by_user.times(q), h[:, None], implicit_users, value=-1, out=own_users)
        users_lose = by_user.times(implicit_items * t).mul_(s)
        if mask is not None:
            own_users.mul_(mask)
            users_lose.mul_(mask)
        torch.addcmul(users_lose.neg_(), h[:, None], p, out=users_lose)
        own_users[:, -1], users_lose[:, -1] = _sums(len(p), users, gradient), h

        of_scale = by_item.times(scale)
        torch.addcmul(by_item.times(p), of_scale, implicit_items, value=-1, out=own_items)
        items_lose = by_item.times(implicit_users * scale).mul_(t)
        torch.addcmul(items_lose.neg_(), of_scale, q, out=items_lose)
        own_items[:, -1] = _sums(len(q), items, gradient)
        items_lose[:, -1] = _sums(len(q), items, gradient * s[:, 0].index_select(0, users))

        trunk.user_half.gradients_of_all((own_users, of_implicit_items, user_sides), items_lose)
        trunk.item_half.gradients_of_all((own_items, of_implicit_users, item_sides), users_lose)
        return into, None, None, None, None


class TableMatches(torch.autograd.Function):
    """The matches of pairs, shape (batch,), of a table of users and one of items, with nothing of a pair to take out.

    Of each user's vector, but not of the bias, a `share` is dropped.
    """

    @staticmethod
    def forward(ctx, of_users, of_items, users, items, share):  # type: ignore[no-untyped-def]
        by_user = Bags.of(users, torch.arange(len(users)), len(of_users))
        order, sizes = by_user.columns.long(), by_user.sizes
        present = sizes.nonzero()[:, 0]
        rows = torch.arange(len(present)).repeat_interleave(sizes.index_select(0, present))
        items = items.index_select(0, order)
        p, mask = of_users.index_select(0, present), None
        if share:
            mask = masks(len(p), p.shape[1], share)
            p.mul_(mask)
        sorted_matches = p.new_empty(len(users))
        for piece in pieces(sorted_matches):
            left, right = p.index_select(0, rows[piece]), of_items.index_select(0, items[piece])
            sorted_matches[piece] = _matched(left, right)
        ends = by_user.offsets.index_select(0, torch.cat([present, torch.tensor([len(of_users)])]))
        ctx.save_for_backward(of_items, p, mask, order, present, rows, items, ends)
        ctx.users = len(of_users)
        return torch.empty_like(sorted_matches).index_copy_(0, order, sorted_matches)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        of_items, p, mask, order, present, rows, items, ends = ctx.saved_tensors
        gradient = gradient.index_select(0, order)
        to_users = Bags(offsets=ends, columns=items.int(), weights=gradient).times(of_items)
        if mask is not None:
            to_users.mul_(mask)
        to_users[:, -1] = _sums(len(p), rows, gradient)
        to_items = Bags.of(items, rows, len(of_items), gradient).times(p)
        to_items[:, -1] = _sums(len(of_items), items, gradient)
        whole = to_users.new_zeros(ctx.users, to_users.shape[1]).index_copy_(0, present, to_users)
        return whole, to_items, None, None, None


def _matched(left: Tensor, right: Tensor) -> Tensor:
    """p·q + b_p + b_q of vectors of shape (batch, factors + 1), shape (batch,). The first ones are written over."""
    biases = left[:, -1], right[:, -1]  # whose product is in the sum below, and not in the match
    of_biases = torch.addcmul(biases[0] + biases[1], *biases, value=-1)
    return left.mul_(right).sum(1).add_(of_biases)


def _sums(count: int, ids: Tensor, values: Tensor) -> Tensor:
    """The sum of each id's values, shape (count,)."""
    return values.new_zeros(count).index_add_(0, ids, values)
