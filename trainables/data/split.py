"""Training, validation and sealed test rows: by default 20% for the test, 10% of the rest for validation."""

import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from reeltune.trainables.data.ratings import Rows
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.errors import InputError

SplitKind = Literal["random", "user", "time"]
VALIDATION, TEST = 0.1, 0.2  # the default shares
ROUNDING = 1e-9  # a share of rows that is a whole number may come out a little below it
GOLDEN = (5**0.5 - 1) / 2  # its multiples are spread evenly over 0 to 1
LEAST_FOLDS = 3  # confirmations hold out three times, each time other rows


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How much is held out, each 0 or more and below 1; 0 holds nothing out."""

    validation: float = VALIDATION  # of the rows that are not for the test
    test: float = TEST  # of all rows; of no use where the test rows are somebody's own

    def options(self) -> dict[str, float]:
        """The options of the command line that ask for these; none for a default."""
        given = {"--validation": (self.validation, VALIDATION), "--test-share": (self.test, TEST)}
        return {option: share for option, (share, usual) in given.items() if share != usual}


DEFAULT_SHARES = Shares()


class SealedRows:
    """Test rows that can be read only by opening them, and every opening is written down.

    Test rows that are looked at twice are on the way to being training rows, so the ledger of looks lies
    outside any run's folder: a second look through another run is known to be the second.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fingerprint(self) -> str:
        return self._rows.fingerprint()

    @property
    def timed(self) -> bool:
        """Whether the rows have timestamps."""
        return self._rows.timestamps is not None

    def shared_pairs(self, rows: Rows) -> int:
        """How many of the sealed rows have a known user and item that are a pair of these rows too."""
        known = (self._rows.users > 0) & (self._rows.items > 0)
        return int((self._rows.pairs_in(rows) & known).sum())

    def __reduce__(self) -> str:
        raise TypeError("sealed test rows stay in the process that split them")

    def open(self, ledger: Path, *, reason: str) -> tuple[Rows, int]:
        """Hand over the rows, and say which look at them this is, counting from 1."""
        return self._rows, write_down_look(ledger, self.fingerprint, len(self), reason=reason)


def write_down_look(ledger: Path, fingerprint: str, count: int, *, reason: str) -> int:
    """Write down a look at the test rows of this fingerprint, and say which look at them it is, counting from 1.

    Of the test rows of several folds at once, whose fingerprints have a space between them, the rows that were looked
    at most often count.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    earlier = 0
    if ledger.exists():
        lines = ledger.read_text().splitlines()
        earlier = max(sum(each in line for line in lines) for each in fingerprint.split())
    line = {
        "rows": fingerprint,
        "count": count,
        "reason": reason,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    with ledger.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return earlier + 1


@dataclass(frozen=True, kw_only=True)
class Split:
    """The three parts. The last two have no rows where their share is 0."""

    train: Rows
    validation: Rows
    test: SealedRows

    @property
    def fitting(self) -> Rows:
        """What refits and the baseline train on: training and validation rows."""
        return self.train.joined(self.validation)

    @property
    def scale(self) -> Scale:
        """That of their ratings."""
        return Scale.of(np.concatenate([self.train.ratings, self.validation.ratings]))


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One of `of` parts of the rows, by number from 1: its rows are the test rows. Without a value they are equal."""

    number: int
    of: int
    value: str | None = None  # what its rows have in the column of folds, where the data has its own

    @property
    def name(self) -> str:
        if self.value is None:
            return f"fold {self.number} of {self.of}"
        return f"fold {self.value!r}, {self.number} of {self.of}"


def split(
    rows: Rows,
    *,
    kind: SplitKind = "random",
    seed: int,
    shares: Shares = DEFAULT_SHARES,
    tested: Fold | None = None,
    given: np.ndarray | None = None,
) -> Split:
    """Split rows by `kind`. With `tested` the test rows are that fold's, whatever the share.

    Fold 1 of 5 of a random split is the split without folds, with a fifth of the rows for the test. `given` is each
    row's fold, from 1, where the data has its own.

    Raises InputError where a part of a share above 0 would be empty, or `time` has no timestamps.
    """
    order = _order(rows, kind, seed)
    if tested is None:
        test, rest = _first(rows, order, shares.test, by_user=kind == "user")
    else:
        test, rest = _of_fold(rows.users, order, tested, given, by_user=kind == "user")
        shares = replace(shares, test=1 / tested.of if given is None else len(test) / len(order))
    del order  # of 8 bytes a row, before the rows are taken
    sealed = SealedRows(_part(rows, test, "test", shares.test, shares))
    return _split(rows, rest, sealed, shares, by_user=kind == "user")


def _of_fold(
    users: np.ndarray, order: np.ndarray, tested: Fold, given: np.ndarray | None, *, by_user: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The places of the fold's rows and of the others, in this order. All rows' users are given."""
    folds = _folds(users[order], tested.of, by_user=by_user) if given is None else given[order]
    own = folds == tested.number
    return order[own], order[~own]


def _folds(users: np.ndarray, of: int, *, by_user: bool) -> np.ndarray:
    """The fold's number of each of these rows, whose users are given: parts of the order, or of each user's rows."""
    places = np.arange(len(users))
    if not by_user:
        return 1 + np.searchsorted(np.arange(1, of) * len(users) // of, places, side="right")
    folds = np.empty_like(places)
    folds[np.argsort(users, kind="stable")] = 1 + places % of
    return folds


def split_given_test(
    rows: Rows, test: Rows, *, kind: SplitKind = "random", seed: int, shares: Shares = DEFAULT_SHARES
) -> Split:
    """Split rows in training and validation alone: the test rows are somebody's own. Raises InputError as `split`."""
    order = _order(rows, kind, seed)
    return _split(rows, order, SealedRows(test), replace(shares, test=0), by_user=kind == "user")


def fold(train: Rows, validation: Rows, number: int, *, kind: SplitKind) -> tuple[Rows, Rows]:
    """Training and validation rows with another part of the training rows in place of the validation rows.

    Number 0 is the split as it is; 1, 2, … each hold out other rows, about as many. By time each is an earlier cut: it
    holds out the latest training rows but those of the cuts before, and nothing is trained on that is later than these
    (rolling origins; Tashman 2000). Where there are too few rows for a cut, it is the one before.
    """
    if number == 0:
        return train, validation
    if kind == "time":
        return _cut_in_time(train, validation, number)
    parts = max(LEAST_FOLDS, round(len(train) / len(validation)))
    # Training rows are in the split's own order, which is a random one.
    rank, sizes = _ranks(train.users, by_user=kind == "user")
    place = (number - 1) % parts
    # Rounded at another place for each user: few rows of many users must not all be in the same fold.
    phase = train.users * GOLDEN % 1 if kind == "user" else 0.5
    low, high = (np.floor(end / parts * sizes + phase) for end in (place, place + 1))
    held_out = (low <= rank) & (rank < high)
    if held_out.all() or not held_out.any():
        return train, validation
    return train.joined(validation, kept=~held_out), train.take(held_out)


def _cut_in_time(train: Rows, validation: Rows, number: int) -> tuple[Rows, Rows]:
    """Training and held-out rows of the cut of this number. Training rows are the latest first, as in `_time_order`."""
    size = len(validation)
    number = min(number, (len(train) - 2) // size)  # a fit needs two rows
    if number < 1:
        return train, validation
    end = number * size
    return train.take(np.arange(end, len(train))), train.take(np.arange(end - size, end))


def _split(rows: Rows, order: np.ndarray, sealed: SealedRows, shares: Shares, *, by_user: bool) -> Split:
    """The rows of this order in training and validation, beside the sealed ones."""
    validation, train = _first(rows, order, shares.validation, by_user=by_user)
    return Split(
        train=_part(rows, train, "training", 1, shares),
        validation=_part(rows, validation, "validation", shares.validation, shares),
        test=sealed,
    )


def _order(rows: Rows, kind: SplitKind, seed: int) -> np.ndarray:
    """The places of all rows in the order in which they are dealt to the parts."""
    # With "user" each user's rows are in the order of one permutation of all rows.
    return {"random": _random_order, "user": _random_order, "time": _time_order}[kind](rows, seed)


def _random_order(rows: Rows, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(len(rows))


def _time_order(rows: Rows, seed: int) -> np.ndarray:
    if rows.timestamps is None:
        raise InputError("--split time needs timestamps, and the data has none; use --split random or user")
    # Latest first; of rows of the same second the later in the file is the later, the same on every machine.
    return np.argsort(rows.timestamps, kind="stable")[::-1]


def _first(rows: Rows, order: np.ndarray, share: float, *, by_user: bool) -> tuple[np.ndarray, np.ndarray]:
    """The first `share` of the order (of each user's rows in it, where `by_user`), and the rest."""
    if not by_user:
        count = _count(len(order), share)
        return order[:count], order[count:]
    users = rows.users[order]
    rank, _ = _ranks(users, by_user=True)
    chosen = rank < _counts(users, share)[users]
    return order[chosen], order[~chosen]


def _counts(users: np.ndarray, share: float) -> np.ndarray:
    """How many rows each user gives, by user index: the share of all rows together, and within one of it for each.

    Rounding each user on their own would take nothing of users with few rows, who may have most of the rows. So what
    rounding leaves of one user goes to the next, in the order of their first rows, which another seed changes.
    """
    known, first, sizes = np.unique(users, return_index=True, return_counts=True)
    turn = np.argsort(first)
    taken = np.floor(share * np.cumsum(sizes[turn]) + ROUNDING)
    counts = np.zeros(int(known.max(initial=0)) + 1)
    counts[known[turn]] = np.diff(taken, prepend=0)
    return counts


def _ranks(users: np.ndarray, *, by_user: bool) -> tuple[np.ndarray, np.ndarray]:
    """Each row's place among all rows, or among its user's, from 0; and how many rows those are, one number for all."""
    if not by_user:
        return np.arange(len(users)), np.array(len(users))
    sizes = np.bincount(users)
    grouped = np.argsort(users, kind="stable")
    starts = np.cumsum(sizes) - sizes
    rank = np.empty(len(users), dtype=np.int64)
    rank[grouped] = np.arange(len(users)) - np.repeat(starts, sizes)
    return rank, sizes[users]


def _part(rows: Rows, chosen: np.ndarray, name: str, share: float, shares: Shares) -> Rows:
    """The chosen rows. Raises InputError if there are none although their share is above 0."""
    if len(chosen) == 0 and share > 0:
        raise _too_few(len(rows), name, shares)
    return rows.take(chosen)


def _too_few(rows: int, name: str, shares: Shares) -> InputError:
    to_test = f"{100 * shares.test:.4g}% go to the test, " if shares.test else ""
    return InputError(
        f"{rows:,} ratings are too few to split: the {name} part would be empty ({to_test}"
        f"{100 * shares.validation:.4g}% of {'the rest' if to_test else 'them'} to validation); give more ratings, "
        "other shares (--validation, --test-share) or fewer --folds"
    )


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many rows each part has."""

    train: int
    validation: int
    test: int

    @classmethod
    def of(cls, rows: int, shares: Shares) -> "Sizes":
        """Those of a random split of so many rows. Raises InputError as `split` does.

        Of its order the test rows come first, then those to validate on, then those to train on.
        """
        test = _count(rows, shares.test)
        validation = _count(rows - test, shares.validation)
        sizes = cls(train=rows - test - validation, validation=validation, test=test)
        wanted = {
            "test": (test, shares.test),
            "training": (sizes.train, 1),
            "validation": (validation, shares.validation),
        }
        for name, (size, share) in wanted.items():
            if size == 0 and share > 0:
                raise _too_few(rows, name, shares)
        return sizes


def _count(rows: int, share: float) -> int:
    return math.floor(share * rows + ROUNDING)
