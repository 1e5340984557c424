"""A running TensorBoard, asked over HTTP."""

import json
import subprocess
import sys
import urllib.request

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reeltune.cluster.tensorboard.event_files import folder_name
from reeltune.cluster.tracking.tracker import TrackedFit


def events_of(folder, trial):
    """What TensorBoard's own reader finds of a trial in a run's folder."""
    events = EventAccumulator(str(folder / "tensorboard" / named(trial)))
    events.Reload()
    return events


def named(trial):
    """The folder of a trial's event file, below its run's."""
    return folder_name(TrackedFit(name=trial, architecture="", stage="search", config={}))


def scalars(folder, trial, tag):
    return events_of(folder, trial).Scalars(tag)


class Server:
    """`reeltune board` on a run, or on several."""

    def __init__(self, *runs):
        for run in runs:
            if not run.record.exists():
                run.record.write_text("{}")
        command = [sys.executable, "-m", "reeltune", "board", *(str(run.path) for run in runs)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.communicate()[1]

    def ask(self, path, **content):
        data = json.dumps(content).encode() if content else None
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def groups(self, *columns):
        statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
        asked = {"allowedStatuses": statuses, "colParams": list(columns), "startIndex": 0, "sliceSize": 1000}
        return self.ask("data/plugin/hparams/session_groups", **asked)["sessionGroups"]

    def end(self, number):
        self.process.send_signal(number)
        return self.process.communicate(timeout=30)[1]
