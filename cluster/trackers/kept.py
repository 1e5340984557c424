"""`trackers.json` in a run's folder: which run of each tracker shows what, for `--resume`. No secrets are in it."""

import hashlib
import json
import threading

from pydantic import Field

from reeltune.cluster.runs.folder import RunFolder, write_json
from reeltune.cluster.runs.stored import Stored
from reeltune.cluster.tracking.tracker import TrackedFit

SCHEMA = 1
FILE = "trackers.json"
RUN = ""  # the name of the run itself, among those of its architectures and fits

# Each tracker writes in a thread of its own, and all of them in the same file.
_writing = threading.Lock()


class Place(Stored):
    """What one tracker has of a run: where it is, and its ids by name (RUN, an architecture, a fit)."""

    where: str
    ids: dict[str, str] = Field(default_factory=dict)


class Places(Stored):
    """The content of the file, by the kind of tracker."""

    schema_number: int = Field(SCHEMA, alias="schema")
    trackers: dict[str, Place] = Field(default_factory=dict)


class Kept:
    """The ids of one tracker, written whenever one is added."""

    def __init__(self, folder: RunFolder, kind: str) -> None:
        self.path, self.kind = folder.path / FILE, kind
        self.where, self.ids = "", dict[str, str]()

    def begin(self, where: str) -> bool:
        """Take what is kept of this place. False if there is nothing: then all ids are new ones."""
        earlier = self._places().trackers.get(self.kind)
        self.where = where
        self.ids = dict(earlier.ids) if earlier is not None and earlier.where == where else {}
        return bool(self.ids)

    def forget(self) -> None:
        self.ids = {}

    def add(self, name: str, id_: str) -> str:
        """Keep an id, and return it."""
        self.ids[name] = id_
        with _writing:
            places = self._places()
            trackers = {**places.trackers, self.kind: Place(where=self.where, ids=self.ids)}
            write_json(self.path, Places(schema_number=SCHEMA, trackers=trackers).as_json())
        return id_

    def _places(self) -> Places:
        return Places.read(self.path) if self.path.exists() else Places(schema_number=SCHEMA)


def kept_name(fit: TrackedFit) -> str:
    """The name of a fit's id. A refit's has a hash of its configuration in it.

    A search that goes on with more trials may choose another configuration, and its refits have the names of before;
    but MLflow refuses other parameters in a run that has some, and W&B a curve that begins again.
    """
    if fit.stage != "refit":
        return fit.name
    return f"{fit.name} {hashlib.sha256(json.dumps(fit.config, sort_keys=True).encode()).hexdigest()[:8]}"
