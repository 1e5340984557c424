"""The metrics that a search can minimise: what each is called, and which of a fit's metrics it is.

The options and all that prints one follow from the table. Nothing here imports torch, so that the command line can name
the metrics before anything heavy is loaded. Their formulas are in `metrics.py` and `probabilities.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reeltune.trainables.scoring.decoder_table import Decoder

Metric = str  # a key of METRICS


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A metric; lower is better."""

    name: str  # of its mean over rows
    words: str  # of one row
    probabilities: bool = False  # it scores the probabilities of the observed ratings, and not one rating


METRICS: dict[Metric, Measure] = {
    "mse": Measure(name="MSE", words="squared error"),
    "mae": Measure(name="MAE", words="absolute error"),
    "log_loss": Measure(name="log-loss", words="log-loss", probabilities=True),
    "rps": Measure(name="RPS", words="ranked probability score", probabilities=True),
}


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is minimised and judged: a metric, of the ratings that a decoder gives or of probabilities."""

    decoder: Decoder = "argmax"
    metric: Metric = "mse"

    @property
    def measure(self) -> Measure:
        return METRICS[self.metric]

    @property
    def label(self) -> str:
        """`argmax-MSE`; without the decoder where probabilities are scored."""
        return self.measure.name if self.measure.probabilities else f"{self.decoder}-{self.measure.name}"

    @property
    def scored(self) -> str:
        """`the argmax decoder`, or `the probabilities`."""
        return "the probabilities" if self.measure.probabilities else f"the {self.decoder} decoder"

    @property
    def title(self) -> str:
        """`MSE of the argmax decoder`."""
        return f"{self.measure.name} of {self.scored}"

    def of(self, metrics: Mapping[str, float | None]) -> float:
        """The value, from the metrics of this decoder by name.

        A scalar head without this decoder has a single value, whose squared error counts.
        """
        value = metrics[f"{self.decoder}_mse" if self.metric == "mse" else self.metric]
        value = metrics["mean_mse"] if value is None and self.metric == "mse" else value
        assert value is not None
        return value
