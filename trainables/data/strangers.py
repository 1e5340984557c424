"""Ids of another file that the data lacks: counts them, and refuses a file whose ids are of another kind."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reeltune.trainables.errors import InputError

UnknownIds = Literal["error", "allow"]


@dataclass(frozen=True, kw_only=True)
class Strangers:
    """How many rows of a file have an unknown user, an unknown item, or both."""

    rows: int
    users: int
    items: int
    both: int

    @classmethod
    def of(cls, users: np.ndarray, items: np.ndarray) -> "Strangers":
        """Count unknown ids, which have index 0, in indices of shape (rows,)."""
        new_users, new_items = users == 0, items == 0
        return cls(
            rows=len(users),
            users=int(new_users.sum()),
            items=int(new_items.sum()),
            both=int((new_users & new_items).sum()),
        )

    def plus(self, more: "Strangers") -> "Strangers":
        """The counts of these rows and of more."""
        return Strangers(
            rows=self.rows + more.rows,
            users=self.users + more.users,
            items=self.items + more.items,
            both=self.both + more.both,
        )

    def note(self, file: str) -> str:
        """One line, a warning where more than half of the rows have an unknown user, or an unknown item."""
        if not self.users and not self.items:
            return ""
        counts = f"{self.users:,} have an unknown user, {self.items:,} an unknown item, {self.both:,} both"
        loud = "WARNING: " if 2 * max(self.users, self.items) > self.rows else ""
        return f"{loud}{file}: of {self.rows:,} rows {counts}"


def refuse_strangers(kind: str, file: str, indices: np.ndarray, theirs: str, ours: str, unknown: UnknownIds) -> None:
    """Raise InputError where no id of a kind is known: most often they are written in another way.

    `theirs` and `ours` are an id of each side.
    """
    if len(indices) and not indices.any() and unknown == "error":
        raise InputError(
            f"{file}: none of its {kind}s is known: it has {kind}s such as {theirs!r}, and the known ones are such as "
            f"{ours!r} (--unknown-ids allow, if all of them are new)"
        )
