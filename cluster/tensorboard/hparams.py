"""TensorBoard's HParams tab: what the search varies and measures, and each trial's session in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    STATUS_FAILURE,
    STATUS_SUCCESS,
    STATUS_UNKNOWN,
    Experiment,
    HParamInfo,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import Discrete, Domain, Metric, RealInterval, hparams_pb

from reeltune.search_spaces import Space, Study

VALUE, STATE = "trial/value", "trial/state"
METRICS = {
    VALUE: "validation error",
    STATE: "state: 0 done, 1 stopped, 2 failed",
    "mse/validation": "MSE",
    "argmax_mse/validation": "argmax-MSE",
    "loss/train": "training loss",
}
STATES = {"done": 0, "stopped": 1, "failed": 2}
# A session has one status, and of a stopped trial nobody knows what its end would have been. What a session
# starts with cannot change later, so the state can be a metric and no hyperparameter.
STATUSES = {"done": STATUS_SUCCESS, "stopped": STATUS_UNKNOWN, "failed": STATUS_FAILURE}
STAGES = ("search", "confirm")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What one architecture's search varies, and its configuration of trial 0, which the space need not hold."""

    space: Space
    reference: Mapping[str, Any]

    @classmethod
    def by(cls, study: Study) -> "Drawn":
        return cls(space=study.space, reference=study.reference.model_dump())

    def names(self) -> list[str]:
        return [*self.space.parameters, *self.space.fixed]

    def varied(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The varied parameters of a configuration, less those that mean nothing beside the others."""
        conditions = {name: parameter.when for name, parameter in self.space.parameters.items()}
        return {
            name: config[name]
            for name in self.names()
            if all(config.get(other) in allowed for other, allowed in conditions.get(name, {}).items())
        }


def experiment(searched: Mapping[str, Drawn]) -> Summary:
    """The union of all architectures' hyperparameters, and the metrics: what the tab shows before any trial."""
    names = dict.fromkeys(name for each in searched.values() for name in each.names())
    most = [name for name in names if 2 * sum(name in each.names() for each in searched.values()) > len(searched)]
    domains = {
        "architecture": Discrete(list(searched)),
        "stage": Discrete(STAGES),
        **{name: _domain(name, searched) for name in names},
    }
    content = Experiment(
        # The tab has these first, and shows the first five only unless more are ticked.
        hparam_infos=[_info(name, domain, first=name in ("architecture", *most)) for name, domain in domains.items()],
        metric_infos=[Metric(tag, display_name=shown).as_proto() for tag, shown in METRICS.items()],
    )
    return _summary(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=content))


def start(trial: Mapping[str, Any], searched: Drawn) -> Summary:
    """The session of a trial's order begins."""
    about = {"architecture": trial["architecture"], "stage": trial["stage"]}
    return hparams_pb({**about, **searched.varied(trial["config"])}, trial_id=trial["trial"])


def end(state: str, *, at: float) -> Summary:
    """It ends, at a time in seconds since 1970."""
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
    """Every value that a trial of any architecture can have: the tab's filters would hide the others."""
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
