"""Groups of processes with a hard limit of memory: Linux's control groups, of version 1 or 2, which root may make.

A group takes its limit for all memory of the machine, as a container does: within it `/sys/fs/cgroup` shows the group.
What needs more than that, when the kernel has dropped what it can of its copies of files, is killed by the kernel.
Version 2 is here by its manual, and has not been tried.
"""

import subprocess
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
FIRST = ROOT / "memory"  # version 1 has a folder for each kind of limit
EVERY = 0.1  # seconds between two looks at what a group has
# Names of files in version 1 and in 2; in `memory.stat` what is not a copy of a file, and so cannot be dropped.
LIMIT, PEAK = ("memory.limit_in_bytes", "memory.max"), ("memory.max_usage_in_bytes", "memory.peak")
KILLS, HELD = ("memory.oom_control", "memory.events"), (("total_rss", "total_shmem"), ("anon", "shmem"))
# A shell enters the group, sees it where a container would, and becomes the command.
ENTER = 'echo $$ > "$0/cgroup.procs" && mount --bind "$0" "$1" && shift && exec "$@"'


def why_not():
    """Why there can be no groups here; empty if there can."""
    try:
        with limited(1 << 30) as group:
            tried = subprocess.run(group.command("true"), capture_output=True, text=True, check=False)
    except OSError as error:
        return f"no control groups for memory here: {error}"
    return f"no control groups for memory here: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass(kw_only=True)
class Group:
    """`most` is the peak of what its processes held, copies of files not counted, by looks every EVERY seconds."""

    folder: Path
    version: int
    limit: int  # bytes
    most: int = 0  # bytes
    left: threading.Event = field(default_factory=threading.Event)

    def command(self, *words):
        """What runs a command in it, as the same process."""
        seen_at = FIRST if self.version == 1 else ROOT
        return ["unshare", "--mount", "sh", "-c", ENTER, str(self.folder), str(seen_at), *words]

    @property
    def peak(self):
        """The most bytes that it has had, with the kernel's copies of files: it drops these where memory is short."""
        return int(self._read(PEAK))

    @property
    def kills(self):
        """How many of its processes the kernel has killed for the limit."""
        return self._table(KILLS[self.version - 1])["oom_kill"]

    def watch(self):
        while not self.left.wait(EVERY):
            table = self._table("memory.stat")
            self.most = max(self.most, sum(table[name] for name in HELD[self.version - 1]))

    def forget(self):
        """Count `most` from now on, and in version 1 `peak`."""
        self.most = 0
        if self.version == 1:
            (self.folder / PEAK[0]).write_text("0")

    def _read(self, names):
        return (self.folder / names[self.version - 1]).read_text()

    def _table(self, name):
        lines = (line.split() for line in (self.folder / name).read_text().splitlines())
        return {key: int(value) for key, value in lines}


@contextmanager
def limited(limit):
    """A group of so many bytes. What runs in it must have ended when the body does."""
    version = 1 if (FIRST / LIMIT[0]).exists() else 2
    group = Group(folder=_above(version) / f"reeltune-{uuid.uuid4().hex[:8]}", version=version, limit=limit)
    group.folder.mkdir()
    try:
        (group.folder / LIMIT[version - 1]).write_text(str(limit))
        watcher = threading.Thread(target=group.watch, daemon=True)
        watcher.start()
        yield group
        group.left.set()
        watcher.join()
    finally:
        group.left.set()
        _removed(group.folder)


def _above(version):
    """Of version 1 the group of this process, whose limits hold too; one of version 2 that has processes takes none."""
    if version == 2:
        return ROOT
    lines = (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())
    own = next(path for _, kinds, path in lines if "memory" in kinds.split(","))
    folder = FIRST / own.lstrip("/")
    return folder if folder.exists() else FIRST


def _removed(folder):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with suppress(OSError):  # the kernel takes a moment to forget processes that have ended
            folder.rmdir()
            return
        time.sleep(0.1)
    folder.rmdir()
