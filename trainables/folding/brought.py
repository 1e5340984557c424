"""The rows that priors are learnt from, where each worker has files of its own: brought to the first worker."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from reeltune.trainables.data.tensors import Tensors
from reeltune.trainables.fitting.dealt import Dealt
from reeltune.trainables.fitting.sharded import ShardedFit
from reeltune.trainables.folding.prior import among, can_be_learnt, learnt, looked_at, some_of_each
from reeltune.trainables.model import RatingModel
from reeltune.trainables.scoring.metrics import add_up

MOST = 1 << 23  # rows of ids that are looked at: of more, each worker brings some of each id alone


@dataclass(frozen=True, kw_only=True)
class Brought:
    """What priors are learnt from: the rows of some ids, and how many each user and item has; or all rows, or none."""

    rows: Tensors | None = None
    counts: tuple[Tensor, Tensor] | None = None

    def priors(self, model: RatingModel, *, seed: int) -> dict[str, Tensor]:
        return {} if self.rows is None else learnt(model, self.rows, seed=seed, counts=self.counts)


@torch.no_grad()
def brought(fit: ShardedFit) -> Brought:
    """Called on all workers, which have rows in files; of use on the first."""
    assert isinstance(fit.given, Dealt), "else the first worker has all rows"
    tables = fit.served().id_rows()
    if tables is None:
        return Brought()
    users, items = fit.rows.users, fit.rows.items  # users by the numbers that they have on this worker
    whose = torch.from_numpy(np.append(0, fit.own)).to(fit.device)
    of_users = torch.zeros(fit.shape.users, dtype=torch.int64, device=fit.device)
    of_users.index_add_(0, whose, torch.bincount(users, minlength=len(whose)))
    counts = add_up(of_users), add_up(torch.bincount(items, minlength=fit.shape.items))
    widths = tables[0].shape[1], tables[1].shape[1]
    if not can_be_learnt(widths, counts):
        return Brought()
    mine = torch.zeros(len(fit.rows), dtype=torch.bool, device=fit.device)
    for ids, of_ids, width, own in zip((users, items), counts, widths, (whose, None), strict=True):
        looked = looked_at(of_ids, width, torch.Generator().manual_seed(fit.seed))
        here = looked if own is None else torch.isin(own, looked).nonzero()[:, 0]
        if int(of_ids[looked].sum()) <= MOST:
            mine |= among(ids, here)
        else:
            mine[some_of_each(ids, here, torch.Generator().manual_seed(fit.seed))] = True
    return Brought(rows=_on_first(fit, whose, mine.nonzero()[:, 0]), counts=counts)


def _on_first(fit: ShardedFit, whose: Tensor, mine: Tensor) -> Tensors:
    """On the first worker: these rows of all workers, in the order of the split. `whose` are the users' own indices."""
    chosen = fit.rows.take(mine)
    number = torch.from_numpy(fit.numbers[mine.cpu().numpy()].astype(np.int64)).to(fit.device)
    columns = [number, whose[chosen.users.long()].int(), chosen.items, chosen.ratings]
    parts = [columns]
    if fit.world > 1:
        sizes = torch.zeros(fit.world, dtype=torch.int64, device=fit.device)
        sizes[fit.rank] = len(mine)
        for other, size in list(enumerate(add_up(sizes).tolist()))[1:]:
            if fit.rank == 0:
                parts.append(_received(columns, size, other))
            elif fit.rank == other:
                for column in columns:
                    dist.send(column, 0)
    number, users, items, ratings = (torch.cat(each) for each in zip(*parts, strict=True))
    order = torch.argsort(number)
    return Tensors(users=users[order], items=items[order], ratings=ratings[order])


def _received(like: list[Tensor], size: int, other: int) -> list[Tensor]:
    found = [column.new_empty(size) for column in like]
    for column in found:
        dist.recv(column, other)
    return found
