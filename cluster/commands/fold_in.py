"""`--ratings` of `predict` and `recommend`: new users and items, without a fit."""

from pathlib import Path
from typing import TypeVar

from reeltune.trainables.bundle import Predictor
from reeltune.trainables.data import Reading, read_rated
from reeltune.trainables.data.reading.frames import FRAME, Source
from reeltune.trainables.folding.newcomers import KnownIds

Model = TypeVar("Model", bound=Predictor)


def folded_in(model: Model, ratings: Source, *, reading: Reading, known_ids: KnownIds) -> tuple[Model, tuple[str, ...]]:
    """The model with the new users and items of a table of ratings, and what is to be said of these.

    Raises InputError where the table cannot be read, or the model takes none.
    """
    frame, notes = read_rated(ratings, reading.beside(model.column_names))
    name = str(ratings) if isinstance(ratings, (str, Path)) else FRAME
    grown = model.folded(frame, source=name, known_ids=known_ids)
    assert grown.newcomers is not None
    return grown, (*notes, *grown.newcomers.notes)
