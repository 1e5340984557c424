"""`verdict.json`: the answer of a search, and the details from its look at the test rows."""

from typing import Literal

from pydantic import Field, JsonValue

from reeltune.cluster.runs.spent import Spent
from reeltune.cluster.runs.stored import Stored

# Files without `schema` are version 1; version 2 has no `ranking`, version 3 no `spent`, version 4 no `intervals`.
SCHEMA = 5
EACH_WINNER = "each fold's winner"  # in a verdict over folds: what the search chose in each, taken together
MOST_RATED = "most rated items"  # among top lists: what others are measured by
WEIGHT = "weight"  # the column of predictions that says how often each row counts, where rows have weights
Metrics = dict[str, float | None]  # by name, such as "argmax_mse"; None: the head has no such value


class ArchitectureResult(Stored):
    """The result of an architecture, or of the ensemble. Without `test`, it has no complete set of refits."""

    config: dict[str, JsonValue] | None = None
    timed: bool | None = None  # predictions use when a pair was rated; None: an older run does not say
    validation: Metrics | None = None  # mean over the confirmations
    test: Metrics | None = None  # mean over the refits
    gain: float | None = None  # the baseline's error minus its own
    ci95: tuple[float, float] | None = None  # of the gain; None beside a gain: nearly all rows are one user's
    p: float | None = None
    p_holm: float | None = None
    gain_over_simple: float | None = None  # over the best simple predictor, see `SimplePredictors`
    gain_over_tuned_pmf: float | None = None
    needed_users: int | None = None  # users who would show a gain of this size
    needed_ratings: int | None = None  # the test ratings of so many
    on_bounds: dict[str, Literal["low", "high"]] = Field(default_factory=dict)  # settings at the end of their range
    dropped: list[str] = Field(default_factory=list)  # trials that were confirmed once: too far behind
    missing: str | None = None  # why the verdict is "undecided"; None: it is not, or an older run does not say
    verdict: Literal["beats", "worse", "undecided", "is the baseline"] | None = None


class BaselineResult(Stored):
    """The baseline. Without `test`, it is a published figure, or one of its refits was lost."""

    name: str | None = None
    kind: Literal["reference", "tuned", "published", "simple"] = "reference"
    architecture: str | None = None
    config: dict[str, JsonValue] | None = None
    test: Metrics | None = None
    published: float | None = None


class SimplePredictor(Stored):
    """One of the simple predictors. `validation`: the judged error on rows that the confirmations held out."""

    config: dict[str, JsonValue] | None = None  # the mean has none
    validation: float
    test: Metrics


class SimplePredictors(Stored):
    """The simple predictors that were compared, and the best of them on validation rows."""

    best: str
    compared: dict[str, SimplePredictor]


class ListScore(Stored):
    """A mean over users of what their top lists are worth, from 0 to 1; the gain is over the baseline's lists."""

    value: float
    ci95: tuple[float, float] | None = None  # None: a single user
    gain: float | None = None  # None: the baseline has no lists
    gain_ci95: tuple[float, float] | None = None


class Listed(Stored):
    """A predictor's lists. `recall` is None if no user likes any item of the test rows."""

    ndcg: ListScore
    recall: ListScore | None = None


class FoldResult(Stored):
    """A fold's own run: `winner` is its winner by validation error."""

    run: str
    value: str | None = None  # of its rows in the column of folds; None: no column names them
    winner: str | None
    test: int  # rows
    errors: dict[str, float]  # on them, of the decoder that is judged: the baseline's and the architectures'


class Ranking(Stored):
    """How good top lists are, of all items that a user has no fitted rating of; see `scoring/ranking.py`."""

    top: int
    users: int
    of_users: int  # from whom these were drawn
    liking_users: int  # those with an item to recall
    items: int
    liked: float  # the least rating of an item that is to be recalled
    by_name: dict[str, Listed]  # the baseline, the architectures, the ensemble, and MOST_RATED


class Result(Stored):
    """The answer without details: what `tune --json` prints."""

    run: str = ""
    metric: str = "mse"  # what is minimised and judged
    trials: dict[str, int] = Field(default_factory=dict)  # by state
    trials_asked: int | None = None  # of all architectures together; None: an older run does not say
    seconds: float = 0.0
    spent: Spent | None = None  # where the time went; None: an older run
    baseline: BaselineResult
    simple: SimplePredictors | None = None  # None: an older run, or one without an answer
    architectures: dict[str, ArchitectureResult]
    winner: str | None = None
    folds: list[FoldResult] | None = None  # of a verdict over several runs; None: the run is one itself
    ranking: Ranking | None = None  # None: an older run, one without an answer, or one of too many items
    weight_column: str | None = None  # of the data: says how often each row counts; None: once


class SplitKind(Stored):
    kind: str
    seed: int


class JudgedRows(Stored):
    """The test rows that were judged on, and how many of them are unlike the fitted rows."""

    count: int
    users: int
    outside_the_scale: int = 0
    unknown_users: int = 0
    unknown_items: int = 0
    also_trained_on: int = 0
    hash: str


class Seeds(Stored):
    """Metrics of each refit, and the standard deviation of the error over seeds."""

    metrics: list[Metrics]
    spread: float


class ByValue(Stored):
    """The confusion matrix (rows: true values, columns: predicted ones), and scikit-learn's report."""

    values: list[str]
    confusion: list[list[int]]
    report: str
    weighted: bool = False  # the rows have weights: here each counts once all the same


class ReliabilityBin(Stored):
    """Predictions with a confidence from `low` to `high`, and how often they are right; None if there are none."""

    low: float
    high: float
    count: int
    confidence: float | None
    frequency: float | None


class ProbabilityScores(Stored):
    log_loss: float
    rps: float
    ece: float
    temperature: float
    reliability: list[ReliabilityBin]


class IntervalScores(Stored):
    """The share of test rows that lie in a bundle's intervals, and the mean width of these, in rating units."""

    within80: float
    width80: float
    within95: float
    width95: float


class SliceGroup(Stored):
    label: str
    count: int
    mse: float | None
    error: float | None = None  # the judged metric, where that is another

    @property
    def judged(self) -> float | None:
        return self.mse if self.error is None else self.error


class Details(Stored):
    """What a look at the test rows gives beside the answer; None or empty without a look."""

    decoder: str | None = None
    look: int | None = None  # which look at these test rows this was, counting from 1
    data: str | None = None
    split: SplitKind | None = None
    test_rows: JudgedRows | None = None
    seeds: dict[str, Seeds] = Field(default_factory=dict)
    by_value: dict[str, ByValue] = Field(default_factory=dict)
    decoders: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    probabilities: dict[str, ProbabilityScores] = Field(default_factory=dict)
    intervals: dict[str, IntervalScores] = Field(default_factory=dict)  # of the bundles that have any
    slices: dict[str, dict[str, list[SliceGroup]]] = Field(default_factory=dict)
    refit_seeds: int | None = None


class Refits(Stored):
    """The resources of the refits: `replay` uses the same ones, and the report adds up the cost."""

    refit_seconds: float | None = None  # of all refits together, each on `refit_workers` workers
    refit_workers: int = 1
    refit_device: str = "cpu"


class Answer(Result, Details, Refits):
    """The content of `verdict.json`."""

    schema_number: int = Field(1, alias="schema")
