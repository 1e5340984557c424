"""How long a search still takes: by architecture and phase, from the seconds of the fits that have ended."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from statistics import fmean

from reeltune.cluster.runs.folder import Entry, Ledger
from reeltune.cluster.search.choice import (
    EARLY,
    FEWEST,
    FINALISTS,
    SEEDS,
    confirmed,
    dropped,
    finalists,
    often,
    on_sample,
)
from reeltune.trainables.config import Configuration

log = logging.getLogger(__name__)

START = 6.0  # seconds until the first trial begins, before that is known
# As shares of those seconds, as all of them grow on a busy machine: until the workers of the refits are up, which are
# Ray Train's groups; and from the last refit to the reports, without what grows with the test rows.
REFITS_START, ENDING = 1.5, 0.8
BETWEEN = 0.4  # seconds of a lane between two refits
BUSY = 0.95  # the share of a slot's time in which it fits, before that is measured
UNSURE = 20.0  # seconds of measuring after which the measured share counts as much as BUSY
# An architecture's mean fit by its first one, before others are known: that loads modules of torch, and has the
# reference's configuration, which takes longer than what most spaces draw.
FIRST = 0.5
# Hyperparameters that a fit's seconds grow with, beside its rows. References have more of them on more data.
GROWS = ("epochs", "factors")


def after_search(refits: float, *, count: int, lanes: int, ending: float, start: float = START) -> float:
    """Seconds from the last fit of a search to the reports, of `refits` seconds of so many refits.

    `ending` is from the last refit on, and `start` how long the first trial took to begin.
    """
    return REFITS_START * start + (refits + count * BETWEEN) / lanes + ending


def sampled_confirmations(count: int) -> int:
    """How many of so many finalists are expected where trials fit on a sample: one of three is dropped after its first.

    The first two of the others agree.
    """
    out = 1 if count >= FEWEST else 0
    return out + (count - out) * EARLY


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a search is to do."""

    architectures: tuple[str, ...]
    trials: int  # of each architecture
    slots: int  # fits of the search at once
    lanes: int  # refits at once
    baseline: str | None  # the architecture whose reference is refitted too
    more_rows: float = 1.0  # rows of a refit for each row of a confirmation
    all_rows: float = 1.0  # rows of a confirmation for each row of a search trial
    judging: float = 0.0  # seconds to judge the refits on the test rows, and their top lists
    deadline: float | None = None  # of the search trials, by the clock


class TimeLeft:
    """The estimate of one search, from its ledger. `clock` gives seconds; at `began` Ray was about to be started."""

    def __init__(
        self, work: Work, ledger: Ledger, *, began: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.work, self.ledger, self.began, self.clock = work, ledger, began, clock
        self.start = START
        self.earlier = len(ledger.entries)  # of earlier sessions
        self._first = self._at = clock()  # when the first trial ended, and the last one
        self._left: float | None = None
        self._least = 0.0

    def trial_ended(self) -> None:
        """To be called when an entry has been added to the ledger."""
        now = self._at = self.clock()
        if len(self.ledger.entries) == self.earlier + 1:
            self._first = now
            if self.began is not None:
                self.start = max(0.0, now - self.began - self.ledger.entries[-1].seconds)
        if not self._all_known(now):
            return
        rate, search, again = self._rate(now), self._search_work(), self._confirmation_work()
        running = min(0.5 * self.work.slots * self._mean_fit(), search + again)
        searching = search / rate
        if self.work.deadline is not None:
            searching = min(searching, max(0.0, self.work.deadline - now))
        self._left = max(0.0, searching + (again - running) / rate) + self._after()
        self._least = max(0.0, self._left - running / rate)
        log.info("time left: %.1f s", self._left)

    def _all_known(self, now: float) -> bool:
        """Whether a trial of each architecture has ended, or none begins any more."""
        return self._over(now) or all(self.ledger.of("search", name) for name in self.work.architectures)

    def seconds(self) -> float | None:
        """Seconds until the verdict; None before they can be told. Fits that run are not counted below nothing."""
        return None if self._left is None else max(self._least, self._left - (self.clock() - self._at))

    def of_refit(self, architecture: str, config: Configuration | None = None) -> float:
        """Seconds of a refit of this architecture: if it is known, with this configuration."""
        return self._again(architecture, config) * self.work.more_rows

    @property
    def ending(self) -> float:
        """Seconds from the last refit to the reports."""
        return ENDING * self.start + self.work.judging

    def _after(self) -> float:
        """Seconds of the refits and of the end."""
        names = [*self.work.architectures, *([self.work.baseline] if self.work.baseline else [])]
        refits = SEEDS * sum(map(self.of_refit, names))
        count, lanes = SEEDS * len(names), self.work.lanes
        return after_search(refits, count=count, lanes=lanes, ending=self.ending, start=self.start)

    def _rate(self, now: float) -> float:
        """Seconds of fits in a second: by what has ended since the first end in this session."""
        work = sum(entry.seconds for entry in self.ledger.entries[self.earlier + 1 :])
        return (work + UNSURE * BUSY * self.work.slots) / (now - self._first + UNSURE)

    def _search_work(self) -> float:
        """Seconds of the search trials that have not ended."""
        return sum(self._mean(name) * self._waiting(name) for name in self.work.architectures)

    def _over(self, now: float) -> bool:
        """Whether no search trial begins any more."""
        return self.work.deadline is not None and now > self.work.deadline

    def _waiting(self, name: str) -> int:
        """How many search trials of an architecture have not ended, and may."""
        return 0 if self._over(self._at) else max(0, self.work.trials - len(self.ledger.of("search", name)))

    def _confirmation_work(self) -> float:
        """Seconds of the confirmations that have not ended."""
        return sum(
            self._again(name) * max(0, self._confirmations(name) - len(self._confirmed(name)))
            for name in self.work.architectures
        )

    def _confirmed(self, name: str) -> list[Entry]:
        """The confirmations that have ended, of what may still be a finalist: after --resume others may have come."""
        found = finalists(self.ledger, name)
        sure = {entry.trial for entry in found if entry.number == 0 or not self._waiting(name)}
        return [entry for entry in self.ledger.of("confirm", name) if confirmed(entry) in sure]

    def _confirmations(self, name: str) -> int:
        """How many an architecture has in all. A finalist that is dropped has had its first one alone."""
        sampled = on_sample(self.ledger.of("search", name))
        if self._waiting(name):
            found = min(FINALISTS, self.work.trials)
            return sampled_confirmations(found) if sampled else found * SEEDS
        found = len(finalists(self.ledger, name))
        out, times = len(dropped(self.ledger, name)), often(self.ledger, name)
        if times == SEEDS and sampled:
            done = [entry.fold for entry in self._confirmed(name)]
            if done.count(1) < found:
                return sampled_confirmations(found)
            times = SEEDS if done.count(EARLY) >= found - out else EARLY
        return out + (found - out) * times

    def _mean_fit(self) -> float:
        return fmean(entry.seconds for entry in self.ledger.entries)

    def _mean(self, name: str) -> float:
        """Seconds of a search trial. The first one loads modules, and its configuration is no draw from the space."""
        first, others = self._split(name)
        known = [*(seconds * self._first_share() for seconds in first), *others]
        return fmean(known) if known else self._mean_fit()

    def _split(self, name: str) -> tuple[list[float], list[float]]:
        """The seconds of the first search trial, if it has ended, and of the others."""
        found = self.ledger.of("search", name)
        return [e.seconds for e in found if e.number == 0], [e.seconds for e in found if e.number > 0]

    def _first_share(self) -> float:
        """The mean of other trials as a share of the first ones, over the architectures that have both."""
        means, firsts = [FIRST], [1.0]
        for first, others in map(self._split, self.work.architectures):
            if first and others:
                means.append(fmean(others))
                firsts.append(first[0])
        return sum(means) / sum(firsts)

    def _again(self, name: str, config: Configuration | None = None) -> float:
        """Seconds of a whole fit of one of the best configurations: by its own confirmations, if it has any."""
        confirmed = [entry for entry in self.ledger.of("confirm", name) if entry.state == "done"]
        if confirmed:
            own = [entry for entry in confirmed if entry.config == config]
            return fmean(entry.seconds for entry in own or confirmed)
        best = [entry for entry in finalists(self.ledger, name) if entry.number > 0]
        seconds = fmean(entry.seconds for entry in best) if best else self._mean(name)
        grown = [_grown(entry) for entry in best or self.ledger.of("search", name)]
        return self.work.all_rows * (fmean(grown) if grown else 1.0) * seconds


def _grown(entry: Entry) -> float:
    """How many times the work a fit with this configuration is for each row of all users, by that on the sample."""
    pairs = [(entry.config.get(name), (entry.on_sample or {}).get(name)) for name in GROWS]
    # An own architecture may have anything by these names.
    numbers = [(whole, part) for whole, part in pairs if isinstance(whole, int) and isinstance(part, int) and part]
    return prod(whole / part for whole, part in numbers)


class RefitsLeft:
    """The same from the first refit on: which refit this is, and the seconds that are left."""

    def __init__(
        self,
        expected: dict[str, float],
        *,
        lanes: int,
        kept: int = 0,
        start: float = START,
        ending: float = ENDING * START,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`expected` has the seconds of each refit that is left, by name; `kept` are of an earlier process.

        `start` is how long the first trial took to begin.
        """
        self.expected, self.lanes, self.kept, self.clock = dict(expected), lanes, kept, clock
        self.total, self.start, self.ending = kept + len(expected), REFITS_START * start, ending
        self._began: dict[str, float] = {}
        self._took: list[tuple[float, float]] = []  # expected and true seconds of those that ended
        self._at = clock()

    @property
    def done(self) -> int:
        return self.kept + len(self._took)

    def began(self, name: str) -> None:
        self.start = 0.0
        self._began[name] = self._at = self.clock()

    def ended(self, name: str) -> None:
        self._at = self.clock()
        self._took.append((self.expected.pop(name, 0.0), self._at - self._began.pop(name, self._at)))
        log.info("time left: %.1f s", self._seconds())

    def seconds(self) -> float:
        return max(self.ending, self._seconds() - (self.clock() - self._at))

    def _seconds(self) -> float:
        wanted, took = (sum(each) for each in zip((1.0, 1.0), *self._took, strict=True))
        running = 0.5 * sum(self.expected.get(name, 0.0) for name in self._began)
        waiting = BETWEEN * (len(self.expected) - len(self._began))
        left = (sum(self.expected.values()) - running) * took / wanted + waiting
        return left / self.lanes + self.start + self.ending
