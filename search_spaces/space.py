"""Search spaces: which parameters of an architecture vary, and within what. Read from TOML, drawn by Optuna."""

import itertools
import math
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, cast

from optuna import Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.config import batch_of
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.errors import InputError
from reeltune.trainables.model import Architecture
from reeltune.trainables.near_matches import did_you_mean
from reeltune.trainables.options import explain

Value = str | int | float | bool
SAMPLES = 1000  # values of a range that are checked against the architecture's Config, at most
SAMPLE_RATINGS = 100_000  # the size of data for which steps per epoch are checked


def _listed(value: object) -> object:
    """`loss = "reverse_kl"` stands for a list with one value."""
    return value if isinstance(value, list) else [value]


Values = Annotated[list[Value], BeforeValidator(_listed), Field(min_length=1)]


class Parameter(BaseModel):
    """One parameter: a range (`low`, `high`, `step` or `log`) or `choices`; only `when` others have these values."""

    # Strict, so that 1 stays an int and 1.0 a float: the bounds' type is the type of what is drawn.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = Field(None, gt=0)
    log: bool = False
    choices: list[Value] | None = Field(None, min_length=1)
    when: dict[str, Values] = {}
    spans: bool = False  # low and high are shares of the rating scale's span, not rating units
    per_epoch: bool = False  # choices are steps per epoch, from which the batch size follows
    sized: bool = False  # low and high are for the default: they grow with the reference where that grows with the data
    factor: float = Field(1.0, gt=0)  # by which low and high, if sized, have been multiplied for the data

    @model_validator(mode="after")
    def _whole(self) -> "Parameter":
        if self.choices is not None:
            if self.sized or self.spans:
                raise ValueError(f"{'is sized' if self.sized else 'has spans'}, which needs low and high")
            if self.per_epoch and not all(type(steps) is int and steps > 0 for steps in self.choices):
                raise ValueError(f"has choices {self.choices}, and per_epoch takes whole numbers above 0")
            if self.low is not None or self.high is not None or self.step is not None or self.log:
                raise ValueError("has choices, which take no low, high, step or log")
            return self
        if self.per_epoch:
            raise ValueError("is per_epoch, which needs choices")
        if self.sized and (self.spans or self.step is not None):
            raise ValueError("is sized, which takes neither spans nor step")
        if self.spans and self.step is not None:
            raise ValueError("has spans, which takes no step")
        if self.low is None or self.high is None:
            raise ValueError("needs low and high, or choices")
        if self.low > self.high:
            raise ValueError(f"has low {self.low} above high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"has low {self.low}, and log needs a low above 0")
        if self.log and self.step is not None:
            raise ValueError("has both log and step; Optuna takes one of them")
        if self.step is not None:
            self._check_step(self.step, self.high - self.low)
        return self

    def _check_step(self, step: float, span: float) -> None:
        if self._whole_numbers and not isinstance(step, int):
            raise ValueError(f"has step {step}, and whole bounds need a whole one")
        if abs(span / step - round(span / step)) > 1e-9:
            raise ValueError(f"has step {step}, which does not lead from low {self.low} to high {self.high}")

    def distribution(self) -> BaseDistribution:
        if self.choices is not None:
            return CategoricalDistribution(self.choices)
        assert self.low is not None
        assert self.high is not None
        if self._whole_numbers:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def draw(self, trial: Trial, name: str) -> Value:
        if self.choices is not None:
            chosen = trial.suggest_categorical(name, self.choices)
            assert chosen is not None  # Optuna's choices may be None, ours are not
            return chosen
        found = self.distribution()
        if isinstance(found, IntDistribution):
            return trial.suggest_int(name, found.low, found.high, step=found.step, log=found.log)
        assert isinstance(found, FloatDistribution)
        return trial.suggest_float(name, found.low, found.high, step=found.step, log=found.log)

    def admits(self, value: Value) -> bool:
        if self.choices is not None:
            return value in self.choices
        if isinstance(value, str | bool) or not math.isfinite(value):
            return False
        if self._whole_numbers and value != int(value):
            return False
        assert self.low is not None
        assert self.high is not None
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and abs(steps - round(steps)) < 1e-9

    @property
    def _whole_numbers(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def times(self, span: float) -> "Parameter":
        assert self.low is not None
        assert self.high is not None
        return self.model_copy(update={"low": self.low * span, "high": self.high * span, "spans": False})

    def grown(self, factor: float, least: float, most: float) -> "Parameter":
        """The same parameter with bounds times `factor`, within `least` and `most`; whole ones stay whole."""
        assert self.low is not None
        assert self.high is not None
        low, high = (min(most, max(least, bound * factor)) for bound in (self.low, self.high))
        if self._whole_numbers:
            low, high = round(low), round(high)
        return self.model_copy(update={"low": low, "high": high, "sized": False, "factor": factor})

    def batches(self, ratings: int) -> "Parameter":
        """The same parameter with batch sizes as choices, for this number of ratings."""
        assert self.choices is not None
        sizes = {batch_of(ratings, steps=int(steps)): None for steps in self.choices}
        return self.model_copy(update={"choices": list(sizes), "per_epoch": False})

    def at(self, share: float) -> Value:
        """The value at a share (0 to 1) of the way from low to high; of choices, the one whose equal part it is in."""
        if self.choices is not None:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        assert self.low is not None
        assert self.high is not None
        step = self.step or (1 if self._whole_numbers else 0)
        low, high = self.low - step / 2, self.high + step / 2  # so that both ends are as likely as what is between
        value = low * (high / low) ** share if self.log else low + share * (high - low)
        if step:
            value = self.low + step * round((value - self.low) / step)
        bounded = min(max(value, self.low), self.high)
        return int(bounded) if self._whole_numbers else float(bounded)

    def grid(self, count: int) -> list[Value]:
        """Every choice; of a range, this many values from low to high, fewer where it has fewer."""
        if self.choices is not None:
            return self.choices
        return list(dict.fromkeys(self.at(place / (count - 1)) for place in range(count)))

    def samples(self) -> list[Value]:
        """Values to check in place of all that can be drawn: every choice, and of a long range a selection."""
        if self.per_epoch:
            return self.batches(SAMPLE_RATINGS).samples()
        if self.choices is not None:
            return self.choices
        assert self.low is not None
        assert self.high is not None
        if self._whole_numbers:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            stride = step * max(1, (high - low) // step // SAMPLES)
            return [
                low,
                high,
                *itertools.islice(itertools.count(low + step, stride), min(SAMPLES, (high - low) // stride)),
            ]
        # 0.38..., so that the value is not a whole number by chance: a drawn float hardly ever is.
        return [self.low, self.high, self.low + 0.381966 * (self.high - self.low)]


class Space(BaseModel):
    """The parameters of one architecture that vary, in the order in which they are drawn."""

    model_config = ConfigDict(frozen=True)

    architecture: str
    parameters: dict[str, Parameter]
    fixed: dict[str, Value] = {}

    def values(self, name: str) -> list[Value]:
        """The values that a parameter may have, or a selection of them; none if it keeps its reference."""
        if name in self.fixed:
            return [self.fixed[name]]
        return self.parameters[name].samples() if name in self.parameters else []

    def on(self, shape: Shape, architecture: Architecture) -> "Space":
        """This space of an architecture for data of this shape.

        Shares of the scale become rating units, steps per epoch batch sizes, and sized bounds grow as the reference.
        """
        span, ratings = shape.scale.high - shape.scale.low, shape.ratings or SAMPLE_RATINGS
        turned = {name: p.times(span) if p.spans else p for name, p in self.parameters.items()}
        turned |= {name: p.batches(ratings) for name, p in turned.items() if p.per_epoch}
        turned |= {name: _grown(name, p, architecture, shape) for name, p in turned.items() if p.sized}
        return self.model_copy(update={"parameters": turned})

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """Draw every parameter whose conditions hold, and leave out the others."""
        drawn: dict[str, Value] = dict(self.fixed)
        for name, parameter in self.parameters.items():
            if self._applies(parameter, drawn):
                drawn[name] = parameter.draw(trial, name)
        return drawn

    def point(self, config: dict[str, Value]) -> dict[str, Value] | None:
        """The values of this space's parameters in a configuration; None if it is not in the space."""
        if any(config.get(name) != value for name, value in self.fixed.items()):
            return None
        active = self.active(config)
        if not all(parameter.admits(config[name]) for name, parameter in active.items()):
            return None
        return {name: config[name] for name in active}

    def active(self, config: dict[str, Value]) -> dict[str, Parameter]:
        """The parameters whose conditions hold in this configuration."""
        found, settled = {}, dict(self.fixed)
        for name, parameter in self.parameters.items():
            if self._applies(parameter, settled):
                found[name], settled[name] = parameter, config[name]
        return found

    @staticmethod
    def _applies(parameter: Parameter, values: dict[str, Value]) -> bool:
        return all(values.get(name) in allowed for name, allowed in parameter.when.items())


def _grown(name: str, parameter: Parameter, architecture: Architecture, shape: Shape) -> Parameter:
    """A sized parameter with its bounds times what the reference's value is of the default."""
    field = architecture.Config.model_fields[name]
    least = max((rule.ge for rule in field.metadata if hasattr(rule, "ge")), default=-math.inf)
    most = min((rule.le for rule in field.metadata if hasattr(rule, "le")), default=math.inf)
    return parameter.grown(getattr(architecture.reference(shape), name) / field.default, least, most)


def shipped(name: str, architecture: Architecture) -> Space:
    """The space that is shipped with an architecture: `search_spaces/NAME.toml`."""
    file = resources.files("reeltune.search_spaces") / f"{name}.toml"
    return _space(
        name, architecture, tomllib.loads(file.read_text(encoding="utf-8")), source=f"search_spaces/{name}.toml"
    )


def has_space(name: str) -> bool:
    return (resources.files("reeltune.search_spaces") / f"{name}.toml").is_file()


def declared(registry: Registry, names: Iterable[str]) -> dict[str, Space]:
    """The spaces that come with architectures: shipped, or the TOML beside an own one; without one nothing varies."""
    return {name: _declared(registry, name) for name in names}


def _declared(registry: Registry, name: str) -> Space:
    source = registry.sources.get(name)
    if source is None and has_space(name):
        return shipped(name, registry[name])
    if source is None or source.space is None:
        return Space(architecture=name, parameters={})
    file = str(Path(source.file).with_suffix(".toml"))
    return _space(name, registry[name], _tables(source.space, file), source=file)


def _tables(text: str, file: object) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: no TOML: {error}") from None


def read_spaces(
    file: Path, architectures: Mapping[str, Architecture], own: Mapping[str, Space] | None = None
) -> dict[str, Space]:
    """The spaces of these architectures, changed by a TOML file of `[ARCHITECTURE.parameter]` tables.

    They are the shipped ones, or `own` for those named there. A table replaces a parameter of theirs, and a plain value
    fixes it. Parameters that the file does not name stay, unless `[ARCHITECTURE]` says `only = true`. Raises
    InputError that names the table at fault.
    """
    try:
        tables = _tables(file.read_text(encoding="utf-8"), file)
    except OSError:
        raise InputError(f"{file}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: no TOML: {error}") from None
    unknown = [name for name in tables if name not in architectures]
    if unknown:
        raise InputError(f"{file}: no architecture {unknown[0]!r} in this search; there are {', '.join(architectures)}")
    spaces = {}
    for name, architecture in architectures.items():
        space = own[name] if own and name in own else shipped(name, architecture)
        changes = tables.get(name, {})
        if not isinstance(changes, dict):
            raise InputError(f"{file}: {name}: expected a table [{name}.parameter]; found {changes!r}")
        spaces[name] = _changed(space, architecture, changes, source=f"{file}: {name}")
    return spaces


def _changed(space: Space, architecture: Architecture, changes: dict[str, object], *, source: str) -> Space:
    changes = dict(changes)
    only = changes.pop("only", False)
    if not isinstance(only, bool):
        raise InputError(f"{source}.only: must be true or false; found {only!r}")
    parameters, fixed = _read(space.architecture, architecture, changes, source=source)
    kept = {} if only else {name: p for name, p in space.parameters.items() if name not in fixed}
    merged = Space(
        architecture=space.architecture,
        parameters=_ordered({**kept, **parameters}, source=source),
        fixed=fixed,
    )
    # Only the file's own conditions: one that fixes a value may leave a shipped parameter that needs another undrawn.
    _check_conditions(merged, parameters, source=source)
    return merged


def _space(name: str, architecture: Architecture, table: dict[str, object], *, source: str) -> Space:
    parameters, fixed = _read(name, architecture, table, source=source)
    space = Space(architecture=name, parameters=_ordered(parameters, source=source), fixed=fixed)
    _check_conditions(space, parameters, source=source)
    return space


def _read(
    name: str, architecture: Architecture, table: dict[str, object], *, source: str
) -> tuple[dict[str, Parameter], dict[str, Value]]:
    """Read the parameters that vary, and those that are fixed. Raises InputError that names the one at fault."""
    fields = architecture.Config.model_fields
    parameters: dict[str, Parameter] = {}
    fixed: dict[str, Value] = {}
    for key, content in table.items():
        if key not in fields:
            there = f"{', '.join(fields)}{did_you_mean(key, fields)}"
            raise InputError(f"{source}: {name} has no parameter {key!r}; there are {there}")
        if not isinstance(content, dict):
            fixed[key] = cast(Value, content)  # checked below, as a value of Config
            continue
        try:
            parameters[key] = Parameter.model_validate(content)
        except ValidationError as error:
            raise InputError(f"{source}.{key}: {explain(error, Parameter)}") from None
        if "factor" in content:
            raise InputError(f"{source}.{key}.factor: is worked out from the data and cannot be set; sized = true does")
        if parameters[key].sized and not fields[key].default:
            raise InputError(f"{source}.{key}: is sized, and a default of {fields[key].default} cannot grow")
    for key, value in [*((key, v) for key, p in parameters.items() for v in p.samples()), *fixed.items()]:
        try:
            architecture.Config.model_validate({key: value})
        except ValidationError as error:
            raise InputError(f"{source}.{explain(error, architecture.Config)}") from None
    for key, value in fixed.items():
        if not isinstance(value, Value):
            expected = "a search fixes text, numbers, true and false"
            raise InputError(f"{source}.{key}: {expected}; found {value}: make it the default in {name}'s Config")
    return parameters, fixed


def _check_conditions(space: Space, keys: Iterable[str], *, source: str) -> None:
    """Raise InputError if a condition names a parameter that this space does not set, or a value it never has."""
    for key in keys:
        for name, allowed in space.parameters[key].when.items():
            if name not in space.parameters and name not in space.fixed:
                raise InputError(f"{source}.{key}: when names {name!r}, which this space neither varies nor fixes")
            never = _never(space, name, allowed)
            if never:
                raise InputError(f"{source}.{key}: when says {name} = {never[0]!r}, which is never drawn")


def _never(space: Space, name: str, values: list[Value]) -> list[Value]:
    """Those of the values that a parameter of this space never has. A fixed one must have one of them."""
    if name in space.parameters:
        return [value for value in values if not space.parameters[name].admits(value)]
    return [] if space.fixed[name] in values else values


def _ordered(parameters: dict[str, Parameter], *, source: str) -> dict[str, Parameter]:
    """Order parameters so that each comes after those that its conditions name. Raises InputError at a circle."""
    ordered: dict[str, Parameter] = {}
    waiting = dict(parameters)
    while waiting:
        ready = [name for name, p in waiting.items() if not any(c in waiting for c in p.when)]
        if not ready:
            raise InputError(f"{source}: the conditions of {' and '.join(waiting)} wait for each other")
        for name in ready:
            ordered[name] = waiting.pop(name)
    return ordered
