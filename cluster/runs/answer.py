"""`verdict.json`: what a search came to, and what its look at the test rows says beside that."""

from typing import Literal

from pydantic import Field, JsonValue

from reeltune.cluster.runs.stored import Stored

SCHEMA = 2  # 1: no `schema` in the file
Metrics = dict[str, float | None]  # by name, such as "argmax_mse"; None: the head has no such value


class ArchitectureResult(Stored):
    """What became of an architecture, or of the ensemble. No `test`: no fit of it came to its end."""

    config: dict[str, JsonValue] | None = None
    timed: bool | None = None  # predictions use when a pair was rated; None: an older run does not say
    validation: Metrics | None = None  # mean over the confirmations
    test: Metrics | None = None  # mean over the refits
    gain: float | None = None  # the baseline's squared error minus its own
    ci95: tuple[float, float] | None = None  # of the gain
    p: float | None = None
    p_holm: float | None = None
    gain_over_tuned_pmf: float | None = None
    needed_ratings: int | None = None  # test ratings that would show a gain of this size
    verdict: Literal["beats", "worse", "undecided"] | None = None


class BaselineResult(Stored):
    """What architectures are judged against. No `test`: a published figure, or a refit that was lost."""

    name: str | None = None
    kind: Literal["reference", "tuned", "published"] = "reference"
    architecture: str | None = None
    config: dict[str, JsonValue] | None = None
    test: Metrics | None = None
    published: float | None = None


class Result(Stored):
    """The answer alone: what `tune --json` prints."""

    run: str = ""
    trials: dict[str, int] = Field(default_factory=dict)  # by state
    seconds: float = 0.0
    baseline: BaselineResult
    architectures: dict[str, ArchitectureResult]
    winner: str | None = None


class SplitKind(Stored):
    kind: str
    seed: int


class JudgedRows(Stored):
    """The rows that were looked at, and how many of them are not like the fitted ones."""

    count: int
    users: int
    outside_the_scale: int = 0
    unknown_users: int = 0
    unknown_items: int = 0
    also_trained_on: int = 0
    hash: str


class Seeds(Stored):
    """Metrics of each refit, and the standard deviation of their errors over seeds."""

    metrics: list[Metrics]
    spread: float


class ByValue(Stored):
    """The confusion matrix, of true values (rows) against predicted ones, and scikit-learn's report."""

    values: list[str]
    confusion: list[list[int]]
    report: str


class ReliabilityBin(Stored):
    """Rows whose confidence lies from `low` to `high`, and how often they were right; None where there are none."""

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


class SliceGroup(Stored):
    label: str
    count: int
    mse: float | None


class Details(Stored):
    """What a look at the test rows says beside the answer; None or empty where there was no look."""

    decoder: str | None = None
    look: int | None = None  # which look at these test rows this was, counting from 1
    data: str | None = None
    split: SplitKind | None = None
    test_rows: JudgedRows | None = None
    seeds: dict[str, Seeds] = Field(default_factory=dict)
    by_value: dict[str, ByValue] = Field(default_factory=dict)
    decoders: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    probabilities: dict[str, ProbabilityScores] = Field(default_factory=dict)
    slices: dict[str, dict[str, list[SliceGroup]]] = Field(default_factory=dict)
    refit_seeds: int | None = None


class Refits(Stored):
    """What the refits took: one reader needs it to fit again, another to count the cost."""

    refit_seconds: float | None = None  # of all of them, on `refit_workers` each
    refit_workers: int = 1
    refit_device: str = "cpu"


class Answer(Result, Details, Refits):
    """The content of `verdict.json`."""

    schema_number: int = Field(1, alias="schema")
