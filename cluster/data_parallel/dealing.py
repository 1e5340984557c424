"""Deals rows on the driver's disk to files, one for each bucket of users, where all workers can read them."""

import tempfile
from pathlib import Path

from reeltune.cluster.data_parallel.orders import GroupData
from reeltune.cluster.runs.storage import Store
from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.data.streamed import Streamed
from reeltune.trainables.errors import StorageFailed
from reeltune.trainables.fitting.buckets import Buckets
from reeltune.trainables.fitting.dealt import Dealt, deal
from reeltune.trainables.scoring.metric_table import Objective


def group_of(data: Prepared | Streamed, objective: Objective, registry: Registry, store: Store) -> GroupData:
    """What workers see of data: its rows, or files of them, which are written to the store. Raises StorageFailed."""
    if isinstance(data, Prepared):
        return GroupData.of(data, objective, registry)
    return _dealt(data, objective, registry, store)


def _dealt(data: Streamed, objective: Objective, registry: Registry, store: Store) -> GroupData:
    buckets, rows = Buckets.of_counts(data.counts.users), store.below("rows")
    with tempfile.TemporaryDirectory(dir=data.split.spool.folder) as folder:
        try:
            names = deal(data.split, buckets, Path(folder))
        except OSError as error:
            raise StorageFailed(
                f"--stream: rows cannot be written to {folder}: {error}; set TMPDIR to a folder on a larger disk"
            ) from None
        for name in names:
            rows.write(name, (Path(folder) / name).read_bytes())
            (Path(folder) / name).unlink()
    sizes = data.sizes
    return GroupData(
        train=Dealt(part="train", rows=sizes.train, buckets=buckets, read=rows.read),
        validation=Dealt(part="validation", rows=sizes.validation, buckets=buckets, read=rows.read),
        shape=data.shape,
        decoder=objective.decoder,
        metric=objective.metric,
        registry=registry,
    )
