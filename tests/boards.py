"""A running TensorBoard, asked over HTTP."""

import json
import subprocess
import sys
import urllib.request

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import metadata

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


def hparams_of(folder):
    """Of the event files below a folder: the columns of the HParams tab by name, and each session's hyperparameters."""
    columns, sessions = {}, []
    files = sorted(folder.rglob("events.*"))
    events = [event for file in files for event in EventFileLoader(str(file)).Load()]
    for value in (value for event in events for value in event.summary.value):
        content = value.metadata.plugin_data.content
        if value.tag == metadata.EXPERIMENT_TAG:
            columns |= {info.name: info for info in metadata.parse_experiment_plugin_data(content).hparam_infos}
        if value.tag == metadata.SESSION_START_INFO_TAG:
            found = metadata.parse_session_start_info_plugin_data(content).hparams
            sessions.append({name: getattr(each, each.WhichOneof("kind")) for name, each in found.items()})
    return columns, sessions


def domain_of(info):
    """A column's bounds, or its values; None where it has neither."""
    if info.HasField("domain_interval"):
        return info.domain_interval.min_value, info.domain_interval.max_value
    return list(info.domain_discrete) if info.HasField("domain_discrete") else None


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
