"""What a Ray job takes along: reeltune as it is imported here, and small files that its command names."""

import re
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from reeltune.trainables.errors import InputError

MANIFESTS = "deploy"  # in a checkout's `cluster/`; not sent
FILES = "reeltune_files"  # a folder on the job's import path, beside `reeltune`
LIMIT = 3 << 20  # bytes; reeltune takes three fifths of them: data go to the cluster another way


def stage(folder: Path, files: tuple[Path, ...]) -> list[str]:
    """Copy what to send into `folder`. Returns the folders for the job's import path.

    Raises InputError if that is over LIMIT bytes.
    """
    ignore = shutil.ignore_patterns("__pycache__", ".*", MANIFESTS)
    # In a checkout the folders of code are links. `copytree` follows them, so the copy has the layout of the wheel.
    staged = [shutil.copytree(_source("reeltune"), folder / "reeltune", ignore=ignore)]
    if files:
        staged.append(folder / FILES)
        staged[-1].mkdir()
        for file in files:
            shutil.copyfile(file, staged[-1] / file.name)
    _check_size(folder)
    return [str(path) for path in staged]


def requirements() -> list[str]:
    """reeltune's requirements, without Ray, which the cluster has. Raises InputError if it is not installed here."""
    try:
        needed = metadata.requires("reeltune") or []
    except metadata.PackageNotFoundError:
        raise InputError("--install: reeltune is not installed here, so its requirements are not known") from None
    return [line for line in needed if "extra ==" not in line and not re.match(r"ray\b", line)]


def _source(package: str) -> Path:
    """A package's folder, in a checkout or among installed packages."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _check_size(folder: Path) -> None:
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if sum(sizes.values()) <= LIMIT:
        return
    biggest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
    listed = ", ".join(f"{name} ({sizes[name] / 1024:,.0f} KiB)" for name in biggest)
    raise InputError(
        f"submit: what would be sent has {sum(sizes.values()) / 1024:,.0f} KiB, and {LIMIT >> 10:,} are allowed; "
        f"the biggest are {listed}"
    )
