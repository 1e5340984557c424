"""A fit whose users are sharded: a worker has the rows and the vectors of its own users alone, and all items.

The loss is a sum over rows divided by the rows of the whole batch, which all workers know. So a worker's gradient of
its users is complete as it is, and that of all other parameters is summed over workers: messages of items x width,
whose size does not grow with the users. The optimiser's state of a user is where the user is.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from reeltune.trainables.adamw import MOMENTS
from reeltune.trainables.architectures.parts.over_workers import Summing
from reeltune.trainables.architectures.source import file_of
from reeltune.trainables.config import FitConfig, Shard
from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors, on_device
from reeltune.trainables.errors import FitFailed
from reeltune.trainables.fitting.blocks import blocks_breach, blocks_of, copy_shared, of_users
from reeltune.trainables.fitting.buckets import Buckets, Order, Turns
from reeltune.trainables.fitting.dealt import Dealt
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.seeds import mix
from reeltune.trainables.model import Architecture, Everyone, RatingModel, filled
from reeltune.trainables.scoring.metrics import Read, add_up, predict, predict_as

DRAWN = 4096  # users whose first vectors are drawn together


def why_not_sharded(architecture: Architecture, config: FitConfig) -> str | None:
    """Why this cannot be fitted with its users sharded; None if it can."""
    model = architecture.Model
    if file_of(architecture) is not None:
        if model.user_blocks is RatingModel.user_blocks:
            return "does not say which rows are its users', in `user_blocks`"
        if model.finish is not RatingModel.finish:
            return "has a `finish`, which needs all rows on each worker"
    why: str | None = model.why_not_sharded(config)
    return why


def kind_of(shard: Shard | None) -> type[Fit]:
    """The kind of fit of which each worker has a part of this; None: each has all."""
    return Fit if shard is None else ShardedFit


@dataclass(frozen=True, kw_only=True)
class FittedRows(Tensors):
    """The rows of own users to fit on. Their mean rating is that of all workers' rows, who ask for it together."""

    def mean_rating(self) -> Tensor:
        weights = torch.ones_like(self.ratings, dtype=torch.float64) if self.weights is None else self.weights
        total, often = add_up(torch.stack([(weights * self.ratings).sum(), weights.sum()]))
        return (total / often).to(self.ratings.dtype)


@dataclass(frozen=True, kw_only=True)
class OwnRows(Tensors):
    """The rows of own users, of rows to measure on: `places` among these, shape (rows,), of which there are `total`."""

    places: Tensor
    total: int


class ShardedFit(Fit):
    """As `Fit`, with batches, start and checkpoints that do not depend on the number of workers.

    What differs between numbers of workers is rounding, and which vectors are dropped. The model that a worker has is
    of its own users: its index 0 is 'unknown', and 1, 2, ... are its users in turn. Workers beyond the number of
    buckets would have no users.
    """

    def _own(self, rows: Rows | Dealt) -> Tensors:
        self.given = rows
        self.buckets = rows.buckets if isinstance(rows, Dealt) else Buckets.of(rows.users, self.shape.users)
        of_users = self.buckets.of_users
        self.own = np.flatnonzero((of_users >= 0) & (of_users % self.world == self.rank))
        if isinstance(rows, Dealt):
            kept = rows.of(self.buckets_here)
        else:
            kept = rows.take(np.flatnonzero(of_users[rows.users] % self.world == self.rank))
        self.numbers = kept.number
        of_rows = of_users[kept.users]
        self.held = {
            bucket: torch.from_numpy(np.flatnonzero(of_rows == bucket).astype(np.int32)) for bucket in self.buckets_here
        }
        indices = np.zeros(self.shape.users, dtype=np.int32)
        indices[self.own] = np.arange(1, len(self.own) + 1)
        here = on_device(replace(kept, users=indices[kept.users]), self.device, timed=self.config.timed)
        return FittedRows(**vars(here))

    @property
    def buckets_here(self) -> range:
        """Those of this worker."""
        return range(self.rank, len(self.buckets), self.world)

    def _new_model(self) -> RatingModel:
        """Users' vectors are drawn by the user's index, so that they do not depend on who else is here."""
        model = self._model_of(self.shape_here)
        self._check_blocks()
        torch.manual_seed(self.seed)
        copy_shared(self._model_of(replace(self.shape, users=1)), model)
        own = of_users(model)
        for start in range(0, self.shape.users, DRAWN):
            torch.manual_seed(mix(self.seed, start))
            some = replace(self.shape, users=DRAWN, items=1, user_features=None, item_features=None)
            first, end = np.searchsorted(self.own, [start, start + DRAWN])
            for name, drawn in of_users(self._model_of(some)).items():
                own[name][first + 1 : end + 1] = drawn[self.own[first:end] - start]
        everyone = Everyone(
            rows=lambda: self._all_rows().wide(),
            users=self.shape.users,
            own=torch.from_numpy(self._indices).to(self.device),
        )
        model.shard(everyone)
        return model

    def _check_blocks(self) -> None:
        """Raise FitFailed if an own architecture names other rows than its users'. Seen alike on all workers."""
        file = file_of(self.architecture)
        if file is None:
            return
        few = replace(self.shape, items=2, user_features=None, item_features=None)
        wrong = blocks_breach(*(self._model_of(replace(few, users=users)) for users in (1, 2)))
        if wrong is not None:
            raise FitFailed(f"{file}: breaks the contract: {wrong}")

    @property
    def _indices(self) -> np.ndarray:
        """Of the model's users."""
        return np.append(0, self.own)

    @cached_property
    def shape_here(self) -> Shape:
        """Of own users, and 'unknown'."""
        features = self.shape.user_features
        own = None if features is None else features.take(self._indices)
        return replace(self.shape, users=len(self._indices), user_features=own)

    def _all_rows(self) -> Tensors:
        if not isinstance(self.given, Rows):
            raise FitFailed("the model looks at the rows of all users, which no worker has where they are in files")
        return on_device(self.given, self.device, timed=False)

    def _model_of(self, shape: Shape) -> RatingModel:
        model: RatingModel = self.architecture.Model(self.config, shape)
        return model.to(self.device)

    def _parallel(self) -> nn.Module:
        return self.model

    @cached_property
    def turns(self) -> Turns:
        return Turns.of(self.buckets, steps=self.steps_per_epoch, batch_size=self.batch_size)

    @property
    def averaged(self) -> int:
        """Gradients are summed."""
        return 1

    def _batch(self, epoch: int, number: int) -> Tensors:
        if self._in_turn is None or self._in_turn[0] != epoch:
            self._in_turn = epoch, Order.of(self.held, self.turns, seed=self.seed, epoch=epoch)
        torch.manual_seed(mix(self.seed, self.step, self.rank))  # dropout
        return self.rows.take(self._in_turn[1].of_step(number).to(self.device)).wide()

    _in_turn: tuple[int, Order] | None = None  # an epoch's, and which epoch it is

    def _forget_order(self) -> None:
        self._in_turn = None

    def _loss(self, output: Tensor, batch: Tensors, number: int) -> Tensor:
        if not len(batch):  # the mean over no rows is no number
            return output.sum() * 0
        return self._mean_loss(output, batch) * (len(batch) / self.turns.rows(number))

    def _sum_gradients(self) -> None:
        blocks = blocks_of(self.model)
        shared = []
        for name, parameter in self.model.named_parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if name not in self.model.summed:
                shared += blocks[name].shared(parameter.grad) if name in blocks else [parameter.grad]
        for message in [Summing(gradient) for gradient in shared]:
            message.wait()

    @torch.no_grad()
    def settle(self) -> None:
        of_users, of_items = self.model.tables()
        rated = torch.bincount(self.rows.users, minlength=len(self.own) + 1) > 0
        for table in of_users:
            total = torch.cat([table[rated].double().sum(0).reshape(-1), rated.sum()[None].double()])
            add_up(total)
            table[~rated] = (total[:-1] / total[-1]).to(table.dtype).reshape(table[0].shape)
        for table in of_items:
            table.copy_(filled(table, self._item_counts, rare=self.shape.rare_items))

    @cached_property
    def _item_counts(self) -> Tensor:
        return add_up(self.rows.counts(self.rows.items, self.shape.items))

    def served(self) -> RatingModel:
        return self.model.served()

    def share(self, rows: Tensors) -> Tensors:
        """The rows of own users; of an unknown user, those that it is this worker's turn to take."""
        return self._local(rows.take(self._mine(rows)))

    def held_out(self, rows: Rows | Dealt) -> Tensors:
        """Of rows in files those of own users."""
        if isinstance(rows, Rows):
            return super().held_out(rows)
        own = rows.of(self.buckets_here)
        columns = on_device(own, self.device, timed=False)
        return OwnRows(
            users=columns.users,
            items=columns.items,
            ratings=columns.ratings,
            places=torch.from_numpy(own.number.astype(np.int64)).to(self.device),
            total=len(rows),
        )

    def for_calibration(self, rows: Tensors, most: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Each worker gives what its own rows have, and the sum is that of all."""
        if not isinstance(rows, OwnRows):
            return super().for_calibration(rows, most)
        every, grid = max(1, rows.total // most), self.model.grid
        mine = (rows.places % every == 0).nonzero()[:, 0]
        own, places = self._local(rows.take(mine)), rows.places[mine] // every
        count = -(-rows.total // every)
        output = torch.zeros(count, *([] if grid is None else [len(grid)]), device=self.device)
        ratings = torch.zeros(count, device=self.device)
        served = self.served()
        if len(mine):
            output[places], ratings[places] = predict(served, own.users, own.items), own.ratings
        return add_up(output), add_up(ratings), None

    def read(self, rows: Tensors, read: Read) -> Tensor:
        """Each worker reads the rows of its own users, and the sum is that of all."""
        served, mine = self.served(), self._mine(rows)
        own = self._local(rows.take(mine))
        found = predict_as(served, own.users, own.items, own.times, read)
        total = found.new_zeros(len(rows), *found.shape[1:])
        total[mine] = found
        return add_up(total)

    def _mine(self, rows: Tensors) -> Tensor:
        """The places of the rows that this worker rates."""
        bucket = self._of_users[rows.users.long()]
        turn = torch.where(bucket >= 0, bucket, torch.arange(len(rows), device=self.device))
        return (turn % self.world == self.rank).nonzero()[:, 0]

    def _local(self, rows: Tensors) -> Tensors:
        """The rows with the model's indices of their users."""
        own = torch.from_numpy(self.own).to(self.device)
        users = rows.users.long()
        return replace(rows, users=torch.where(self._of_users[users] >= 0, torch.searchsorted(own, users) + 1, 0))

    @cached_property
    def _of_users(self) -> Tensor:
        return torch.from_numpy(self.buckets.of_users).to(self.device)

    @torch.no_grad()
    def whole(self) -> tuple[RatingModel, Tensors]:
        """As it is served, put together on the first worker, a bucket at a time. Of rows in files its own alone."""
        served = self.served()
        own = of_users(served)
        if self.rank > 0:
            for bucket in self.buckets_here:
                for table in own.values():
                    dist.send(table[self._places(bucket)], 0)
            return served, self.rows
        whole = self.architecture.Model.serving(self.config, self.shape, served.state_dict()).to(self.device)
        copy_shared(served, whole)
        everyone = of_users(whole)
        for name, table in own.items():
            everyone[name][0] = table[0]
        for bucket in range(len(self.buckets)):
            users = torch.from_numpy(self.buckets.users(bucket)).to(self.device)
            for name, table in own.items():
                everyone[name][users] = self._received(bucket, table, len(users))
        return whole, self.rows if isinstance(self.given, Dealt) else self._all_rows()

    def _received(self, bucket: int, table: Tensor, users: int) -> Tensor:
        """On the first worker: the rows of a bucket's users in its owner's table."""
        owner = bucket % self.world
        if owner == 0:
            return table[self._places(bucket)]
        rows = table.new_empty(users, *table.shape[1:])
        dist.recv(rows, owner)
        return rows

    def _places(self, bucket: int) -> Tensor:
        """Where an own bucket's users are in the tables."""
        return torch.from_numpy(np.searchsorted(self.own, self.buckets.users(bucket)) + 1).to(self.device)

    def state(self) -> dict[str, Any]:
        """What `load_state` needs on any number of workers. Called on all of them; each has its `buckets` in it."""
        assert self.optimizer is not None
        blocks, optimizer, names = blocks_of(self.model), self.optimizer.state_dict(), self._names()

        def shared(name: str, tensor: Tensor) -> Tensor:
            return torch.cat(blocks[name].shared(tensor)) if name in blocks else tensor

        own = self._of_own_users()
        return {
            "step": self.step,
            "loss_sum": add_up(self.loss_sum.clone()),
            "model": {name: shared(name, tensor) for name, tensor in self.model.state_dict().items()},
            "optimizer": {
                **optimizer,
                "state": {
                    number: {key: shared(names[number], part) if key in MOMENTS else part for key, part in each.items()}
                    for number, each in optimizer["state"].items()
                },
            },
            "buckets": {
                bucket: {name: table[self._places(bucket)] for name, table in own.items()}
                for bucket in self.buckets_here
            },
        }

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state, in which are this worker's buckets at least. Called on all workers."""
        assert self.optimizer is not None
        self.step = state["step"]
        self.loss_sum = state["loss_sum"].to(self.device) * (self.rank == 0)
        now, names, optimizer = self.model.state_dict(), self._names(), state["optimizer"]
        self.model.load_state_dict({name: self._with(now[name], name, part) for name, part in state["model"].items()})
        moments = {
            number: {
                key: self._with(now[names[number]], names[number], part) if key in MOMENTS else part
                for key, part in each.items()
            }
            for number, each in optimizer["state"].items()
        }
        self.optimizer.load_state_dict({**optimizer, "state": moments})
        tables = self._of_own_users()
        for bucket in self.buckets_here:
            for name, rows in state["buckets"][bucket].items():
                tables[name][self._places(bucket)] = rows.to(self.device)
        if self.step == self.steps:  # no step follows that does so, and the row of unknown users is in no bucket
            self.settle()

    def _with(self, like: Tensor, name: str, shared: Tensor) -> Tensor:
        """A tensor with these shared rows, and with zeros for its users."""
        blocks = blocks_of(self.model)
        if name not in blocks:
            return shared
        tensor = torch.zeros_like(like)
        parts = blocks[name].shared(tensor)
        for part, rows in zip(parts, shared.split([len(part) for part in parts]), strict=True):
            part.copy_(rows)
        return tensor

    def _names(self) -> list[str]:
        """Of parameters, by their number in the optimiser's state."""
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        groups = self.optimizer.param_groups if self.optimizer else []
        return [names[parameter] for group in groups for parameter in group["params"]]

    def _of_own_users(self) -> dict[str, Tensor]:
        """All that has a row for each own user: parts of parameters, and of their moments in the optimiser's state."""
        moments = self.optimizer.state_dict()["state"] if self.optimizer else {}
        found = of_users(self.model)
        for number, name in enumerate(self._names()):
            if number in moments and name in blocks_of(self.model):
                for moment in MOMENTS:
                    found |= blocks_of(self.model)[name].named(f"{name}.{moment}", moments[number][moment])
        return found
