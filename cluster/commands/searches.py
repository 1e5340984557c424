"""The searches of a `tune`: one for each fold, or one. Nothing here needs Ray, so that a dry run needs none."""

from collections.abc import Sequence
from dataclasses import replace

from reeltune.cluster.commands.ask import TuneOptions
from reeltune.cluster.runs.record import AskedToTune
from reeltune.trainables.data.prepared import DataOptions


def searches_of(options: TuneOptions) -> list[TuneOptions]:
    """The options of each fold's search, or these, without folds. A Ray of our own stays up for the next fold's."""
    if not options.folds:
        return [options]
    return [
        replace(options, data=data, folds=(), fold=number, keep_ray=True)
        for number, data in enumerate(_read(options), start=1)
    ]


def _read(options: TuneOptions) -> Sequence[DataOptions]:
    """The data of each fold. Where all are of the same data, it is read once for all of them."""
    if options.folds[0].fold is None:
        return options.folds
    loaded = options.folds[0].load()
    return [replace(each, loaded=loaded, tables={}) for each in options.folds]


def whole(asked: list[AskedToTune]) -> AskedToTune:
    """What `run.json` of the whole run says was asked for: as for the first fold, with the test rows of all."""
    tested = " ".join(each.test_hash for each in asked)
    update = {"folds": len(asked), "within": None, "fold": None, "fold_value": None, "test_hash": tested}
    return asked[0].model_copy(update=update)
