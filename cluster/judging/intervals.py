"""How many of the test rows lie in the intervals that a run's bundles give, and how wide these are.

The intervals were found on rows that the confirmations held out, so that the shares on test rows are an honest check.
"""

import numpy as np

from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.runs.answer import IntervalScores
from reeltune.cluster.runs.folder import RunFolder
from reeltune.trainables.bundle import restore
from reeltune.trainables.data import Rows
from reeltune.trainables.fitting.threads import one_thread
from reeltune.trainables.predictor import Predictor
from reeltune.trainables.scoring.spread import LEVELS

CHUNK = 1 << 18  # rows whose intervals are held at once


def interval_scores(searched: Searched, rows: Rows, folder: RunFolder) -> dict[str, IntervalScores]:
    """The scores on these rows of each bundle of the run that has intervals."""
    found = {}
    for name in searched.architectures:
        if not folder.model(name).is_dir():
            continue
        model = restore(folder.model(name), searched.registry)
        if model.description.spread is not None:
            with one_thread():
                found[name] = _scores(model, rows)
    return found


def _scores(model: Predictor, rows: Rows) -> IntervalScores:
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights.astype(np.float64)
    total = np.zeros((len(LEVELS), 2))
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        total += np.tensordot(weights[part], _within_and_width(model, rows, part), 1)
    (within80, width80), (within95, width95) = (total / weights.sum()).tolist()
    return IntervalScores(within80=within80, width80=width80, within95=within95, width95=width95)


def _within_and_width(model: Predictor, rows: Rows, part: slice) -> np.ndarray:
    """Of each row and level whether the rating is within, 0 or 1, and the width, shape (rows, levels, 2)."""
    times = None if rows.timestamps is None else rows.timestamps[part]
    ends = model.interval_indices(rows.users[part], rows.items[part], times)[1]
    low, high = np.moveaxis(ends.reshape(len(ends), len(LEVELS), 2), 2, 0)
    truth = rows.ratings[part, None]
    return np.stack([(low <= truth) & (truth <= high), high - low], 2)
