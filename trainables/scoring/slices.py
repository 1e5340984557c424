"""Where a predictor is good or bad: the squared error by group of rows.

Rows are grouped by true rating, by how many fitted ratings the user has and the item has (rows without any, and fifths
of the others), and by which of the two has none. Groups of fewer than FEWEST rows are merged with a neighbour, except
in the last grouping.
"""

from dataclasses import dataclass

import numpy as np

from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.scale import Scale

FEWEST = 30  # rows of a group: the mean error of fewer is mostly noise
PARTS = 5
MOST_VALUES = 10  # observed ratings that are a group each


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups of which every row is in one: `member`, shape (rows,), is the index of its label."""

    labels: tuple[str, ...]
    member: np.ndarray

    def errors(
        self, squared: np.ndarray, weights: np.ndarray | None = None
    ) -> list[dict[str, str | int | float | None]]:
        """Each group's label, count and mean of these squared errors, shape (rows,); None for a group without rows.

        With weights, above 0, shape (rows,), the means are by them, and the counts are of rows all the same.
        """
        counts = np.bincount(self.member, minlength=len(self.labels)).tolist()
        if weights is not None:
            squared = squared * weights
        sizes = counts if weights is None else self._sums(weights)
        return [
            {"label": label, "count": count, "mse": total / size if count else None}
            for label, count, size, total in zip(self.labels, counts, sizes, self._sums(squared), strict=True)
        ]

    def _sums(self, values: np.ndarray) -> list[float]:
        return np.bincount(self.member, weights=values, minlength=len(self.labels)).tolist()


def slices(rows: Rows, fitting: Rows, scale: Scale) -> dict[str, Groups]:
    """The groupings of `rows`, by name; `fitting` are the fitted rows. They are the same for all predictors."""
    of_user, of_item = _known(rows.users, fitting.users), _known(rows.items, fitting.items)
    return {
        "rating": by_rating(rows.ratings, scale),
        "user_activity": by_number(of_user),
        "item_popularity": by_number(of_item),
        "cold": by_cold(of_user == 0, of_item == 0),
    }


def by_rating(ratings: np.ndarray, scale: Scale) -> Groups:
    """By the nearest observed rating; by fifths if there are more than MOST_VALUES."""
    if len(scale.values) > MOST_VALUES:
        return _merged(ratings, _fifths(ratings))
    stars = np.asarray(scale.values)[scale.nearest(ratings)]
    return _merged(stars, np.unique(stars))


def by_number(numbers: np.ndarray) -> Groups:
    """By how many fitted ratings there are, shape (rows,): rows without any, and fifths of the others."""
    some = numbers[numbers > 0]
    groups = _merged(numbers, np.concatenate([[0], _fifths(some)]))
    return Groups(
        labels=tuple(f"{label} rating{'' if label == '1' else 's'}" for label in groups.labels), member=groups.member
    )


def by_cold(user: np.ndarray, item: np.ndarray) -> Groups:
    """By which of user and item has no fitted rating. These groups differ in kind and are not merged."""
    labels = ("warm user and item", "cold user, warm item", "warm user, cold item", "cold user and item")
    return Groups(labels=labels, member=user + 2 * item)


def _known(ids: np.ndarray, fitting: np.ndarray) -> np.ndarray:
    """How many fitted rows have each row's id, shape (rows,); 0 for 'unknown'."""
    counts = np.bincount(fitting, minlength=1 + ids.max(initial=0))
    counts[0] = 0
    return counts[ids]


def _fifths(numbers: np.ndarray) -> np.ndarray:
    """The highest number of each fifth, ascending; fewer than five if numbers repeat."""
    if len(numbers) == 0:
        return np.empty(0)
    return np.unique(np.quantile(numbers, np.arange(1, PARTS + 1) / PARTS, method="inverted_cdf"))


def _merged(numbers: np.ndarray, highest: np.ndarray) -> Groups:
    """Groups that end at each of `highest`, joined in order until each has FEWEST rows; what is left joins the last."""
    counts = np.bincount(np.searchsorted(highest, numbers), minlength=len(highest))
    ends, gathered = [], 0
    for end, count in zip(highest, counts, strict=True):
        gathered += count
        if gathered >= FEWEST:
            ends.append(end)
            gathered = 0
    if gathered or not ends:
        ends[-1:] = [highest[-1]]
    member = np.searchsorted(ends, numbers)
    found = [numbers[member == number] for number in range(len(ends))]
    return Groups(labels=tuple(_label(group.min(), group.max()) for group in found), member=member)


def _label(low: float, high: float) -> str:
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
