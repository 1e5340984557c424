"""Items that are alike: near each other in the space of a model's item vectors."""

import numpy as np
import pandas as pd

from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.newcomers import shown
from reeltune.trainables.predictor import Predictor


def item_vectors(predictor: Predictor) -> pd.DataFrame:
    """A row for each item that the model has ratings of, by its id. Raises InputError where there are no vectors.

    Items that were folded in have none where the model's vectors are no columns of its rows (`Folded.item_vectors`).
    """
    vectors = predictor.model.item_vectors()
    if vectors is None:
        name = predictor.description.architecture
        raise InputError(f"{name}: has no item vectors; ask a member, or another architecture")
    table = vectors.detach().numpy()
    rated = np.flatnonzero((predictor.item_ratings > 0) & ~np.isnan(table).all(axis=1))
    return pd.DataFrame(table[rated], index=predictor.items.text[rated - 1].rename("item"))


def directions(vectors: pd.DataFrame) -> pd.DataFrame:
    """The vectors less their mean, each of length 1: the product of two is their similarity, a cosine."""
    apart = vectors - vectors.mean()
    return apart.div(np.sqrt((apart**2).sum(axis=1)).clip(lower=1e-12), axis=0)


def nearest(unit: pd.DataFrame, item: str, n: int) -> pd.Series:
    """The similarity of the n items nearest to this one, by their ids, nearest first; `unit` is of `directions`.

    Raises InputError where the model knows no rating of the item.
    """
    if item not in unit.index:
        raise InputError(f"item {shown(item)}: the model knows no rating of it")
    return pd.Series(unit @ unit.loc[item]).drop(item).nlargest(n)
