"""The source of somebody's own architecture: read once, where it was asked for, and sent along as text.

So a node needs no file and no package of its own. Each process that needs the architecture runs the text once, as a
module whose name ends with the text's hash: two versions of a file are two modules.
"""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.abc import ExecutionLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from reeltune.trainables.errors import FitFailed, InputError, StorageFailed, one_line

GROUP = "reeltune.architectures"  # of entry points
OURS = (FitFailed, StorageFailed)  # raised by reeltune, also below a call from somebody's own code


@dataclass(frozen=True, kw_only=True)
class Source:
    """The text of a module with an architecture."""

    name: str  # the architecture's: the module's last name
    file: str  # as it was asked for; errors name it
    text: str
    package: str = ""  # the package that it stands in, for its relative imports
    space: str | None = None  # the text of the TOML of the same name beside it

    @property
    def hash(self) -> str:
        """The SHA-256 of the text, in hexadecimal. The search space has no part in it."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def module_name(self) -> str:
        own = f"{self.name}_{self.hash[:16]}"
        return f"{self.package}.{own}" if self.package else f"reeltune_own_{own}"

    def module(self) -> ModuleType:
        """The module; its text is run at the first call in a process. Raises InputError where that fails."""
        known = sys.modules.get(self.module_name)
        if known is not None:
            return known
        spec = importlib.util.spec_from_loader(self.module_name, _Text(self), origin=self.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module_name] = module  # pydantic and dataclasses look annotations up there
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[self.module_name]
            if isinstance(error, InputError) or not isinstance(error, Exception):
                raise
            raise InputError(one_line(described(error))) from error
        return module


class _Text(ExecutionLoader):
    """Loads a module from its text. Tracebacks find the lines through it where there is no file."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def get_filename(self, fullname: str) -> str:
        return self.source.file

    def get_source(self, fullname: str) -> str:
        return self.source.text


def described(error: BaseException) -> str:
    """An error as one says it to a person: the class, the message and, in an own architecture, the file and line."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    return f"{kind_of(error)}: {error}"


def kind_of(error: BaseException) -> str:
    """The class of an error, after the file and line where it came through an own architecture."""
    place, name = own_line(error), type(error).__name__
    return name if place is None else f"{place}: {name}"


def own_line(error: BaseException) -> str | None:
    """`two_tower.py:41`: the innermost line of an own architecture that the error came through; None: through none."""
    if isinstance(error, OURS):
        return None
    lines = [
        f"{frame.f_globals['__loader__'].source.file}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if isinstance(frame.f_globals.get("__loader__"), _Text)
    ]
    return lines[-1] if lines else None


def file_of(module: object) -> str | None:
    """The file of a module that was made of a Source, as it was asked for; None for any other module."""
    loader = getattr(module, "__loader__", None)
    return loader.source.file if isinstance(loader, _Text) else None


def read_source(word: str) -> Source | None:
    """The source that a path, a dotted name of a module or an entry point stands for; None: it stands for none.

    Raises InputError where it stands for one that cannot be read.
    """
    if word.endswith(".py") or "/" in word:
        return _of_file(Path(word))
    if "." in word:
        return _of_module(word, asked=word)
    named = [point for point in entry_points(group=GROUP) if point.name == word]
    if not named:
        return None
    if named[0].value.rpartition(".")[2] != word:
        raise InputError(
            f"{word}: the entry point names the module {named[0].value}; an architecture has its module's name, so "
            "that both must be the same"
        )
    return _of_module(named[0].value, asked=word)


def installed() -> Iterator[str]:
    """The names of the entry points of installed architectures."""
    return iter(sorted({point.name for point in entry_points(group=GROUP)}))


def _of_file(path: Path, *, package: str = "") -> Source:
    if path.suffix != ".py":
        raise InputError(f"{path}: expected the file of an architecture, such as two_tower.py")
    try:
        text = importlib.util.decode_source(path.read_bytes())
        beside = path.with_suffix(".toml")
        space = beside.read_text(encoding="utf-8") if beside.is_file() else None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; reeltune new {path.stem} writes one to start from") from None
    except (UnicodeDecodeError, SyntaxError) as error:
        raise InputError(f"{path}: no text of Python: {error}") from None
    if not path.stem.isidentifier():
        raise InputError(f"{path}: an architecture has its file's name, and that must be letters, digits and '_'")
    return Source(name=path.stem, file=str(path), text=text, package=package, space=space)


def _of_module(dotted: str, *, asked: str) -> Source:
    try:
        spec = importlib.util.find_spec(dotted)
    except (ImportError, ValueError) as error:
        raise InputError(f"{asked}: cannot be imported: {error}") from None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise InputError(f"{asked}: no module of this name here; a file is given by its path, such as ./two_tower.py")
    return _of_file(Path(spec.origin), package=dotted.rpartition(".")[0])
