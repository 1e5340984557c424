"""How far ratings may lie from the predictions of a search's models: from the rows that confirmations held out."""

import numpy as np

from reeltune.cluster.judging.ensemble import held_out_ratings, held_out_rows
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.search.choice import SEEDS
from reeltune.trainables.architectures import ENSEMBLE, ensemble
from reeltune.trainables.data import fold
from reeltune.trainables.data.prepared import Prepared
from reeltune.trainables.scoring.spread import Spread, known_of


def spread(searched: Searched, name: str, prepared: Prepared, folder: RunFolder) -> Spread | None:
    """That of an architecture, or of the ensemble; None where a confirmation's ratings are missing.

    Refits know more ratings of each id than confirmations do, which narrows their intervals.
    """
    parts, kind = prepared.split, prepared.asked.split
    folds = [fold(parts.train, parts.validation, 1 + number, kind=kind) for number in range(SEEDS)]
    if name == ENSEMBLE:
        means = _ensemble(searched, prepared, folder)
    else:
        means = held_out_ratings(searched, name, folder, by="mean")
    if means is None:
        return None
    known = [known_of(fitted, rows, prepared.shape) for fitted, rows in folds]
    users, items = (np.concatenate(counts) for counts in zip(*known, strict=True))
    return Spread.of(held_out_rows(prepared).ratings, means, (users, items))


def _ensemble(searched: Searched, prepared: Prepared, folder: RunFolder) -> np.ndarray | None:
    """The ensemble's ratings of the held-out rows, by weights that they had no part in; shape (rows,)."""
    members = [held_out_ratings(searched, each, folder) for each in searched.choices[ENSEMBLE].config["weights"]]
    found = [ratings for ratings in members if ratings is not None]
    if len(found) < len(members):
        return None
    rows = held_out_rows(prepared)
    return ensemble.cross_fitted(np.stack(found), rows.ratings, rows.number, seed=searched.seed, often=rows.weights)
