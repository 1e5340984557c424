"""`submit`: starts a verb as a Ray job, with Ray's job client, which also sends Ray's token."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltune.cluster.jobs.command import JobCommand
from reeltune.cluster.jobs.dashboard import connect, dashboard_url, first_line
from reeltune.cluster.jobs.job import PREFIX, Job, attempts, exit_code
from reeltune.cluster.jobs.package import requirements, stage
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

INSTALL_SECONDS = 1800  # limit of pip's installation: torch alone is gigabytes
SENT = "reeltune_files"  # in a job's metadata: the hash of the files that it was sent
DONE = (0, 3)  # exit codes of a run that is finished; 3: an architecture has no verdict


def submit(command: JobCommand, *, address: str | None, install: bool) -> Job:
    """Start the job, unless one of this name is waiting or running, or has done this very thing.

    Raises InputError if no cluster takes it.
    """
    url = dashboard_url(address)
    client = connect(url)
    from reeltune.cluster.session.ray_private import JOB_ENVIRONMENT  # `connect` has loaded it

    with tempfile.TemporaryDirectory() as folder:
        environment: dict[str, Any] = {
            "py_modules": stage(Path(folder), command.files),
            "env_vars": dict(JOB_ENVIRONMENT),
        }
        if install:
            environment["pip"] = {"packages": requirements(), "pip_check": False}
            environment["config"] = {"setup_timeout_seconds": INSTALL_SECONDS}
        while True:
            earlier = attempts(client, command.name)
            for job in earlier:
                if not job.status.is_terminal():
                    return Job(client=client, address=url, id=str(job.submission_id))
            if earlier and _has_done(earlier[-1], command):
                return Job(client=client, address=url, id=str(earlier[-1].submission_id), ended=True)
            wanted = f"{PREFIX}{command.name}{f':{len(earlier) + 1}' if earlier else ''}"
            try:
                client.submit_job(
                    entrypoint=command.entrypoint,
                    submission_id=wanted,
                    runtime_env=environment,
                    metadata={SENT: command.files_hash},
                )
            except RuntimeError as error:
                if "already exists" not in str(error):
                    raise InputError(f"--address {url}: the cluster refused the job: {first_line(error)}") from None
                continue  # somebody has just submitted the same name: follow that job
            return Job(client=client, address=url, id=wanted, started=True, again=bool(earlier))


def _has_done(job: "JobDetails", command: JobCommand) -> bool:
    """Whether this job has finished the very run that the command asks for.

    Never with a `--time`: a search that was cut off by it ends well too, and may go on.
    """
    files = (job.metadata or {}).get(SENT, "")
    same = command.results is not None and (job.entrypoint, files) == (command.entrypoint, command.files_hash)
    return same and not command.timed and job.status != "STOPPED" and exit_code(job) in DONE
