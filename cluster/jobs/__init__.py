"""The same command elsewhere: as a Ray job, or on a cluster's head node through Ray's client.

- `command.py`: a command as a job runs it
- `package.py`: what a job is sent
- `submit.py`: starts a job, and follows its log
- `client.py`: `--address ray://`: runs a command on the head node
"""
