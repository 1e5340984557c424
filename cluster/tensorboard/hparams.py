"""TensorBoard's HParams tab: the hyperparameters and metrics of the search, and a session for each trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
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


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one architecture's search varies, and the configuration of trial 0, which may lie outside the space."""

    space: "Space"
    reference: Mapping[str, Any]

    @classmethod
    def by(cls, study: "Study") -> "Drawn":
        return cls(space=study.space, reference=study.reference.model_dump())

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
    domains = {
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
    domains = {RUN: Discrete(list(dict.fromkeys(runs))), **{name: _union(found) for name, found in infos.items()}}
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


def _union(infos: Sequence[HParamInfo]) -> Domain:
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


def start(fit: TrackedFit, searched: Drawn, *, run: str) -> Summary:
    """The start of a trial's session, with its hyperparameters.

    It has no name of its own: TensorBoard then calls it by its folder, below the run's where it shows several. Sessions
    of one name it averages.
    """
    about = {RUN: run, "architecture": fit.architecture, "stage": fit.stage}
    return hparams_pb({**about, **searched.varied(fit.config)}, trial_id="")


def end(state: str, *, at: float) -> Summary:
    """The end of a trial's session; `at` is in seconds since 1970."""
    info = SessionEndInfo(status=STATUSES[state], end_time_secs=at)
    return _summary(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info))


def _summary(tag: str, content: HParamsPluginData) -> Summary:
    about = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])


def _info(name: str, domain: Domain, *, first: bool) -> HParamInfo:
    info = HParamInfo(name=name, differs=first)
    domain.update_hparam_info(info)
    return info


def _domain(name: str, searched: Mapping[str, Drawn]) -> Domain:
    """All values that a trial of any architecture can have: the tab's filters hide trials with others."""
    values: list[Any] = []
    ranged = False
    for each in searched.values():
        if name not in each.names():
            continue
        values += [each.reference[name], *each.space.values(name)]
        ranged |= name in each.space.parameters and each.space.parameters[name].choices is None
    if ranged:
        return RealInterval(float(min(values)), float(max(values)))
    number = not any(isinstance(value, str | bool) for value in values)
    return Discrete(set(map(float, values)) if number else set(values))
