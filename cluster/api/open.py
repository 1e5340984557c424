"""What is on disk or in an object store: runs and fitted models."""

from pathlib import Path

from reeltune.cluster.api.model import Model
from reeltune.cluster.api.options import own_source
from reeltune.cluster.api.run import Files, Run, named
from reeltune.cluster.commands.compare import Compared
from reeltune.cluster.commands.compare import compare as job
from reeltune.cluster.runs.find import find_run


def open(run: str | Path, *, architecture: Files | None = None) -> Run:
    """A search, by its name below runs/, its path or its URI. Raises InputError if there is none.

    `architecture` are the files of your own architectures that it searched, for its models: none is run before.
    """
    return Run(find_run(str(run)), files=named(architecture))


def load(model: str | Path, *, architecture: Files | None = None, changed_source: str | None = None) -> Model:
    """A fitted model, by the path or URI of its bundle. Raises InputError, naming the file, if it is missing or broken.

    No code of a bundle is run. A model of your own architecture needs its file, `architecture`, unchanged unless
    `changed_source` is "allow".
    """
    return Model.at(model, own=own_source(named(architecture), changed_source))


def compare(*runs: Run | str | Path) -> Compared:
    """Several runs that were judged on the same test rows. Raises InputError if they were not."""
    return job([each.folder if isinstance(each, Run) else find_run(str(each)) for each in runs])
