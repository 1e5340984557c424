"""A fit of `train`, or a refit, on one of a lane's workers."""

import ray
import torch

from reeltune.cluster.data_parallel.fit import Refit
from reeltune.cluster.data_parallel.orders import FitOrder
from reeltune.cluster.runs.storage import Store


class LaneRefit(Refit):
    """Its data is a reference in a list, so that Ray passes just that: workers map the object, and none copies it."""

    def __init__(
        self,
        order: FitOrder,
        device: torch.device,
        *,
        data: list[ray.ObjectRef],
        store: Store,
        save_every: float,
        bfloat16: bool,
    ) -> None:
        super().__init__(order, device, data=ray.get(data[0]), store=store, save_every=save_every, bfloat16=bfloat16)
