"""What goes between the driver and a trial's process: an order one way, progress updates the other.

Ray Tune carries both as dicts, which are made and read here, and nowhere else.
"""

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from reeltune.cluster.runs.disk import UNSTORED
from reeltune.cluster.runs.folder import Stage
from reeltune.trainables.scoring.metrics import Metrics

if TYPE_CHECKING:  # a trial's process has no use for Optuna, which takes half a second to load
    from reeltune.search_spaces import Value

Config = dict[str, "Value"]  # an architecture's configuration, as JSON has it
TuneDict = dict[str, Any]  # a trial's config or a result, as Ray Tune passes them: with keys of its own among ours


@dataclass(frozen=True, kw_only=True)
class Order:
    """A fit that a trial is asked for."""

    trial: str
    architecture: str
    number: int
    stage: Stage
    config: Config
    seed: int
    fold: int = 0  # see `reeltune.trainables.data.fold`
    on_sample: Config | None = None  # `config` for the sample of users; None: the fit is on the rows of all users


@dataclass(frozen=True, kw_only=True)
class Point:
    """One validation of a fit: a point of its curve."""

    value: float  # the metric that is searched for
    epoch: int
    whole: bool  # at the end of an epoch, not within it
    progress: float  # the share of the fit's schedule
    learning_rate: float
    train_loss: float
    mse: float
    argmax_mse: float


@dataclass(frozen=True, kw_only=True)
class Update:
    """A progress update of a trial; `done` marks the last. Tune's schedulers read `progress` and `value`."""

    done: bool = False
    state: Literal["running", "done", "failed", "unstored"] = "running"
    error: str | None = None
    progress: float = 0.0  # the share of the fit's schedule
    epochs: int = 0
    points: tuple[Point, ...] = ()  # since the update before
    value: float | None = None  # of the last of them; at the end, of `metrics`
    metrics: Metrics | None = None  # at the end, from calibrated probabilities
    temperature: float = 1.0
    seconds: float = 0.0  # that the trial has worked, before its process died too
    earlier: float = 0.0  # of them, before this process began
    took: float = 0.0  # of them, since the update before
    kept: bool = True  # a state of the fit may be in storage


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds that trials may work, in all sessions of their search together; None: as many as they take."""

    search: float | None = None
    confirm: float | None = None

    @classmethod
    def of_trials(cls, search: float | None, confirm: float | None, *, longer: float) -> "Limits":
        """Those where a confirmation fits on `longer` times more rows than the trials for which both limits are."""
        more = None if confirm is None else confirm if longer == 1 else float(math.ceil(confirm * longer))
        return cls(search=search, confirm=more)

    def of(self, order: Order) -> float | None:
        """Of the trial of an order."""
        return self.search if order.stage == "search" else self.confirm


ORDER = [field.name for field in fields(Order)]
UPDATE = [field.name for field in fields(Update)]


def failed(reason: str) -> Update:
    return Update(done=True, state="failed", error=reason)


def unstored(reason: str) -> Update:
    """The trial could not use the run's storage: it has not ended, and --resume goes on with it."""
    return Update(done=True, state=UNSTORED, error=reason)


def tune_config(order: Order) -> TuneDict:
    """An order as the config of a trial of Ray Tune."""
    return dict(vars(order))


def order_of(config: TuneDict) -> Order:
    return Order(**{name: config[name] for name in ORDER if name in config})


def tune_result(update: Update) -> TuneDict:
    """An update as a result of Ray Tune. What is None is left out: schedulers take a key for a value."""
    return {name: value for name, value in vars(update).items() if value is not None}


def update_of(result: TuneDict) -> Update:
    return Update(**{name: result[name] for name in UPDATE if name in result})
