"""When a command has been done by an earlier job: the same words and files, and no limit of time that cut it."""

from dataclasses import replace

import pytest
from ray.job_submission import JobDetails, JobStatus, JobType

from reeltune.cluster.jobs.command import JobCommand
from reeltune.cluster.jobs.submit import SENT, _has_done


@pytest.fixture
def command(tmp_path):
    (tmp_path / "narrow.toml").write_text("[pmf]\n")
    return JobCommand(
        name="one", entrypoint="tune", files=(tmp_path / "narrow.toml",), results="runs/one", shared=False
    )


def job_of(command):
    """Such a job, that has ended well."""
    metadata = {SENT: command.files_hash}
    return JobDetails(
        type=JobType.SUBMISSION, entrypoint=command.entrypoint, status=JobStatus.SUCCEEDED, metadata=metadata
    )


def test_a_job_has_done_the_same_command_with_the_same_files(command):
    done = job_of(command)
    assert _has_done(done, command)
    assert not _has_done(done, replace(command, entrypoint="tune --seed 2"))
    command.files[0].write_text("[pmf]\nepochs = 3\n")
    assert not _has_done(done, command)
    assert _has_done(job_of(command), command)


def test_a_search_with_a_limit_of_time_goes_on(command):
    timed = replace(command, timed=True)
    assert not _has_done(job_of(timed), timed)
