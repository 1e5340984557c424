"""What is on disk or in an object store: runs, and several compared."""

from pathlib import Path

from reeltune.cluster.api.load import Files, named
from reeltune.cluster.api.run import Run
from reeltune.cluster.commands.compare import Compared
from reeltune.cluster.commands.compare import compare as job
from reeltune.cluster.runs.find import find_run


def open(run: str | Path, *, architecture: Files | None = None) -> Run:
    """A search, by its name below runs/, its path or its URI. Raises InputError if there is none, or at one of `train`.

    `architecture` are the files of your own architectures that it searched, for its models: none is run before.
    """
    return Run(find_run(str(run)), files=named(architecture))


def compare(*runs: Run | str | Path) -> Compared:
    """Several runs, each named once, that were judged on the same test rows. Raises InputError if they were not."""
    return job([each.folder if isinstance(each, Run) else find_run(str(each)) for each in runs])
