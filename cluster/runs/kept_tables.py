"""Data that a program had in memory, kept in the run's folder as Parquet: the run is then one on these files.

So `--resume`, `replay` and the commands of a report find the same ratings, from Python or the command line.
"""

import io

import pyarrow.parquet as pq

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.runs.storage import replace
from reeltune.trainables.data.prepared import DataOptions

DATA = "data"  # the folder of these files, in a run's


def place_of_table(folder: RunFolder, table: str) -> str:
    """The path or URI of the file in which a run keeps a table: `ratings`, `test`, `users` or `items`."""
    return folder.place_of(f"{DATA}/{table}.parquet")


def keep_tables(options: DataOptions, folder: RunFolder) -> None:
    """Write the tables in memory to the run's folder and its home. One that is there is the same: a claim checks it."""
    for place, table in options.tables.items():
        path = folder.path / DATA / place.partition("?")[0].rpartition("/")[2]
        if path.exists():
            continue
        path.parent.mkdir(exist_ok=True)
        content = io.BytesIO()
        pq.write_table(table, content)
        replace(path, content.getvalue())
        folder.publish(path)
