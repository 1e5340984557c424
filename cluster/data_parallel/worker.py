"""What each worker of a lane runs: one fit after another, each asked for one word after another."""

from collections.abc import Callable
from typing import Any, Protocol
from uuid import uuid4

import ray
import ray.train
import torch
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import get_device

from reeltune.cluster.data_parallel.mailbox import Failure, Word
from reeltune.trainables.errors import one_line
from reeltune.trainables.fitting.allocator import keep_memory

LONGEST_WORD = 1.0  # seconds between two words of a fit


class Asked(Protocol):
    """A fit that is asked for its next word, on every worker alike. The first one's goes to who asked."""

    def next(self) -> Word:
        """Go on to the next word; with "done" in it, the fit is at its end."""
        ...


Begin = Callable[[Any, torch.device], Asked]  # begins a fit that is ordered, or goes on with it, on every worker


def serve(settings: dict[str, Any]) -> None:
    """Ask the lane what is to be done, and do it, until it is closed."""
    lane: ActorHandle = settings["lane"]
    device, rank = get_device(), ray.train.get_context().get_world_rank()
    if device.type == "cpu":
        torch.set_num_threads(1)
        keep_memory()
    group = broadcast_from_rank_zero(uuid4().hex)
    ray.get(lane.hello.remote(group, rank, ray.get_runtime_context().current_actor))
    begin: Begin = settings["begin"]
    fit: Asked | None = None
    name, seen = "", 0
    while (command := ray.get(lane.next.remote(group, seen))) is not None:
        seen = command.number
        try:
            if fit is None or name != command.fit:
                fit = None  # before the next one takes its memory
                fit, name = begin(command.order, device), command.fit
            word = fit.next()
            ray.get(lane.answer.remote(seen, rank, word if rank == 0 else {}))
            if word["done"]:
                fit = None
        except RayError:
            raise  # the lane is gone
        except Exception as error:  # the boundary of a fit: its fault is its own, and is recorded
            fit = None
            failure = Failure(kind=type(error).__name__, message=one_line(str(error)))
            if not ray.get(lane.failed.remote(seen, rank, failure)):
                raise  # on this worker alone, or on one that has died: the group is to start again
