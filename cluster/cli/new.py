"""`reeltune new`."""

from typing import Annotated

import typer


def new(name: Annotated[str, typer.Argument(help="The architecture's name, such as two_tower.")]) -> int:
    """Write an architecture of your own to start from: NAME.py, and NAME.toml with what a search may vary."""
    from reeltune.cluster.commands.new import new as job

    file, space = job(name)
    print(f"{file}, {space}: a working start; next: reeltune check {file}, reeltune train {file} --data ratings.csv")
    return 0
