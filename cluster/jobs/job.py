"""A job of a dashboard: its log, its end, and the commands by which it is looked at from this shell."""

import asyncio
import re
import shlex
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reeltune.cluster.jobs.dashboard import connect, dashboard_url
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

PREFIX = "reeltune-"
STOP_SECONDS = 60.0  # for a stopped job to end: a search keeps what it has first, and Ray kills it after 30 s


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job on a cluster: just submitted, or (without `started`) one of this name that was there already."""

    client: "JobSubmissionClient"
    address: str
    id: str
    started: bool = False
    again: bool = False  # an earlier one of this name had ended
    ended: bool = False  # it is done, and nothing is left to do

    @property
    def how_to_stop(self) -> str:
        return self._command("stop")

    @property
    def how_to_follow(self) -> str:
        return self._command("logs")

    def _command(self, action: str) -> str:
        return f"{program()} jobs {action} {self.id.removeprefix(PREFIX)} --address {self.address}"


def program() -> str:
    """How this program is called in this shell: `reeltune`, or by its path if that is not on the shell's."""
    if shutil.which("reeltune"):
        return "reeltune"
    return f"{shlex.quote(sys.executable)} -m reeltune" if sys.argv[0].endswith(".py") else shlex.quote(sys.argv[0])


def attempts(client: "JobSubmissionClient", name: str) -> list["JobDetails"]:
    """The jobs of this name, the first attempt first."""
    pattern = re.compile(rf"{PREFIX}{re.escape(name)}(?::(\d+))?")
    found = [(match, job) for job in client.list_jobs() if (match := pattern.fullmatch(job.submission_id or ""))]
    return [job for _, job in sorted(found, key=lambda pair: int(pair[0][1] or 1))]


def all_jobs(address: str | None) -> list["JobDetails"]:
    """Every job of the dashboard, the oldest first. Raises InputError if there is no dashboard."""
    jobs = connect(dashboard_url(address)).list_jobs()
    return sorted((job for job in jobs if job.submission_id is not None), key=lambda job: job.start_time or 0)


def find(name: str, address: str | None) -> Job:
    """The last job of this name, or the one of this id. Raises InputError if there is none."""
    url = dashboard_url(address)
    client = connect(url)
    known = [job.submission_id for job in client.list_jobs() if job.submission_id is not None]
    tries = [str(job.submission_id) for job in attempts(client, name.removeprefix(PREFIX))]
    chosen = next(reversed([*(each for each in known if each == name), *tries]), None)
    if chosen is None:
        there = ", ".join(each.removeprefix(PREFIX) for each in known) or "none"
        raise InputError(f"jobs: no job {name!r} at {url}; there are {there}")
    return Job(client=client, address=url, id=chosen)


def stop(job: Job) -> "JobDetails":
    """Tell a job to end, and wait until it has."""
    job.client.stop_job(job.id)
    end = time.monotonic() + STOP_SECONDS
    while not (details := job.client.get_job_info(job.id)).status.is_terminal() and time.monotonic() < end:
        time.sleep(0.5)
    return details


def follow(job: Job) -> "JobDetails":
    """Print the job's log (its standard output and error in one) on standard error until the job ends."""
    import aiohttp

    log = _Log()
    while True:
        # A broken connection does not mean that the job has ended: ask for its status, then go on with the log.
        with suppress(RuntimeError, aiohttp.ClientError):
            asyncio.run(log.tail(job))
        details = job.client.get_job_info(job.id)
        if details.status.is_terminal():
            return details
        time.sleep(1)


class _Log:
    """Counts the printed characters of a job's log: after a broken connection, Ray sends it from the beginning."""

    def __init__(self) -> None:
        self.printed = 0

    async def tail(self, job: Job) -> None:
        position = 0
        async for text in job.client.tail_job_logs(job.id):
            print(text[max(0, self.printed - position) :], end="", file=sys.stderr, flush=True)
            position += len(text)
            self.printed = max(self.printed, position)


def exit_code(details: "JobDetails") -> int:
    """The job's own exit code; 1 if it could not run, 143 if it was stopped."""
    if details.status == "SUCCEEDED":
        return 0
    if details.status == "STOPPED":
        return 143
    code = details.driver_exit_code
    if code is None:
        return 1
    return code if code >= 0 else 128 - code
