"""myFM: Bayesian factorisation machines, on ids alone, and with implicit feedback and side tables."""

import myfm
import numpy as np
import pandas as pd
from exchange import SEED, Steps, Tables, main
from myfm import RelationBlock
from scipy import sparse

RANK = 10


def ids(tables: Tables) -> Steps:
    """The documentation's tutorial on MovieLens-100k, with separate variances for users and items."""
    known = [np.unique(tables.fit[name]) for name in ("user", "item")]
    machine = myfm.MyFMRegressor(rank=RANK, random_seed=SEED)

    def rows(frame: pd.DataFrame) -> sparse.csr_matrix:
        encoded = [one_hot(frame[name], values) for name, values in zip(("user", "item"), known, strict=True)]
        return sparse.hstack(encoded, format="csr")

    fitting, wanted, shapes = rows(tables.fit), rows(tables.pairs), [len(values) for values in known]

    def fit() -> object:
        ratings = tables.fit["rating"].to_numpy()
        return machine.fit(fitting, ratings, n_iter=200, n_kept_samples=200, group_shapes=shapes)

    return fit, lambda: machine.predict(wanted, n_workers=1)


def relations(tables: Tables) -> Steps:
    """The documentation's relation blocks without its dates, and the side tables as its examples have them."""
    machine = myfm.MyFMRegressor(rank=RANK, random_seed=SEED)
    users = features(tables, "user", "item", tables.users)
    items = features(tables, "item", "user", tables.items)
    shapes = [part.shape[1] for part in [*users, *items]]

    def blocks(frame: pd.DataFrame) -> list[RelationBlock]:
        return [block(frame["user"], users), block(frame["item"], items)]

    fitting, wanted = blocks(tables.fit), blocks(tables.pairs)

    def fit() -> object:
        ratings = tables.fit["rating"].to_numpy()
        return machine.fit(None, ratings, X_rel=fitting, n_iter=300, n_kept_samples=300, group_shapes=shapes)

    return fit, lambda: machine.predict(None, wanted, n_workers=1)


def one_hot(values: pd.Series, known: np.ndarray) -> sparse.csr_matrix:
    """A column for each known value, and nothing in the row of an unknown one."""
    columns = pd.Index(known).get_indexer(values)
    (rows,) = np.nonzero(columns >= 0)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns[rows])), shape=(len(values), len(known)))


def features(tables: Tables, own: str, other: str, side: pd.DataFrame) -> list[sparse.csr_matrix]:
    """For every index: its id, with whom or what it was rated (at 1/√count each), and each group of its side table."""
    rows = 1 + max(tables.fit[own].max(), tables.pairs[own].max(), side["row"].max())
    met = tables.fit[[own, other]].drop_duplicates()
    weights = 1 / np.sqrt(met.groupby(own)[other].transform("size"))
    known = np.unique(tables.fit[own])
    parts = [one_hot(pd.Series(np.arange(rows)), known), matrix(met[own], met[other], weights, rows)]
    groups = side.groupby("group", sort=False)
    return parts + [matrix(group["row"], group["column"], group["weight"], rows) for _, group in groups]


def matrix(rows: pd.Series, columns: pd.Series, weights: pd.Series, height: int) -> sparse.csr_matrix:
    """Columns that are nowhere set are left out."""
    codes, values = pd.factorize(columns, sort=True)
    return sparse.csr_matrix((weights, (rows, codes)), shape=(height, len(values)))


def block(indices: pd.Series, parts: list[sparse.csr_matrix]) -> RelationBlock:
    """The features of the distinct indices, and which of them each row has."""
    distinct, places = np.unique(indices, return_inverse=True)
    return RelationBlock(places, sparse.hstack(parts, format="csr")[distinct])


main({"ids": ids, "relations": relations})
