"""`reeltune new`: writes an architecture of one's own to start from, and what may vary of it."""

from importlib import resources
from pathlib import Path

from reeltune.trainables.architectures.registry import name_taken
from reeltune.trainables.errors import InputError

PARTS = (".py", ".toml")


def new(word: str) -> tuple[Path, Path]:
    """Write NAME.py and NAME.toml, and return their paths. Raises InputError if one is there, or the name cannot be."""
    path = Path(word.removesuffix(".py"))
    if not path.name.isidentifier():
        raise InputError(f"new {word!r}: expected a name of letters, digits and '_', such as two_tower")
    if name_taken(path.name):
        raise InputError(f"new {word!r}: this name is taken; choose another")
    files = [path.with_name(f"{path.name}{part}") for part in PARTS]
    for file in files:
        if file.exists():
            raise InputError(f"{file}: is there already, and stays as it is; choose another name")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder")
    for file, part in zip(files, PARTS, strict=True):
        text = (resources.files("reeltune.cluster.commands") / f"start{part}").read_text(encoding="utf-8")
        file.write_text(text, encoding="utf-8")
    return files[0], files[1]
