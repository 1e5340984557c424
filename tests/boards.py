"""A running TensorBoard, asked over HTTP."""

import json
import subprocess
import sys
import urllib.request

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def events_of(folder, trial):
    """What TensorBoard's own reader finds of a trial in a run's folder."""
    events = EventAccumulator(str(folder / "tensorboard" / trial))
    events.Reload()
    return events


def scalars(folder, trial, tag):
    return events_of(folder, trial).Scalars(tag)


class Server:
    """`reeltune board` on a run."""

    def __init__(self, run, *options):
        if not run.record.exists():
            run.record.write_text("{}")
        command = [sys.executable, "-m", "reeltune", "board", str(run.path), *options]
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
