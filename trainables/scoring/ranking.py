"""How well a predictor's top list for a user holds what that user rated in the test rows: NDCG and recall at TOP.

A list ranks all items but those that the user has a fitted rating of. With the gain g of a rating (`Scale.gain`: the
stars themselves, on a scale of whole or half stars) and the place p of its item in the list, from 1,

    DCG = Σ g / log2(1 + p) over the places up to TOP,   NDCG = DCG / the largest DCG of any list

(Järvelin & Kekäläinen 2002). Recall is the share of the user's liked items, those with a rating in the top quarter of
the scale, that are in the first TOP places; of more than TOP liked items a list holds TOP at most, so the share is of
these (as in LensKit). Items of equal score count as their mean over all orders of them (McSherry & Najork 2008).
"""

from dataclasses import dataclass

import numpy as np

from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.scale import Scale

TOP = 10
# What the first n places are worth together, for n from 0 to TOP: as gains are discounted, and as hits are counted.
DISCOUNTED = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, TOP + 2)))])
COUNTED = np.arange(TOP + 1.0)


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The users to make lists for, and the pairs that they rated in the test rows and have no fitted rating of.

    A pair's `person` is a position in `users`; pairs are sorted by it. The pair of an unknown item (0) is in no list.
    """

    row: np.ndarray  # the position of the user's first test row, shape (lists,)
    users: np.ndarray  # user indices, shape (lists,); several users whom the data does not know have 0
    times: np.ndarray | None  # when each list is made, in seconds: at the user's first test row; shape (lists,)
    person: np.ndarray  # shape (pairs,)
    item: np.ndarray  # shape (pairs,)
    gain: np.ndarray  # shape (pairs,)
    liked: np.ndarray  # shape (pairs,)
    seen: tuple[np.ndarray, np.ndarray]  # fitted pairs: positions in `users`, sorted, and items; each of shape (seen,)
    items: int  # indices of items, with that of 'unknown'

    def __len__(self) -> int:
        return len(self.users)

    def take(self, chosen: np.ndarray) -> "Lists":
        """The lists at these ascending positions."""
        place = np.full(len(self), -1)
        place[chosen] = np.arange(len(chosen))
        person, (viewer, item) = place[self.person], self.seen
        kept, seen = person >= 0, place[viewer] >= 0
        return Lists(
            row=self.row[chosen],
            users=self.users[chosen],
            times=None if self.times is None else self.times[chosen],
            person=person[kept],
            item=self.item[kept],
            gain=self.gain[kept],
            liked=self.liked[kept],
            seen=(place[viewer[seen]], item[seen]),
            items=self.items,
        )

    def drawn(self, most: int, *, seed: int) -> "Lists":
        """`most` of the lists, drawn at random; all of them if there are no more."""
        if len(self) <= most:
            return self
        return self.take(np.sort(np.random.default_rng(seed).permutation(len(self))[:most]))


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A predictor's NDCG and recall by user, each of shape (lists,); the recall is NaN of who likes nothing."""

    ndcg: np.ndarray
    recall: np.ndarray


def lists(rows: Rows, people: np.ndarray, fitting: Rows, scale: Scale, *, items: int) -> Lists:
    """The lists of all users in `rows`; `people`, shape (rows,), says whose each row is.

    A pair that was fitted too is left out, as no list has it; one that has several rows counts with its mean rating.
    A user without any other pair has no list.
    """
    width = 1 + max(items, int(rows.items.max(initial=0)))
    new = np.flatnonzero(~rows.pairs_in(fitting))
    # An unknown item is an item of its own in each row.
    own = np.where(rows.items[new] == 0, width + np.arange(len(new)), rows.items[new])
    _, whose, person = np.unique(people[new], return_index=True, return_inverse=True)
    _, first, pair = np.unique(person * (width + len(new)) + own, return_index=True, return_inverse=True)
    rating = np.bincount(pair, weights=rows.ratings[new]) / np.bincount(pair)
    users = rows.users[new][whose]
    return Lists(
        row=new[whose],
        users=users,
        times=None if rows.timestamps is None else _earliest(person, rows.timestamps[new], len(users)),
        person=person[first],
        item=rows.items[new][first],
        gain=scale.gain(rating),
        liked=rating >= scale.liked,
        seen=_seen(users, fitting),
        items=items,
    )


def _earliest(person: np.ndarray, times: np.ndarray, people: int) -> np.ndarray:
    found = np.full(people, np.iinfo(np.int64).max)
    np.minimum.at(found, person, times)
    return found


def _seen(users: np.ndarray, fitting: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The fitted pairs of these users, by position in `users`. Those of index 0, 'unknown', have none."""
    place = np.full(1 + max(users.max(initial=0), fitting.users.max(initial=0)), -1)
    place[users] = np.arange(len(users))
    place[0] = -1
    person = place[fitting.users]
    order = np.argsort(person, kind="stable")
    order = order[person[order] >= 0]
    return person[order], fitting.items[order]


def ranked(some: Lists, scores: np.ndarray) -> Ranked:
    """Judge lists in the order of `scores`, shape (lists, known items), highest first. `scores` is changed."""
    person, item = some.seen
    scores[person, item - 1] = -np.inf
    ahead, alike = _places(some, np.sort(scores, axis=1), scores)
    place = _ideal_places(some)
    gained = _added(some, some.gain * _worth(DISCOUNTED, ahead, alike))
    best = _added(some, some.gain * _worth(DISCOUNTED, place, np.ones_like(place)))
    hits = _added(some, some.liked * _worth(COUNTED, ahead, alike))
    likes = np.minimum(_added(some, some.liked), TOP)
    with np.errstate(invalid="ignore"):
        return Ranked(ndcg=gained / best, recall=hits / likes)


def _places(some: Lists, ascending: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many items are ahead of each pair's item, and how many are like it, itself among them; shape (pairs,)."""
    ahead, alike = np.full(len(some.item), TOP), np.ones(len(some.item), dtype=int)
    ends = np.searchsorted(some.person, np.arange(len(some) + 1))
    known = some.item > 0
    for number, row in enumerate(ascending):
        at = ends[number] + np.flatnonzero(known[ends[number] : ends[number + 1]])
        own = scores[number, some.item[at] - 1]
        after = np.searchsorted(row, own, side="right")
        ahead[at] = len(row) - after
        alike[at] = after - np.searchsorted(row, own, side="left")
    return ahead, alike


def _ideal_places(some: Lists) -> np.ndarray:
    """Each pair's place, from 0, in the best list of its user: by gain."""
    order = np.lexsort((-some.gain, some.person))
    places = np.empty(len(order), dtype=int)
    places[order] = np.arange(len(order)) - np.searchsorted(some.person, some.person)
    return places


def _worth(worth: np.ndarray, ahead: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """The mean worth of the places that an item may have: any of `alike` ones after the first `ahead`."""
    first, end = np.minimum(ahead, TOP), np.minimum(ahead + alike, TOP)
    return (worth[end] - worth[first]) / alike


def _added(some: Lists, values: np.ndarray) -> np.ndarray:
    """The sum of pairs' values by user, shape (lists,)."""
    return np.bincount(some.person, weights=values, minlength=len(some))
