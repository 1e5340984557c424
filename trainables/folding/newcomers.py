"""Ratings of new users and items, by their own ids: checked, and put in the indices of a model that knows others."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch

from reeltune.trainables.data.ids import Ids
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.errors import InputError
from reeltune.trainables.folding.folded import Newcomers

KnownIds = Literal["error", "drop", "again"]
LONGEST = 1000  # characters of a new id: a longer one is no id


@dataclass(frozen=True, kw_only=True)
class Known:
    """The ids of a model, and by index how many ratings of each were fitted."""

    users: Ids
    items: Ids
    user_ratings: np.ndarray
    item_ratings: np.ndarray


@dataclass(frozen=True, kw_only=True)
class NewRatings:
    """Ratings with a new user, a new item or both, of shape (ratings,), in the indices of `users` and `items`.

    Those are the known ids and the new ones behind them. A known id without a fitted rating is new too, and so is a
    user who is to be found again.
    """

    users: Ids
    items: Ids
    new_users: np.ndarray  # which are new, by index: shape (1 + users,), booleans
    new_items: np.ndarray
    of_users: np.ndarray
    of_items: np.ndarray
    ratings: np.ndarray
    known: Known
    notes: tuple[str, ...]

    def for_users(self) -> Newcomers:
        """The ratings of known items by new users, which give these their rows."""
        usable = self.new_users[self.of_users] & ~self.new_items[self.of_items]
        unrated = np.flatnonzero(self.known.user_ratings == 0)
        return Newcomers(
            side="users",
            count=self.users.rows - self.known.users.rows,
            owners=_tensor(self.of_users[usable]),
            partners=_tensor(self.of_items[usable]),
            ratings=torch.tensor(self.ratings[usable], dtype=torch.float32),
            expected=_tensor(unrated),
        )

    def for_items(self) -> Newcomers:
        """The ratings of new items by users who have rows, which give the items theirs."""
        found = ~self.new_users
        found[self.for_users().owners.numpy()] = True
        usable = self.new_items[self.of_items] & found[self.of_users]
        unrated = np.flatnonzero(self.known.item_ratings == 0)
        return Newcomers(
            side="items",
            count=self.items.rows - self.known.items.rows,
            owners=_tensor(self.of_items[usable]),
            partners=_tensor(self.of_users[usable]),
            ratings=torch.tensor(self.ratings[usable], dtype=torch.float32),
            expected=_tensor(unrated),
        )

    def text(self, kind: Literal["user", "item"]) -> pd.Index:
        """The new users, or items, by their own ids."""
        ids, new = (self.users, self.new_users) if kind == "user" else (self.items, self.new_items)
        return ids.text[np.flatnonzero(new) - 1]

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """How many ratings each user's and each item's row was found from, by index."""
        found = []
        for given, fitted, new in (
            (self.for_users(), self.known.user_ratings, self.new_users),
            (self.for_items(), self.known.item_ratings, self.new_items),
        ):
            counts = np.append(fitted, np.zeros(given.count, dtype=fitted.dtype))
            counts[new] = np.bincount(given.owners.numpy(), minlength=len(new))[new]
            found.append(counts)
        return found[0], found[1]


def new_ratings(frame: pd.DataFrame, known: Known, scale: Scale, source: str, known_ids: KnownIds) -> NewRatings:
    """From text ids `user` and `item` and a float `rating`; of a repeated pair the last is taken.

    A pair whose user and item are both known is an error; with "drop" it is left out, and with "again" its user's row
    is found anew from the ratings given here. Raises InputError at an id or a rating that cannot be one.
    """
    _check(frame, scale, source)
    kept = frame.drop_duplicates(["user", "item"], keep="last")
    notes = [f"{source}: pairs that are rated twice, of which the last is taken: {len(frame) - len(kept):,}"]
    frame, notes = kept, notes if len(kept) < len(frame) else []
    users, of_users = _with_new(known.users, frame["user"])
    items, of_items = _with_new(known.items, frame["item"])
    new_users = _fresh(users, known.user_ratings, of_users)
    new_items = _fresh(items, known.item_ratings, of_items)
    old = ~new_users[of_users] & ~new_items[of_items]
    if old.any() and known_ids == "error":
        first = frame.iloc[int(old.argmax())]
        raise InputError(
            f"{source}: the model was fitted on ratings of user {shown(first['user'])} and of item "
            f"{shown(first['item'])}, and so of {int(old.sum()):,} of {len(old):,} pairs: --known-ids drop leaves them "
            "out, and --known-ids again finds these users anew, from the ratings given here alone: give all of them"
        )
    if old.any() and known_ids == "again":
        new_users[of_users[old]] = True
        notes.append(f"{source}: known users who are found anew: {len(np.unique(of_users[old])):,}")
    elif old.any():
        notes.append(f"{source}: pairs of a known user and a known item, which are left out: {int(old.sum()):,}")
    inside = new_users[of_users] | new_items[of_items]
    if not inside.any():
        raise InputError(f"{source}: no pair has a new user or a new item; --known-ids again finds known users anew")
    found = NewRatings(
        users=users,
        items=items,
        new_users=new_users,
        new_items=new_items,
        of_users=of_users[inside],
        of_items=of_items[inside],
        ratings=frame["rating"].to_numpy()[inside],
        known=known,
        notes=(),
    )
    return _noted(found, source, notes)


def _noted(found: NewRatings, source: str, notes: list[str]) -> NewRatings:
    """With a line on the newcomers, and on those that none of their ratings can say anything of."""
    users, items = found.counts()
    said = f"{source}: new users: {int(found.new_users.sum()):,}, new items: {int(found.new_items.sum()):,}"
    lost = [int((counts[new] == 0).sum()) for counts, new in ((users, found.new_users), (items, found.new_items))]
    if any(lost):
        said += f"; {lost[0]:,} users and {lost[1]:,} items of them have rated, or were rated by, new ones alone"
    return NewRatings(**{**found.__dict__, "notes": (*notes, said)})


def _check(frame: pd.DataFrame, scale: Scale, source: str) -> None:
    for kind in ("user", "item"):
        lengths = frame[kind].str.len()
        if lengths.max() > LONGEST:
            long = frame[kind].iloc[int(lengths.to_numpy().argmax())]
            raise InputError(
                f"{source}: {kind} {shown(long)} has {len(long):,} characters; an id has {LONGEST:,} at most"
            )
    outside = scale.outside(frame["rating"].to_numpy())
    if outside.any():
        first = frame.iloc[int(outside.argmax())]
        raise InputError(
            f"{source}: user {shown(first['user'])} has rated item {shown(first['item'])} with {first['rating']:g}; "
            f"the model's ratings are {scale.described()}"
        )


def shown(text: str) -> str:
    """An id in quotes, cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _with_new(known: Ids, ids: pd.Series) -> tuple[Ids, np.ndarray]:
    """The known ids and behind them the others of these, and the index of each."""
    index = known.encode(ids)
    places, strangers = pd.factorize(ids[index == 0])
    index[index == 0] = places + known.rows
    return Ids(known.text.append(pd.Index(list(strangers), dtype="str"))), index


def _fresh(ids: Ids, fitted: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Which ids are new, by index: those behind the known ones, and known ones without a fitted rating given here."""
    fresh = np.zeros(ids.rows, dtype=bool)
    fresh[given] = np.append(fitted, np.zeros(ids.rows - len(fitted)))[given] == 0
    return fresh


def _tensor(places: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(places)).long()
