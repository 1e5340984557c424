"""The Searcher that Ray Tune asks for the next configuration, and tells what its trials report."""

import time
from collections.abc import Callable, Collection

from ray.tune.search import Searcher

from reeltune.cluster.runs.disk import Disk
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.search.confirmation import Confirmation
from reeltune.cluster.search.messages import Config, Order, TuneDict, tune_config, update_of
from reeltune.cluster.search.on_sample import Adapt
from reeltune.cluster.search.reasons import DIED
from reeltune.cluster.search.recorder import Recorder
from reeltune.cluster.session.interrupt import uninterrupted
from reeltune.search_spaces import Study


class TrialSearcher(Searcher):
    """Gives out `trials` search trials of each architecture in turn, and its confirmations once the last has ended.

    `unfinished` are the configurations of trials that were running when the search was cut off: they run again.
    `reason` says why a trial died, by Tune's id of it. `cut_off` are Tune's ids of trials that ran at
    the deadline. `on_sample` adapts configurations of search trials to the sample that they fit on, if there is one.
    """

    def __init__(
        self,
        studies: dict[str, Study],
        ledger: Ledger,
        recorder: Recorder,
        disk: Disk,
        *,
        trials: int,
        seed: int,
        unfinished: dict[str, Config],
        deadline: float | None = None,
        reason: Callable[[str], str] = lambda trial_id: DIED,
        cut_off: Collection[str] = (),
        on_sample: Adapt | None = None,
    ) -> None:
        super().__init__(metric="value", mode="min")
        self.studies, self.recorder, self.disk = studies, recorder, disk
        self.seed, self.unfinished, self.deadline, self.reason = seed, unfinished, deadline, reason
        self.trials, self.cut_off, self.on_sample = trials, cut_off, on_sample
        self.confirmation = Confirmation(ledger, studies, seed=seed)
        ended = {name: {entry.number for entry in ledger.of("search", name)} for name in studies}
        self._waiting = {name: [n for n in range(trials) if n not in ended[name]] for name in studies}
        self._running: dict[str, Order] = {}  # by Tune's id of the trial

    @property
    def complete(self) -> bool:
        """Whether every trial that was asked for has ended."""
        return all(len(self.recorder.ledger.of("search", name)) >= self.trials for name in self.studies)

    # Called by Ray Tune

    def suggest(self, trial_id: str) -> TuneDict | str | None:  # type: ignore[override]  # Ray forgets FINISHED
        """The config of the next trial; None while there is none, FINISHED when there will be none."""
        with uninterrupted(), self.disk.writing():
            order = self._next_search() or self._next_confirmation()
            if order is None:
                return None if self._running else Searcher.FINISHED
            self._running[trial_id] = order
            return tune_config(order)
        return None

    def on_trial_result(self, trial_id: str, result: TuneDict) -> None:
        process = result.get("node_ip"), result.get("pid")  # by Tune
        self.recorder.update(self._running[trial_id], update_of(result), process=process)

    def on_trial_complete(self, trial_id: str, result: TuneDict | None = None, error: bool = False) -> None:
        if trial_id not in self._running:
            return
        if trial_id in self.cut_off:
            self.recorder.forget(self._running.pop(trial_id))
            return
        if result is not None:
            self.on_trial_result(trial_id, result)
        self.recorder.end(self._running.pop(trial_id), died=self.reason(trial_id) if error else None)

    def __getstate__(self) -> TuneDict:
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
        config = self.studies[name].ask(trial, number, config=self.unfinished.get(trial))
        return Order(
            trial=trial,
            architecture=name,
            number=number,
            stage="search",
            config=config,
            seed=self.seed + number,
            on_sample=None if self.on_sample is None else self.on_sample(name, config),
        )

    def _next_confirmation(self) -> Order | None:
        waiting = {name for name, numbers in self._waiting.items() if numbers}
        return self.confirmation.next(self._running.values(), waiting=waiting)
