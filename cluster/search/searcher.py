"""Deals trials out to Ray Tune: in turn to each architecture, then the best of each again on other rows."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ray.tune.search import Searcher

from reeltune.cluster.runs.disk import UNSTORED, Disk
from reeltune.cluster.runs.folder import Entry, Ledger, Stage
from reeltune.cluster.search.choice import SEEDS, finalists
from reeltune.cluster.search.reasons import DIED
from reeltune.search_spaces import Outcome, Study

AGAIN = 1_000_000  # far from the seeds of the search: the draw that made a trial look good is not drawn again


@dataclass(frozen=True, kw_only=True)
class Order:
    """A fit that a worker is asked for."""

    trial: str
    architecture: str
    number: int
    stage: Stage
    config: dict[str, Any]
    seed: int
    fold: int = 0  # see `reeltune.trainables.data.fold`


class Dealer(Searcher):
    """Holds one Optuna study per architecture and the ledger, and keeps the two of them in step.

    Every architecture gets `trials` trials. When its last one has ended, its FINALISTS best configurations,
    the reference among them, are tried again with SEEDS seeds, each on training and validation rows cut another
    way: the best of many noisy values is partly luck with the seed and the validation rows, and this measures
    the luck away.
    """

    def __init__(
        self,
        studies: dict[str, Study],
        ledger: Ledger,
        *,
        trials: int,
        seed: int,
        unfinished: dict[str, dict[str, Any]],
        deadline: float | None = None,
        ended: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        super().__init__(metric="value", mode="min")
        self.studies, self.ledger, self.trials, self.seed = studies, ledger, trials, seed
        self.disk = Disk()
        self.deadline, self.ended = deadline, ended
        self.why: Callable[[str], str] = lambda trial_id: DIED  # a trial ended without a word of its own
        self._unfinished = unfinished
        self._running: dict[str, Order] = {}
        self._curves: dict[str, dict[int, float]] = {}
        self._last: dict[str, dict[str, Any]] = {}
        self._worked: dict[str, dict[Any, float]] = {}
        done = {name: {entry.number for entry in ledger.of("search", name)} for name in studies}
        self._waiting = {name: [n for n in range(trials) if n not in done[name]] for name in studies}

    # Called by Ray Tune

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        with self.disk.writing():
            order = self._next_search() or self._next_confirmation()
            if order is None:
                return None if self._running else Searcher.FINISHED
            self._running[trial_id] = order
            return vars(order)
        return None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Take in what a trial says. One that goes on in another process repeats its points, not its lost work."""
        curve = self._curves.setdefault(trial_id, {})
        for point in result.get("points", ()):
            curve[round(100 * point["progress"])] = point["value"]
        if "metrics" in result:  # the end, decoded from calibrated probabilities
            curve[100] = result["value"]
        self._last[trial_id] = result
        earlier, tries = result.get("earlier", 0.0), self._worked.setdefault(trial_id, {})
        tries.setdefault("earlier", earlier)  # by an earlier session of this search
        tries[result.get("node_ip"), result.get("pid")] = result.get("seconds", 0.0) - earlier

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        order = self._running.pop(trial_id, None)
        if order is None:
            return
        if result is not None:
            self.on_trial_result(trial_id, result)
        last, curve = self._last.pop(trial_id, {}), self._curves.pop(trial_id, {})
        if last.get("state") == UNSTORED:
            self.disk.fail(last["error"])
        if self.disk.failed is not None:
            return  # a search that is stopping writes nothing more; --resume deals this trial again
        seconds = sum(self._worked.pop(trial_id, {}).values())
        entry = self._entry(order, last, curve, seconds, died=self.why(trial_id) if error else None)
        with self.disk.writing():
            self.ledger.append(entry)
            self._tell(entry)
            self.ended(entry)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its own configuration to restore it, and reeltune resumes from the ledger."""
        return {}

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing, for the same reason."""

    def restore_from_dir(self, checkpoint_dir: str) -> None:
        """Nothing, for the same reason."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    # What comes next

    def _next_search(self) -> Order | None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            self._waiting = {name: [] for name in self.studies}
        left = {name: numbers for name, numbers in self._waiting.items() if numbers}
        if not left:
            return None
        # In turn: the architecture with most trials left, so that a deadline cuts all of them alike.
        name = max(left, key=lambda name: len(left[name]))
        number = left[name].pop(0)
        trial = f"{name}-{number:03}"
        config = self.studies[name].ask(trial, number, config=self._unfinished.get(trial))
        return Order(
            trial=trial,
            architecture=name,
            number=number,
            stage="search",
            config=config,
            seed=self.seed + number,
        )

    def _next_confirmation(self) -> Order | None:
        given = {order.trial for order in self._running.values()} | {entry.trial for entry in self.ledger.entries}
        for name in self.studies:
            if self._waiting[name] or any(
                order.architecture == name and order.stage == "search" for order in self._running.values()
            ):
                continue
            for order in self._confirmations(name):
                if order.trial not in given:
                    return order
        return None

    def _confirmations(self, name: str) -> Iterator[Order]:
        for place, entry in enumerate(finalists(self.ledger, name)):
            for number in range(SEEDS):
                yield Order(
                    trial=f"{entry.trial}-again{number + 1}",
                    architecture=name,
                    number=place * SEEDS + number,
                    stage="confirm",
                    config=entry.config,
                    seed=self.seed + AGAIN + number,
                    fold=1 + number,
                )

    # What became of it

    def _entry(
        self, order: Order, last: dict[str, Any], curve: dict[int, float], seconds: float, *, died: str | None
    ) -> Entry:
        state = last.get("state", "stopped")
        error = last.get("error")
        if died is not None:
            state, error = "failed", died
        elif state == "stopped":
            error = f"stopped at {last.get('progress', 0):.0%} of its schedule"
        value = curve[max(curve)] if curve and state != "failed" else None
        return Entry(
            **vars(order),
            state=state,
            value=value,
            metrics=last["metrics"].by_name() if "metrics" in last else None,
            temperature=last.get("temperature", 1.0),
            curve=curve,
            epochs=last.get("epochs", 0),
            seconds=round(seconds, 3),
            error=error,
        )

    def _tell(self, entry: Entry) -> None:
        if entry.stage == "search":
            study = self.studies[entry.architecture]
            study.tell(entry.trial, outcome(entry), attributes(entry))


def outcome(entry: Entry) -> Outcome:
    return Outcome(state=entry.state, value=entry.value, curve=entry.curve)


def attributes(entry: Entry) -> dict[str, Any]:
    """What Optuna's record of a trial holds beside its parameters and values."""
    return {"state": entry.state, "seed": entry.seed, "seconds": entry.seconds, "error": entry.error}
