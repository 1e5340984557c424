"""Whether a file or a folder can be made at a path: asked before the work whose result is to be there."""

import os
from pathlib import Path


def obstacle(path: Path) -> str | None:
    """Why no file or folder can be written at this path, whose folders are made where they lack; None if one can.

    A file that is there may be written again. Nothing is written here.
    """
    wanted = path.absolute()
    there = next(place for place in (wanted, *wanted.parents) if os.path.lexists(place))
    if there == wanted:
        if os.path.isdir(there):
            return f"{path} is a folder"
        return None if os.access(there, os.W_OK) else f"{path} cannot be written"
    if not os.path.isdir(there):
        return f"{there} is no folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"the folder {there} cannot be written"
