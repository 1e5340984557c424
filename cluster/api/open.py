"""What is on disk or in an object store: runs and fitted models."""

from pathlib import Path

from reeltune.cluster.api.model import Model
from reeltune.cluster.api.run import Run
from reeltune.cluster.commands.compare import Compared
from reeltune.cluster.commands.compare import compare as job
from reeltune.cluster.runs.find import find_run


def open(run: str | Path) -> Run:
    """A search, by its name below runs/, its path or its URI. Raises InputError if there is none."""
    return Run(find_run(str(run)))


def load(model: str | Path) -> Model:
    """A fitted model, by the path or URI of its bundle. Raises InputError, naming the file, if it is missing or broken.

    A bundle holds no code, so loading one runs none of its author's.
    """
    return Model.at(model)


def compare(*runs: Run | str | Path) -> Compared:
    """Several runs that were judged on the same test rows. Raises InputError if they were not."""
    return job([each.folder if isinstance(each, Run) else find_run(str(each)) for each in runs])
