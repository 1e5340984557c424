"""The copies of own sources that bundles keep, which nothing runs, and the files that are named to run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reeltune.trainables.architectures.registry import Registry
from reeltune.trainables.errors import InputError

ChangedSource = Literal["error", "allow"]  # what to do about a source of another hash than the fitted model's


@dataclass(frozen=True, kw_only=True)
class OwnSource:
    """The files (or dotted names of modules) of architectures that are none of reeltune's, for loading a bundle."""

    files: tuple[str, ...] = ()
    changed: ChangedSource = "error"


NO_SOURCE = OwnSource()


def copy_of(folder: Path, name: str) -> Path:
    """Where a bundle has the copy of an architecture's source."""
    return folder / f"{name}.py"


def check_sources(path: Path, needed: Mapping[str, str], registry: Registry, changed: ChangedSource) -> None:
    """Raise InputError unless the registry has the sources that a bundle needs, by name and hash, and no others.

    None of them is run. With `changed` "allow" they may have other hashes.
    """
    for name, given in registry.sources.items():
        if name not in needed:
            what = f"needs {', '.join(needed)}" if needed else "needs no file"
            raise InputError(f"{given.file}: the model in {path} {what}")
    for name, fitted in needed.items():
        source = registry.sources.get(name)
        if source is None:
            raise InputError(
                f"{path}: architecture {name!r} is none of reeltune's, and the bundle's copy of its source is not run: "
                f"name the file, --architecture {name}.py (architecture='{name}.py' in Python)"
            )
        if source.hash != fitted and changed != "allow":
            raise InputError(
                f"{source.file} is not the source that {path} was fitted with, of which {copy_of(path, name)} is a "
                "copy; --changed-source allow (changed_source='allow' in Python) takes it all the same"
            )
