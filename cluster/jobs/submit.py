"""`submit`: starts a verb as a Ray job, with Ray's job client, which also sends Ray's token."""

import asyncio
import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from reeltune.cluster.jobs.command import JobCommand
from reeltune.cluster.jobs.package import requirements, stage
from reeltune.cluster.session.ways_in import TOKEN
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
INSTALL_SECONDS = 1800  # limit of pip's installation: torch alone is gigabytes


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job on a cluster: just submitted, or (without `started`) one of this name that was there already."""

    client: "JobSubmissionClient"
    address: str
    id: str
    started: bool

    @property
    def how_to_stop(self) -> str:
        return f"ray job stop {self.id} --address {self.address}"

    @property
    def how_to_follow(self) -> str:
        return f"ray job logs {self.id} --follow --address {self.address}"


def submit(command: JobCommand, *, address: str | None, install: bool) -> Job:
    """Start the job, unless one of this name is waiting or running. Raises InputError if no cluster takes it."""
    url = _url(address)
    client = _connect(url)
    pattern = re.compile(rf"reeltune-{re.escape(command.name)}(?::\d+)?")
    with tempfile.TemporaryDirectory() as folder:
        environment: dict[str, Any] = {"py_modules": stage(Path(folder), command.files)}
        if install:
            environment["pip"] = {"packages": requirements(), "pip_check": False}
            environment["config"] = {"setup_timeout_seconds": INSTALL_SECONDS}
        while True:
            known = {job.submission_id: job.status for job in client.list_jobs() if job.submission_id is not None}
            earlier = [name for name in known if pattern.fullmatch(name)]
            for name in earlier:
                if not known[name].is_terminal():
                    return Job(client=client, address=url, id=name, started=False)
            attempt = f":{len(earlier) + 1}" if earlier else ""
            wanted = f"reeltune-{command.name}{attempt}"
            try:
                client.submit_job(entrypoint=command.entrypoint, submission_id=wanted, runtime_env=environment)
            except RuntimeError as error:
                if "already exists" not in str(error):
                    raise InputError(f"--address {url}: the cluster refused the job: {_first_line(error)}") from None
                continue  # somebody has just submitted the same name: follow that job
            return Job(client=client, address=url, id=wanted, started=True)


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


def _url(address: str | None) -> str:
    """The dashboard's URL: the given one, else from Ray's variables, else on this machine. Raises InputError."""
    if address is None:
        known = [os.environ.get(variable, "") for variable in VARIABLES]
        address = next((value for value in known if value.startswith("http")), DEFAULT_ADDRESS)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"--address {address!r}: expected the cluster's dashboard, such as http://head:8265")
    return address.rstrip("/")


def _connect(url: str) -> "JobSubmissionClient":
    if find_spec("aiohttp") is None:
        raise InputError("submit: needs Ray's job client, which is not installed: pip install 'reeltune[cluster]'")
    token = _asks_for_token(url)
    from ray.exceptions import AuthenticationError

    from reeltune.cluster.session.ray_private import job_client

    try:
        return job_client(url, token=token)
    except AuthenticationError:
        raise InputError(f"--address {url}: the cluster did not take the token; {TOKEN}") from None
    except (OSError, RuntimeError, LookupError) as error:
        raise InputError(f"--address {url}: no Ray dashboard there ({_first_line(error)})") from None


def _asks_for_token(url: str) -> bool:
    """Whether the cluster requires Ray's token. Raises InputError if none answers in 5 s; Ray's client would wait."""
    try:
        urlopen(f"{url}/api/version", timeout=5).close()
    except HTTPError as error:
        return error.code == 401
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f"--address {url}: no Ray cluster there ({_first_line(error)})") from None
    return False


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
