"""Batch normalisation over the rows of all workers (Ioffe & Szegedy 2015)."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class BatchNorm(nn.BatchNorm1d):
    """torch's, with statistics summed over workers in training, so that two workers fit what one would.

    torch's own `SyncBatchNorm` runs on GPUs only.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Normalise values of shape (rows, width) over the rows of all workers."""
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(values)
        given, values = values.dtype, values.float()  # 16 bits count no further than 256
        count = values.new_full((1,), len(values))
        # Unlike dist.all_reduce, this one passes gradients back to every worker's rows.
        total = all_reduce(torch.cat([values.sum(0), values.square().sum(0), count]))
        rows, width = total[-1], values.shape[1]
        mean = total[:width] / rows
        variance = (total[width:-1] / rows - mean.square()).clamp(min=0)
        # Detached as a whole, with `rows`: buffers that are part of a graph would keep that of every step.
        self._remember(mean.detach(), (variance * rows / (rows - 1)).detach())
        return ((values - mean) / (variance + self.eps).sqrt() * self.weight + self.bias).to(given)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics, both of shape (width,), which evaluation uses."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
