"""`reeltune jobs`: the jobs of a cluster, as `submit` has started them."""

import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from reeltune.cluster.api.checks import one_of
from reeltune.cluster.cli import options as opt
from reeltune.cluster.cli.submit import followed
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

    from reeltune.cluster.jobs.job import Job

ACTIONS = ("list", "status", "logs", "stop")
LONGEST = 90  # characters of a command in the list


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """What is said of a job, in the table and with `--json`."""

    name: str
    submission_id: str | None
    status: str
    exit_code: int | None  # None: it runs, or was lost
    seconds: int | None  # None: it has not begun
    command: str


def jobs(
    action: Annotated[str, typer.Argument(help="list, status, logs (until the job's end) or stop.")] = "list",
    name: Annotated[
        str | None, typer.Argument(help="The job's name; its last attempt, unless NAME:2 says which.")
    ] = None,
    address: opt.Dashboard = None,
    as_json: opt.Json = False,
) -> int:
    """List the jobs of a cluster, or look at one, follow its log, or stop it. A stopped search keeps what it has."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.jobs.job import all_jobs, find, stop

    one_of("jobs", action, ACTIONS)
    if (action == "list") != (name is None):
        raise InputError(f"jobs {action}: {'takes no name' if name else 'name the job: reeltune jobs lists them'}")
    if name is None:
        found = [_facts(each) for each in all_jobs(address)]
        show.print_json({"jobs": [asdict(each) for each in found]}) if as_json else _listed(found)
        return 0
    job = find(name, address)
    if action == "logs":
        status, code, exit_code = followed(job)
        if as_json:
            show.print_json({"submission_id": job.id, "status": status, "exit_code": code})
        return exit_code
    details = stop(job) if action == "stop" else job.client.get_job_info(job.id)
    facts = _facts(details)
    show.print_json(asdict(facts)) if as_json else _described(facts, job)
    return 0


def _facts(details: "JobDetails") -> JobFacts:
    end = details.end_time or time.time() * 1000
    return JobFacts(
        name=str(details.submission_id).removeprefix("reeltune-"),
        submission_id=details.submission_id,
        status=str(details.status.value),
        exit_code=details.driver_exit_code,
        seconds=None if details.start_time is None else round((end - details.start_time) / 1000),
        command=details.entrypoint.rpartition("python -P -m ")[2],
    )


def _listed(found: list[JobFacts]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from reeltune.cluster.cli import output as show

    if not found:
        print("no jobs", file=sys.stderr)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("job", "status", "exit code", "seconds", "command"):
        table.add_column(heading, justify="right" if heading in ("exit code", "seconds") else "left")
    for each in found:
        short = each.command if len(each.command) <= LONGEST else f"{each.command[: LONGEST - 1]}…"
        cells = (each.name, each.status, each.exit_code, each.seconds)
        table.add_row(*("" if cell is None else str(cell) for cell in cells), short)
    show.print_table(table)


def _described(facts: JobFacts, job: "Job") -> None:
    code = "" if facts.exit_code is None else f", exit code {facts.exit_code}"
    ran = "" if facts.seconds is None else f", {facts.seconds} s"
    print(f"{facts.name}: {facts.status}{code}{ran}\n{facts.command}\nlog: {job.how_to_follow}")
    if facts.status in ("PENDING", "RUNNING"):
        print(f"stop: {job.how_to_stop}")
