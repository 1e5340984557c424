"""`reeltune architectures`: what there is to choose from."""

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from reeltune.cluster.runs.stored import Stored
from reeltune.search_spaces import declared
from reeltune.trainables.architectures.registry import Registry, resolve
from reeltune.trainables.architectures.source import installed
from reeltune.trainables.architectures.table import ARCHITECTURES


class Hyperparameter(Stored):
    default: JsonValue
    meaning: str | None
    space: str | None  # the values that are searched, in words


class ArchitectureDescription(Stored):
    formula: str
    hyperparameters: dict[str, Hyperparameter]


def describe_architectures(words: str | Sequence[str] = ()) -> dict[str, ArchitectureDescription]:
    """The formula of one or more, or of all that are installed, and the hyperparameters with default and space."""
    words = [words] if isinstance(words, str) else words
    names, registry = resolve(words or [*ARCHITECTURES, *installed()])
    return {name: _described(name, registry) for name in names}


def _described(name: str, registry: Registry) -> ArchitectureDescription:
    architecture, space = registry[name], declared(registry, [name])[name].parameters
    return ArchitectureDescription(
        formula=(architecture.__doc__ or "").strip().splitlines()[0],
        hyperparameters={
            field: Hyperparameter(
                default=info.default,
                meaning=info.description,
                space=_space_in_words(space[field].model_dump(exclude_defaults=True)) if field in space else None,
            )
            for field, info in architecture.Config.model_fields.items()
        },
    )


def _space_in_words(parameter: dict[str, Any]) -> str:
    if "choices" in parameter:
        words = ", ".join(str(choice) for choice in parameter["choices"])
        words += " steps per epoch" if parameter.get("per_epoch") else ""
    else:
        unit = " of the scale's span" if parameter.get("spans") else ""
        unit = ", sized as the reference" if parameter.get("sized") else unit
        words = f"{parameter['low']} to {parameter['high']}{unit}" + (", log" if parameter.get("log") else "")
    conditions = " and ".join(
        f"{name} is {' or '.join(map(str, values))}" for name, values in parameter.get("when", {}).items()
    )
    return f"{words} (when {conditions})" if conditions else words
