"""Where a search's time went: the core seconds of its fits, and how many its slots had."""

from collections.abc import Sequence
from functools import reduce

from reeltune.cluster.runs.stored import Stored


def _sum(one: float, other: float) -> float:
    """Of seconds in milliseconds' steps, as each of them is written."""
    return round(one + other, 3)


class FitSeconds(Stored):
    """Core seconds of fits: the seconds in each fit, times the workers that did it."""

    trials: float = 0.0
    confirmations: float = 0.0
    refits: float = 0.0

    @property
    def total(self) -> float:
        return self.trials + self.confirmations + self.refits

    def plus(self, other: "FitSeconds") -> "FitSeconds":
        return FitSeconds(
            trials=_sum(self.trials, other.trials),
            confirmations=_sum(self.confirmations, other.confirmations),
            refits=_sum(self.refits, other.refits),
        )


class Phase(Stored):
    """A phase by the clock. `available`: core seconds that its slots had; None: some waited for nodes to come."""

    wall: float
    available: float | None = None

    def plus(self, other: "Phase") -> "Phase":
        known = self.available is not None and other.available is not None
        return Phase(
            wall=_sum(self.wall, other.wall),
            available=_sum(self.available or 0.0, other.available or 0.0) if known else None,
        )


class Spent(Stored):
    """Core seconds of a search's fits, and its phases by the clock. Fits that were cut off are not in them."""

    fits: dict[str, FitSeconds]  # by architecture, and of the baseline's reference
    search: Phase  # trials and confirmations: an architecture's confirmations run beside the trials of others
    refits: Phase
    resumed: bool = False  # an earlier process did some of the fits; `search` and `refits` are without its time

    def plus(self, other: "Spent") -> "Spent":
        names = dict.fromkeys([*self.fits, *other.fits])
        none = FitSeconds()
        return Spent(
            fits={name: self.fits.get(name, none).plus(other.fits.get(name, none)) for name in names},
            search=self.search.plus(other.search),
            refits=self.refits.plus(other.refits),
            resumed=self.resumed or other.resumed,
        )

    @property
    def all_fits(self) -> FitSeconds:
        return reduce(FitSeconds.plus, self.fits.values(), FitSeconds())

    @property
    def available(self) -> float | None:
        """Core seconds that were there for all of the fits; None if that is not known."""
        return None if self.resumed else self.search.plus(self.refits).available


def together(each: Sequence[Spent | None]) -> Spent | None:
    """What several searches spent, one after the other; None if that is not known of all."""
    known = [spent for spent in each if spent is not None]
    if not known or len(known) < len(each):
        return None
    return reduce(Spent.plus, known)
