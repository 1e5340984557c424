"""Cornac's MF by epoch, with the settings of its README's first example, but for the factors."""

import pandas as pd
from cornac.data import Dataset
from cornac.models import MF
from exchange import SEED, Clock, Lap, time_epochs

TIMED = 10_000_000  # ratings at least, as a small epoch is over in a millisecond


def epochs(rows: pd.DataFrame, factors: int) -> list[Lap]:
    """Its loop over epochs is compiled and tells no times: a fit of one epoch is taken from a longer one."""
    users, user_ids = pd.factorize(rows["user"])
    items, item_ids = pd.factorize(rows["item"])
    # What `Dataset.from_uir` makes of distinct pairs, without a Python tuple for each of them.
    known = [{each: place for place, each in enumerate(ids)} for ids in (user_ids, item_ids)]
    columns = (users.astype("int64"), items.astype("int64"), rows["rating"].to_numpy("float32"))
    data = Dataset(len(user_ids), len(item_ids), *known, columns, seed=SEED)
    more = max(1, TIMED // len(rows))
    few, many = (fitted(data, factors, number) for number in (1, 1 + more))
    return [many.less(few).over(more)]


def fitted(data: Dataset, factors: int, number: int) -> Lap:
    clock = Clock()
    MF(k=factors, max_iter=number, learning_rate=0.01, lambda_reg=0.02, use_bias=True, seed=SEED).fit(data)
    return clock.lap()


time_epochs(epochs)
