"""`reeltune submit -- VERB ...`: runs the verb as a Ray job."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reeltune.cluster.cli import options as opt

if TYPE_CHECKING:
    from reeltune.cluster.jobs.job import Job

WHERE = "in the folder in which Ray was started on the head node"


def submit(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="-- VERB ...", help="The command to run, after --.")
    ] = None,
    address: opt.Dashboard = None,
    name: Annotated[str | None, typer.Option(help="The name of the job and its run. [default: a timestamp]")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show the log and wait for the job's end.")] = True,
    install: Annotated[
        bool, typer.Option("--install/--no-install", help="Install with pip what the cluster lacks, for this job.")
    ] = False,
    as_json: opt.Json = False,
) -> int:
    """Run a command as a job on a Ray cluster. A job of this name that is running is followed, not started twice.

    If an earlier job of this name has ended, its run goes on; if that run is finished, its log is shown again. It is
    finished for the same command and the same files to send, without --time. The job's log, with its standard output
    and error, goes to standard error; the exit code is the job's. Results are in the command's --storage; without one
    they are in runs/NAME, in the folder in which Ray was started on the head node.
    """
    from reeltune.cluster.cli.job_command import job_command
    from reeltune.cluster.jobs.submit import submit as start

    command = job_command(context.find_root().command, words or [], name)
    job = start(command, address=address, install=install)
    results = command.results
    where = f"{results}{'' if command.shared else f' {WHERE}'}"
    print(f"{_said(job)}{f'; results in {where}' if results else ''}", file=sys.stderr)
    status, code, exit_code = followed(job) if wait or job.ended else ("SUBMITTED", None, 0)
    if job.ended:
        print(f"{job.id} was finished before, and nothing was started; {command.more}", file=sys.stderr)
    elif code == 2 and job.again:
        print(
            f"a job of this name had ended, so submit asked its run to go on (--resume); {command.more}",
            file=sys.stderr,
        )
    if as_json:
        from reeltune.cluster.cli import output as show

        asked = {"submission_id": job.id, "name": command.name, "address": job.address, "started": job.started}
        show.print_json({**asked, "results": results, "status": status, "exit_code": code})
    elif not (wait or job.ended):
        print(f"{job.id}\nfollow: {job.how_to_follow}\nstop: {job.how_to_stop}")
    return exit_code


def _said(job: "Job") -> str:
    if job.started:
        return f"submitted {job.id}"
    return f"{job.id} is {'finished' if job.ended else 'on its way'} already; nothing was started"


def followed(job: "Job") -> tuple[str, int | None, int]:
    """The job's status and exit code, and this command's exit code, which differs if it stopped following."""
    from reeltune.cluster.jobs.job import exit_code, follow

    try:
        details = follow(job)
    except KeyboardInterrupt:
        print(f"the job goes on; follow: {job.how_to_follow}; stop: {job.how_to_stop}", file=sys.stderr)
        return "UNKNOWN", None, 130
    except (OSError, RuntimeError):
        print(f"error: {job.address} does not answer any more; ask later: {job.how_to_follow}", file=sys.stderr)
        return "UNKNOWN", None, 1
    code = exit_code(details)
    if details.status != "SUCCEEDED" and details.driver_exit_code is None:
        print(f"error: {job.id} {details.status}: {details.message}", file=sys.stderr)
    return str(details.status.value), code, code
