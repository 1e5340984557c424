"""The architectures of one command: those of the table, and own ones. It is passed to whatever works for the command.

It is made where a command's words are read, and travels with the work: no process looks a name up by itself.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from torch import nn

from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.architectures.source import Source, installed, read_source
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import FitConfig
from reeltune.trainables.errors import InputError
from reeltune.trainables.model import Architecture, RatingModel
from reeltune.trainables.near_matches import did_you_mean

# Names that stand beside the architectures' in verdicts, in the columns of predictions and in TensorBoard's folder.
COLUMNS = {"row", "user", "item", "rating", "timestamp", "weight", "fold"}
TAKEN = {ENSEMBLE, "baseline", "mean", "frequencies", "chosen", "refits"} | COLUMNS


@dataclass(frozen=True, kw_only=True)
class Registry(Mapping[str, Architecture]):
    """Architectures by name. It is pickled as the sources' text, and runs one when it is first looked up."""

    sources: Mapping[str, Source] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Architecture:
        """The architecture. Raises InputError if its source cannot be run, or lacks a part."""
        return architecture_of(self.sources[name]) if name in self.sources else ARCHITECTURES[name]

    def __contains__(self, name: object) -> bool:
        return name in self.sources or name in ARCHITECTURES

    def __iter__(self) -> Iterator[str]:
        return iter([*ARCHITECTURES, *self.sources])

    def __len__(self) -> int:
        return len(ARCHITECTURES) + len(self.sources)

    @property
    def hashes(self) -> dict[str, str]:
        """The sources' hashes, by name."""
        return {name: source.hash for name, source in self.sources.items()}


SHIPPED = Registry()


def resolve(words: Iterable[str]) -> tuple[list[str], Registry]:
    """The architectures that words ask for, each once: their names, and a registry that has them.

    A word is a name of the table, the path of a file, a dotted name of a module, or an entry point. Raises InputError
    at a word that is none of them, and at two sources of one name. No source is run.
    """
    sources: dict[str, Source] = {}
    names: dict[str, None] = {}
    for word in words:
        if word in ARCHITECTURES:
            names[word] = None
            continue
        source = read_source(word)
        if source is None:
            raise InputError(unknown(word))
        _check_name(source, sources.get(source.name))
        sources[source.name] = source
        names[source.name] = None
    return list(names), Registry(sources=sources)


def is_own(word: str) -> bool:
    """Whether a word asks for an own architecture, by a path, a module's dotted name or an installed entry point."""
    return "/" in word or "." in word or (word not in ARCHITECTURES and word in installed())


def unknown(word: str) -> str:
    """What to say to a word that is the name of no architecture."""
    expected = f"architecture {word!r}: expected {', '.join(ARCHITECTURES)}, or your own file, such as two_tower.py"
    file = f"{word}.py"
    near = f"; did you mean {file}?" if Path(file).is_file() else did_you_mean(word, ARCHITECTURES)
    return f"{expected}{near}"


def _check_name(source: Source, other: Source | None) -> None:
    if name_taken(source.name):
        raise InputError(f"{source.file}: the name {source.name!r} is taken; rename the file")
    if other is not None and other.hash != source.hash:
        raise InputError(f"{source.file} and {other.file}: two architectures of one name; rename one of the files")


def name_taken(name: str) -> bool:
    """Whether an own architecture cannot have this name: results, or an ensemble's module, have something of it."""
    return name in ARCHITECTURES or name in TAKEN or hasattr(nn.ModuleDict(), name)


def architecture_of(source: Source) -> Architecture:
    """Run a source, and see that the parts of an architecture are there. Raises InputError."""
    module = source.module()
    for part, base in (("Config", FitConfig), ("Model", RatingModel)):
        found = getattr(module, part, None)
        if not (inspect.isclass(found) and issubclass(found, base)):
            way = {"Config": "TrainingConfig", "Model": "RatingModel"}[part]
            raise InputError(f"{source.file}: expected a class {part}({way}); found {_what(found)}")
    if not callable(getattr(module, "reference", None)):
        raise InputError(f"{source.file}: expected a function reference(shape) -> Config; found none")
    if not (module.__doc__ or "").strip():
        raise InputError(f"{source.file}: expected a docstring whose first line is the formula; found none")
    return cast(Architecture, module)


def _what(found: object) -> str:
    if found is None:
        return "none"
    return f"a class {found.__name__} of {found.__bases__[0].__name__}" if inspect.isclass(found) else repr(found)
