"""The confirmation stage: each architecture's best configurations are tried again, on other rows with other seeds.

The best of many noisy values is partly luck, with the seed and with the validation rows. Trying the best again
measures the luck away; `choice.py` then takes the best mean.
"""

from collections.abc import Collection, Iterable, Iterator
from statistics import fmean

from reeltune.cluster.runs.folder import Entry, Ledger
from reeltune.cluster.search.choice import (
    FEWEST,
    SEEDS,
    agreed,
    dropped,
    earlier_finalists,
    finalists,
    on_sample,
    one_left,
)
from reeltune.cluster.search.messages import Order

AGAIN = 1_000_000  # added to the search's seed: no confirmation repeats the draw that made its trial look good


class Confirmation:
    """Orders confirmations: SEEDS for each finalist of an architecture, each with its own seed and fold.

    The first of each finalist come first, and rule out those that are far behind: these get no more. Nor does the one
    that is left alone by that in a search on a sample. There the others get a third where the first two do not agree.
    """

    def __init__(self, ledger: Ledger, architectures: Iterable[str], *, seed: int) -> None:
        self.ledger, self.architectures, self.seed = ledger, list(architectures), seed

    def next(self, running: Collection[Order], *, waiting: Collection[str]) -> Order | None:
        """The next confirmation that has not been ordered yet; None where there is none, for now.

        An architecture's confirmations begin when its last search trial has ended: it has none among those that run,
        and is not one of those that have trials `waiting`. Those of an architecture whose trials take longest come
        first, so that at the end no slot waits long for another's.
        """
        ordered = {order.trial for order in running} | {entry.trial for entry in self.ledger.entries}
        searching = {*waiting, *(order.architecture for order in running if order.stage == "search")}
        for architecture in self._longest_first():
            if architecture not in searching:
                for order in self._wanted(architecture):
                    if order.trial not in ordered:
                        return order
        return None

    def _longest_first(self) -> list[str]:
        seconds = {
            name: fmean(entry.seconds for entry in ended)
            for name in self.architectures
            if (ended := self.ledger.of("search", name))
        }
        return sorted(self.architectures, key=lambda name: -seconds.get(name, 0.0))

    def _wanted(self, architecture: str) -> Iterator[Order]:
        """What is wanted so far: the others of a finalist only when the first of all of them have ended."""
        found = finalists(self.ledger, architecture)
        first = [self._order(entry, 0) for entry in found]
        yield from first
        ended = {entry.trial for entry in self.ledger.of("confirm", architecture)}
        if len(found) >= FEWEST and any(order.trial not in ended for order in first):
            return
        if one_left(self.ledger, architecture):
            return
        out = {entry.trial for entry in dropped(self.ledger, architecture)}
        earlier = earlier_finalists(self.ledger, architecture)
        left = [entry for entry in [*found, *earlier] if entry.trial not in out]
        if not on_sample(found):
            yield from (self._order(entry, number) for entry in left for number in range(1, SEEDS))
            return
        for number in range(1, SEEDS):
            orders = [self._order(entry, number) for entry in left]
            yield from orders
            if any(order.trial not in ended for order in orders) or agreed(self.ledger, architecture):
                return

    def _order(self, entry: Entry, number: int) -> Order:
        """The same one whenever it is asked for: a state of its fit is of this order alone."""
        return Order(
            trial=f"{entry.trial}-again{number + 1}",
            architecture=entry.architecture,
            number=entry.number * SEEDS + number,
            stage="confirm",
            config=entry.config,
            seed=self.seed + AGAIN + number,
            fold=1 + number,
        )
