"""Work on a stream of things, such as the parts of a large file, by the nodes of a cluster, through Ray Data.

One process reads on this machine, so no node needs to see the file; the nodes do the work, a thing on each CPU at a
time; what they make comes back in the order of what was read. Ray Data holds the reader back while the nodes, or this
process, are behind: so memory does not grow with the stream.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import ray
import ray.data
from ray import cloudpickle
from ray.data import DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from reeltune.cluster.session.address import joining
from reeltune.cluster.session.interrupt import interruptible
from reeltune.cluster.session.ray_private import silence_data
from reeltune.cluster.session.session import session
from reeltune.trainables.errors import InputError

THINGS = "things"  # the only column of Ray Data's tables: each thing as its pickle
Given = TypeVar("Given")
Made = TypeVar("Made")


def in_session(
    address: str, read: Callable[[], Iterable[Given]], work: Callable[[Given], Made], *, say: Callable[[str], None]
) -> Iterator[Made]:
    """As `on_nodes`, in a session of Ray at this address."""
    say(joining(address))
    # Ray replaces the handlers of signals.
    with session(address, say=say, how_to_go_on="nothing is written"), interruptible():
        yield from on_nodes(read, work)


def on_nodes(read: Callable[[], Iterable[Given]], work: Callable[[Given], Made]) -> Iterator[Made]:
    """What `work` makes of each thing that `read` gives, in that order. Within a session of Ray.

    `read` is called once, in another process of this machine and in this folder; `work` goes to each node once. Both
    are pickled. Raises InputError where one of the two has.
    """
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    context.target_max_block_size = 1  # a block for each thing: else Ray Data gathers 128 MiB of them
    silence_data()
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    things = ray.data.read_datasource(
        _Source(read, os.getcwd()), num_cpus=0, scheduling_strategy=here, override_num_blocks=1
    )
    made = things.map_batches(
        _worked, fn_args=({"work": ray.put(work)},), batch_size=1, batch_format="numpy", num_cpus=1
    )
    for batch in made.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
        for each in batch[THINGS]:
            found = cloudpickle.loads(each)
            if isinstance(found, InputError):
                raise found
            yield found


class _Source(Datasource, Generic[Given]):
    """A table that one task reads, in the folder `home`: a row for each thing, or for the InputError that ended it."""

    def __init__(self, read: Callable[[], Iterable[Given]], home: str) -> None:
        self._read, self._home = read, home

    def get_name(self) -> str:
        return "reeltune"

    def estimate_inmemory_data_size(self) -> None:
        """Unknown."""

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(self._rows, unknown)]

    def _rows(self) -> Iterator[pa.Table]:
        os.chdir(self._home)  # the process is this command's alone
        try:
            for thing in self._read():
                yield _row(thing)
        except InputError as error:
            yield _row(error)


def _row(thing: object) -> pa.Table:
    return pa.table({THINGS: pa.array([cloudpickle.dumps(thing)], type=pa.large_binary())})


def _worked(batch: dict[str, np.ndarray], work: dict[str, ray.ObjectRef]) -> dict[str, np.ndarray]:
    """Does the work on a node."""
    things = [_made(_unpacked(work["work"]), cloudpickle.loads(each)) for each in batch[THINGS]]
    return {THINGS: np.array([cloudpickle.dumps(each) for each in things], dtype=object)}


@cache
def _unpacked(work: ray.ObjectRef) -> Callable[[Any], object]:
    """The work, which each process of a node unpacks once: it may be a large model."""
    return ray.get(work)


def _made(work: Callable[[Any], object], thing: object) -> object:
    if isinstance(thing, InputError):
        return thing
    try:
        return work(thing)
    except InputError as error:
        return error
