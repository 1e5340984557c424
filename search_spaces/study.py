"""One Optuna study for each architecture: it is asked for configurations, and told how their trials ended."""

import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from reeltune.search_spaces.samplers import Draw, MakeSampler, tpe
from reeltune.search_spaces.space import Space, Value
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.model import Architecture

State = Literal["done", "stopped", "failed"]
STATES = {"done": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}


def journal(path: str) -> BaseStorage:
    """Optuna's own journal file, which `optuna-dashboard` and `optuna.load_study` open."""
    return JournalStorage(JournalFileBackend(path))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended. Its value is the last measured one, None where there was none."""

    state: State
    value: float | None
    curve: dict[int, float] = field(default_factory=dict)  # value by percent of the fit's schedule


class Study:
    """The search over one architecture. The same seed, history and versions give the same configurations."""

    def __init__(
        self,
        name: str,
        architecture: Architecture,
        space: Space,
        shape: Shape,
        *,
        seed: int,
        sampler: MakeSampler = tpe,
        storage: BaseStorage | None = None,
        first: Sequence[dict[str, Value]] = (),  # configurations of this space, to be tried after the reference
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.name, self.architecture, self.space, self.seed = name, architecture, space, seed
        self.reference = architecture.reference(shape)
        self._sampler = sampler
        self._first = [self.reference.as_json(), *first]
        self._study = optuna.create_study(study_name=name, storage=storage or InMemoryStorage(), direction="minimize")
        self._running: dict[str, optuna.Trial] = {}

    def ask(self, trial: str, number: int, *, config: dict[str, Value] | None = None) -> dict[str, Value]:
        """The whole configuration of the trial of this name and number (from 0).

        The first is the reference, whether or not the space holds it; then come those to be tried first. Where
        `config` is given, this very configuration: that of a trial that was running when a search was cut off.
        """
        if number < len(self._first) and config is None:
            config = self._first[number]
        point = self.space.point(config) if config is not None else None
        if point is not None:
            self._study.enqueue_trial(point)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.sampler = self._sampler(self._draw(number))
        asked = self._study.ask()
        if config is not None and point is None:
            full = config  # outside the space: run and recorded, and nothing for the sampler to learn from
        else:
            drawn = self.space.suggest(asked)
            full = self.architecture.Config.model_validate({**self.reference.as_json(), **drawn}).as_json()
        asked.set_user_attr("trial", trial)
        asked.set_user_attr("config", full)
        self._running[trial] = asked
        return full

    def tell(self, trial: str, outcome: Outcome, attributes: Mapping[str, Value | None]) -> None:
        """Say how a trial ended; the attributes go into Optuna's record of it."""
        asked = self._running.pop(trial)
        for key, value in attributes.items():
            asked.set_user_attr(key, value)
        for percent, measured in outcome.curve.items():
            asked.report(measured, percent)
        value = outcome.value if outcome.state == "done" else None
        self._study.tell(asked, value, state=STATES[outcome.state])

    def add(
        self, trial: str, config: dict[str, Value], outcome: Outcome, attributes: Mapping[str, Value | None]
    ) -> None:
        """Add a trial that ended in an earlier session of this search, as the ledger has it."""
        point = self.space.point(config) or {}
        distributions: dict[str, BaseDistribution] = {
            name: self.space.parameters[name].distribution() for name in point
        }
        self._study.add_trial(
            optuna.trial.create_trial(
                state=STATES[outcome.state],
                value=outcome.value if outcome.state != "failed" else None,
                params=point,
                distributions=distributions,
                user_attrs={"trial": trial, "config": config, **attributes},
                intermediate_values=outcome.curve,
            )
        )

    def _draw(self, number: int) -> Draw:
        """What the sampler of the trial of this number is made for."""
        place = max(0, number - len(self._first))
        return Draw(space=self.space, place=place, seed=self._seed(number), study_seed=self._seed())

    def _seed(self, *number: int) -> int:
        """A seed of this study, or of its trial of this number: studies of one search share `seed`."""
        mixed = np.random.SeedSequence((self.seed, zlib.crc32(self.name.encode()), *number))
        return int(mixed.generate_state(1)[0])


def unfinished(storage: BaseStorage) -> dict[str, dict[str, Value]]:
    """The configurations of trials that a journal has as running, by trial name."""
    trials: list[FrozenTrial] = []
    for study in storage.get_all_studies():
        trials += storage.get_all_trials(study._study_id, states=(TrialState.RUNNING,))
    return {t.user_attrs["trial"]: t.user_attrs["config"] for t in trials if "config" in t.user_attrs}
