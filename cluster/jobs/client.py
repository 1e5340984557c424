"""`--address ray://HOST:PORT`: runs the command on the cluster's head node, through Ray's client.

Ray Tune cannot search from the client's side: it would send its own driver to the cluster, away from the files that a
search keeps. So the whole command runs there. Its output is printed here, and at the end its run's folder is copied.
"""

import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

import ray
from ray.exceptions import RayError

from reeltune.cluster.jobs.command import JobCommand
from reeltune.cluster.jobs.package import stage
from reeltune.cluster.runs.folder import FOLD, RUNS, RunFolder
from reeltune.cluster.session.interrupt import Interrupted, how_to_go_on, interruptible
from reeltune.cluster.session.ray_private import ON_HEAD
from reeltune.cluster.session.session import join

log = logging.getLogger(__name__)

END_SECONDS = 20.0  # that an interrupted command has to end cleanly


def run(address: str, command: JobCommand) -> int:
    """Run a command on the cluster, print its output, and return its exit code; 1 if the cluster is lost meanwhile.

    Raises InputError if no cluster answers.
    """
    with tempfile.TemporaryDirectory() as folder:
        join(address, runtime_env={"py_modules": stage(Path(folder), command.files)})
    try:
        remote = ray.remote(num_cpus=0, resources=ON_HEAD)(Remote)
        return _follow(remote.remote(command.entrypoint), command)
    except (ConnectionError, RayError) as error:
        log.info("the connection broke: %s", error)
        kept = f"; the run is kept there; go on with: {how_to_go_on(command.name)}" if command.results else ""
        print(f"error: the head node at {address} does not answer any more{kept}", file=sys.stderr)
        return 1
    finally:
        ray.shutdown()


def _follow(process: Any, command: JobCommand) -> int:
    try:
        with interruptible():
            code = _shown(process)
    except Interrupted as interrupted:
        ray.get(process.interrupt.remote(interrupted.exit_code - 128))
        _shown(process, seconds=END_SECONDS)
        if command.results is not None:
            print(f"the run is on the cluster's head node; go on with: {how_to_go_on(command.name)}", file=sys.stderr)
        return interrupted.exit_code
    if command.results is not None and not command.shared:
        packed, where = ray.get(process.pack.remote(command.name))
        if packed:
            print(unpack(packed, command.name, where), file=sys.stderr)
    return code


def _shown(process: Any, seconds: float = float("inf")) -> int:
    """Print what the process prints, until it ends or `seconds` have passed. Returns its exit code, else 0."""
    end = time.monotonic() + seconds
    while True:
        out, err, code = ray.get(process.read.remote())
        print(err, end="", file=sys.stderr, flush=True)
        print(out, end="", flush=True)
        if code is not None or time.monotonic() > end:
            return code or 0
        time.sleep(0.2)


def unpack(packed: bytes, name: str, where: str) -> str:
    """Unpack a run's folder below `runs/`, and return the line to print.

    Another run of this name is kept, and so is this run if it has gone on here.
    """
    place = RUNS / name
    stay = f"the results stay on the head node, in {where}"
    RUNS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RUNS, prefix=f".{name}-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        mine, came = RunFolder(place), RunFolder(Path(folder) / name)
        here, there = mine.read_record(), came.read_record()
        if place.exists() and (here and here.started) != (there and there.started):
            return f"{place} is here already, and is another run: {stay}"
        if _farther(mine, came):
            return f"{place} has gone on here, and is left as it is: {stay}"
        alike = here == there and _ledgers(mine) == _ledgers(came) and _begun(mine) == _begun(came)
        if not alike:  # else `runs/` is the head node's own folder
            _copy_over(came.path, place)
    return f"all of it is here, in {place}"


def _farther(mine: RunFolder, came: RunFolder) -> bool:
    """Whether a run has trials that its copy lacks, or with the same trials has finished or fitted what it has not."""
    here, there = _ledgers(mine), _ledgers(came)
    if here != there:
        return not all(there.get(name, b"").startswith(ledger) for name, ledger in here.items())
    record, copied = mine.read_record(), came.read_record()
    if copied and copied.finished:
        return False
    done, copied_done = _begun(mine), _begun(came)
    later = max(done.values(), default=0) > max(copied_done.values(), default=0)
    return bool(record and record.finished) or later or not done.keys() <= copied_done.keys()


def _begun(run: RunFolder) -> dict[str, int]:
    """The files that an unfinished run goes on from, in its folds too, and when each was written, in seconds."""
    tops = [run.path, *run.path.glob(f"{FOLD}*")]
    files = [file for top in tops for kind in ("fits", "states") for file in (top / kind).rglob("*") if file.is_file()]
    return {str(file.relative_to(run.path)): int(file.stat().st_mtime) for file in files}


def _ledgers(run: RunFolder) -> dict[str, bytes]:
    """The whole lines of a run's ledger and of those of its folds, by path below its folder."""
    paths = [run.ledger, *run.path.glob(f"{FOLD}*/{run.ledger.name}")]
    contents = {str(path.relative_to(run.path)): path.read_bytes() for path in paths if path.exists()}
    return {name: content[: content.rfind(b"\n") + 1] for name, content in contents.items()}


def _copy_over(came: Path, place: Path) -> None:
    """Move the files and folders of a run to where an earlier copy may be. What only that has stays, in folds too."""
    place.mkdir(exist_ok=True)
    for path in came.iterdir():
        if path.name.startswith(FOLD):
            _copy_over(path, place / path.name)
        else:
            shutil.rmtree(place / path.name, ignore_errors=True)  # if it is a folder
            os.replace(path, place / path.name)


class Remote:
    """An actor that runs the command as a process on the head node. The process ends with the actor and the client."""

    def __init__(self, entrypoint: str) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # so that `python` is the cluster's own
        self.process = subprocess.Popen(
            entrypoint,
            shell=True,
            env={**os.environ, "PATH": path, "RAY_ADDRESS": ray.get_runtime_context().gcs_address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.texts = {"out": "", "err": ""}
        self.lock = threading.Lock()
        self.readers = [
            threading.Thread(target=self._collect, args=(name, pipe), daemon=True)
            for name, pipe in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for reader in self.readers:
            reader.start()

    def read(self) -> tuple[str, str, int | None]:
        """Its new output and errors since the last call, and its exit code; None until the process has ended."""
        code = self.process.poll()
        if code is not None:
            for reader in self.readers:
                reader.join()
        with self.lock:
            out, err = self.texts["out"], self.texts["err"]
            self.texts = {"out": "", "err": ""}
        return out, err, code if code is None or code >= 0 else 128 - code

    def interrupt(self, number: int) -> None:
        self.process.send_signal(signal.Signals(number))

    def pack(self, name: str) -> tuple[bytes, str]:
        """The run's folder without `tune/` as a tar file, b"" if there is none, and the folder's path."""
        run, file = RUNS / name, io.BytesIO()
        if not run.exists():
            return b"", str(run.absolute())
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            archive.add(run, arcname=name, filter=lambda info: None if info.name == f"{name}/tune" else info)
        return file.getvalue(), str(run.absolute())

    def _collect(self, name: str, pipe: IO[bytes]) -> None:
        for line in io.TextIOWrapper(pipe, encoding="utf-8", errors="replace"):
            with self.lock:
                self.texts[name] += line
