"""What each worker of a lane runs: one fit after another, each in steps that end with a progress update."""

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

from reeltune.cluster.data_parallel.mailbox import Failure, packed, unpacked
from reeltune.cluster.session.garbage import look_as_usual
from reeltune.trainables.architectures.source import kind_of
from reeltune.trainables.errors import one_line
from reeltune.trainables.fitting.allocator import keep_memory


class Progress(Protocol):
    """A progress update of a fit; `done` marks the last, `progress` is the share of the fit's steps that are done."""

    @property
    def done(self) -> bool: ...

    @property
    def progress(self) -> float: ...


class Asked(Protocol):
    """A fit on one worker of a group. All workers step together, and rank 0's update goes to the caller."""

    def next(self) -> Progress:
        """Work until the next update is due."""
        ...


Begin = Callable[[Any, torch.device], Asked]  # begins the fit of an order on one worker, or goes on from its checkpoint


def serve(settings: dict[str, Any]) -> None:
    """Fetch commands from the lane and do them until it is closed. Runs as Ray Train's training function."""
    lane: ActorHandle = settings["lane"]
    device, rank = get_device(), ray.train.get_context().get_world_rank()
    if device.type == "cpu":
        torch.set_num_threads(1)
        keep_memory()
    look_as_usual()
    group = broadcast_from_rank_zero(uuid4().hex)
    ray.get(lane.hello.remote(group, rank, ray.get_runtime_context().current_actor))
    begin: Begin = settings["begin"]
    fit: Asked | None = None
    name, seen = "", 0
    while (command := ray.get(lane.next.remote(group, seen))) is not None:
        seen = command.number
        try:
            if fit is None or name != command.fit:
                fit = None  # freed before the next fit takes memory
                fit, name = begin(unpacked(command.order), device), command.fit
            update = fit.next()
            ray.get(lane.answer.remote(seen, rank, packed(update) if rank == 0 else b"", update.progress))
            if update.done:
                fit = None
        except RayError:
            raise  # the lane is gone
        except Exception as error:  # the boundary of a fit: its fault is its own, and is recorded
            fit = None
            failure = Failure(kind=kind_of(error), message=one_line(str(error)))
            if not ray.get(lane.failed.remote(seen, rank, failure)):
                raise  # it failed on this worker alone, or because another died: Ray Train restarts the group
