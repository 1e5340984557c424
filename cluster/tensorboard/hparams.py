"""TensorBoard's HParams tab: the hyperparameters and metrics of the search, and a session for each trial."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_STRING,
    STATUS_FAILURE,
    STATUS_SUCCESS,
    STATUS_UNKNOWN,
    Experiment,
    HParamInfo,
    MetricInfo,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import Discrete, Domain, Metric, RealInterval, hparams_pb

from reeltune.cluster.tracking.tracker import TrackedFit
from reeltune.trainables.scoring.metric_table import METRICS as MEASURES
from reeltune.trainables.scoring.metric_table import Metric as Minimised

if TYPE_CHECKING:
    from reeltune.search_spaces import Space, Study

VALUE, GAIN, STATE = "trial/value", "trial/gain", "trial/state"
METRICS = {
    VALUE: "validation error",
    GAIN: "gain over the reference",
    STATE: "state: 0 done, 1 stopped, 2 failed",
    "mse/validation": "MSE",
    "argmax_mse/validation": "argmax-MSE",
    "loss/train": "training loss",
}
STATES = {"done": 0, "stopped": 1, "failed": 2}
# HParams has no status for a stopped trial. So the state is a metric too; it cannot be a hyperparameter, since these
# are written at a session's start.
STATUSES = {"done": STATUS_SUCCESS, "stopped": STATUS_UNKNOWN, "failed": STATUS_FAILURE}
STAGES = ("search", "confirm")
RUN = "run"
# The tab shows five columns unless more are ticked: what varies most between trials, and matters most.
FIRST = (RUN, "architecture", "learning_rate", "epochs", "factors", "weight_decay")
SHOWN = 5
# The types of values in the tab. To Python a bool is an int too, so it comes first.
KINDS: Mapping[str, type | tuple[type, ...]] = {"bool": bool, "text": str, "number": (int, float)}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one architecture's search varies, and the configuration of trial 0, which may lie outside the space."""

    space: "Space"
    reference: Mapping[str, Any]

    @classmethod
    def by(cls, study: "Study") -> "Drawn":
        return cls(space=study.space, reference=study.reference.as_json())

    def names(self) -> list[str]:
        return [*self.space.parameters, *self.space.fixed]

    def varied(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The varied parameters of a configuration, without those that have no effect beside the others."""
        conditions = {name: parameter.when for name, parameter in self.space.parameters.items()}
        return {
            name: config[name]
            for name in self.names()
            if all(config.get(other) in allowed for other, allowed in conditions.get(name, {}).items())
        }


def tag_of(metric: Minimised) -> str:
    """The tag of the curves of what is minimised."""
    return f"{metric}/validation"


def columns(metric: Minimised) -> dict[str, str]:
    """The tab's metrics: their tags and names."""
    name = MEASURES[metric].name
    return METRICS if metric == "mse" else {**METRICS, VALUE: f"validation {name}", tag_of(metric): name}


def experiment(searched: Mapping[str, Drawn], *, metric: Minimised = "mse") -> Summary:
    """The columns of the tab: the union of all architectures' hyperparameters, and the metrics."""
    names = dict.fromkeys(name for each in searched.values() for name in each.names())
    by_number = sorted(names, key=lambda name: -sum(name in each.names() for each in searched.values()))
    domains: dict[str, Domain | None] = {
        "architecture": Discrete(list(searched)),
        "stage": Discrete(STAGES),
        **{name: _domain(name, searched) for name in names},
    }
    content = Experiment(
        # `differs` puts a column before the others; within them the order is alphabetic.
        hparam_infos=[
            _info(name, domain, first=name in shown_first(["architecture", *by_number]))
            for name, domain in domains.items()
        ],
        metric_infos=_columns(columns(metric)),
    )
    return _summary(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=content))


def shown_first(names: Sequence[str]) -> list[str]:
    """The columns that the tab is to show: those of FIRST that there are, then others as they come."""
    return [*(name for name in FIRST if name in names), *(name for name in names if name not in FIRST)][:SHOWN]


def merged(experiments: Sequence[Experiment], *, runs: Sequence[str]) -> Summary:
    """The columns for several runs: all of theirs, with domains that hold the values of all, and the run."""
    infos: dict[str, list[HParamInfo]] = {}
    for each in experiments:
        for info in each.hparam_infos:
            infos.setdefault(info.name, []).append(info)
    domains: dict[str, Domain | None] = {RUN: Discrete(list(dict.fromkeys(runs)))}
    domains |= {name: _union(found) for name, found in infos.items()}
    by_number = sorted(infos, key=lambda name: -len(infos[name]))
    # Of runs by several metrics the values are compared by none, and each has its own column too.
    others = {each.name.tag: each.display_name for one in experiments for each in one.metric_infos}
    names = {one.display_name for each in experiments for one in each.metric_infos if one.name.tag == VALUE}
    shown = {**METRICS, **others, VALUE: names.pop() if len(names) == 1 else METRICS[VALUE]}
    content = Experiment(
        hparam_infos=[
            _info(name, domain, first=name in shown_first([RUN, *by_number])) for name, domain in domains.items()
        ],
        metric_infos=_columns(shown),
    )
    return _summary(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=content))


def _columns(shown: Mapping[str, str]) -> list[MetricInfo]:
    return [Metric(tag, display_name=name).as_proto() for tag, name in shown.items()]


def _union(infos: Sequence[HParamInfo]) -> Domain | None:
    """A domain that holds the values of all runs; None, so that there is no filter, if they are of several types."""
    if len({info.type for info in infos}) > 1 or any(info.WhichOneof("domain") is None for info in infos):
        return None
    intervals = [info.domain_interval for info in infos if info.HasField("domain_interval")]
    values = [
        getattr(value, value.WhichOneof("kind"))
        for info in infos
        if info.HasField("domain_discrete")
        for value in info.domain_discrete.values
    ]
    if not intervals:
        return Discrete(set(values))
    bounds = [*values, *(each.min_value for each in intervals), *(each.max_value for each in intervals)]
    return RealInterval(float(min(bounds)), float(max(bounds)))


def start(fit: TrackedFit, searched: Drawn, *, run: str, as_text: Collection[str] = ()) -> Summary:
    """The start of a trial's session, with its hyperparameters; `as_text` are those of `shown_as_text`.

    It has no name of its own: TensorBoard then calls it by its folder, below the run's where it shows several. Sessions
    of one name it averages.
    """
    about = {RUN: run, "architecture": fit.architecture, "stage": fit.stage}
    varied = {name: value for name, value in searched.varied(fit.config).items() if value is not None}
    shown = {name: _text(value) if name in as_text else value for name, value in varied.items()}
    return hparams_pb({**about, **shown}, trial_id="")


def end(state: str, *, at: float) -> Summary:
    """The end of a trial's session; `at` is in seconds since 1970."""
    info = SessionEndInfo(status=STATUSES[state], end_time_secs=at)
    return _summary(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info))


def _summary(tag: str, content: HParamsPluginData) -> Summary:
    about = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])


def _info(name: str, domain: Domain | None, *, first: bool) -> HParamInfo:
    info = HParamInfo(name=name, differs=first, type=DATA_TYPE_STRING)
    if domain is not None:
        domain.update_hparam_info(info)
    return info


def _domain(name: str, searched: Mapping[str, Drawn]) -> Domain | None:
    """All values that a trial of any architecture can have: the tab's filters hide trials with others.

    None where nobody can list them: those of a range that are shown as text.
    """
    values = _values(name, searched)
    kind = _kind(values)
    parameters = [each.space.parameters[name] for each in searched.values() if name in each.space.parameters]
    ranged = any(parameter.choices is None for parameter in parameters)
    if kind == "number":
        numbers = set(map(float, values))
        return RealInterval(min(numbers), max(numbers)) if ranged else Discrete(numbers)
    if kind is not None:
        return Discrete(set(values))
    return None if ranged else Discrete(set(map(_text, values)))


def shown_as_text(searched: Mapping[str, Drawn]) -> frozenset[str]:
    """The hyperparameters whose values are of several types, or of one that the tab does not know, such as a list.

    A column has one type, and two architectures may mean different things by one name.
    """
    names = {name for each in searched.values() for name in each.names()}
    return frozenset(name for name in names if _kind(_values(name, searched)) is None)


def _values(name: str, searched: Mapping[str, Drawn]) -> list[Any]:
    """Those that a hyperparameter has in any architecture, but None, which the tab leaves empty."""
    having = [each for each in searched.values() if name in each.names()]
    values = [value for each in having for value in (each.reference[name], *each.space.values(name))]
    return [value for value in values if value is not None]


def _kind(values: Sequence[object]) -> str | None:
    """The type in KINDS that all values have; None if there is no such type."""
    kinds = {next((kind for kind, types in KINDS.items() if isinstance(value, types)), None) for value in values}
    return kinds.pop() if len(kinds) == 1 else None


def _text(value: object) -> str:
    """A value as text, the same for 8 and 8.0, and for a list and a tuple."""
    if isinstance(value, str | bool):
        return str(value)
    return f"{value:.12g}" if isinstance(value, int | float) else json.dumps(value, default=str)
