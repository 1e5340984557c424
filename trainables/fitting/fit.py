"""One fit: a model, its optimiser, and how far it is. It can be saved and resumed."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from reeltune.trainables.adamw import AdamW
from reeltune.trainables.architectures.source import file_of
from reeltune.trainables.config import FitConfig, TrainingConfig
from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import Tensors, on_device
from reeltune.trainables.errors import InputError
from reeltune.trainables.fitting.allocator import give_back
from reeltune.trainables.fitting.breach import check_model
from reeltune.trainables.fitting.dealt import Dealt
from reeltune.trainables.fitting.schedule import one_cycle
from reeltune.trainables.fitting.seeds import mix
from reeltune.trainables.fitting.threads import LARGE, on_threads
from reeltune.trainables.model import Architecture, RatingModel, filled
from reeltune.trainables.scoring.metrics import Read, predict_as

# Rows that are taken from their places in the columns at once: for each batch anew, the columns have left the cache.
AHEAD = 1 << 15


class Fit:
    """A fit that is at `step` of `steps`, each on `batch_size` rows over all workers.

    The rows at the end of an epoch that fill no batch are left out; they are others in each epoch (as in fastai).
    An architecture without a `TrainingConfig` is solved by its `see`: its one step only measures the loss.
    Where rows have weights, the loss of a batch is the mean of wᵢ lossᵢ, with weights of mean 1 over all rows.
    Each worker has all rows and the whole model, under torch's DistributedDataParallel (see also `ShardedFit`, which
    alone takes rows that are dealt to files).
    Raises InputError if there are fewer than two rows, or `bfloat16` is asked for without a GPU.
    """

    def __init__(
        self,
        architecture: Architecture,
        config: FitConfig,
        shape: Shape,
        rows: Rows | Dealt,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        bfloat16: bool = False,
        threads: int = 1,
    ) -> None:
        """`threads` are for the steps of a model that is `threaded`."""
        self.config, self.shape, self.seed = config, shape, seed
        self.device = torch.device(device)
        self.bfloat16 = bfloat16
        if bfloat16 and self.device.type != "cuda":
            raise InputError(f"bfloat16 needs a GPU, and this fit is on {self.device.type}")
        self.world, self.rank = _world()
        self.architecture = architecture
        self.rows = self._own(rows)
        # Weights of mean 1 in the loss: learning rates and decays then mean what they do without.
        self.level = 1.0 if rows.weights is None else 1 / float(rows.weights.mean())
        trained = config if isinstance(config, TrainingConfig) else None
        self.batch_size = len(rows) if trained is None else min(trained.batch_size, len(rows))
        if self.batch_size < 2:
            raise InputError(f"a batch of {self.batch_size} rows is too small: two are the least")
        self.steps_per_epoch = len(rows) // self.batch_size
        self.epochs = 1 if trained is None else trained.epochs
        self.steps = self.steps_per_epoch * self.epochs
        self.step = 0
        self.loss_sum = torch.zeros((), device=self.device)  # over the steps of this epoch
        torch.manual_seed(seed)
        self.model = self._new_model()
        self.model.see(self.rows if file_of(architecture) is None else self.rows.wide())
        check_model(architecture, self.model, self.shape_here, self.rows, trained=trained is not None)
        self.optimizer = None if trained is None else self._optimizer(trained)
        self.trained = self._parallel()
        self.threads = threads if self.model.threaded else 1
        self._order: tuple[int, Tensor] | None = None  # an epoch's, and which epoch it is
        self._ahead: tuple[int, Tensors] | None = None  # this worker's share of some batches, and the first's number
        if len(rows) > LARGE:
            give_back()  # what reading and setting up needed: steps need less, and in other pieces

    def _own(self, rows: Rows | Dealt) -> Tensors:
        """The rows that this worker holds."""
        assert isinstance(rows, Rows), "rows in files are for a fit with sharded users"
        return on_device(rows, self.device, timed=self.config.timed)

    @property
    def shape_here(self) -> Shape:
        """That of the model that this worker has."""
        return self.shape

    def _new_model(self) -> RatingModel:
        """The model at its random start."""
        model: RatingModel = self.architecture.Model(self.config, self.shape)
        return model.to(self.device)

    def _parallel(self) -> nn.Module:
        """The model as it is called in training."""
        if self.world == 1 or self.optimizer is None:
            return self.model
        # Workers compute the same buffers, so that nothing needs to be sent.
        return DistributedDataParallel(self.model, broadcast_buffers=False)

    def _optimizer(self, config: TrainingConfig) -> AdamW:
        recipe = self.model.recipe
        return AdamW(
            self.model.groups(config),
            lr=config.learning_rate,
            betas=(recipe.momenta[0], recipe.second),
            eps=recipe.epsilon,
            fused=True,
        )

    @property
    def rate(self) -> float:
        """The learning rate of the last step; 0 if nothing is trained."""
        return self.optimizer.param_groups[0]["lr"] if self.optimizer else 0.0

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.step // self.steps_per_epoch

    @property
    def progress(self) -> float:
        """The share of all steps that are done, 0 to 1."""
        return self.step / self.steps

    def advance(self, *, rate: float | None = None) -> Tensor:
        """Take one optimiser step on this worker's share of the next batch, and return its loss, without dimensions.

        `rate` replaces the schedule's learning rate. After the last step the model's `finish` is called.
        """
        epoch, number = divmod(self.step, self.steps_per_epoch)
        if number == 0:
            self.loss_sum.zero_()
        batch = self._batch(epoch, number)
        rate = self._schedule(rate)
        with on_threads(self.threads) if self.threads > 1 else nullcontext():
            loss = self._stepped(batch, number, rate)
        self.loss_sum.add_(loss.detach(), alpha=1 / self.averaged)
        self.step += 1
        if self.step == self.steps:
            self._forget_order()
            self.settle()
            rows = self.rows if file_of(self.architecture) is None else self.rows.wide()
            self.model.finish(rows, self._again, seed=mix(self.seed, self.steps))
        return loss.detach()

    def _stepped(self, batch: Tensors, number: int, rate: float) -> Tensor:
        """The loss of a batch, which the optimiser has taken a step on."""
        with self._precision():
            output = self.trained(*self.model.inputs(batch.users, batch.items, batch.times))
            loss = self._loss(output, batch, number)
        if self.optimizer is not None:
            self.optimizer.zero_grad()
            loss.backward()
            self._sum_gradients()
            self.model.shrink(rate)
            self.optimizer.step()
        return loss

    def _forget_order(self) -> None:
        """Let go of memory that no later step needs."""
        self._order, self._ahead = None, None

    def _precision(self) -> AbstractContextManager[object]:
        """In which a step's forward pass is computed. Entering autocast takes longer than a small operation."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext()

    @property
    def averaged(self) -> int:
        """Over how many workers gradients are averaged: DDP's over all."""
        return self.world

    def _loss(self, output: Tensor, batch: Tensors, number: int) -> Tensor:
        """The loss of this worker's share of batch `number`, weighted for the average over workers."""
        loss = self._mean_loss(output, batch)
        # DDP averages over workers, whose shares may differ by a row: weight them so that rows weigh alike.
        return loss * (len(batch) * self.world / self.batch_size) if self.world > 1 else loss

    def _mean_loss(self, output: Tensor, batch: Tensors) -> Tensor:
        """The mean loss over this worker's share of a batch, each row's by its weight."""
        if batch.weights is None:
            return self.model.loss(output, batch.ratings)
        losses = self.model.row_losses(output, batch.ratings)
        return (losses * (self.level * batch.weights).to(losses.dtype)).mean()

    def _sum_gradients(self) -> None:
        """Sum gradients over workers: DDP has done that."""

    def served(self) -> RatingModel:
        """The model to rate with. Called on all workers."""
        return self.model

    def held_out(self, rows: Rows | Dealt) -> Tensors:
        """Rows to measure on, as `share` and `for_calibration` take them."""
        assert isinstance(rows, Rows), "rows in files are for a fit with sharded users"
        return on_device(rows, self.device)

    def for_calibration(self, rows: Tensors, most: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """The model's output, ratings and weights of rows to measure on: of very many, of about `most` of them.

        Those are spread evenly over all. The same on every worker.
        """
        every = len(rows) // most
        if every > 1:
            rows = rows.take(torch.arange(0, len(rows), every, device=self.device))
        return self.predicted(rows), rows.ratings, rows.weights

    def share(self, rows: Tensors) -> Tensors:
        """This worker's share of rows to measure on, in the model's indices."""
        return rows.take(slice(self.rank, None, self.world))

    def predicted(self, rows: Tensors) -> Tensor:
        """The model's output for all of these rows, on every worker."""
        return self.read(rows, lambda output, _: output)

    def read(self, rows: Tensors, read: Read) -> Tensor:
        """What `read` makes of the model's output for all of these rows (see `predict_as`), on every worker.

        Called on all workers. The second argument of `read` is of no use here: a worker may rate a part of the rows.
        """
        return predict_as(self.model, rows.users, rows.items, rows.times, read)

    def whole(self) -> tuple[RatingModel, Tensors]:
        """The model of all users and all rows that it was fitted on. Called on all workers; of use on the first."""
        return self.model, self.rows

    @torch.no_grad()
    def settle(self) -> None:
        """Give ids without a fitted rating a mean of the rated ones' rows. What is fitted does not depend on it."""
        of_users, of_items = self.model.tables()
        for table in of_users:
            table.copy_(filled(table, self.rows.counts(self.rows.users, len(table)), rare=None))
        for table in of_items:
            counts = self.rows.counts(self.rows.items, len(table))
            table.copy_(filled(table, counts, rare=self.shape.rare_items))

    def _again(self, config: FitConfig, rows: Tensor) -> RatingModel:
        """A model of the same architecture, fitted with this configuration on these of the rows: see `Again`."""
        fit = Fit(
            self.architecture,
            config,
            self.shape,
            self.rows.take(rows).rows(),
            seed=self.seed,
            device=self.device,
            bfloat16=self.bfloat16,
        )
        while fit.step < fit.steps:
            fit.advance()
        return fit.model

    def _schedule(self, rate: float | None) -> float:
        """Set the optimiser's rate and momentum for this step, and return the learning rate."""
        if self.optimizer is None:
            return 0.0
        recipe, highest = self.model.recipe, self.optimizer.lr
        scheduled, momentum = one_cycle(self.step / max(1, self.steps - 1), highest, momenta=recipe.momenta)
        rate = scheduled if rate is None else rate
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = rate * group.get("share", 1.0), (momentum, recipe.second)
        return rate

    def _batch(self, epoch: int, number: int) -> Tensors:
        """This worker's share of a batch: every `world`-th row."""
        if self._order is None or self._order[0] != epoch:
            self._order, self._ahead = (epoch, self._shuffled(epoch)), None
        at_once = max(1, AHEAD // self.batch_size)
        first = number - number % at_once
        if self._ahead is None or self._ahead[0] != first:
            self._ahead = first, self._share_of(self._order[1], range(first, first + at_once))
        size = len(range(self.rank, self.batch_size, self.world))
        start = (number - first) * size
        return self._ahead[1].take(slice(start, start + size))

    def _share_of(self, order: Tensor, batches: range) -> Tensors:
        """This worker's rows of some batches of an epoch, one batch after the other."""
        end = min(batches.stop, self.steps_per_epoch) * self.batch_size
        rows = order[batches.start * self.batch_size : end].view(-1, self.batch_size)
        return self.rows.take(rows[:, self.rank :: self.world].flatten()).wide()

    def _shuffled(self, epoch: int) -> Tensor:
        """The order of the rows in an epoch: the same on every worker, and again when the fit is resumed."""
        generator = torch.Generator(device=self.device).manual_seed(mix(self.seed, epoch))
        if epoch * self.steps_per_epoch == self.step:
            torch.manual_seed(mix(self.seed, epoch, self.rank))  # dropout
        return torch.randperm(len(self.rows), generator=generator, device=self.device)

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on. On one worker the fit then ends with the same weights bit for bit."""
        return {
            "step": self.step,
            "loss_sum": self.loss_sum,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict() if self.optimizer else {},
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state. On several workers dropout draws other masks than it would have drawn."""
        self.step = state["step"]
        self.loss_sum = state["loss_sum"].to(self.device)
        self.model.load_state_dict(state["model"])
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self._order, self._ahead = None, None
        if self.step % self.steps_per_epoch:
            self._batch(*divmod(self.step, self.steps_per_epoch))
        if self.rank > 0:  # the state is the first worker's: the others must draw other dropout masks
            torch.manual_seed(mix(self.seed, self.step, self.rank))
            return
        torch.set_rng_state(state["random"].cpu())
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)


def _world() -> tuple[int, int]:
    """The number of workers, and which of them this is."""
    return (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
