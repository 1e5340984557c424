"""A fit whose users are sharded: a worker has the rows and the vectors of its own users alone, and all items.

The loss is a sum over rows divided by the rows of the whole batch, which all workers know. So a worker's gradient of
its users is complete as it is, and that of all other parameters is summed over workers: a message of items x width a
step, whose size does not grow with the users. The optimiser's state of a user is where the user is.
"""

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from reeltune.trainables.adamw import MOMENTS
from reeltune.trainables.architectures.source import file_of
from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.tensors import Tensors, on_device
from reeltune.trainables.fitting.buckets import Buckets, Order, Turns
from reeltune.trainables.fitting.fit import Fit
from reeltune.trainables.fitting.seeds import mix
from reeltune.trainables.model import Architecture, RatingModel, filled
from reeltune.trainables.scoring.metrics import add_up, predict

DRAWN = 4096  # users whose first vectors are drawn together


def shards(architecture: Architecture) -> bool:
    """Whether this architecture can be fitted with its users sharded."""
    return file_of(architecture) is None and bool(architecture.Model.user_parameters)


class ShardedFit(Fit):
    """As `Fit`, with batches, start and checkpoints that do not depend on the number of workers.

    What differs between numbers of workers is rounding, and which vectors are dropped. The model that a worker has is
    of its own users: its index 0 stands for all that have no row to fit on, and 1, 2, ... for its users in turn.
    Workers beyond the number of buckets would have no users.
    """

    def _own(self, rows: Rows) -> Tensors:
        assert rows.weights is None, "rows with weights are refused before"
        self.buckets = Buckets.of(rows.users, self.shape.users)
        self.own = np.flatnonzero((self.buckets.of_users >= 0) & (self.buckets.of_users % self.world == self.rank))
        kept = rows.take(np.flatnonzero(self.buckets.of_users[rows.users] % self.world == self.rank))
        of_rows = self.buckets.of_users[kept.users]
        self.held = {bucket: torch.from_numpy(np.flatnonzero(of_rows == bucket)) for bucket in self.buckets_here}
        local = replace(kept, users=(np.searchsorted(self.own, kept.users) + 1).astype(np.int32))
        return on_device(local, self.device, timed=self.config.timed)

    @property
    def buckets_here(self) -> range:
        """Those of this worker."""
        return range(self.rank, len(self.buckets), self.world)

    def _new_model(self) -> RatingModel:
        """Users' vectors are drawn by the user's index, so that they do not depend on who else is here."""
        model = self._model_of(users=len(self.own) + 1)
        torch.manual_seed(self.seed)
        _copy_shared(self._model_of(users=1), model)
        with torch.no_grad():
            for chunk in range(0, self.shape.users, DRAWN):
                torch.manual_seed(mix(self.seed, chunk))
                drawn = self._model_of(users=DRAWN, items=1)
                first, end = np.searchsorted(self.own, [chunk, chunk + DRAWN])
                for name in model.user_parameters:
                    model.get_parameter(name)[first + 1 : end + 1] = drawn.get_parameter(name)[
                        self.own[first:end] - chunk
                    ]
        return model

    def _model_of(self, *, users: int, items: int | None = None) -> RatingModel:
        shape = replace(self.shape, users=users, items=items or self.shape.items)
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
        if self._order_of != epoch:
            self._order_of, self._in_turn = epoch, Order.of(self.held, self.turns, seed=self.seed, epoch=epoch)
        torch.manual_seed(mix(self.seed, self.step, self.rank))  # dropout
        return self.rows.take(self._in_turn.of_step(number).to(self.device)).wide()

    _order_of: int | None = None  # the epoch whose order is kept

    def _loss(self, output: Tensor, batch: Tensors, number: int) -> Tensor:
        if not len(batch):  # the mean over no rows is no number
            return output.sum() * 0
        return self.model.loss(output, batch.ratings) * (len(batch) / self.turns.rows(number))

    def _sum_gradients(self) -> None:
        shared = [each for name, each in self.model.named_parameters() if name not in self.model.user_parameters]
        for parameter in shared:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.world > 1:
            for message in [dist.all_reduce(each.grad, async_op=True) for each in shared]:
                message.wait()

    @torch.no_grad()
    def settle(self) -> None:
        of_users, of_items = self.model.tables()
        for table in of_users:
            total = torch.cat([table[1:].double().sum(0).reshape(-1), table.new_tensor([len(self.own)]).double()])
            add_up(total)
            table[0] = (total[:-1] / total[-1]).reshape(table[0].shape)
        for table in of_items:
            table.copy_(filled(table, self._item_counts, rare=self.shape.rare_items))

    @cached_property
    def _item_counts(self) -> Tensor:
        return add_up(torch.bincount(self.rows.items, minlength=self.shape.items))

    def share(self, rows: Tensors) -> Tensors:
        """The rows of own users; of users without a row to fit on, those that it is this worker's turn to take."""
        return self._local(rows.take(self._mine(rows)))

    def predicted(self, rows: Tensors) -> Tensor:
        mine = self._mine(rows)
        grid = self.model.grid
        output = torch.zeros(len(rows), *([] if grid is None else [len(grid)]), device=self.device)
        if len(mine):
            own = self._local(rows.take(mine))
            output[mine] = predict(self.model, own.users, own.items, own.times)
        return add_up(output)

    def _mine(self, rows: Tensors) -> Tensor:
        """The places of the rows that this worker rates."""
        bucket = self._of_users[rows.users.long()]
        turn = torch.where(bucket >= 0, bucket, torch.arange(len(rows), device=self.device))
        return (turn % self.world == self.rank).nonzero()[:, 0]

    def _local(self, rows: Tensors) -> Tensors:
        """The rows with the model's indices of their users."""
        own = torch.from_numpy(self.own).to(self.device)
        users = rows.users.long()
        place = torch.where(self._of_users[users] >= 0, torch.searchsorted(own, users) + 1, 0)
        return replace(rows, users=place)

    @cached_property
    def _of_users(self) -> Tensor:
        return torch.from_numpy(self.buckets.of_users).to(self.device)

    @torch.no_grad()
    def whole(self) -> tuple[RatingModel, Tensors]:
        """Put together on the first worker, a bucket at a time. Users without a row to fit on have the users' mean."""
        if self.rank > 0:
            for bucket in self.buckets_here:
                for table in self._users_of(bucket, self._parameters()).values():
                    dist.send(table.contiguous(), 0)
            return self.model, self.rows
        whole = self._model_of(users=self.shape.users)
        _copy_shared(self.model, whole)
        for name, own in self._parameters().items():
            whole.get_parameter(name).copy_(own[0].expand_as(whole.get_parameter(name)))
        for bucket in range(len(self.buckets)):
            users = torch.from_numpy(self.buckets.users(bucket)).to(self.device)
            owner = bucket % self.world
            for name, own in self._parameters().items():
                if owner == 0:
                    rows = own[self._places(bucket)]
                else:
                    rows = own.new_empty(len(users), *own.shape[1:])
                    dist.recv(rows, owner)
                whole.get_parameter(name)[users] = rows
        return whole, on_device(self.given, self.device, timed=self.config.timed)

    def state(self) -> dict[str, Any]:
        """What `load_state` needs on any number of workers. Called on all of them; each has its `buckets` in it."""
        optimizer = self._optimizer_state()
        of_users = self._numbers_of_users()
        return {
            "step": self.step,
            "loss_sum": add_up(self.loss_sum.clone()),
            "model": {
                name: tensor
                for name, tensor in self.model.state_dict().items()
                if name not in self.model.user_parameters
            },
            "optimizer": {
                **optimizer,
                "state": {
                    number: {key: each[key] for key in each if number not in of_users or key not in MOMENTS}
                    for number, each in optimizer["state"].items()
                },
            },
            "buckets": {bucket: self._users_of(bucket, self._of_own_users()) for bucket in self.buckets_here},
        }

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state, in which are this worker's buckets at least."""
        self.step = state["step"]
        self.loss_sum = state["loss_sum"].to(self.device) * (self.rank == 0)
        self.model.load_state_dict(state["model"], strict=False)
        if self.optimizer is not None:
            optimizer, of_users = state["optimizer"], self._numbers_of_users()
            empty = {
                number: {**each, **{name: torch.zeros_like(self._parameters()[of_users[number]]) for name in MOMENTS}}
                for number, each in optimizer["state"].items()
                if number in of_users
            }
            self.optimizer.load_state_dict({**optimizer, "state": {**optimizer["state"], **empty}})
        tables = self._of_own_users()
        for bucket in self.buckets_here:
            for name, rows in state["buckets"][bucket].items():
                tables[name][self._places(bucket)] = rows.to(self.device)

    def _optimizer_state(self) -> dict[str, Any]:
        return self.optimizer.state_dict() if self.optimizer else {"state": {}}

    def _parameters(self) -> dict[str, Tensor]:
        """Those with a row for each own user."""
        return {name: self.model.get_parameter(name).detach() for name in self.model.user_parameters}

    def _numbers_of_users(self) -> dict[int, str]:
        """The same by their number in the optimiser's state."""
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        groups = self.optimizer.param_groups if self.optimizer else []
        listed = [names[parameter] for group in groups for parameter in group["params"]]
        return {number: name for number, name in enumerate(listed) if name in self.model.user_parameters}

    def _of_own_users(self) -> dict[str, Tensor]:
        """All tensors with a row for each own user: parameters, and their moments in the optimiser's state."""
        moments = self._optimizer_state()["state"]
        return self._parameters() | {
            f"{name}.{moment}": moments[number][moment]
            for number, name in self._numbers_of_users().items()
            if number in moments
            for moment in MOMENTS
        }

    def _users_of(self, bucket: int, tables: dict[str, Tensor]) -> dict[str, Tensor]:
        """The rows of a bucket's users in these tables."""
        places = self._places(bucket)
        return {name: table[places] for name, table in tables.items()}

    def _places(self, bucket: int) -> Tensor:
        """Where an own bucket's users are in the tables."""
        return torch.from_numpy(np.searchsorted(self.own, self.buckets.users(bucket)) + 1).to(self.device)


@torch.no_grad()
def _copy_shared(source: RatingModel, target: RatingModel) -> None:
    """Copy all parameters and buffers but the users'."""
    shared = {name: each for name, each in source.state_dict().items() if name not in source.user_parameters}
    target.load_state_dict(shared, strict=False)
