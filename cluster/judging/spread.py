"""How far ratings may lie from the predictions of a search's models: from the rows that confirmations held out."""

from functools import reduce

import numpy as np

from reeltune.cluster.judging.ensemble import common_folds, held_out_ratings, stacked
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.data import Rows, fold
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.scoring.spread import Spread, known_of


def spread(searched: Searched, name: str, prepared: Prepared, folder: RunFolder) -> Spread | None:
    """That of an architecture, or of the ensemble; None where a confirmation's ratings are missing.

    It is of the rows of all folds that the architecture has, or that all members of the ensemble have. Refits know
    more ratings of each id than confirmations do, which narrows their intervals.
    """
    members = list(searched.choices[ENSEMBLE].config["weights"]) if name == ENSEMBLE else [name]
    by = None if name == ENSEMBLE else "mean"
    ratings = [held_out_ratings(searched, each, folder, by=by) for each in members]
    found = [each for each in ratings if each is not None]
    if len(found) < len(members):
        return None
    numbers, parts, kind = common_folds(found), prepared.split, prepared.asked.split
    folds = [fold(parts.train, parts.validation, number, kind=kind) for number in numbers]
    known = [known_of(fitted, held_out, prepared.shape) for fitted, held_out in folds]
    users, items = (np.concatenate(counts) for counts in zip(*known, strict=True))
    rows, each = reduce(Rows.joined, (held_out for _, held_out in folds)), stacked(found, numbers)
    if name == ENSEMBLE:  # its ratings are by weights that the rows rated had no part in
        means = ensemble.cross_fitted(each, rows.ratings, rows.number, seed=searched.seed, often=rows.weights)
    else:
        means = each[0]
    return Spread.of(rows.ratings, means, (users, items))
