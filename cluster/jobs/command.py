"""The command that a Ray job runs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class JobCommand:
    """A verb with its options, ready to run as a job."""

    name: str  # of the job, and of the run if the verb makes one
    entrypoint: str
    files: tuple[Path, ...]  # this machine's files to send along
    results: str | None  # where its run is kept, if the verb makes one
    shared: bool  # whether that is the user's --storage
    more: str = ""  # what to do when its run is finished and more is wanted
