"""The outcome of a search and its refits."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from reeltune.cluster.data_parallel.orders import FitOrder, Fitted, Lost
from reeltune.cluster.judging.baseline import KEY, REFERENCE, Baseline
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.runs.spent import Phase
from reeltune.cluster.search.choice import SEEDS, Choice
from reeltune.search_spaces import Space
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.architectures.registry import SHIPPED, Registry
from reeltune.trainables.scoring.decoder_table import DECODERS, Decoder
from reeltune.trainables.scoring.metric_table import Metric, Objective

CALIBRATION = "baseline-calibration"  # the key of the fit that `temperature` needs
UNSCORED = "a prediction for a test row is no finite number"


@dataclass(frozen=True, kw_only=True)
class Times:
    """The phases of a search by the clock, of its last process."""

    search: Phase
    refits: Phase
    resumed: bool  # an earlier process did some of the work


@dataclass(frozen=True, kw_only=True)
class Searched:
    architectures: list[str]
    ledger: Ledger
    choices: dict[str, Choice]
    orders: dict[tuple[str, int], FitOrder]  # refits, by name and number of the seed, from 0
    fitted: dict[str, Fitted | Lost]  # by the orders' keys
    decoder: Decoder
    seed: int
    metric: Metric = "mse"
    baseline: Baseline = REFERENCE
    workers: int = 1  # per refit
    trial_workers: int = 1
    device: str = "cpu"  # of each worker
    spaces: Mapping[str, Space] = field(default_factory=dict)  # those that were searched, for this data
    trials: int | None = None  # asked for, of all architectures
    registry: Registry = SHIPPED
    times: Times | None = None  # None: nothing was searched

    @property
    def objective(self) -> Objective:
        return Objective(decoder=self.decoder, metric=self.metric)

    def complete(self) -> dict[str, list[tuple[FitOrder, Fitted]]]:
        """The refits, in the order of their seeds, of each architecture (and the baseline) that lost none.

        A baseline is left out, too, that lost the fit for the temperature without which it cannot be judged.
        """
        found: dict[str, list[tuple[FitOrder, Fitted]]] = {}
        for (name, _), order in self.orders.items():
            came = self.fitted[order.key]
            if isinstance(came, Fitted):
                found.setdefault(name, []).append((order, came))
        left_out = {KEY} if self._lacks_temperature() else set()
        return {name: refits for name, refits in found.items() if len(refits) == SEEDS and name not in left_out}

    def without(self, names: Collection[str]) -> "Searched":
        """The same, but with the refits of these names lost: they cannot be judged."""
        keys = {order.key for (name, _), order in self.orders.items() if name in names}
        lost = {key: Lost(key=key, reason=UNSCORED) for key in keys}
        if ENSEMBLE not in names:
            return replace(self, fitted={**self.fitted, **lost})
        choices = {name: choice for name, choice in self.choices.items() if name != ENSEMBLE}
        others = [name for name in self.architectures if name != ENSEMBLE]
        return replace(self, fitted={**self.fitted, **lost}, choices=choices, architectures=others)

    def _lacks_temperature(self) -> bool:
        """Whether the baseline's is lost, and what is judged depends on it."""
        depends = self.objective.measure.probabilities or not DECODERS[self.decoder].largest
        return depends and isinstance(self.fitted.get(CALIBRATION), Lost) and self._same_fits(KEY) is None

    @property
    def refit_seconds(self) -> float:
        """Seconds of all refits together, rounded to a tenth."""
        return round(sum(came.seconds for came in self.fitted.values() if isinstance(came, Fitted)), 1)

    def averaged(self, name: str) -> Decoder:
        """The decoder by which the ensemble takes this architecture's ratings: the better one on validation rows.

        A class head that is trained for its argmax has a poor mean, and one of cross-entropy a poor argmax.
        """
        if name not in self.choices:
            return "mean"
        metrics = self.choices[name].metrics
        candidates: tuple[Decoder, ...] = ("mean", "argmax")
        return min(candidates, key=lambda decoder: metrics[f"{decoder}_mse"] or 0.0)

    def temperature(self, name: str) -> float:
        """What an architecture's logits, or the baseline's, are divided by; fitted on rows it was not trained on.

        Of a scalar head the standard deviation of its noise, if the metric is one of probabilities.
        """
        if name in self.choices:
            return self.choices[name].temperature
        if (same := self._same_fits(name)) is not None:
            return self.choices[same].temperature  # else the same fits would be judged by two temperatures
        came = self.fitted.get(CALIBRATION)
        return came.temperature if isinstance(came, Fitted) else 1.0

    def _same_fits(self, name: str) -> str | None:
        """The architecture whose chosen configuration has the very refits of this name."""
        mine = self.orders.get((name, 0))
        return next((other for other in self.choices if mine is not None and self.orders.get((other, 0)) == mine), None)
