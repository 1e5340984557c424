"""The command that a Ray job runs."""

import hashlib
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
    timed: bool = False  # whether it has a --time, which ends a search that could go on
    more: str = ""  # what to do when its run is finished and more is wanted

    @property
    def files_hash(self) -> str:
        """The SHA-256 of the names and contents of the files to send along, in hexadecimal; "" without files."""
        each = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in self.files]
        return hashlib.sha256("\n".join(sorted(each)).encode()).hexdigest() if each else ""
