"""One fit: a model, its optimiser, and where it stands. It can be saved and taken up again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainables.data.ratings import Rows
from trainables.errors import InputError
from trainables.model import Architecture, RatingModel, Shape
from trainables.training import TrainingConfig, one_cycle

SECOND_MOMENTUM = 0.99  # fastai's Adam
EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class Tensors:
    """Rows on the device, each of shape (rows,)."""

    users: Tensor
    items: Tensor
    ratings: Tensor

    def __len__(self) -> int:
        return len(self.ratings)

    def take(self, rows: Tensor | slice) -> "Tensors":
        return Tensors(users=self.users[rows], items=self.items[rows], ratings=self.ratings[rows])


def on_device(rows: Rows, device: torch.device) -> Tensors:
    return Tensors(
        users=torch.tensor(rows.users, dtype=torch.int64, device=device),
        items=torch.tensor(rows.items, dtype=torch.int64, device=device),
        ratings=torch.tensor(rows.ratings, dtype=torch.float32, device=device),
    )


class Fit:
    """The state of a fit: `step` of `steps`, each on `batch_size` rows over all workers.

    The last rows of an epoch that fill no batch are left out, other ones each epoch (as fastai does).
    """

    def __init__(
        self,
        architecture: Architecture,
        config: TrainingConfig,
        shape: Shape,
        rows: Rows,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        bfloat16: bool = False,
    ) -> None:
        self.config, self.shape, self.seed = config, shape, seed
        self.device = torch.device(device)
        self.bfloat16 = bfloat16
        if bfloat16 and self.device.type != "cuda":
            raise InputError(f"bfloat16 needs a GPU, and this fit is on {self.device.type}")
        self.world, self.rank = _world()
        self.rows = on_device(rows, self.device)
        self.batch_size = min(config.batch_size, len(rows))
        if self.batch_size < 2:
            raise InputError(f"a batch of {self.batch_size} rows is too small: two are the least")
        self.steps_per_epoch = len(rows) // self.batch_size
        self.steps = self.steps_per_epoch * config.epochs
        self.step = 0
        self.loss_sum = torch.zeros((), device=self.device)  # over the steps of this epoch
        torch.manual_seed(seed)
        self.model: RatingModel = architecture.Model(config, shape).to(self.device)
        self.optimizer = torch.optim.AdamW(
            _decay_groups(self.model, config.weight_decay),
            lr=config.learning_rate,
            betas=(0.95, SECOND_MOMENTUM),
            eps=EPSILON,
            fused=True,
        )
        self.trained: nn.Module = DistributedDataParallel(self.model) if self.world > 1 else self.model
        self._epoch_rows: tuple[int, Tensors] | None = None

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.step // self.steps_per_epoch

    @property
    def progress(self) -> float:
        return self.step / self.steps

    def advance(self, *, rate: float | None = None) -> Tensor:
        """Take one optimiser step on this worker's share of the next batch, and give its loss.

        `rate` replaces the schedule's learning rate.
        """
        epoch, number = divmod(self.step, self.steps_per_epoch)
        if number == 0:
            self.loss_sum.zero_()
        batch = self._batch(epoch, number)
        scheduled, momentum = one_cycle(self.step / max(1, self.steps - 1), self.config.learning_rate)
        rate = scheduled if rate is None else rate
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = rate, (momentum, SECOND_MOMENTUM)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            loss = self.model.loss(self.trained(batch.users, batch.items), batch.ratings)
        if self.world > 1:
            # DDP averages over workers; shares that differ by a row must still weigh each row alike.
            loss = loss * (len(batch) * self.world / self.batch_size)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.loss_sum += loss.detach() / self.world
        self.step += 1
        return loss.detach()

    def _batch(self, epoch: int, number: int) -> Tensors:
        if self._epoch_rows is None or self._epoch_rows[0] != epoch:
            self._epoch_rows = epoch, self.rows.take(self._shuffled(epoch))
        start = number * self.batch_size
        return self._epoch_rows[1].take(slice(start + self.rank, start + self.batch_size, self.world))

    def _shuffled(self, epoch: int) -> Tensor:
        """The epoch's order: the same on every worker, and again after a restart."""
        generator = torch.Generator(device=self.device).manual_seed(_mix(self.seed, epoch))
        if epoch * self.steps_per_epoch == self.step:
            torch.manual_seed(_mix(self.seed, epoch, self.rank))  # dropout
        return torch.randperm(len(self.rows), generator=generator, device=self.device)

    def state(self) -> dict[str, Any]:
        """All that a later `load_state` needs; on one worker it goes on as if nothing had happened."""
        return {
            "step": self.step,
            "loss_sum": self.loss_sum,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a state. On several workers dropout goes on with other masks than it would have drawn."""
        self.step = state["step"]
        self.loss_sum = state["loss_sum"].to(self.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._epoch_rows = None
        if self.step % self.steps_per_epoch:
            self._batch(*divmod(self.step, self.steps_per_epoch))
        if self.rank > 0:  # the state is the first worker's: the others must not drop what it drops
            torch.manual_seed(_mix(self.seed, self.step, self.rank))
            return
        torch.set_rng_state(state["random"].cpu())
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)


def _world() -> tuple[int, int]:
    return (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)


def _mix(*numbers: int) -> int:
    """One well-spread seed out of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and norms (the parameters of one dimension) do not, as in fastai."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
