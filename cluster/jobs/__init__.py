"""Runs a command elsewhere: as a Ray job, or on a cluster's head node through Ray's client.

- `command.py`: the command that a job runs
- `package.py`: the code and files that a job takes along
- `submit.py`: starts a job
- `job.py`: a job's log and its end, and the commands that look at it
- `dashboard.py`: the way to a cluster's dashboard, which takes jobs
- `client.py`: `--address ray://`: runs a command on the head node
"""
